r"""Liquid and vapour in equilibrium, from an equation of state of the liquid and the virial expansion of the vapour.

At a temperature the densities of both follow from equal pressure and equal chemical potential,

.. math:: \rho_\ell Z_\ell = \rho_v Z_v, \qquad \ln\rho_\ell + f_\ell + Z_\ell - 1 = \ln\rho_v + f_v + Z_v - 1,

with the residual Helmholtz energy per particle :math:`f = A_\mathrm{res}/N k_B T` and the compressibility factor
:math:`Z = 1 + \partial f/\partial\ln\rho`. That of the vapour is

.. math:: f_v = B_2\rho + \tfrac12 B_3\rho^2 \pm \tfrac13 B_4\rho^3,

whose last term is not known: its size, a quarter of :math:`|B_2|^3`, is an error that the states at all temperatures have in
common. For Lennard-Jones :math:`B_4/|B_2|^3` is -0.23 at a temperature of 0.7, -0.16 at 0.8, -0.02 at 1.0 and 0.06 at 1.2 (in the
equation of state of Thol et al.), so that it is about right far below the critical point and cautious near to it.

References
----------
M. Thol, G. Rutkai, A. Köster, R. Lustig, R. Span, J. Vrabec, J. Phys. Chem. Ref. Data 45, 023101 (2016), doi:10.1063/1.4945000
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.ensembles.averages import Estimate
from bayesff.ensembles.equation_of_state import EquationOfState
from bayesff.ensembles.isotherm import LocalLiquid, MieFluid
from bayesff.errors import StateError
from bayesff.potentials.base import traced
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

_FOURTH = 0.25
"""Standard deviation of the fourth virial coefficient over the third power of the second."""

_STEPS, _ALTERNATE = 12, 6
"""Steps towards the solution, and how many of them are not Newton's."""

_SOLVED = 1e-6
"""Change of the logarithms of pressure and densities below which the equations are solved."""


class Virial(NamedTuple):
    """A virial coefficient at some temperatures, in powers of angstrom^3.

    Parameters
    ----------
    value
        The coefficient.
    slope
        Its derivative in the logarithm of the temperature.
    error
        Its numerical error.
    """

    value: Float[Array, " state"]
    slope: Float[Array, " state"]
    error: Float[Array, " state"]


class VirialGas(NamedTuple):
    """A gas by its second and third virial coefficients."""

    second: Virial
    third: Virial

    def reduced(self, density: Float[Array, ""], shift: "_Shift") -> tuple[Array, Array, Array]:
        r"""Return :math:`A_\mathrm{res}/N k_B T`, :math:`Z - 1` and :math:`U/N k_B T` of one state.

        The fourth coefficient changes with the temperature as the third power of the second does.
        """
        scale, fourth = 1 + shift.second, shift.fourth
        second, third = self.second.value * scale, self.third.value + shift.third
        slopes = self.second.slope * scale, self.third.slope, 3 * fourth * self.second.slope / self.second.value
        terms = density * second, density**2 * third, density**3 * fourth
        energy = -(density * slopes[0] + density**2 * slopes[1] / 2 + density**3 * slopes[2] / 3)
        return terms[0] + terms[1] / 2 + terms[2] / 3, terms[0] + terms[1] + terms[2], energy


class Saturation(eqx.Module):
    """Liquid and vapour in equilibrium at some temperatures, each error with its causes in the same order.

    The last cause of all is the fourth virial coefficient, those before are the causes of the equation of state.

    Parameters
    ----------
    vapour_pressure
        Vapour pressure [MPa].
    liquid_density, vapour_density
        Number densities [1/angstrom^3].
    enthalpy
        Enthalpy of vaporisation [kJ/mol].
    """

    vapour_pressure: Estimate
    liquid_density: Estimate
    vapour_density: Estimate
    enthalpy: Estimate


class _Shift(NamedTuple):
    """What errors change at one temperature: f, U/NkT and Z of the liquid; B2 (as a share of it), B3 and B4 of the vapour."""

    free: Array
    energy: Array
    excess: Array
    second: Array
    third: Array
    fourth: Array


