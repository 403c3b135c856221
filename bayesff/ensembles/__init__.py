"""Ensembles: reference simulations kept as sufficient statistics, and what they say about other potentials and states."""

from bayesff.ensembles.correlation import equilibrated, statistical_inefficiency
from bayesff.ensembles.mbar import MBAR
from bayesff.ensembles.pair_fluid import PairFluid, Phase, Trajectory
from bayesff.ensembles.pair_statistics import PairGrid, minimum_image, pair_distances
from bayesff.ensembles.references import Averages, PairEnsemble, References

__all__ = [
    "MBAR",
    "Averages",
    "PairEnsemble",
    "PairFluid",
    "PairGrid",
    "Phase",
    "References",
    "Trajectory",
    "equilibrated",
    "minimum_image",
    "pair_distances",
    "statistical_inefficiency",
]
