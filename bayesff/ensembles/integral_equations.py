r"""The integral equations of liquids: structure and thermodynamics of a pair fluid without a simulation.

The direct correlation function ``c`` of a homogeneous fluid is defined by the Ornstein-Zernike equation

.. math:: h(r) = c(r) + \rho \int c(|\mathbf r - \mathbf r'|)\,h(r')\,d\mathbf r', \qquad g = 1 + h

and a *closure* says how it follows from the pair potential and from :math:`\gamma = h - c`, what other particles mediate:

.. math:: g(r) = e^{-\beta u(r)}\,y(r), \qquad y = y(\gamma)

The known cases are

===================  =================================================  ======================================================
`PercusYevick`       :math:`y = 1 + \gamma`                             short-ranged repulsion; hard spheres in closed form
`HypernettedChain`   :math:`y = e^\gamma`                               derives from a free energy: energy and pressure agree
`RogersYoung`        :math:`y = 1 + (e^{\gamma f} - 1)/f`               between the two, :math:`f = 1 - e^{-\alpha r}`
===================  =================================================  ======================================================

A closure is an approximation. All three give the third virial coefficient exactly, none the fourth. For the Lennard-Jones liquid
at a reduced temperature of 0.72 and density of 0.85 the energy is 3 % (Percus-Yevick) and 5 % (hypernetted chain) too high, and
the pressure far too high, by 2.5 and 2.9 in :math:`p/\rho k_B T`; at 1.5 and 0.6 it is 0.5 % and 1.7 %, and 0.3 and 0.5. That
error is a discrepancy of the model. It is *not* in the covariance of the averages, which is that of the numbers only: what a grid
of twice the spacing and one of half the range would change.

The equation is solved on a grid in units of the potential's first breakpoint, by Newton's method for the small wave vectors,
which are coupled, and by substitution for the large ones, which hardly are, while the energy is turned on
(`bayesff.ensembles.ornstein_zernike`). Derivatives are those of the implicit function.

References
----------
J.-P. Hansen, I. R. McDonald, Theory of Simple Liquids, 4th ed., Academic Press (2013), chapter 4, doi:10.1016/C2010-0-66723-X
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from bayesff.ensembles.averages import Averages, Estimate
from bayesff.ensembles.closures import Closure
from bayesff.ensembles.ornstein_zernike import RadialGrid, direct_correlation, solve_on_grids
from bayesff.errors import ParameterError, StateError
from bayesff.potentials.base import PairPotential, traced
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

PotentialAt = Callable[[Float[Array, ""]], PairPotential]
"""A potential that depends on the temperature [K]."""

_LARGEST_EXPONENT = 600.0
"""Energy over the thermal energy, up or down, beyond which a Boltzmann factor does not change."""


class PairFactors(eqx.Module):
    """The Boltzmann factor of a pair on a grid, in units of a length, and what it depends on.

    A cell of the grid that an edge of the energy lies in has the mean of both sides, so that the error of an edge anywhere is of
    second order in the spacing and the edge has a derivative in its position.

    Parameters
    ----------
    boltzmann
        The factor at the radii.
    slope
        Its derivative in the distance.
    heat
        Its negative derivative in the inverse temperature [kJ/mol].
    edges, jumps
        Where the energy may have edges, and by how much the factor rises there.
    beyond, beyond_heat
        Integral of ``r^2`` times the factor less one beyond the grid, and its negative derivative [kJ/mol].
    beyond_slope
        Integral of ``r^3`` times the slope beyond the grid.
    """

    boltzmann: Float[Array, " radius"]
    slope: Float[Array, " radius"]
    heat: Float[Array, " radius"]
    edges: Float[Array, " edge"]
    jumps: Float[Array, " edge"]
    beyond: Float[Array, ""]
    beyond_heat: Float[Array, ""]
    beyond_slope: Float[Array, ""]

    @classmethod
    def of(
        cls,
        potential: PairPotential | PotentialAt,
        temperature: Float[Array, ""],
        length: Float[Array, ""],
        grids: tuple[RadialGrid, ...],
    ) -> tuple["PairFactors", ...]:
        """Return the factors of a potential on grids.

        Parameters
        ----------
        potential
            The potential, or a function of the temperature [K].
        temperature
            Temperature [K].
        length
            Unit of length [angstrom].
        grids
            The grids, the first of which has the radii of all.
        """
        at_temperature: PotentialAt = (lambda _: potential) if isinstance(potential, PairPotential) else potential
        edges = jnp.stack(at_temperature(temperature).breakpoints())
        first, heat = grids[0], GAS_CONSTANT * temperature**2
        rows = [np.rint(one.radii / first.spacing).astype(int) - 1 for one in grids]
        shares = [_shares(length * one.radii, edges, length * one.spacing) for one in grids]
        # The sum over the radii stands for an integral up to the middle between the last and the reach.
        ends = np.array([one.reach - 0.5 * one.spacing for one in grids])

        def values(temperature: Array) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            here = at_temperature(temperature)

            def at(radii: Array) -> tuple[Array, Array]:
                factor = partial(_boltzmann_factor, here, temperature)
                return jax.vmap(lambda r: jax.jvp(factor, (r,), (jnp.ones_like(r),)))(radii)

            nodes, below, above = at(length * first.radii), at(edges * (1 - 1e-12)), at(edges * (1 + 1e-12))
            jumps = jax.tree.map(jnp.subtract, above, below)
            factors, slopes = (
                [node[row] + share @ jump for row, share in zip(rows, shares, strict=True)]
                for node, jump in zip(nodes, jumps, strict=True)
            )
            thermal = GAS_CONSTANT * temperature
            beyond = -jax.vmap(here.energy_beyond)(length * ends) / (thermal * length**3)
            at_ends = jnp.expm1(-jax.vmap(here.pair_energy)(length * ends) / thermal)
            return (factors, beyond), ([length * slope for slope in slopes], jumps[0], -(ends**3) * at_ends - 3 * beyond)

        # One derivative in the temperature; the solution does not enter it.
        at, ones = (temperature,), (jnp.ones_like(temperature),)
        (factors, beyond), (warmings, beyond_warming), (slopes, jumps, beyond_slope) = jax.jvp(values, at, ones, has_aux=True)
        return tuple(
            cls(factor, slope, heat * warming, edges / length, jumps, beyond[k], heat * beyond_warming[k], beyond_slope[k])
            for k, (factor, slope, warming) in enumerate(zip(factors, slopes, warmings, strict=True))
        )


_compiled_factors = eqx.filter_jit(PairFactors.of)


def _boltzmann_factor(potential: PairPotential, temperature: Array, r: Array) -> Array:
    """Return the Boltzmann factor at a separation [angstrom], zero where the energy is infinite."""
    energy, thermal = potential.pair_energy(r), GAS_CONSTANT * temperature
    largest = jax.lax.stop_gradient(_LARGEST_EXPONENT * thermal)
    return jnp.exp(-jnp.where(jnp.abs(energy) < largest, energy, jnp.sign(energy) * largest) / thermal)


def _shares(radii: Array, edges: Array, spacing: Array) -> Array:
    """Return how much of each jump the mean over a cell has more than the node in its middle."""
    off = (radii[:, None] - edges) / spacing
    return jnp.where(jnp.abs(off) < 0.5, jnp.where(radii[:, None] < edges, off + 0.5, off - 0.5), 0.0)


class PairSolution(eqx.Module):
    r"""The solution of an integral equation on a grid, in units of the length and the temperature.

    Parameters
    ----------
    grid, closure, factors
        Grid, closure, and the pair at the temperature.
    density
        Number density times the cubed length.
    indirect
        :math:`\gamma = h - c` at the radii.
    """

    grid: RadialGrid
    closure: Closure
    factors: PairFactors
    density: Float[Array, ""]
    indirect: Float[Array, " radius"]

    def cavity(self, radii: Float[Array, " datum"]) -> Float[Array, " datum"]:
        r"""Return :math:`y = g\,e^{\beta u}` at distances within the grid."""
        indirect = self.grid.interpolation(radii) @ self.grid.sines(self.grid.radii * self.indirect)
        return jax.vmap(self.closure.cavity)(indirect, radii)

    def energy(self) -> Float[Array, ""]:
        """Return the internal energy per particle [kJ/mol]."""
        return 2 * jnp.pi * self.density * (self._integral(self.factors.heat, 2) + self.factors.beyond_heat)

    def compressibility_factor(self) -> Float[Array, ""]:
        r"""Return :math:`p/\rho k_B T` from the virial; an edge of the energy is hit by the pairs on its two sides."""
        edges = self.factors.edges
        hits = jnp.sum(edges**3 * self.cavity(edges) * self.factors.jumps)
        return 1 + 2 * jnp.pi / 3 * self.density * (self._integral(self.factors.slope, 3) + hits + self.factors.beyond_slope)

    def inverse_structure(self, wavevectors: Float[Array, " datum"]) -> Float[Array, " datum"]:
        """Return the inverse structure factor at wave vectors; that at zero knows of the direct correlations beyond the grid."""
        radii = self.grid.radii
        weights = 4 * np.pi * self.grid.spacing * radii**2
        direct = weights * direct_correlation(self.closure, self.grid, self.factors.boltzmann, self.indirect)
        beyond = jnp.where(wavevectors == 0, 4 * np.pi * self.factors.beyond, 0.0)
        return 1 - self.density * (jnp.sinc(wavevectors[:, None] * radii / np.pi) @ direct + beyond)

    def _integral(self, values: Array, power: int) -> Array:
        radii = self.grid.radii
        cavity = jax.vmap(self.closure.cavity)(self.indirect, jnp.asarray(radii))
        return self.grid.spacing * jnp.sum(radii**power * cavity * values)


class ClosureAverages(Averages):
    r"""Averages of a fluid at a state, from an integral equation.

    The covariance of their numerical errors has two columns: what a grid of twice the spacing changes, and what one of half the
    range does. Both are cautious: the error is a fraction of them. The variance is for where JAX traces and there is no solution:
    then the error of a distribution function is taken to be larger than the function. The error of the closure is not in it.

    Parameters
    ----------
    solution
        The solution.
    coarser, shorter
        Those on the grids of twice the spacing and of half the range.
    doubt
        Error of a distribution function that the equation leaves: 1e-9 at most for a solution, more than 1 where there is none.
    potential
        The potential at the temperature.
    length
        Unit of length [angstrom], the first breakpoint of the potential.
    temperature
        Temperature [K].
    density
        Number density [1/angstrom^3], as it was given: a number where JAX does not trace it.
    """

    source: ClassVar[str] = "an integral equation"

    solution: PairSolution
    coarser: PairSolution
    shorter: PairSolution
    doubt: Float[Array, ""]
    potential: PairPotential
    length: Float[Array, ""]
    temperature: Float[Array, ""]
    density: Float[ArrayLike, ""]

    @property
    def solved(self) -> Bool[Array, ""]:
        """Whether the equation has a solution there."""
        return self.doubt < 1

    def energy(self) -> Estimate:
        r"""Return the internal energy per particle beyond that of the ideal gas [kJ/mol].

        .. math:: \frac{U}{N} = 2\pi\rho \int_0^\infty r^2\,u(r)\,g(r)\,dr

        Of a potential that depends on the temperature, ``u`` stands for :math:`\partial(\beta u)/\partial\beta`. Beyond the grid
        ``g`` is one.
        """
        return self._estimate(lambda one: one.energy()[None], GAS_CONSTANT * self.temperature)

    def pressure(self) -> Estimate:
        r"""Return the pressure [MPa] from the virial.

        .. math:: p = \rho k_B T - \frac{2\pi}{3}\rho^2 \int_0^\infty r^3\,u'(r)\,g(r)\,dr

        Edges of the energy exert forces. Beyond the grid ``g`` is one.
        """
        ideal = self._ideal_pressure()
        return self._estimate(lambda one: ideal * one.compressibility_factor()[None], ideal)

    def compressibility(self) -> Estimate:
        r"""Return the isothermal compressibility [1/MPa] from the structure factor at zero.

        .. math:: \kappa_T = \frac{S(0)}{\rho k_B T}, \qquad S(0)^{-1} = 1 - 4\pi\rho\int_0^\infty r^2\,c(r)\,dr

        It is not that of the virial's pressure, but for an exact closure.
        """
        ideal = self._ideal_pressure()
        return self._estimate(lambda one: 1 / (ideal * one.inverse_structure(jnp.zeros(1))), 1 / ideal)

    def pair_distribution(self, separation: Float[ArrayLike, " datum"]) -> Estimate:
        """Return the pair distribution function at separations [angstrom]; one beyond the grid."""
        separation = jnp.asarray(separation)
        factor = jax.vmap(partial(_boltzmann_factor, self.potential, self.temperature))(separation)
        radii = separation / self.length

        def at(one: PairSolution) -> Array:
            inside = radii < one.grid.reach
            return jnp.where(inside, factor * one.cavity(jnp.where(inside, radii, 1.0)), 1.0)

        return self._estimate(at, jnp.ones(()))

    def structure_factor(self, wavevector: Float[ArrayLike, " datum"]) -> Estimate:
        r"""Return the structure factor at wave vectors [1/angstrom].

        .. math:: S(q) = \Big(1 - 4\pi\rho \int_0^\infty r^2\,c(r)\,\frac{\sin qr}{qr}\,dr\Big)^{-1}

        Direct correlations beyond the grid are left out but at zero. For a Lennard-Jones fluid at a reduced temperature of 1.45
        and density of 0.3, where S(0) is 6, that is 0.3 % at the smallest wave vectors, within what the covariance says.
        """
        wavevectors = jnp.asarray(wavevector) * self.length
        return self._estimate(lambda one: 1 / one.inverse_structure(wavevectors), jnp.ones(()))

    def _ideal_pressure(self) -> Float[Array, ""]:
        return jnp.asarray(self.density * GAS_CONSTANT * self.temperature * MPA_PER_INTERNAL_PRESSURE)

    def _estimate(self, average: Callable[[PairSolution], Array], scale: Float[Array, ""]) -> Estimate:
        """Return an average with its error; the scale is its size in an ideal gas."""
        mean = average(self.solution)
        fixed = jax.lax.stop_gradient(mean)
        others = [jax.lax.stop_gradient(average(one)) for one in (self.coarser, self.shorter)]
        variance = (self.doubt * (jnp.abs(fixed) + jax.lax.stop_gradient(scale))) ** 2
        return Estimate(mean, jnp.stack([fixed - other for other in others], axis=1), variance)


class IntegralEquation(eqx.Module):
    r"""The Ornstein-Zernike equation with a closure, and the grid that it is solved on.

    Parameters
    ----------
    closure
        The closure.
    spacing
        Spacing of the grid, in units of the potential's first breakpoint.
    num_intervals
        Intervals of the grid, an even number.

    Raises
    ------
    ParameterError
        If the number of intervals is odd, or the grid too small or too coarse for the wave vectors of Newton's method.

    Example
    -------
    >>> from bayesff.ensembles import PercusYevick
    >>> from bayesff.potentials import LennardJones
    >>> argon = LennardJones(epsilon=0.996, sigma=3.405)
    >>> averages = IntegralEquation(PercusYevick()).averages(argon, temperature=160.0, density=0.0196)
    >>> round(float(averages.energy().mean[0]), 2)
    -5.04
    """

    closure: Closure
    spacing: float = eqx.field(static=True, default=0.02)
    num_intervals: int = eqx.field(static=True, default=1024)

    def __check_init__(self) -> None:
        if self.num_intervals % 2 or self.num_intervals < 64:
            raise ParameterError(
                f"IntegralEquation: num_intervals must be an even number of at least 64, found {self.num_intervals}"
            )
        if not 0 < self.spacing <= 0.07:
            raise ParameterError(f"IntegralEquation: spacing must be greater than zero and at most 0.07, found {self.spacing}")

    def averages(
        self, potential: PairPotential | PotentialAt, temperature: Float[ArrayLike, ""], density: Float[ArrayLike, ""]
    ) -> ClosureAverages:
        """Return the averages of a fluid.

        Parameters
        ----------
        potential
            The potential, in full; a function of the temperature [K] if it depends on it. A truncation is taken as it is: its
            tail is not added, and a step at its cutoff exerts a force.
        temperature
            Temperature [K].
        density
            Number density [1/angstrom^3].

        Raises
        ------
        StateError
            If the equation has no solution there, as where a gas and a liquid coexist; not while JAX traces (see
            `ClosureAverages`).
        """
        temperature = jnp.asarray(temperature, float)
        # A plain function of the temperature may hold values that JAX traces, so that it cannot be compiled by itself.
        here = potential if isinstance(potential, PairPotential) else potential(temperature)
        of = _compiled_factors if isinstance(potential, PairPotential | jax.tree_util.Partial) else PairFactors.of
        length = here.breakpoints()[0]
        reduced = jnp.asarray(density, float) * length**3
        grid = RadialGrid(self.spacing, self.num_intervals)
        grids = (grid, grid.coarser(), grid.shorter())
        factors = of(potential, temperature, length, grids)
        found, doubt = solve_on_grids(grids, self.closure, tuple(one.boltzmann for one in factors), reduced)
        solutions = [
            PairSolution(one, self.closure, pair, reduced, indirect)
            for one, pair, indirect in zip(grids, factors, found, strict=True)
        ]
        below = solutions[0].inverse_structure(jnp.zeros(1))[0] > 0
        doubt = jnp.where(below, doubt, jnp.maximum(doubt, 1.0))
        usual, coarser, shorter = solutions
        averages = ClosureAverages(usual, coarser, shorter, doubt, here, length, temperature, density)
        self._require_solved(averages)
        return averages

    def averages_over(
        self,
        potential: PairPotential | PotentialAt,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[ClosureAverages]:
        """Return `averages` at several temperatures [K] and densities [1/angstrom^3], solved side by side."""
        together = jax.vmap(partial(self.averages, potential))(jnp.asarray(temperatures), jnp.asarray(densities))
        self._require_solved(together)
        return [
            dataclasses.replace(jax.tree.map(lambda leaf, row=row: leaf[row], together), density=float(density))
            for row, density in enumerate(densities)
        ]

    def _require_solved(self, averages: ClosureAverages) -> None:
        if traced(averages.doubt):
            return
        temperature, density, doubt = (
            np.atleast_1d(np.asarray(one)) for one in (averages.temperature, averages.density, averages.doubt)
        )
        if not (unsolved := np.flatnonzero(doubt >= 1)).size:
            return
        where = unsolved[0]
        raise StateError(
            f"IntegralEquation: the fluid must have one phase, found no solution with {type(self.closure).__name__} at "
            f"{temperature[where]:g} K and {density[where]:g} 1/angstrom^3: take a state of one phase, or another closure"
        )
