"""Properties of a dilute gas that follow from the second virial coefficient and its slope."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from bayesff.errors import ParameterError, StateError
from bayesff.observables.base import Observable
from bayesff.observables.second_virial import SecondVirial
from bayesff.observables.third_virial import ThirdVirial
from bayesff.potentials.base import PairPotential, traced
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

MONATOMIC_HEAT_CAPACITY = 2.5e3 * GAS_CONSTANT
"""Isobaric heat capacity of an ideal monatomic gas, 5R/2 [J/mol/K]."""


class IsothermalCompressibility(Observable):
    r"""The isothermal compressibility :math:`\kappa_T` [1/MPa] of a dilute gas.

    .. math:: \kappa_T = \frac{1}{\rho R T\,(1 + 2 B_2 \rho + 3 B_3 \rho^2)}

    which follows from the virial series after the second coefficient, or after the third if ``third_virial`` is given, and is of
    use while what is left out, :math:`3 B_3\rho^2` or :math:`4 B_4\rho^3`, is small. The truncated series has a spinodal where
    the bracket is zero: below ``smallest_bracket`` it has nothing to say. With plain
    numbers that is a `StateError`; under ``jit``, where a sampler may come there on its way, :math:`1/x` goes on along
    its tangent, which is finite, positive, and as large as to be rejected. The numerical error is that of
    the virial coefficients.

    Parameters
    ----------
    second_virial
        How :math:`B_2` is computed: classically, if not given.
    third_virial
        How :math:`B_3` is computed; left out if not given.
    smallest_bracket
        Least value of the bracket at which the formula is used.

    References
    ----------
    E. A. Mason, T. H. Spurling, The Virial Equation of State, Pergamon, 1969
    """

    quantity: ClassVar[str] = "isothermal_compressibility"
    second_virial: SecondVirial = eqx.field(default_factory=SecondVirial)
    third_virial: ThirdVirial | None = None
    smallest_bracket: float = eqx.field(static=True, default=0.01)

    def __check_init__(self) -> None:
        if not 0 < self.smallest_bracket < 1:
            raise ParameterError(
                f"IsothermalCompressibility: smallest_bracket must lie between zero and one, found {self.smallest_bracket}"
            )

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        temperature, density = state["temperature"], state["density"]
        # Several densities at one temperature share its virial coefficients.
        known = None if isinstance(temperature, Tracer) else np.unique(temperature, return_inverse=True)
        at = {"temperature": temperature if known is None else jnp.asarray(known[0])}
        rows = slice(None) if known is None else known[1]
        virial, error = (part[rows] for part in self.second_virial.evaluate(potential, at))
        per_virial = 2 * density / CUBIC_ANGSTROM_PER_MOLE
        bracket, least, error = 1 + per_virial * virial, self.smallest_bracket, per_virial * error
        if self.third_virial is not None:
            third, third_error = (part[rows] for part in self.third_virial.evaluate(potential, at))
            per_third = 3 * (density / CUBIC_ANGSTROM_PER_MOLE) ** 2
            bracket, error = bracket + per_third * third, error + per_third * third_error
        self._check(bracket, temperature, density)
        used = jnp.maximum(bracket, least)
        inverse = 1 / used + (used - bracket) / least**2
        ideal = 1 / (density * GAS_CONSTANT * temperature * MPA_PER_INTERNAL_PRESSURE)
        return ideal * inverse, jax.lax.stop_gradient(ideal / used**2 * error)

    def _check(self, bracket: Array, temperature: Array, density: Array) -> None:
        if traced(bracket):
            return
        worst = int(jnp.argmin(bracket))
        if bracket[worst] < self.smallest_bracket:
            last, terms = ("B2", "1 + 2 B2 density") if self.third_virial is None else ("B3", "1 + 2 B2 density + 3 B3 density^2")
            raise StateError(
                f"IsothermalCompressibility: at temperature {temperature[worst]:.6g} K and density {density[worst]:.6g} "
                f"1/angstrom^3 the virial series after {last} is beyond its spinodal, {terms} must be at least "
                f"{self.smallest_bracket:g}, found {bracket[worst]:.4g}: use a lower density"
            )


class JouleThomson(Observable):
    r"""The Joule-Thomson coefficient at zero density [K/MPa].

    .. math:: \mu_\mathrm{JT}^0 = \frac{1}{C_p^0}\left(T\frac{\mathrm{d}B_2}{\mathrm{d}T} - B_2\right)

    The derivative is taken of the integrand of :math:`B_2`, quantum corrections included, so the numerical error is that of
    one quadrature. Positive below the inversion temperature, where a gas cools on expansion.

    Parameters
    ----------
    second_virial
        How :math:`B_2` is computed: classically, if not given.
    heat_capacity
        Isobaric heat capacity of the ideal gas [J/mol/K]; 5R/2, that of a monatomic gas, if not given.

    References
    ----------
    J. O. Hirschfelder, C. F. Curtiss, R. B. Bird, Molecular Theory of Gases and Liquids, Wiley, 1954, section 3.6
    """

    quantity: ClassVar[str] = "joule_thomson"
    second_virial: SecondVirial = eqx.field(default_factory=SecondVirial)
    heat_capacity: float = eqx.field(static=True, default=MONATOMIC_HEAT_CAPACITY)

    def __check_init__(self) -> None:
        if not 0 < self.heat_capacity < float("inf"):
            raise ParameterError(
                f"JouleThomson: heat_capacity must be finite and greater than zero, found {self.heat_capacity} J/mol/K"
            )

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        temperature = state["temperature"]

        def integrand(temperature: Array) -> tuple[Array, Array]:
            return self.second_virial.integrand(potential, temperature)

        (values, weights), (slope, _) = jax.jvp(integrand, (temperature,), (jnp.ones_like(temperature),))
        combined = temperature[:, None, None] * slope - values
        difference, error = self.second_virial.integrate(potential, combined, weights)
        return difference / self.heat_capacity, error / self.heat_capacity
