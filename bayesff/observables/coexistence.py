r"""Observables of liquid and vapour in equilibrium.

The liquid is that of an equation of state, the vapour that of the virial expansion of the same potential up to the third
coefficient (see `bayesff.ensembles.coexistence`, which says what that leaves out and how surely). Near the critical point, above
about 0.95 times its temperature, both fail: the numerical error says so.
"""

from typing import ClassVar

from bayesff.ensembles import Estimate, Saturation
from bayesff.observables.liquid import Fluid, SaturationObservable


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