def saturation(
    equation: EquationOfState, fluid: MieFluid, temperatures: Float[np.ndarray, " state"], gas: VirialGas
) -> Saturation:
    r"""Return liquid and vapour in equilibrium at some temperatures.

    .. math:: \Delta H = U_v - U_\ell + p\Big(\frac1{\rho_v} - \frac1{\rho_\ell}\Big)

    Parameters
    ----------
    equation
        Equation of state of the liquid.
    fluid
        The fluid.
    temperatures
        Temperatures [K].
    gas
        Virial coefficients of the same fluid at these temperatures, of its potential in full.

    Raises
    ------
    StateError
        If there is no equilibrium at a temperature; while JAX traces the error is as large as what is left unsolved.
    """
    thermal = GAS_CONSTANT * jnp.asarray(temperatures, float)
    lost = fluid.lost_pressure / thermal
    second = gas.second._replace(value=gas.second.value - lost, slope=gas.second.slope + lost)
    gas = gas._replace(second=second)
    found, factor, own, unsolved = _equilibria(equation, fluid, thermal, gas)
    if not traced(unsolved) and (bad := np.flatnonzero(~(np.asarray(unsolved) < _SOLVED))).size:
        at = bad[0]
        raise StateError(
            f"saturation: liquid and vapour must be in equilibrium, found no densities for it at {float(temperatures[at]):g} K, "
            f"{float(thermal[at] / fluid.epsilon):.3g} times the depth of the well: take temperatures below the critical one"
        )
    # Logarithms of pressure (over kT) and densities, and the enthalpy over kT.
    means = jnp.concatenate([jnp.exp(found[:, :3]), found[:, 3:]], axis=1)
    slopes = jnp.concatenate([means[:, :3], jnp.ones_like(found[:, 3:])], axis=1)
    unit = jnp.stack([thermal * MPA_PER_INTERNAL_PRESSURE, jnp.ones_like(thermal), jnp.ones_like(thermal), thermal], axis=1)
    variances = own + jnp.where(unsolved < _SOLVED, 0.0, unsolved**2)[:, None]
    estimates = (
        Estimate(
            means[:, one] * unit[:, one],
            factor[:, one] * (slopes * unit)[:, one, None],
            variances[:, one] * (slopes * unit)[:, one] ** 2,
        )
        for one in range(4)
    )
    return Saturation(*estimates)


def _off(logarithms: Float[Array, "2"], liquid: LocalLiquid, gas: VirialGas, shift: _Shift) -> Float[Array, "2"]:
    """Return by how much chemical potential and pressure of liquid and vapour differ at the logarithms of their densities."""
    dense, dilute = jnp.exp(logarithms)
    free, _, excess = liquid(logarithms[0])
    free_gas, excess_gas, _ = gas.reduced(dilute, shift)
    excess = excess + shift.excess
    potentials = logarithms[0] + free + shift.free + excess - (logarithms[1] + free_gas + excess_gas)
    return jnp.stack([potentials, dense / dilute * (1 + excess) - (1 + excess_gas)])


def _results(logarithms: Float[Array, "2"], liquid: LocalLiquid, gas: VirialGas, shift: _Shift) -> Float[Array, "4"]:
    """Return the logarithms of the pressure over the thermal energy and of the densities, and the enthalpy over it."""
    dense, dilute = jnp.exp(logarithms)
    energy = liquid(logarithms[0])[1] + shift.energy
    _, excess_gas, energy_gas = gas.reduced(dilute, shift)
    pressure = dilute * (1 + excess_gas)
    return jnp.stack([jnp.log(pressure), *logarithms, energy_gas - energy + pressure * (1 / dilute - 1 / dense)])


def _alternate(logarithms: Float[Array, "2"], liquid: LocalLiquid, gas: VirialGas) -> Float[Array, "2"]:
    """Return densities with the liquid nearer to the pressure of the vapour, and the vapour to its chemical potential.

    Other than Newton's steps these do not take the liquid beyond its limit of stability.
    """
    dense, dilute = jnp.exp(logarithms)
    free_gas, excess_gas, _ = gas.reduced(dilute, _Shift(*jnp.zeros(6)))
    step = liquid.step_to(dilute * (1 + excess_gas) / dense)
    free, _, excess = liquid(logarithms[0] + step)
    apart = logarithms[0] + step + free + excess - (logarithms[1] + free_gas + excess_gas)
    return logarithms + jnp.stack([step, jnp.clip(apart, -0.7, 0.7)])


