"""Ensembles: reference simulations kept as sufficient statistics, and what they say about other potentials and states."""

from bayesff.ensembles.averages import Averages, Estimate
from bayesff.ensembles.closures import Closure, HypernettedChain, PercusYevick, RogersYoung
from bayesff.ensembles.coexistence import Saturation, Virial, VirialGas, saturation
from bayesff.ensembles.correlation import equilibrated, statistical_inefficiency
from bayesff.ensembles.equation_of_state import EquationAverages, EquationOfState
from bayesff.ensembles.finite_number import finite_number
from bayesff.ensembles.insertion import insertion
from bayesff.ensembles.integral_equations import ClosureAverages, IntegralEquation
from bayesff.ensembles.isobaric import IsobaricFluid, IsobaricTrajectory, Mean
from bayesff.ensembles.isotherm import MieFluid
from bayesff.ensembles.mbar import MBAR
from bayesff.ensembles.mie_structure import MieStructure, StructureAverages
from bayesff.ensembles.openmm_fluid import OpenMMFluid
from bayesff.ensembles.pair_fluid import PairFluid, Phase, Trajectory
from bayesff.ensembles.pair_statistics import PairGrid, minimum_image, pair_distances
from bayesff.ensembles.pair_values import PairValues
from bayesff.ensembles.references import FiniteNumber, PairAverages, PairEnsemble, References
from bayesff.ensembles.simulation import Simulation
from bayesff.ensembles.store import EnsembleStore, load_ensemble, save_ensemble, shipped_folder
from bayesff.ensembles.structure import LongRange
from bayesff.ensembles.triplets import triple_dipole_sum

__all__ = [
    "MBAR",
    "Averages",
    "Closure",
    "ClosureAverages",
    "EnsembleStore",
    "EquationAverages",
    "EquationOfState",
    "Estimate",
    "FiniteNumber",
    "HypernettedChain",
    "IntegralEquation",
    "IsobaricFluid",
    "IsobaricTrajectory",
    "LongRange",
    "Mean",
    "MieFluid",
    "MieStructure",
    "OpenMMFluid",
    "PairAverages",
    "PairEnsemble",
    "PairFluid",
    "PairGrid",
    "PairValues",
    "PercusYevick",
    "Phase",
    "References",
    "RogersYoung",
    "Saturation",
    "Simulation",
    "StructureAverages",
    "Trajectory",
    "Virial",
    "VirialGas",
    "equilibrated",
    "finite_number",
    "insertion",
    "load_ensemble",
    "minimum_image",
    "pair_distances",
    "saturation",
    "save_ensemble",
    "shipped_folder",
    "statistical_inefficiency",
    "triple_dipole_sum",
]
