r"""Where pairs turn round: the nodes of a collision integral over turning point, angle and energy.

See `bayesff.observables.collisions` for the formulae and the three panels.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bayesff.potentials.base import PairPotential

LARGEST_EXPONENT = 33.0
"""Energies above this many k_B T carry less than 1e-10 of a collision integral."""

_SCAN = np.geomspace(0.005, 20.0, 192)
_BARRIER_SCAN = np.pi / 2 * (np.arange(1, 41) / 41) ** 2
_SMALL_ANGLE = 3e-3


class Landmarks(NamedTuple):
    """Radii between which the panels lie, and the energy at the innermost."""

    innermost: Array
    contact: Array
    orbiting: Array
    core: Array


class _Nodes(NamedTuple):
    """Turning points before the potential is known there; no ``barrier`` is minus infinity."""

    radius: Array
    weight: Array
    angle: Array
    angle_weight: Array
    barrier: Array


class Turns(NamedTuple):
    """Turning points: radii, weights, energies there, and ``E_0 - g`` with the weights of the angles, panel after panel."""

    radius: Array
    weight: Array
    energy: Array
    orbit: Array
    lowest: Array
    depth: Array
    angle_weight: Array
    ends: tuple[int, ...]


def landmarks(potential: PairPotential, kt: Array) -> Landmarks:
    """Find where the panels begin and end; the contact follows the parameters, and the rest with it."""
    return _moving(potential, _found(jax.lax.stop_gradient(potential), kt))


def _found(potential: PairPotential, kt: Array) -> Landmarks:
    """Find the landmarks on a scan of radii; nothing here is differentiated."""
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
    return Landmarks(innermost, contact, jnp.maximum(orbiting, 1.001 * contact), inside)


def _moving(potential: PairPotential, marks: Landmarks) -> Landmarks:
    """Let the contact follow the parameters: the integrand has a kink there, which second derivatives see."""
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
def gauss(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a Gauss-Legendre rule on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(num_nodes)
    return (nodes + 1) / 2, weights / 2


@cache
def _crowded(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a rule on (0, 1) whose nodes crowd towards 0 as a cube."""
    nodes, weights = gauss(num_nodes)
    return nodes**3, 3 * nodes**2 * weights


def turning_points(potential: PairPotential, marks: Landmarks, resolutions: tuple[int, ...]) -> list[Turns]:
    """Return the turning points of every resolution; the potential is traced once for all, which keeps compilation short."""
    between = [_orbiting_radii(marks, resolution) for resolution in resolutions]
    barriers = _together(lambda r: _barrier(potential, r), [radius for radius, _ in between])
    panels = [
        (_core(marks, resolution), _orbiting(radius, weight, peak, barrier, resolution), _outer(marks, resolution))
        for resolution, (radius, weight), (peak, barrier) in zip(resolutions, between, barriers, strict=True)
    ]
    nodes = [_joined(three) for three in panels]
    ends = [tuple(np.cumsum([panel.radius.size for panel in three]).tolist()) for three in panels]
    at_turn = _together(jax.value_and_grad(potential.pair_energy), [part.radius for part in nodes])
    passed = [part.radius[:, None] / jnp.cos(jnp.maximum(part.angle, _SMALL_ANGLE)) for part in nodes]
    on_the_way = _together(potential.pair_energy, passed)
    return [_turns(*known) for known in zip(nodes, at_turn, on_the_way, ends, strict=True)]


def _joined(panels: tuple[_Nodes, ...]) -> _Nodes:
    """Lay panels end to end, which makes one program of three; angles that a panel lacks get no weight."""
    most = max(panel.angle.shape[1] for panel in panels)

    def padded(angles: Array, value: float) -> Array:
        return jnp.pad(angles, ((0, 0), (0, most - angles.shape[1])), constant_values=value)

    return _Nodes(
        radius=jnp.concatenate([panel.radius for panel in panels]),
        weight=jnp.concatenate([panel.weight for panel in panels]),
        angle=jnp.concatenate([padded(panel.angle, np.pi / 4) for panel in panels]),
        angle_weight=jnp.concatenate([padded(panel.angle_weight, 0.0) for panel in panels]),
        barrier=jnp.concatenate([panel.barrier for panel in panels]),
    )


def _turns(nodes: _Nodes, at_turn: tuple[Array, Array], on_the_way: Array, ends: tuple[int, ...]) -> Turns:
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
    return Turns(nodes.radius, nodes.weight, energy, orbit, lowest, lowest[:, None] - g, nodes.angle_weight, ends)


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


def _core(marks: Landmarks, resolution: int) -> _Nodes:
    fraction, weight = gauss(resolution)
    width = marks.contact - marks.innermost
    return _nodes(marks.contact - width * fraction, width * weight, gauss(2 * resolution // 3))


def _outer(marks: Landmarks, resolution: int) -> _Nodes:
    inverse, weight = gauss(resolution // 2)
    return _nodes(marks.orbiting / inverse, marks.orbiting * weight / inverse**2, _crowded(resolution // 2))


def _nodes(radius: Array, weight: Array, angles: tuple[np.ndarray, np.ndarray]) -> _Nodes:
    angle, angle_weight = (jnp.broadcast_to(np.pi / 2 * part, (radius.size, part.size)) for part in angles)
    return _Nodes(radius, weight, angle, angle_weight, jnp.full_like(radius, -jnp.inf))


def _orbiting_radii(marks: Landmarks, resolution: int) -> tuple[Array, Array]:
    fraction, weight = gauss(2 * resolution // 3)
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
