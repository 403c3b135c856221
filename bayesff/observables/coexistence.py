r"""Observables of a liquid at a given pressure, and of liquid and vapour in equilibrium.

The liquid is that of an equation of state, the vapour that of the virial expansion of the same potential up to the third
coefficient (see `bayesff.ensembles.coexistence`, which says what that leaves out and how surely). Near the critical point, above
about 0.95 times its temperature, both fail: the numerical error says so.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Float

from bayesff.covariance import Covariance
from bayesff.ensembles import Estimate, Saturation
from bayesff.errors import StateError
from bayesff.observables.fluids import Fluid, Known
from bayesff.observables.liquid import FluidObservable
from bayesff.potentials.base import PairPotential, traced


class LiquidDensity(FluidObservable):
    r"""The number density [1/angstrom^3] of a liquid at a temperature and a pressure.

    .. math:: p(\rho, T) = p

    solved on the branch of the liquid.

    Parameters
    ----------
    liquid
        The liquid, with an equation of state.
    """

    quantity: ClassVar[str] = "liquid_density"
    liquid: Fluid

    def evaluate_with(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> tuple[Float[Array, " datum"], Covariance]:
        if traced(state["temperature"], state["pressure"]):
            raise StateError(
                "LiquidDensity: temperature and pressure must be numbers, found values that JAX traces: close over them"
            )
        found = self.liquid.density(potential, np.asarray(state["temperature"]), np.asarray(state["pressure"]))
        return found.mean, Covariance(found.variance, found.factor, self.liquid.causes_of_equation()[: found.factor.shape[1]])


class SaturationObservable(FluidObservable):
    """An observable of liquid and vapour in equilibrium; a subclass says which."""

    @abstractmethod
    def estimate(self, found: Saturation) -> Estimate:
        """Return the observable at all temperatures."""

    def evaluate_with(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> tuple[Float[Array, " datum"], Covariance]:
        if traced(state["temperature"]):
            raise StateError(
                f"{type(self).__name__}: the temperature must be numbers, found values that JAX traces: close over them"
            )
        temperatures, rows = np.unique(np.asarray(state["temperature"]), return_inverse=True)
        place = (id(self.liquid), "saturation", *temperatures.tolist())
        if place not in known:
            known[place] = self.liquid.saturation(potential, temperatures)
        found = self.estimate(known[place])
        return found.mean[rows], Covariance(found.variance, found.factor, self.liquid.causes_of_equation())[rows]


class VapourPressure(SaturationObservable):
    r"""The vapour pressure [MPa] of a liquid at a temperature.

    Liquid and vapour have one chemical potential, so that it sees the free energy of the liquid: an error of 0.01 in
    :math:`A_\mathrm{res}/N k_B T` is one of 1 %.

    Parameters
    ----------
    liquid
        The liquid, with an equation of state.
    """

    quantity: ClassVar[str] = "vapour_pressure"
    liquid: Fluid

    def estimate(self, found: Saturation) -> Estimate:
        return found.vapour_pressure


class SaturatedLiquidDensity(SaturationObservable):
    """The number density [1/angstrom^3] of the liquid that is in equilibrium with its vapour.

    Parameters
    ----------
    liquid
        The liquid, with an equation of state.
    """

    quantity: ClassVar[str] = "saturated_liquid_density"
    liquid: Fluid

    def estimate(self, found: Saturation) -> Estimate:
        return found.liquid_density


class SaturatedVapourDensity(SaturationObservable):
    """The number density [1/angstrom^3] of the vapour that is in equilibrium with its liquid.

    Parameters
    ----------
    liquid
        The liquid, with an equation of state.
    """

    quantity: ClassVar[str] = "saturated_vapour_density"
    liquid: Fluid

    def estimate(self, found: Saturation) -> Estimate:
        return found.vapour_density


class EnthalpyOfVaporization(SaturationObservable):
    r"""The enthalpy of vaporisation [kJ/mol] of a liquid at its vapour pressure.

    .. math:: \Delta H = U_v - U_\ell + p\Big(\frac1{\rho_v} - \frac1{\rho_\ell}\Big)

    Parameters
    ----------
    liquid
        The liquid, with an equation of state.
    """

    quantity: ClassVar[str] = "enthalpy_of_vaporization"
    liquid: Fluid

    def estimate(self, found: Saturation) -> Estimate:
        return found.enthalpy
