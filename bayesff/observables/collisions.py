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
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential
from bayesff.potentials.square_well import HardSphere, SquareWell
from bayesff.potentials.truncation import PlainCut
from bayesff.units import GAS_CONSTANT

LARGEST_EXPONENT = 33.0
"""Energies above this many k_B T carry less than 1e-10 of a collision integral."""

_SCAN = np.geomspace(0.005, 20.0, 192)
_BARRIER_SCAN = np.pi / 2 * (np.arange(1, 41) / 41) ** 2
_SMALL_ANGLE = 3e-3
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
    fixed, still = jax.lax.stop_gradient((potential, kt))
    marks = _moving(potential, _landmarks(fixed, still))
    resolutions = (resolution, 3 * resolution // 4) if with_error else (resolution,)
    panels = _turning_points(potential, marks, resolutions)
    parts = _thermal_average(panels[0], kt, orders, resolution)
    values = jnp.sum(parts, axis=0)
    if not with_error:
        return values, jnp.full_like(values, jnp.inf)
    marks = jax.lax.stop_gradient(marks)
    coarse = _thermal_average(jax.lax.stop_gradient(panels[1]), still, orders, resolutions[1])
    known = jax.lax.stop_gradient(values)
    # The differences change sign between temperatures: panels are not let cancel, and the mean over the temperatures is a floor.
    missed = jnp.sum(jnp.abs(jax.lax.stop_gradient(parts) - coarse), axis=0)
    floor = known * jnp.sqrt(jnp.mean((missed / known) ** 2, axis=1, keepdims=True))
    rounding = 100 * jnp.finfo(values.dtype).eps * jnp.abs(known)
    return values, jnp.maximum(missed, floor) + _neglected(marks, still, orders) + rounding


class _Landmarks(NamedTuple):
    """Radii between which the panels lie, and the energy at the innermost."""

    innermost: Array
    contact: Array
    orbiting: Array
    core: Array


class _Nodes(NamedTuple):
    """One panel of turning points before the potential is known there; no ``barrier`` is minus infinity."""

    radius: Array
    weight: Array
    angle: Array
    angle_weight: Array
    barrier: Array


class _Panel(NamedTuple):
    """One panel of turning points: nodes, weights, energies there, and ``E_0 - g`` with the weights of the angles."""

    radius: Array
    weight: Array
    energy: Array
    orbit: Array
    lowest: Array
    depth: Array
    angle_weight: Array


def _check(potential: PairPotential, orders: tuple[tuple[int, int], ...], resolution: int) -> None:
    if resolution < 8:
        raise ParameterError(f"collision integral: resolution must be at least 8, found {resolution}")
    for power, moment in orders:
        if power < 1 or moment < 1:
            raise ParameterError(f"collision integral: the orders l and s start at 1, found ({power}, {moment})")
    parts = jax.tree_util.tree_leaves(potential, is_leaf=lambda part: isinstance(part, _DISCONTINUOUS))
    steps = [type(part).__name__ for part in parts if isinstance(part, _DISCONTINUOUS)] or _steps(potential)
    if steps:
        raise ParameterError(
            "collision integral: the potential must be continuous, but "
            f"{steps[0]} has a step: use a smooth form, or a shifted or switched truncation"
        )


def _steps(potential: PairPotential) -> list[str]:
    """Return a description of the first step in the energy, if the parameters are known numbers and there is one."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(potential)):
        return []
    for radius in potential.breakpoints():
        inner, outer = (float(potential.pair_energy(radius * (1 + side))) for side in (-1e-9, 1e-9))
        scale = max(abs(float(potential.pair_energy(radius * factor))) for factor in (0.97, 1.03))
        if not abs(inner - outer) <= 1e-6 * scale:
            return [f"{type(potential).__name__} at {float(radius):.6g} angstrom"]
    return []


def _landmarks(potential: PairPotential, kt: Array) -> _Landmarks:
    """Find where the panels begin and end, on a scan of radii; nothing here is differentiated."""
    radii = potential.breakpoints()[0] * _SCAN
    energies, slopes = jax.vmap(jax.value_and_grad(potential.pair_energy))(radii)
    energies = jnp.where(jnp.isnan(energies), jnp.inf, energies)
    index = jnp.arange(radii.size)

    # A nowhere attractive potential has no zero: the radius where it no longer matters takes its place.
    level = jnp.where(jnp.any((energies[:-1] > 0) & (energies[1:] <= 0)), 0.0, 0.05 * jnp.min(kt))
    crossing = (energies[:-1] > level) & (energies[1:] <= level)
    outermost = jnp.max(jnp.where(crossing, index[:-1], 0))
    ceiling = LARGEST_EXPONENT * jnp.max(kt)
    core = index <= outermost
    wall = jnp.max(jnp.where(core & (energies >= ceiling), index, -1))
    contact, steep = _crossing(potential, radii, jnp.stack([outermost, wall]), jnp.stack([level, ceiling]))

    orbit = jnp.where(radii > contact, energies + radii * slopes / 2, -jnp.inf)
    top = jnp.clip(jnp.argmax(orbit), 1, radii.size - 2)
    shift = _vertex(orbit[top - 1], orbit[top], orbit[top + 1])
    orbiting = jnp.where(orbit[top] > 0, radii[top] * (_SCAN[1] / _SCAN[0]) ** shift, 1.5 * contact)

    # Without a wall the highest point of the core is where the potential ends, or where an unphysical collapse begins.
    summit = jnp.argmax(jnp.where(core, energies, -jnp.inf))
    innermost = jnp.minimum(jnp.where(wall >= 0, steep, radii[summit]), (1 - 1e-6) * contact)
    inside = jnp.where(wall >= 0, ceiling, jnp.maximum(energies[summit], 0.0))
    return _Landmarks(innermost, contact, jnp.maximum(orbiting, 1.001 * contact), inside)


def _moving(potential: PairPotential, marks: _Landmarks) -> _Landmarks:
    """Let the contact follow the parameters, and the rest with it: the integrand has a kink there."""
    energy, slope = jax.value_and_grad(potential.pair_energy)(marks.contact)
    still_energy, still_slope = jax.lax.stop_gradient((energy, slope))
    contact = marks.contact - (energy - still_energy) / jnp.where(still_slope < 0, still_slope, -jnp.inf)
    ratio = contact / marks.contact
    return marks._replace(innermost=marks.innermost * ratio, contact=contact, orbiting=marks.orbiting * ratio)


def _crossing(potential: PairPotential, radii: Array, index: Array, level: Array) -> Array:
    """Return where the energy falls through each level between the radius of that index and the next, by bisection."""

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        above = jax.vmap(potential.pair_energy)(middle) > level
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = jax.lax.fori_loop(0, 24, halve, (radii[index], radii[index + 1]))
    return 0.5 * (low + high)


def _vertex(left: Array, middle: Array, right: Array) -> Array:
    """Return where the parabola through three equidistant points peaks, in steps from the middle one."""
    bend = left - 2 * middle + right
    peaked = jnp.isfinite(bend) & (bend < 0)
    return jnp.where(peaked, jnp.clip(0.5 * (left - right) / jnp.where(peaked, bend, -1.0), -0.5, 0.5), 0.0)


@cache
def _gauss(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    return (nodes + 1) / 2, weights / 2


@cache
def _crowded(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a rule on (0, 1) whose nodes crowd towards 0 as a cube."""
    nodes, weights = _gauss(num_nodes)
    return nodes**3, 3 * nodes**2 * weights


def _thermal_average(panels: list[_Panel], kt: Array, orders: tuple[tuple[int, int], ...], resolution: int) -> Array:
    """Return what each panel of turning points contributes, over energies that are shared by all of them."""
    still = jax.lax.stop_gradient(kt)
    nodes, weights = _gauss(4 * resolution // 3)
    # E - E_0 = k_B T_min expm1(v)^3: a cubic start resolves the oscillations at E_0, an exponential end spans the temperatures.
    coldest = jnp.min(still)
    span = jnp.log1p(jnp.cbrt(LARGEST_EXPONENT * jnp.max(still) / coldest))
    grown = jnp.expm1(span * nodes)
    excess, excess_weight = coldest * grown**3, coldest * 3 * grown**2 * (grown + 1) * span * weights
    boltzmann = jnp.exp(-excess / kt[:, None])

    contributions = []
    for panel in panels:
        cosine = jnp.cos(_deflection(panel, excess))
        energy = panel.lowest[:, None] + excess
        weight = 2 * (panel.radius * panel.weight)[:, None] * excess_weight * (energy - panel.orbit[:, None])
        depleted = jnp.exp(-panel.lowest / kt[:, None])
        sums = []
        for power, moment in orders:
            averaged = depleted @ (weight * energy**moment * (1 - cosine**power))
            sums.append(jnp.sum(averaged * boltzmann, axis=1) / (kt ** (moment + 2) * _rigid(power, moment)))
        contributions.append(jnp.stack(sums))
    return jnp.stack(contributions)


def _rigid(power: int, moment: int) -> float:
    """Return (s+1)! times the rigid-sphere factor of the cross section, for l = ``power`` and s = ``moment``."""
    return math.factorial(moment + 1) * (1 - (1 + (-1) ** power) / (2 * (1 + power)))


def _deflection(panel: _Panel, excess: Array) -> Array:
    """Return the angle of deflection at every turning point and energy above the lowest."""
    # The angles are the leading axis: a sum over it runs along the others in vector registers.
    inverse = jax.lax.rsqrt(excess + panel.depth.T[:, :, None])
    integral = jnp.sum(panel.angle_weight.T[:, :, None] * inverse, axis=0)
    return jnp.pi - 2 * jnp.sqrt((panel.lowest - panel.energy)[:, None] + excess) * integral


def _turning_points(potential: PairPotential, marks: _Landmarks, resolutions: tuple[int, ...]) -> list[list[_Panel]]:
    """Return the panels of every resolution; the potential is traced once for all, which keeps compilation short."""
    between = [_orbiting_radii(marks, resolution) for resolution in resolutions]
    barriers = _together(lambda r: _barrier(potential, r), [radius for radius, _ in between])
    nodes = [
        panel
        for resolution, orbiting, barrier in zip(resolutions, between, barriers, strict=True)
        for panel in (_core(marks, resolution), _orbiting(*orbiting, *barrier, resolution), _outer(marks, resolution))
    ]
    at_turn = _together(jax.value_and_grad(potential.pair_energy), [panel.radius for panel in nodes])
    passed = [panel.radius[:, None] / jnp.cos(jnp.maximum(panel.angle, _SMALL_ANGLE)) for panel in nodes]
    on_the_way = _together(potential.pair_energy, passed)
    panels = [_panel(*known) for known in zip(nodes, at_turn, on_the_way, strict=True)]
    return [panels[start : start + 3] for start in range(0, len(panels), 3)]


def _panel(nodes: _Nodes, at_turn: tuple[Array, Array], on_the_way: Array) -> _Panel:
    energy, slope = at_turn
    orbit = energy + nodes.radius * slope / 2
    sine = jnp.sin(jnp.maximum(nodes.angle, _SMALL_ANGLE))
    g = (on_the_way - energy[:, None] * (1 - sine**2)) / sine**2
    # g is even in the angle and begins at the orbiting energy; its own formula cancels there.
    g = orbit[:, None] + (g - orbit[:, None]) * (jnp.sin(nodes.angle) / sine) ** 2
    floors = jnp.stack([energy, orbit, nodes.barrier, jnp.zeros_like(energy)], axis=1)
    # Chosen by index: the derivative of a maximum compares numbers, which a compiler may compute twice with unequal rounding.
    candidates = jnp.concatenate([floors, g], axis=1)
    lowest = jnp.take_along_axis(candidates, jnp.argmax(candidates, axis=1)[:, None], axis=1)[:, 0]
    return _Panel(nodes.radius, nodes.weight, energy, orbit, lowest, lowest[:, None] - g, nodes.angle_weight)


def _together(function: Callable[[Array], Any], arrays: list[Array]) -> list[Any]:
    """Apply a function of a scalar to every element of several arrays in one evaluation."""
    results = jax.vmap(function)(jnp.concatenate([jnp.ravel(array) for array in arrays]))
    parts, end = [], 0
    for array in arrays:
        begin, end = end, end + array.size
        parts.append(jax.tree.map(partial(_piece, begin, end, array.shape), results))
    return parts


def _piece(begin: int, end: int, shape: tuple[int, ...], flat: Array) -> Array:
    return flat[begin:end].reshape(shape)


def _core(marks: _Landmarks, resolution: int) -> _Nodes:
    fraction, weight = _gauss(resolution)
    width = marks.contact - marks.innermost
    return _nodes(marks.contact - width * fraction, width * weight, _gauss(2 * resolution // 3))


def _outer(marks: _Landmarks, resolution: int) -> _Nodes:
    inverse, weight = _gauss(resolution // 2)
    return _nodes(marks.orbiting / inverse, marks.orbiting * weight / inverse**2, _crowded(resolution // 2))


def _nodes(radius: Array, weight: Array, angles: tuple[np.ndarray, np.ndarray]) -> _Nodes:
    angle, angle_weight = (jnp.broadcast_to(np.pi / 2 * part, (radius.size, part.size)) for part in angles)
    return _Nodes(radius, weight, angle, angle_weight, jnp.full_like(radius, -jnp.inf))


def _orbiting_radii(marks: _Landmarks, resolution: int) -> tuple[Array, Array]:
    fraction, weight = _gauss(2 * resolution // 3)
    width = marks.orbiting - marks.contact
    return marks.contact + width * fraction, width * weight


def _orbiting(radius: Array, weight: Array, peak: Array, barrier: Array, resolution: int) -> _Nodes:
    near, near_weight = _crowded(resolution // 2)
    below, above = peak[:, None], np.pi / 2 - peak[:, None]
    angle = jnp.concatenate([below * (1 - near), below + above * near], axis=1)
    angle_weight = jnp.concatenate([below * near_weight, above * near_weight], axis=1)
    return _Nodes(radius, weight, angle, angle_weight, barrier)


def _barrier(potential: PairPotential, radius: Array) -> tuple[Array, Array]:
    """Return the angle where g is largest, and that largest value, correct to its second derivatives in the parameters."""

    def g(angle: Array, form: PairPotential, at: Array) -> Array:
        cosine = jnp.cos(angle)
        return (form.pair_energy(at / cosine) - form.pair_energy(at) * cosine**2) / jnp.sin(angle) ** 2

    def slope(angle: Array, form: PairPotential, at: Array) -> Array:
        return jax.jvp(lambda x: g(x, form, at), (angle,), (jnp.ones_like(angle),))[1]

    def bend(angle: Array) -> Array:
        curvature = jax.jvp(lambda x: slope(x, *still), (angle,), (jnp.ones_like(angle),))[1]
        return jnp.where(curvature < 0, curvature, -jnp.inf)

    still = jax.lax.stop_gradient((potential, radius))
    heights = jax.vmap(lambda angle: g(angle, *still))(_BARRIER_SCAN)
    top = jnp.clip(jnp.argmax(heights), 1, _BARRIER_SCAN.size - 2)
    place = (top + 1 + _vertex(heights[top - 1], heights[top], heights[top + 1])) / (_BARRIER_SCAN.size + 1)
    peak, scan = jnp.pi / 2 * place**2, jnp.asarray(_BARRIER_SCAN)

    def newton(_: Array, angle: Array) -> Array:
        return jnp.clip(angle - slope(angle, *still) / bend(angle), scan[top - 1], scan[top + 1])

    peak = jax.lax.fori_loop(0, 2, newton, peak)
    # The last Newton step is taken in the value, where it also carries the motion of the peak.
    return peak, g(peak, potential, radius) - 0.5 * slope(peak, potential, radius) ** 2 / bend(peak)


def _neglected(marks: _Landmarks, kt: Array, orders: tuple[tuple[int, int], ...]) -> Array:
    """Return the most that pairs could contribute which come nearer than the innermost turning point."""
    x = marks.core / kt
    bounds = []
    for power, moment in orders:
        faster = jnp.exp(-x) * sum(x**k / math.factorial(k) for k in range(moment + 2))
        bounds.append((1 + power % 2) * marks.innermost**2 * faster * math.factorial(moment + 1) / _rigid(power, moment))
    return jnp.stack(bounds)
