r"""Collision integrals of a pair potential, orbiting included, smooth in its parameters.

A pair that turns round at the distance :math:`r_\mathrm{m}` with the relative energy ``E`` is deflected by

.. math:: \chi = \pi - 2\sqrt{E - u(r_\mathrm{m})}\int_0^{\pi/2}\frac{\mathrm{d}\varphi}{\sqrt{E - g(\varphi)}}, \qquad
          g(\varphi) = \frac{u(r) - u(r_\mathrm{m})\cos^2\varphi}{\sin^2\varphi}, \quad r = \frac{r_\mathrm{m}}{\cos\varphi}.

With :math:`(r_\mathrm{m}, E)` as the variables of the double integral over impact parameter and energy there is no
turning point to search for, and ``g``, which alone holds the potential, does not depend on the energy: the potential is evaluated
at some thousand radii whatever the number of energies and temperatures. The pairs that do turn at :math:`r_\mathrm{m}` are those
with :math:`E > E_0(r_\mathrm{m}) = \max[u(r_\mathrm{m}), \max_\varphi g(\varphi), 0]`: below, a centrifugal barrier further
out has turned them. At :math:`E_0` a barrier makes them orbit, :math:`\chi\to-\infty` as a logarithm. The known cases are

- inside the zero of the energy: no barrier, :math:`E_0 = u(r_\mathrm{m})` is a head-on collision;
- between that zero and the largest radius of orbiting: a barrier further out, found for each :math:`r_\mathrm{m}`;
- beyond: the barrier is where the pair turns, :math:`E_0 = u + r u'/2`.

Each case is a panel of Gauss-Legendre nodes. The angles crowd where the barrier is and the energies crowd at :math:`E_0`. The
contact and :math:`E_0` move with the parameters to second order and all else is a change of variables, so first and second
derivatives converge as values do.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.observables.turning_points import LARGEST_EXPONENT, Landmarks, Turns, gauss, landmarks, turning_points
from bayesff.potentials.base import PairPotential, require_integrable
from bayesff.potentials.square_well import HardSphere, SquareWell
from bayesff.potentials.truncation import PlainCut
from bayesff.units import GAS_CONSTANT

_DISCONTINUOUS = (SquareWell, HardSphere, PlainCut)


def collision_integral(
    potential: PairPotential,
    temperature: Float[ArrayLike, "*datum"],
    l: int,  # noqa: E741  (the name that every table gives it)
    s: int,
    *,
    resolution: int = 24,
) -> Float[Array, "*datum"]:
    r"""Collision integral :math:`\sigma^2\Omega^{(l,s)*}(T)` [angstrom^2] of two equal particles.

    .. math::

        \sigma^2\Omega^{(l,s)*} = \frac{1}{(s+1)!\,(k_\mathrm{B}T)^{s+2}} \int_0^\infty e^{-E/k_\mathrm{B}T} E^{s+1}
        \frac{2\int_0^\infty (1-\cos^l\chi)\, b\, \mathrm{d}b}{1 - \frac{1+(-1)^l}{2(1+l)}} \mathrm{d}E

    It is the square of the diameter of the rigid spheres that have the same integral; divided by the square of the
    potential's length it is the reduced integral of the tables. Differentiable in the parameters and in the temperature.

    Parameters
    ----------
    potential
        The potential; continuous, and decaying faster than 1/r^2.
    temperature
        Temperatures [K].
    l, s
        The orders, from 1; viscosity needs (2, 2), diffusion (1, 1).
    resolution
        Number of quadrature nodes of the first panel, the others follow; 24 gives about 1e-6 over a decade of temperature.

    Returns
    -------
    The collision integral [angstrom^2] at every temperature.

    Raises
    ------
    ParameterError
        If the potential is discontinuous, or an order or the resolution is too small.

    References
    ----------
    S. U. Kim, C. W. Monroe, J. Comput. Phys. 273, 358 (2014), doi:10.1016/j.jcp.2014.05.018

    Example
    -------
    >>> import jax; jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials import LennardJones
    >>> lj = LennardJones(epsilon=GAS_CONSTANT * 120.0, sigma=3.4)
    >>> round(float(collision_integral(lj, 120.0, 2, 2) / 3.4**2), 4)
    1.5932
    """
    temperature = jnp.asarray(temperature, dtype=jnp.result_type(float))
    values, _ = collision_integrals(potential, jnp.ravel(temperature), ((l, s),), resolution=resolution, with_error=False)
    return values[0].reshape(temperature.shape)


def collision_integrals(
    potential: PairPotential,
    temperature: Float[Array, " datum"],
    orders: tuple[tuple[int, int], ...],
    *,
    resolution: int = 24,
    with_error: bool = True,
) -> tuple[Float[Array, "order datum"], Float[Array, "order datum"]]:
    r"""Return several collision integrals :math:`\sigma^2\Omega^{(l,s)*}` [angstrom^2] and their numerical errors.

    The deflection angles are shared, so a second order costs next to nothing. The error is the difference from a rule of three
    quarters of the resolution (at a temperature, or its mean over the temperatures where that is more), plus the most that the
    neglected core could contribute, plus rounding; it is constant under differentiation. Without ``with_error`` it is not
    computed and the second array is infinite.
    See `collision_integral` for the definition, the parameters and what is raised.
    """
    _check(potential, orders, resolution)
    return _integrals(potential, temperature, orders, resolution, with_error)


@eqx.filter_jit
def _integrals(
    potential: PairPotential, temperature: Array, orders: tuple[tuple[int, int], ...], resolution: int, with_error: bool
) -> tuple[Array, Array]:
    kt = GAS_CONSTANT * temperature
    still = jax.lax.stop_gradient(kt)
    marks = landmarks(potential, still)
    resolutions = (resolution, 3 * resolution // 4) if with_error else (resolution,)
    turns = turning_points(potential, marks, resolutions)
    parts = _thermal_average(turns[0], kt, orders, resolution)
    values = jnp.sum(parts, axis=0)
    if not with_error:
        return values, jnp.full_like(values, jnp.inf)
    marks = jax.lax.stop_gradient(marks)
    coarse = _thermal_average(_still(turns[-1]), still, orders, resolutions[-1])
    known = jax.lax.stop_gradient(values)
    # The differences change sign between temperatures: panels are not let cancel, and the mean over the temperatures is a floor.
    missed = jnp.sum(jnp.abs(jax.lax.stop_gradient(parts) - coarse), axis=0)
    floor = known * jnp.sqrt(jnp.mean((missed / known) ** 2, axis=1, keepdims=True))
    rounding = 100 * jnp.finfo(values.dtype).eps * jnp.abs(known)
    return values, jnp.maximum(missed, floor) + _neglected(marks, still, orders) + rounding


def _still(turns: Turns) -> Turns:
    return Turns(*jax.lax.stop_gradient(turns[:-1]), turns.ends)


def _check(potential: PairPotential, orders: tuple[tuple[int, int], ...], resolution: int) -> None:
    if resolution < 8:
        raise ParameterError(f"collision integral: resolution must be at least 8, found {resolution}")
    for power, moment in orders:
        if power < 1 or moment < 1:
            raise ParameterError(f"collision integral: the orders l and s start at 1, found ({power}, {moment})")
    require_integrable(potential, "collision integral")
    parts = jax.tree_util.tree_leaves(potential, is_leaf=lambda part: isinstance(part, _DISCONTINUOUS))
    steps = [type(part).__name__ for part in parts if isinstance(part, _DISCONTINUOUS)] or _steps(potential)
    if steps:
        raise ParameterError(
            "collision integral: the potential must be continuous, but "
            f"{steps[0]} has a step: use a smooth form, or a shifted or switched truncation"
        )


def _steps(potential: PairPotential) -> list[str]:
    """Return a description of the first step in the energy, if the parameters are known numbers and there is one."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree_util.tree_leaves(potential)):
        return []
    for radius in potential.breakpoints():
        inner, outer = (float(potential.pair_energy(radius * (1 + side))) for side in (-1e-9, 1e-9))
        scale = max(abs(float(potential.pair_energy(radius * factor))) for factor in (0.97, 1.03))
        if not abs(inner - outer) <= 1e-6 * scale:
            return [f"{type(potential).__name__} at {float(radius):.6g} angstrom"]
    return []


