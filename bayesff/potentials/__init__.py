"""Potentials: energy as a function of geometry; the parameters are the fields."""

from bayesff.potentials.axilrod_teller import AxilrodTeller
from bayesff.potentials.base import PairPotential, Potential, parameter
from bayesff.potentials.combining import geometric, lorentz_berthelot
from bayesff.potentials.composition import ScaledPotential, SumPotential
from bayesff.potentials.exponential import Buckingham, Morse
from bayesff.potentials.feynman_hibbs import FeynmanHibbs
from bayesff.potentials.gaussian_process import GaussianProcessPair
from bayesff.potentials.lennard_jones import LennardJones
from bayesff.potentials.linear import Curve, LinearPair, WeightPosterior
from bayesff.potentials.mie import Mie
from bayesff.potentials.radial_basis import RadialBasisPair
from bayesff.potentials.square_well import HardSphere, SquareWell
from bayesff.potentials.tang_toennies import TangToennies
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
    "AxilrodTeller",
    "Buckingham",
    "Curve",
    "FeynmanHibbs",
    "ForceShiftedCut",
    "FourierTorsion",
    "GaussianProcessPair",
    "HardSphere",
    "LennardJones",
    "LinearPair",
    "Mie",
    "Morse",
    "OPLSTorsion",
    "PairPotential",
    "PeriodicTorsion",
    "PlainCut",
    "Potential",
    "RadialBasisPair",
    "RyckaertBellemans",
    "ScaledPotential",
    "ShiftedCut",
    "SquareWell",
    "SumPotential",
    "SwitchedCut",
    "TangToennies",
    "TorsionPotential",
    "Truncation",
    "WeightPosterior",
    "geometric",
    "lorentz_berthelot",
    "parameter",
    "torsion_from",
]
