"""Potentials: energy as a function of geometry; the parameters are the fields."""

from bayesff.potentials.base import PairPotential, Potential, parameter
from bayesff.potentials.lennard_jones import LennardJones

__all__ = ["LennardJones", "PairPotential", "Potential", "parameter"]