def _first_guess(fluid: MieFluid, thermal: Float[Array, ""]) -> Float[Array, "2"]:
    """Return about what the logarithms of the densities are: those of Lennard-Jones at the same share of the critical point."""
    vapour = jnp.exp(3.13 - 6.55 * fluid.critical / 1.32 * fluid.epsilon / thermal) / fluid.sigma**3
    return jnp.log(jnp.stack([fluid.saturated_density(thermal), vapour]))


@eqx.filter_jit
def _equilibria(equation: EquationOfState, fluid: MieFluid, thermal: Float[Array, " state"], gas: VirialGas) -> tuple[Array, ...]:
    """Return `_equilibrium` at all temperatures."""
    return jax.vmap(lambda at, virials: _equilibrium(equation, fluid, at, virials))(thermal, gas)


def _equilibrium(
    equation: EquationOfState, fluid: MieFluid, thermal: Float[Array, ""], gas: VirialGas
) -> tuple[Float[Array, "4"], Float[Array, "4 cause"], Float[Array, "4"], Float[Array, ""]]:
    """Return `_results` in equilibrium, columns of their errors, their other variances, and what is left unsolved."""
    none = _Shift(*jnp.zeros(6))
    fixed_gas, isotherm = jax.lax.stop_gradient(gas), equation.isotherm(fluid, thermal)

    def newton(at: Array) -> Array:
        linear = isotherm.about(at[0])
        return -jnp.linalg.solve(jax.jacfwd(_off)(at, linear, fixed_gas, none), _off(at, linear, fixed_gas, none))

    def advance(step: Array, at: Array) -> Array:
        first = _alternate(at, isotherm.about(at[0]), fixed_gas)
        return jnp.where(step < _ALTERNATE, first, at + jnp.clip(newton(at), -0.3, 0.3))

    start = jax.lax.stop_gradient(_first_guess(fluid, thermal))
    solved = jax.lax.fori_loop(0, _STEPS, advance, start)
    solved = jax.lax.stop_gradient(jnp.where(jnp.all(jnp.abs(solved - start) < 3.0), solved, start))
    left = jax.lax.stop_gradient(jnp.max(jnp.abs(newton(solved))))
    unsolved = jnp.where((left < _SOLVED) & (solved[0] - solved[1] > 0.1), left, 1.0)

    # One more step has the derivatives of the solution.
    parts = equation.reduced(fluid, thermal, jnp.exp(solved[0]))
    liquid = isotherm.about(solved[0])._replace(values=jnp.stack([one.mean for one in parts]))
    slope = jax.lax.stop_gradient(jax.jacfwd(_off)(solved, liquid, gas, none))
    step = -jnp.linalg.solve(slope, _off(solved, liquid, gas, none))
    found = solved + jnp.where(unsolved < _SOLVED, step, 0.0)

    # What errors change there has derivatives as well, those of the slopes among them.
    def at(logarithm: Array) -> tuple[Array, list[Array]]:
        parts = equation.reduced(fluid, thermal, jnp.exp(logarithm))
        return jnp.stack([one.mean for one in parts]), [one.causes for one in parts]

    values, slopes, causes = jax.jvp(at, (found[0],), (jnp.ones_like(found[0]),), has_aux=True)
    liquid = LocalLiquid(found[0], values, slopes)
    slope = jnp.where(unsolved < _SOLVED, jax.jacfwd(_off)(found, liquid, gas, none), jnp.eye(2))

    def shifted(shift: _Shift) -> Array:
        moved = -jnp.linalg.solve(slope, _off(found, liquid, gas, shift) - _off(found, liquid, gas, none))
        return _results(found + jnp.where(unsolved < _SOLVED, moved, 0.0), liquid, gas, shift)

    along = jax.jacfwd(shifted)(none)
    of_equation = sum(jnp.outer(column, part) for column, part in zip(along[:3], causes, strict=True))
    second, third = gas
    of_fourth = along.fourth * _FOURTH * jnp.abs(second.value) ** 3
    own = (along.second * second.error / second.value) ** 2 + (along.third * third.error) ** 2
    return shifted(none), jnp.concatenate([of_equation, of_fourth[:, None]], axis=1), own, unsolved
