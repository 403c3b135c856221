"""What averages of a fluid at a state there are, whatever knows them."""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from bayesff.errors import StateError


class Estimate(NamedTuple):
    r"""Averages with the covariance :math:`F F^T + \mathrm{diag}(v)` of their errors.

    Parameters
    ----------
    mean
        Averages.
    factor
        ``F``, one column a cause of error: a block of frames, a weight of an equation of state, a grid.
    variance
        ``v``, of errors that every average has for itself.
    """

    mean: Float[Array, " datum"]
    factor: Float[Array, "datum cause"]
    variance: Float[Array, " datum"]


class Averages(eqx.Module):
    """Averages of a fluid at a state; a subclass says which it knows, and all know energy and pressure."""

    source: ClassVar[str]

    @abstractmethod
    def energy(self) -> Estimate:
        """Return the potential energy per particle [kJ/mol], beyond the ideal gas's internal energy."""

    @abstractmethod
    def pressure(self) -> Estimate:
        """Return the pressure [MPa]."""

    def pair_distribution(self, separation: Float[np.ndarray, " datum"]) -> Estimate:
        """Return the pair distribution function at separations [angstrom]."""
        raise self._unknown("pair distribution function", "a Liquid or an IntegralEquationLiquid")

    def structure_factor(self, wavevector: Float[np.ndarray, " datum"]) -> Estimate:
        """Return the structure factor at wave vectors [1/angstrom]."""
        raise self._unknown("structure factor", "a Liquid, a ScatteringLiquid or an IntegralEquationLiquid")

    def compressibility(self) -> Estimate:
        """Return the isothermal compressibility [1/MPa]."""
        raise self._unknown("isothermal compressibility", "a MieLiquid or an IntegralEquationLiquid")

    def heat_capacity(self) -> Estimate:
        """Return the isochoric heat capacity beyond that of the ideal gas [J/mol/K]."""
        raise self._unknown("heat capacity", "a MieLiquid")

    def chemical_potential(self) -> Estimate:
        """Return the chemical potential beyond that of the ideal gas at the same density [kJ/mol]."""
        raise self._unknown("chemical potential", "a MieLiquid")

    def _unknown(self, quantity: str, liquids: str) -> StateError:
        return StateError(
            f"{quantity}: it must follow from what the liquid is known by, found {self.source}: give the term {liquids}"
        )