def _thermal_average(turns: Turns, kt: Array, orders: tuple[tuple[int, int], ...], resolution: int) -> Array:
    """Return what each panel of turning points contributes, over energies that are shared by all of them."""
    still = jax.lax.stop_gradient(kt)
    nodes, weights = gauss(4 * resolution // 3)
    # E - E_0 = k_B T_min expm1(v)^3: a cubic start resolves the oscillations at E_0, an exponential end spans the temperatures.
    coldest = jnp.min(still)
    span = jnp.log1p(jnp.cbrt(LARGEST_EXPONENT * jnp.max(still) / coldest))
    grown = jnp.expm1(span * nodes)
    excess, excess_weight = coldest * grown**3, coldest * 3 * grown**2 * (grown + 1) * span * weights
    boltzmann = jnp.exp(-excess / kt[:, None])

    cosine = jnp.cos(_deflection(turns, excess))
    energy = turns.lowest[:, None] + excess
    weight = 2 * (turns.radius * turns.weight)[:, None] * excess_weight * (energy - turns.orbit[:, None])
    ends = np.array(turns.ends)
    panel = np.arange(len(ends)) == np.searchsorted(ends, np.arange(ends[-1]), side="right")[:, None]
    depleted = jnp.exp(-turns.lowest / kt[:, None]) * panel.T[:, None, :]
    sums = []
    for power, moment in orders:
        averaged = depleted @ (weight * energy**moment * (1 - cosine**power))
        sums.append(jnp.sum(averaged * boltzmann, axis=2) / (kt ** (moment + 2) * _rigid(power, moment)))
    return jnp.stack(sums, axis=1)


def _rigid(power: int, moment: int) -> float:
    """Return (s+1)! times the rigid-sphere factor of the cross section, for l = ``power`` and s = ``moment``."""
    return math.factorial(moment + 1) * (1 - (1 + (-1) ** power) / (2 * (1 + power)))


def _deflection(turns: Turns, excess: Array) -> Array:
    """Return the angle of deflection at every turning point and energy above the lowest."""
    # The angles are the leading axis: a sum over it runs along the others in vector registers.
    inverse = jax.lax.rsqrt(excess + turns.depth.T[:, :, None])
    integral = jnp.sum(turns.angle_weight.T[:, :, None] * inverse, axis=0)
    return jnp.pi - 2 * jnp.sqrt((turns.lowest - turns.energy)[:, None] + excess) * integral


def _neglected(marks: Landmarks, kt: Array, orders: tuple[tuple[int, int], ...]) -> Array:
    """Return the most that pairs could contribute which come nearer than the innermost turning point."""
    x = marks.core / kt
    bounds = []
    for power, moment in orders:
        faster = jnp.exp(-x) * sum(x**k / math.factorial(k) for k in range(moment + 2))
        bounds.append((1 + power % 2) * marks.innermost**2 * faster * math.factorial(moment + 1) / _rigid(power, moment))
    return jnp.stack(bounds)
