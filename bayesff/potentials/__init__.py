"""Potentials: energy as a function of geometry; the parameters are the fields."""

from bayesff.potentials.alkanes import (
    CYCLOHEXANE_BONDS,
    DECALIN_BONDS,
    alkane,
    all_atoms,
    chain_bonds,
    cyclohexane,
    decalin,
    opls_alkanes,
    united_atoms,
)
from bayesff.potentials.axilrod_teller import AxilrodTeller
from bayesff.potentials.base import PairPotential, Potential, parameter
from bayesff.potentials.clusters import ClusterPotential, PointCharges, SitePair
from bayesff.potentials.combining import geometric, lorentz_berthelot
from bayesff.potentials.composition import ConformalPotential, ScaledPotential, SumPotential
from bayesff.potentials.coulomb import Coulomb, SigmoidalCoulomb
from bayesff.potentials.exponential import BornMayer, Buckingham, Morse
from bayesff.potentials.factor_system import FactorSystem
from bayesff.potentials.feynman_hibbs import FeynmanHibbs
from bayesff.potentials.gaussian_process import GaussianProcessPair
from bayesff.potentials.lennard_jones import LennardJones
from bayesff.potentials.linear import Curve, LinearPair, WeightPosterior
from bayesff.potentials.mie import Mie
from bayesff.potentials.nonbonded import NonbondedForceField, NonbondedParts
from bayesff.potentials.one_four import AMBER_ONE_FOUR, CHARMM_ONE_FOUR, OPLS_ONE_FOUR, OneFourScaling
from bayesff.potentials.polarisation import InducibleDipoles, TholeExponential, TholeLinear, Undamped
from bayesff.potentials.radial_basis import RadialBasisPair
from bayesff.potentials.square_well import HardSphere, SquareWell
from bayesff.potentials.tang_toennies import TangToennies
from bayesff.potentials.topology import Conformations, Topology
from bayesff.potentials.torsions import (
    FourierTorsion,
    OPLSTorsion,
    PeriodicTorsion,
    RyckaertBellemans,
    TorsionPotential,
    torsion_from,
)
from bayesff.potentials.truncation import ForceShiftedCut, PlainCut, ShiftedCut, SwitchedCut, Truncation

__all__ = [
    "AMBER_ONE_FOUR",
    "CHARMM_ONE_FOUR",
    "CYCLOHEXANE_BONDS",
    "DECALIN_BONDS",
    "OPLS_ONE_FOUR",
    "AxilrodTeller",
    "BornMayer",
    "Buckingham",
    "ClusterPotential",
    "ConformalPotential",
    "Conformations",
    "Coulomb",
    "Curve",
    "FactorSystem",
    "FeynmanHibbs",
    "ForceShiftedCut",
    "FourierTorsion",
    "GaussianProcessPair",
    "HardSphere",
    "InducibleDipoles",
    "LennardJones",
    "LinearPair",
    "Mie",
    "Morse",
    "NonbondedForceField",
    "NonbondedParts",
    "OPLSTorsion",
    "OneFourScaling",
    "PairPotential",
    "PeriodicTorsion",
    "PlainCut",
    "PointCharges",
    "Potential",
    "RadialBasisPair",
    "RyckaertBellemans",
    "ScaledPotential",
    "ShiftedCut",
    "SigmoidalCoulomb",
    "SitePair",
    "SquareWell",
    "SumPotential",
    "SwitchedCut",
    "TangToennies",
    "TholeExponential",
    "TholeLinear",
    "Topology",
    "TorsionPotential",
    "Truncation",
    "Undamped",
    "WeightPosterior",
    "alkane",
    "all_atoms",
    "chain_bonds",
    "cyclohexane",
    "decalin",
    "geometric",
    "lorentz_berthelot",
    "opls_alkanes",
    "parameter",
    "torsion_from",
    "united_atoms",
]
