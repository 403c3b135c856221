r"""The second virial coefficient, classical and with quantum corrections."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.observables.base import Observable
from bayesff.observables.quadrature import gauss_panels, integrate, radial_rule
from bayesff.potentials.base import PairPotential, require_integrable, traced
from bayesff.potentials.truncation import Truncation
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, HBAR_SQUARED_OVER_MASS

# exp(-700) is zero for every purpose and exp(300) can be squared: energies outside are cut, so that 0 * inf never arises.
LARGEST_EXPONENT = 700.0
SMALLEST_EXPONENT = -300.0
NO_DIGITS = 1e3


def _optional_float(value: ArrayLike | None) -> Array | None:
    return None if value is None else jnp.asarray(value, dtype=jnp.result_type(float))


class SecondVirial(Observable):
    r"""The second virial coefficient :math:`B_2(T)` [cm^3/mol] of a gas of one kind of atom.

    .. math::

        B_2 = -2\pi N_A \int_0^\infty (e^{-\beta u} - 1) r^2 \mathrm{d}r
        + \frac{2\pi N_A \hbar^2\beta^3}{12 m} \int_0^\infty e^{-\beta u} u'^2 r^2 \mathrm{d}r
        - \frac{2\pi N_A \hbar^4\beta^4}{120 m^2} \int_0^\infty e^{-\beta u} \Big[u''^2 + \frac{2u'^2}{r^2}
        + \frac{10 \beta u'^3}{9 r} - \frac{5\beta^2 u'^4}{36}\Big] r^2 \mathrm{d}r

    The second and third term are the first and second Wigner-Kirkwood correction; ``m`` is the mass of one atom. The
    series is asymptotic: it is of use where the corrections fall with the order, for argon above about 80 K, and it
    does not exist for a potential with a discontinuity.

    A truncation with a tail has what lies beyond its cutoff added to first order. In a uniform fluid the tail is an energy
    :math:`U_\mathrm{tail}/N = 2\pi\rho\int r^2\,\Delta U\,\mathrm{d}r` per particle and no entropy; the free energy of a gas
    begins with :math:`A/(N k_\mathrm{B} T) = B_2\rho`, so

    .. math:: B_2^\mathrm{tail} = 2\pi\beta N_A \int_0^\infty r^2\,\Delta U\,\mathrm{d}r

    with :math:`\Delta U` the energy that was cut off. What a plain cut leaves out of the full :math:`B_2` is then
    :math:`-\pi\beta^2 N_A\int_{r_c}^\infty r^2 U^2\,\mathrm{d}r` and of higher order. Higher virial coefficients have no such
    term, because the energy of the tail is linear in the density.

    The numerical error is that of the quadrature; many temperatures
    that are known numbers (not traced) are interpolated in the logarithm of the temperature, to rounding, and the
    interpolation's error is added.

    Parameters
    ----------
    quantum_order
        Number of Wigner-Kirkwood corrections: 0 (classical), 1 or 2.
    molar_mass
        Molar mass of the atom [g/mol]; needed from the first correction on.

    References
    ----------
    J. O. Hirschfelder, C. F. Curtiss, R. B. Bird, Molecular Theory of Gases and Liquids, Wiley, 1954, section 6.5

    Example
    -------
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials import LennardJones
    >>> prediction = SecondVirial().predict(LennardJones(epsilon=0.996, sigma=3.405), {"temperature": 300.0})
    >>> round(float(prediction.mean[0]), 2)
    -15.46
    """

    quantity: ClassVar[str] = "second_virial"
    quantum_order: int = eqx.field(static=True, default=0)
    molar_mass: Float[Array, ""] | None = eqx.field(default=None, converter=_optional_float)

    def __check_init__(self) -> None:
        if self.quantum_order not in (0, 1, 2):
            raise ParameterError(f"SecondVirial: quantum_order must be 0, 1 or 2, found {self.quantum_order!r}")
        if self.quantum_order and self.molar_mass is None:
            raise ParameterError(
                f"SecondVirial: quantum_order {self.quantum_order} needs the mass of the atom: give molar_mass in g/mol"
            )
        if self.molar_mass is None or traced(self.molar_mass):
            return
        if not bool(jnp.all((self.molar_mass > 0) & jnp.isfinite(self.molar_mass))):
            raise ParameterError(f"SecondVirial: molar_mass must be finite and greater than zero, found {self.molar_mass} g/mol")

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        temperature = state["temperature"]
        plan = None if isinstance(temperature, Tracer) else _plan(np.asarray(temperature).tobytes())
        if plan is None:
            return self.integrate(potential, *self.integrand(potential, temperature))
        values, errors = self.integrate(potential, *self.integrand(potential, jnp.asarray(plan.nodes)))
        known = jax.lax.stop_gradient(values)
        missed = jnp.sum(jnp.abs(jnp.asarray(plan.last_coefficients) @ known)) + 8 * jnp.finfo(known.dtype).eps * jnp.max(
            jnp.abs(known)
        )
        return jnp.asarray(plan.cardinals) @ values, jnp.maximum(errors[plan.colder], errors[plan.colder + 1]) + missed

    def integrand(
        self, potential: PairPotential, temperature: Float[Array, " datum"]
    ) -> tuple[Float[Array, "datum panel node"], Float[Array, "panel node"]]:
        """Return the Mayer function with its corrections at the nodes of a rule, and the weights of the rule.

        Linear operations in the temperature, a derivative for example, may be done on the values before `integrate`. The last
        panel holds the tail of a truncation that has one, as a constant.

        Raises
        ------
        ParameterError
            If the potential is `long_ranged`.
        """
        require_integrable(potential, "SecondVirial")
        rule = radial_rule(potential.breakpoints())
        energy = bounded(jax.vmap(jax.vmap(potential.pair_energy))(rule.nodes), temperature)
        beta = (1 / (GAS_CONSTANT * temperature))[:, None, None]
        mayer = jnp.expm1(-beta * energy)
        if self.quantum_order:
            mayer = mayer - self._correction(potential, rule.nodes, beta, mayer + 1, temperature)
        if not _has_tail(potential):
            return mayer, rule.weights
        _, weights = gauss_panels((0.0, 1.0), rule.weights.shape[1])
        left_out = potential.tail_energy(1.0) / (2 * jnp.pi)
        tail = jnp.broadcast_to(-beta * left_out, (len(beta), *weights.shape))
        return jnp.concatenate([mayer, tail], axis=1), jnp.concatenate([rule.weights, jnp.asarray(weights)])

    def integrate(
        self, potential: PairPotential, values: Float[Array, "datum panel node"], weights: Float[Array, "panel node"]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        """Return the virial coefficient of an `integrand` and its numerical error [cm^3/mol]."""
        unit = 2 * jnp.pi * CUBIC_ANGSTROM_PER_MOLE
        integral, error = integrate(values, weights)
        if self.quantum_order:
            # A jump in a traced potential cannot raise: the correction does not exist, and no digit of the result is claimed.
            size, _ = integrate(jax.lax.stop_gradient(jnp.abs(values)), weights)
            error = jnp.where(_has_jump(potential, self.quantum_order), NO_DIGITS * size, error)
        return -unit * integral, unit * error

    def _correction(
        self, potential: PairPotential, nodes: Array, beta: Array, boltzmann: Array, temperature: Array
    ) -> Float[Array, "datum panel node"]:
        """Return the Wigner-Kirkwood terms, to be taken from the Mayer function."""
        assert self.molar_mass is not None
        # Where the Boltzmann factor is zero, powers of the derivatives overflow: take them at a harmless distance instead.
        reached = _reached(potential, nodes, temperature)
        safe = jnp.where(reached, nodes, potential.breakpoints()[0])
        slope_of = jax.grad(lambda r: potential.pair_energy(r))
        slope = jnp.where(reached, jax.vmap(jax.vmap(slope_of))(safe), 0.0)
        wavelength = HBAR_SQUARED_OVER_MASS / self.molar_mass
        correction = wavelength * beta**3 / 12 * slope**2
        if self.quantum_order == 2:
            curvature = jnp.where(reached, jax.vmap(jax.vmap(jax.grad(slope_of)))(safe), 0.0)
            bracket = curvature**2 + 2 * (slope / nodes) ** 2 + 10 * beta * slope**3 / (9 * nodes) - 5 * beta**2 * slope**4 / 36
            correction = correction - wavelength**2 * beta**4 / 120 * bracket
        return boltzmann * correction


class _Plan(NamedTuple):
    """Chebyshev interpolation in the logarithm of the temperature.

    ``nodes``, ``cardinals`` (values at the nodes to values between), ``last_coefficients`` (values at the nodes to the last two
    of the series), ``colder`` (which of the inner nodes is next below).
    """

    nodes: np.ndarray
    cardinals: np.ndarray
    last_coefficients: np.ndarray
    colder: np.ndarray


@lru_cache(maxsize=32)
def _plan(known: bytes) -> _Plan | None:
    """Plan an interpolation between fewer temperatures than are asked for, or return ``None`` where it would not pay.

    A virial coefficient is analytic in the logarithm of the temperature within a strip of half width pi/2, where its
    Boltzmann factors still vanish in the core: the number of nodes that reaches rounding grows with the range.
    """
    logarithm = np.log(np.frombuffer(known))
    low, span = logarithm.min(), np.ptp(logarithm)
    num_nodes = 12 + math.ceil(7.5 * span)
    # Over more than a factor of 30 the values differ by so much that rounding of the largest would drown the smallest.
    if 2 * num_nodes > logarithm.size or not 0 < span < 3.4:
        return None
    points = np.polynomial.chebyshev.chebpts1(num_nodes)
    # At these points the Chebyshev polynomials are orthogonal, and the inverse of their matrix is its scaled transpose.
    coefficients = np.polynomial.chebyshev.chebvander(points, num_nodes - 1).T * (2 / num_nodes)
    coefficients[0] /= 2
    cardinals = np.polynomial.chebyshev.chebvander(2 * (logarithm - low) / span - 1, num_nodes - 1) @ coefficients
    nodes = low + span * (points + 1) / 2
    colder = np.clip(np.searchsorted(nodes, logarithm) - 1, 0, num_nodes - 2)
    return _Plan(np.exp(nodes), cardinals, coefficients[-2:], colder)


def _has_tail(potential: PairPotential) -> bool:
    """Whether a truncation with a tail is in the potential."""
    parts = jax.tree_util.tree_leaves(potential, is_leaf=lambda part: isinstance(part, Truncation))
    return any(isinstance(part, Truncation) and part.tail for part in parts)


def bounded(energy: Float[Array, "*node"], temperature: Float[Array, " datum"]) -> Float[Array, "*node"]:
    """Cut energies [kJ/mol] beyond which every Boltzmann factor is zero, or is too large to be squared."""
    kt = jax.lax.stop_gradient(GAS_CONSTANT * temperature)
    ceiling, floor = LARGEST_EXPONENT * jnp.max(kt), SMALLEST_EXPONENT * jnp.min(kt)
    return jnp.where(energy < ceiling, jnp.where(energy > floor, energy, floor), ceiling)


def _reached(potential: PairPotential, nodes: Array, temperature: Array) -> Array:
    """Whether a node's energy leaves any Boltzmann factor above zero."""
    ceiling = LARGEST_EXPONENT * GAS_CONSTANT * jnp.max(temperature)
    return jax.lax.stop_gradient(jax.vmap(jax.vmap(potential.pair_energy))(nodes)) < ceiling


def _has_jump(potential: PairPotential, quantum_order: int) -> Array:
    """Whether the energy jumps at a breakpoint, or the force where its derivative is squared; raise where that can be seen."""
    potential = jax.lax.stop_gradient(potential)
    functions = [potential.pair_energy]
    if quantum_order == 2:
        functions.append(jax.grad(lambda r: potential.pair_energy(r)))
    jumps = []
    for function in functions:
        for edge in potential.breakpoints():
            value = jax.vmap(function)(edge * jnp.array([1 - 1e-3, 1 - 1e-9, 1 + 1e-9, 1 + 1e-3]))
            value = jnp.clip(jnp.nan_to_num(value), -1e6, 1e6)
            near, far = jnp.abs(value[2] - value[1]), jnp.abs(value[3] - value[0])
            jumps.append((near > 0.01 * far) & (near > 1e-8))
    found = jnp.any(jnp.stack(jumps))
    if not traced(found) and bool(found):
        what = "energy" if bool(jnp.any(jnp.stack(jumps[: len(potential.breakpoints())]))) else "force"
        raise ParameterError(
            f"SecondVirial: quantum_order {quantum_order} needs a potential whose {what} is continuous, and that of "
            f"{type(potential).__name__} jumps: use quantum_order {0 if what == 'energy' else 1}"
        )
    return found
