r"""The Ornstein-Zernike equation with a closure, solved on a grid.

In units of a length, and with a Boltzmann factor in place of a potential: see `bayesff.ensembles.integral_equations`.

References
----------
S. Labík, A. Malijevský, P. Voňka, Mol. Phys. 56, 709 (1985)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.ensembles.closures import Closure

_COARSE = 20.0
"""Wave vector, in units of the inverse length, up to which the equation is solved by Newton's method."""

_TOLERANCE, _ROUGH = 1e-9, 1e-2
"""Norm of the residual of a solution, and of one on the way to it."""

_STEPS, _REFINEMENTS = 30, 60
"""Newton steps, and refinements of a linear solution, after which there is none."""

_FIRST_DEPTH, _LARGEST_RATIO, _SMALLEST_RATIO = 0.18, 2.5, 1.02
"""Depth of the well over the thermal energy that a solution starts at, and the ratios by which it is made deeper."""


class RadialGrid(eqx.Module):
    """Distances and the wave vectors that belong to them, in units of a length and of its inverse.

    Parameters
    ----------
    spacing
        Spacing of the distances.
    num_intervals
        Intervals up to the largest one.
    """

    spacing: float = eqx.field(static=True)
    num_intervals: int = eqx.field(static=True)

    @property
    def radii(self) -> np.ndarray:
        """Distances, without zero and the largest."""
        return self.spacing * np.arange(1, self.num_intervals)

    @property
    def reach(self) -> float:
        """The largest distance."""
        return self.spacing * self.num_intervals

    @property
    def wavevectors(self) -> np.ndarray:
        """Wave vectors, as many as distances."""
        return np.pi / self.reach * np.arange(1, self.num_intervals)

    @property
    def num_coarse(self) -> int:
        """Number of wave vectors that Newton's method is used for."""
        return min(int(np.ceil(_COARSE * self.reach / np.pi)), self.num_intervals - 1)

    @property
    def scale(self) -> np.ndarray:
        """What makes of the sine coefficients of ``r f`` the three-dimensional transform of ``f``."""
        return 4 * np.pi * self.spacing * np.sqrt(self.num_intervals / 2) / self.wavevectors

    def sines(self, values: Float[ArrayLike, " radius"]) -> Float[Array, " radius"]:
        """Return the sine transform that is its own inverse."""
        values, nothing = jnp.asarray(values), jnp.zeros(1)
        odd = jnp.concatenate([nothing, values, nothing, -values[::-1]])
        return -jnp.fft.rfft(odd)[1:-1].imag * np.sqrt(0.5 / self.num_intervals)

    def overlaps(self, values: Float[Array, " radius"]) -> Float[Array, "coarse coarse"]:
        """Return the matrix of a function between the sines of the smallest wave vectors."""
        nothing = jnp.zeros(1)
        even = jnp.concatenate([nothing, values, nothing, values[::-1]])
        cosines = jnp.fft.rfft(even).real * (0.5 / self.num_intervals)
        row = np.arange(1, self.num_coarse + 1)
        mirrored = jnp.concatenate([cosines, cosines[-2:0:-1]])
        return mirrored[np.abs(row[:, None] - row)] - mirrored[row[:, None] + row]

    def interpolation(self, radii: Float[Array, " datum"]) -> Float[Array, "datum radius"]:
        """Return the matrix that makes of sine coefficients of ``r f`` the function at some distances."""
        waves = self.wavevectors * np.sqrt(2 / self.num_intervals)
        return waves * jnp.sinc(radii[:, None] * self.wavevectors / np.pi)

    def coarser(self) -> "RadialGrid":
        """Return the grid of the same range with twice the spacing."""
        return RadialGrid(2 * self.spacing, self.num_intervals // 2)

    def shorter(self) -> "RadialGrid":
        """Return the grid of the same spacing with half the range."""
        return RadialGrid(self.spacing, self.num_intervals // 2)


class _Point(NamedTuple):
    """A trial solution with what it leaves: sine coefficients of the residual, its norm, and derivatives of both equations."""

    indirect: Array
    residual: Array
    norm: Array
    bond: Array  # derivative of c in gamma
    chains: Array  # derivative of the transform of gamma in that of c
    stable: Array


def direct_correlation(closure: Closure, grid: RadialGrid, boltzmann: Array, indirect: Array) -> Array:
    """Return the direct correlation function at the radii, from Boltzmann factors and the indirect one."""
    cavity = jax.vmap(closure.cavity)(indirect, jnp.asarray(grid.radii))
    return boltzmann * cavity - 1 - indirect


def _residual(closure: Closure, grid: RadialGrid, boltzmann: Array, density: Array, indirect: Array) -> tuple[Array, Array]:
    """Return the sine coefficients of what the equation leaves, and the inverse structure factor."""
    transform = grid.scale * grid.sines(grid.radii * direct_correlation(closure, grid, boltzmann, indirect))
    inverse = 1 - density * transform
    return density * transform**2 / inverse / grid.scale - grid.sines(grid.radii * indirect), inverse


def _point(closure: Closure, grid: RadialGrid, boltzmann: Array, density: Array, indirect: Array) -> _Point:
    residual, inverse = _residual(closure, grid, boltzmann, density, indirect)
    direct = partial(direct_correlation, closure, grid, boltzmann)
    _, bond = jax.jvp(direct, (indirect,), (jnp.ones_like(indirect),))
    return _Point(indirect, residual, jnp.linalg.norm(residual), bond, 1 / inverse**2 - 1, jnp.all(inverse > 0))


def _coarse_matrix(grid: RadialGrid, bond: Array, chains: Array) -> Array:
    return jnp.eye(grid.num_coarse) - chains[: grid.num_coarse, None] * grid.overlaps(bond)


def _newton(
    closure: Closure,
    boltzmann: Array,
    density: Array,
    start: Array,
    grid: RadialGrid,
    tolerance: Float[ArrayLike, ""] = _TOLERANCE,
) -> _Point:
    """Return the solution from a start, or the trial with the smallest residual that was found."""
    at = partial(_point, closure, grid, boltzmann, density)

    def unfinished(state: tuple[_Point, Array, Array]) -> Array:
        point, length, step = state
        return (point.norm > tolerance) & (length > 1e-3) & (step < _STEPS)

    def advance(state: tuple[_Point, Array, Array]) -> tuple[_Point, Array, Array]:
        point, length, step = state
        low = jnp.linalg.solve(_coarse_matrix(grid, point.bond, point.chains), point.residual[: grid.num_coarse])
        change = grid.sines(point.residual.at[: grid.num_coarse].set(low)) / grid.radii
        trial = at(point.indirect + length * change)
        better = trial.stable & (trial.norm < (1 - 0.1 * length) * point.norm)
        point = jax.tree.map(partial(jnp.where, better), trial, point)
        return point, jnp.where(better, jnp.minimum(2 * length, 1.0), 0.5 * length), step + 1

    return jax.lax.while_loop(unfinished, advance, (at(start), jnp.ones(()), jnp.zeros((), int)))[0]


def _hard_spheres(grid: RadialGrid, boltzmann: Array, density: Array) -> Array:
    r"""Return :math:`\gamma` of hard spheres (Percus-Yevick) of the diameter :math:`\int (1 - e^{-\beta u})\,dr` of the core."""
    diameter = grid.spacing * (0.5 + jnp.sum(jnp.maximum(1 - boltzmann, 0.0)))
    packing = jnp.minimum(jnp.pi / 6 * density * diameter**3, 0.49)
    first = (1 + 2 * packing) ** 2 / (1 - packing) ** 4
    second = -6 * packing * (1 + packing / 2) ** 2 / (1 - packing) ** 4
    r = grid.radii / diameter
    # At contact the mean of both sides, as for any edge.
    inside = jnp.clip((diameter - grid.radii) / grid.spacing + 0.5, 0.0, 1.0)
    direct = -inside * (first + second * r + packing / 2 * first * r**3)
    transform = grid.scale * grid.sines(grid.radii * direct)
    chains = density * transform**2 / jnp.maximum(1 - density * transform, 1e-2)
    return grid.sines(chains / grid.scale) / grid.radii


class _Path(NamedTuple):
    """How far the energy has been turned on: its strength and the solution there, and those of the stage before."""

    strength: Array
    indirect: Array
    before: Array
    indirect_before: Array
    ratio: Array


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _solve(
    grid: RadialGrid, closure: Closure, boltzmann: Float[Array, " radius"], density: Float[Array, ""]
) -> tuple[Float[Array, " radius"], Float[Array, ""]]:
    r"""Return :math:`\gamma` and the norm of what it leaves, from the Boltzmann factors at the radii.

    The energy is turned on in stages, because a fluid of one phase is one at all higher temperatures: every stage starts at what
    the two before it extrapolate to, and is as much deeper as the last ones allowed.
    """
    depth = jnp.log(jnp.maximum(jnp.max(boltzmann), 1.0))
    first = jnp.minimum(1.0, _FIRST_DEPTH / jnp.maximum(depth, 1e-9))
    ratio = 1.4

    def unfinished(path: _Path) -> Array:
        return (path.strength < 1) & (path.ratio > _SMALLEST_RATIO)

    def advance(path: _Path) -> _Path:
        strength = jnp.minimum(1.0, path.strength * path.ratio)
        slope = (path.indirect - path.indirect_before) / (path.strength - path.before)
        start = path.indirect + (strength - path.strength) * slope
        tolerance = jnp.where(strength < 1, _ROUGH, _TOLERANCE)
        found = _newton(closure, boltzmann**strength, density, start, grid, tolerance)
        solved = found.norm < tolerance
        after = _Path(strength, found.indirect, path.strength, path.indirect, jnp.minimum(1.3 * path.ratio, _LARGEST_RATIO))
        stay = path._replace(ratio=path.ratio**0.4)
        return jax.tree.map(partial(jnp.where, solved), after, stay)

    guess = _hard_spheres(grid, boltzmann**first, density)
    path = _Path(first / ratio, guess, 0.5 * first / ratio, guess, jnp.asarray(ratio))
    indirect = jax.lax.while_loop(unfinished, advance, path).indirect
    return indirect, _point(closure, grid, boltzmann, density, indirect).norm


@_solve.defjvp
def _solve_jvp(grid: RadialGrid, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Follow the implicit function; a derivative of what is no solution is zero."""
    closure, boltzmann, density = primals
    indirect, norm = _solve(grid, *primals)
    _, pull = jax.jvp(lambda *args: _residual(args[0], grid, args[1], args[2], indirect)[0], primals, tangents)
    point = _point(closure, grid, boltzmann, density, indirect)
    solved = norm < _TOLERANCE
    bond, chains = (jnp.where(solved, part, 0.0) for part in (point.bond, point.chains))
    change = _linear_solution(grid, bond, chains, jnp.where(solved, pull, 0.0))
    return (indirect, norm), (grid.sines(change) / grid.radii, jnp.zeros_like(norm))


def _linear_solution(grid: RadialGrid, bond: Array, chains: Array, pull: Array) -> Array:
    """Return the change of the sine coefficients of a solution that makes up for a change of the equation."""
    factors = jax.scipy.linalg.lu_factor(jax.lax.stop_gradient(_coarse_matrix(grid, bond, chains)))

    def forward(values: Array) -> Array:
        return values - chains * grid.sines(bond * grid.sines(values))

    def backward(values: Array) -> Array:
        return values - grid.sines(bond * grid.sines(chains * values))

    def refined(apply: Callable[[Array], Array], transposed: int, pull: Array) -> Array:
        def unfinished(state: tuple[Array, Array, Array]) -> Array:
            _, left, step = state
            return (jnp.linalg.norm(left) > 1e-11 * jnp.linalg.norm(pull)) & (step < _REFINEMENTS)

        def refine(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            found, left, step = state
            low = jax.scipy.linalg.lu_solve(factors, left[: grid.num_coarse], trans=transposed)
            found = found + left.at[: grid.num_coarse].set(low)
            return found, pull - apply(found), step + 1

        return jax.lax.while_loop(unfinished, refine, (jnp.zeros_like(pull), pull, jnp.zeros((), int)))[0]

    return jax.lax.custom_linear_solve(
        forward, pull, lambda _, pull: refined(forward, 0, pull), lambda _, pull: refined(backward, 1, pull)
    )


@partial(jax.jit, static_argnums=0)
def solve_on_grids(
    grids: tuple[RadialGrid, RadialGrid, RadialGrid],
    closure: Closure,
    boltzmann: tuple[Array, Array, Array],
    density: Float[Array, ""],
) -> tuple[tuple[Array, Array, Array], Float[Array, ""]]:
    r"""Return :math:`\gamma` on a grid, on that of twice the spacing and on that of half the range, and their doubt."""
    indirect, norm = _solve(grids[0], closure, boltzmann[0], density)
    stable = _point(closure, grids[0], boltzmann[0], density, indirect).stable
    checks = [
        _newton(*jax.lax.stop_gradient((closure, factor, density, start)), grid)
        for grid, factor, start in zip(grids[1:], boltzmann[1:], (indirect[1::2], indirect[: len(indirect) // 2]), strict=True)
    ]
    norms = jnp.stack([norm, *(one.norm for one in checks)])
    left = jax.lax.stop_gradient(jnp.minimum(jnp.max(jnp.where(jnp.isnan(norms), jnp.inf, norms)), 1e3))
    doubt = jnp.where(stable & (left < _TOLERANCE), left, 1 + left)
    return (indirect, checks[0].indirect, checks[1].indirect), doubt
