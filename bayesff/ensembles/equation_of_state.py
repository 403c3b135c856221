r"""An equation of state of the Mie fluid that knows its error, learnt from simulations over the reduced states.

Where a posterior or a population is wider than reference simulations reach, averages follow from a function instead: the residual
Helmholtz energy per particle :math:`f = A_\mathrm{res}/N k_B T` over :math:`x = (\epsilon/k_B T, \rho\sigma^3, \ln n)`,

.. math:: f(x) = \sum_k w_k\,\varphi_k(x),

with products of Chebyshev polynomials :math:`\varphi_k`. A simulation gives three derivatives of it, with the covariance of their
errors, and insertion of test particles at a few states its constant (`bayesff.ensembles.mie_fluid`). The weights have a normal
prior that narrows with the degree, so the weights given all simulations are normal too: every average has an error, which grows
outside the states that were simulated, and averages at different states err together as they should. Degree and prior are those
of largest evidence. Energy and pressure are derivatives of one function, hence thermodynamically consistent.

A simulation of ``N`` particles shows a little less pressure than an infinite fluid, because it cannot change its number:

.. math:: f_N = f + \frac{1}{2N}\ln\chi, \qquad \frac1\chi = 1 + \frac{\partial f}{\partial\ln\rho} +
          \frac{\partial^2 f}{\partial(\ln\rho)^2},

with :math:`\chi = \rho k_B T\kappa_T`. That is a third of the statistical error of a simulation of 256 particles in a dense
liquid, four times as much near the critical point, and the same sign everywhere: it is taken off.

What is weak adds its mean over the fluid to the Helmholtz energy, to first order: the Laplacian of the energy for a quantum
correction in :math:`\hbar^2`, and the triple-dipole sum for forces between three particles. The logarithm of each is another
such sum. The second order of the latter, half the variance of the sum, is 0.2 % of the first in liquid argon near its triple
point.

References
----------
J. L. Lebowitz, J. K. Percus, Phys. Rev. 124, 1673 (1961), doi:10.1103/PhysRev.124.1673 (finite number of particles)
"""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float
from scipy.linalg import block_diag

from bayesff.ensembles.averages import Averages, Estimate
from bayesff.ensembles.isotherm import Contribution, Isotherm, MieFluid
from bayesff.ensembles.mie_fluid import NUM_PARTICLES, Inserted, Simulated, coordinates, load_inserted, load_simulated
from bayesff.ensembles.polynomials import Normal, Polynomials, learn
from bayesff.errors import ParameterError, StateError
from bayesff.potentials.base import traced
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

DEGREES = (3, 4, 5, 6)
"""Total degrees of the polynomials that are tried."""

_STEPS = 14
"""Steps towards a density: the first ones are no longer than 6 %, the last ones are Newton's."""

_SMALLEST_STIFFNESS = 0.05
"""The least that one over chi is taken to be: it is zero at the critical point."""


class WeakTerm(eqx.Module):
    r"""A positive mean :math:`m(x) = \exp \sum_k w_k \varphi_k(x)` over the fluid, of what adds to its energy in first order.

    Parameters
    ----------
    polynomials
        The basis.
    weights
        The weights.
    """

    polynomials: Polynomials
    weights: Normal

    @property
    def num_causes(self) -> int:
        """Number of causes of its error."""
        return self.weights.factor.shape[1]

    def contributions(self, x: Float[Array, "3"], strength: Float[Array, ""], power: int) -> list["Contribution"]:
        r"""Return :math:`s\,x_1^p\,m(x)` and its derivatives in :math:`\ln x_1` and :math:`\ln x_2`.

        Parameters
        ----------
        x
            Where: depth over thermal energy, density times the cubed diameter, logarithm of the exponent.
        strength
            ``s``.
        power
            ``p``.
        """
        basis, slopes = self.polynomials.with_slopes(x)
        size = strength * x[0] ** power * jnp.exp(basis @ self.weights.mean)
        found = [Contribution(size, size * basis @ self.weights.factor)]
        for variable, extra in ((0, power), (1, 0)):
            row = x[variable] * slopes[variable]
            shift = extra + row @ self.weights.mean
            found.append(Contribution(size * shift, size * (shift * basis + row) @ self.weights.factor))
        return found


class EquationAverages(Averages):
    """Averages of a fluid at a state, from an equation of state.

    Parameters
    ----------
    internal_energy
        Internal energy beyond the ideal gas [kJ/mol].
    fluid_pressure
        Pressure [MPa].
    bulk_modulus
        Isothermal bulk modulus [MPa].
    isochoric
        Isochoric heat capacity beyond the ideal gas [J/mol/K].
    excess
        Chemical potential beyond the ideal gas [kJ/mol].
    density
        Number density [1/angstrom^3].
    temperature
        Temperature [K].
    """

    source: ClassVar[str] = "an equation of state"

    internal_energy: Estimate
    fluid_pressure: Estimate
    bulk_modulus: Estimate
    isochoric: Estimate
    excess: Estimate
    density: float
    temperature: Float[Array, ""]

    def energy(self) -> Estimate:
        """Return the internal energy beyond that of the ideal gas [kJ/mol]."""
        return self.internal_energy

    def pressure(self) -> Estimate:
        """Return the pressure [MPa]."""
        return self.fluid_pressure

    def compressibility(self) -> Estimate:
        r"""Return the isothermal compressibility [1/MPa].

        .. math:: \kappa_T^{-1} = \rho \Big(\frac{\partial p}{\partial \rho}\Big)_T

        Raises
        ------
        StateError
            If the fluid is not stable there; while JAX traces, its compressibility has an error as large as itself.
        """
        modulus = self.bulk_modulus
        ideal = self.density * GAS_CONSTANT * self.temperature * MPA_PER_INTERNAL_PRESSURE
        stable = modulus.mean > _SMALLEST_STIFFNESS * ideal
        if not traced(stable) and not bool(stable.all()):
            raise StateError(
                f"isothermal compressibility: the fluid must be stable, found a pressure that does not rise with the density at "
                f"{float(self.temperature):g} K and {self.density:g} 1/angstrom^3: take a state of one phase"
            )
        found = 1 / jnp.where(stable, modulus.mean, ideal)
        return Estimate(found, -(found**2)[:, None] * modulus.factor, jnp.where(stable, modulus.variance, found**2))

    def heat_capacity(self) -> Estimate:
        r"""Return the isochoric heat capacity beyond that of the ideal gas [J/mol/K].

        .. math:: C_V^\mathrm{res} = \Big(\frac{\partial U}{\partial T}\Big)_\rho
        """
        return self.isochoric

    def chemical_potential(self) -> Estimate:
        r"""Return the chemical potential beyond that of the ideal gas at the same density [kJ/mol].

        .. math:: \frac{\mu^\mathrm{res}}{k_B T} = f + \frac{\partial f}{\partial\ln\rho}
        """
        return self.excess


class EquationOfState(eqx.Module):
    """The Helmholtz energy of the Mie fluid, see the module.

    Parameters
    ----------
    polynomials, weights
        Basis and weights of the Helmholtz energy.
    laplacian, triplets
        Mean Laplacian of the energy of a particle, and mean triple-dipole sum for one, in units of the depth and the diameter.
    """

    polynomials: Polynomials
    weights: Normal
    laplacian: WeakTerm
    triplets: WeakTerm

    @classmethod
    def learn(
        cls, found: Simulated | None = None, inserted: Inserted | None = None, degrees: Sequence[int] = DEGREES
    ) -> "EquationOfState":
        """Learn it from simulations.

        Parameters
        ----------
        found
            What simulations gave, see `bayesff.ensembles.mie_fluid`; those of the catalogue if not given.
        inserted
            Chemical potentials by insertion; those of the catalogue if not given.
        degrees
            Total degrees of the polynomials that are tried.

        Raises
        ------
        ParameterError
            If there are fewer than four simulations, or a number is not finite.
        """
        states, derivatives, covariances = load_simulated() if found is None else found
        inserted = load_inserted() if inserted is None else inserted
        if len(states) < 4 or not all(np.all(np.isfinite(part)) for part in (states, derivatives, covariances)):
            raise ParameterError(
                f"EquationOfState: at least four simulations with finite numbers are needed, found {len(states)}: simulate more"
            )
        x, of_inserted = coordinates(states), coordinates(inserted.states)
        low, high = tuple(map(float, x.min(axis=0))), tuple(map(float, x.max(axis=0)))

        # Products are in the order of their degrees: those of a lower degree are the first columns.
        widest = Polynomials(low, high, max(degrees))
        rows, of_products = widest.derivatives(x, (0, 0, 0)), widest.exponents.sum(axis=1)
        in_each = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        scales = x[:, 0], x[:, 1], 1 / states[:, 2]
        of_slopes = [widest.derivatives(x, one) * scale[:, None] for one, scale in zip(in_each, scales, strict=True)]
        rows_of_slopes = np.stack(of_slopes, axis=1).reshape(-1, len(of_products))
        by_density = widest.derivatives(of_inserted, (0, 1, 0)) * of_inserted[:, 1:2]
        rows_inserted = widest.derivatives(of_inserted, (0, 0, 0)) + by_density  # of f + df/dln(rho)
        rows_of_all = np.concatenate([rows_of_slopes, rows_inserted])
        error = np.asarray(block_diag(*covariances[:, :3, :3], *inserted.variances))

        def energy(degree: int, values: np.ndarray) -> tuple[float, Polynomials, Normal]:
            kept = np.flatnonzero(of_products <= degree)
            found, evidence = learn(rows_of_all[:, kept], values, error, of_products[kept])
            return evidence, Polynomials(low, high, degree), found

        def weak(column: int, degree: int) -> tuple[float, WeakTerm]:
            kept = np.flatnonzero(of_products <= degree)
            error = np.diag(covariances[:, column, column] / derivatives[:, column] ** 2)
            found, evidence = learn(rows[:, kept], np.log(derivatives[:, column]), error, of_products[kept])
            return evidence, WeakTerm(Polynomials(low, high, degree), found)

        laplacian, triplets = (max((weak(column, degree) for degree in degrees), key=lambda one: one[0])[1] for column in (3, 4))
        values = np.concatenate([derivatives[:, :3].ravel(), inserted.means])
        _, basis, weights = max((energy(degree, values) for degree in degrees), key=lambda one: one[0])
        first = cls(basis, weights, laplacian, triplets)
        values -= np.concatenate([first.of_finite_number(states)[0].ravel(), first.of_finite_number(inserted.states)[1]])
        _, basis, weights = max((energy(degree, values) for degree in degrees), key=lambda one: one[0])
        return cls(basis, weights, laplacian, triplets)

    @property
    def num_causes(self) -> int:
        """Number of causes that the errors of all averages have in common."""
        return self.weights.factor.shape[1] + self.laplacian.num_causes + self.triplets.num_causes + 1

    def of_finite_number(
        self, states: Float[np.ndarray, "simulation 3"], num_particles: int = NUM_PARTICLES
    ) -> tuple[Float[np.ndarray, "simulation 3"], Float[np.ndarray, " simulation"]]:
        r"""Return by how much simulations differ from an infinite fluid because their number of particles is fixed.

        The derivatives of :math:`f` (see `bayesff.ensembles.mie_fluid`) differ by those of :math:`\frac{1}{2N}\ln\chi`, and the
        residual chemical potential by insertion, which adds a particle, by

        .. math:: \frac{1}{2N}\Big(\frac{\partial\ln\chi}{\partial\ln\rho} + \frac1\chi - 1\Big).

        Parameters
        ----------
        states
            Temperature over the depth, density times the cubed diameter, and repulsive exponent of every simulation.
        num_particles
            ``N``.

        Returns
        -------
        tuple of ndarray
            Of the three derivatives, and of the residual chemical potential over the thermal energy.
        """
        x = coordinates(states)
        density = x[:, 1]

        def free(*orders: int) -> np.ndarray:
            return self.polynomials.derivatives(x, (orders[0], orders[1], orders[2])) @ np.asarray(self.weights.mean)

        def slope(first: int, last: int) -> np.ndarray:
            return 2 * density * free(first, 1, last) + density**2 * free(first, 2, last)

        inverse = np.maximum(1 + slope(0, 0), _SMALLEST_STIFFNESS)
        by_density = density * (2 * free(0, 1, 0) + 4 * density * free(0, 2, 0) + density**2 * free(0, 3, 0))
        slopes = np.stack([x[:, 0] * slope(1, 0), by_density, slope(0, 1) / states[:, 2]], axis=1)
        of_derivatives = -slopes / inverse[:, None] / (2 * num_particles)
        return of_derivatives, of_derivatives[:, 1] + (inverse - 1) / (2 * num_particles)

    def averages(
        self, fluid: MieFluid, temperatures: Float[ArrayLike, " state"], densities: Float[np.ndarray, " state"]
    ) -> list[EquationAverages]:
        r"""Return the averages of a fluid at some states.

        .. math:: \frac{U}{N k_B T} = \frac{\partial f}{\partial \ln x_1}, \qquad
                  \frac{p}{\rho k_B T} = 1 + \frac{\partial f}{\partial \ln x_2}

        Parameters
        ----------
        fluid
            The fluid.
        temperatures
            Temperatures [K].
        densities
            Number densities [1/angstrom^3].
        """
        thermal, dense = GAS_CONSTANT * jnp.asarray(temperatures, float), jnp.asarray(densities)
        found = jax.vmap(partial(self._averages, fluid))(thermal, dense)
        rows = (jax.tree.map(lambda leaf, row=row: leaf[row], found) for row in range(len(densities)))
        return [
            EquationAverages(*row, density=float(density), temperature=one / GAS_CONSTANT)
            for row, density, one in zip(rows, densities, thermal, strict=True)
        ]

    def _averages(
        self, fluid: MieFluid, thermal: Float[Array, ""], density: Float[Array, ""]
    ) -> tuple[Estimate, Estimate, Estimate, Estimate, Estimate]:
        """Return energy, pressure, bulk modulus, heat capacity and chemical potential; what nobody asks for, XLA leaves out."""

        def properties(thermal: Array, density: Array) -> tuple[Contribution, Contribution, Contribution]:
            free, energy, excess = self.reduced(fluid, thermal, density)
            ideal = density * thermal * MPA_PER_INTERNAL_PRESSURE
            potential = thermal * (free.mean + excess.mean), thermal * (free.causes + excess.causes)
            pressure = ideal * (1 + excess.mean), ideal * excess.causes
            return Contribution(thermal * energy.mean, thermal * energy.causes), Contribution(*pressure), Contribution(*potential)

        (energy, pressure, potential), (warming, _, _) = jax.jvp(lambda at: properties(at, density), (thermal,), (jnp.ones(()),))
        _, (_, stiffness, _) = jax.jvp(lambda at: properties(thermal, at), (density,), (density,))
        capacity = jax.tree.map(lambda leaf: 1000 * GAS_CONSTANT * leaf, warming)
        every = energy, pressure, stiffness, capacity, potential
        first, second, third, fourth, fifth = (Estimate(one.mean[None], one.causes[None], jnp.zeros(1)) for one in every)
        return first, second, third, fourth, fifth

    def density(
        self, fluid: MieFluid, temperatures: Float[np.ndarray, " state"], pressures: Float[np.ndarray, " state"]
    ) -> Estimate:
        """Return the number density [1/angstrom^3] of the liquid at some temperatures [K] and pressures [MPa].

        Raises
        ------
        StateError
            If there is no liquid at a state; while JAX traces its density has an error as large as itself.
        """
        thermal = GAS_CONSTANT * jnp.asarray(temperatures, float)
        scaled = jnp.asarray(pressures, float) / MPA_PER_INTERNAL_PRESSURE / thermal
        logarithm, causes, solved = _densities(self, fluid, thermal, scaled)
        if not traced(solved) and (bad := np.flatnonzero(~np.asarray(solved))).size:
            raise StateError(
                f"density: there must be a liquid at the temperature and the pressure, found none at "
                f"{float(temperatures[bad[0]]):g} K and {float(pressures[bad[0]]):g} MPa, "
                f"{float(thermal[bad[0]] / fluid.epsilon):.3g} times the depth of the well: take states below the critical "
                "temperature, and above the vapour pressure"
            )
        density = jnp.exp(logarithm)
        return Estimate(density, density[:, None] * causes, jnp.where(solved, 0.0, density**2))

    def isotherm(self, fluid: MieFluid, thermal: Float[Array, ""]) -> Isotherm:
        """Return a fluid at one thermal energy [kJ/mol], without derivatives in anything but the density."""
        fluid, thermal = jax.lax.stop_gradient((fluid, thermal))
        x = jnp.stack([fluid.epsilon / thermal, jnp.zeros_like(thermal), fluid.log_repulsive])
        weak = ((self.laplacian, fluid.quantum, 2), (self.triplets, fluid.triple, 1))
        parts = [(self.polynomials, self.weights), *((one.polynomials, one.weights) for one, _, _ in weak)]
        return Isotherm(
            tuple(polynomials for polynomials, _ in parts),
            tuple(jax.lax.stop_gradient(polynomials.series(x, weights.mean)) for polynomials, weights in parts),
            tuple(strength * x[0] ** power for _, strength, power in weak),
            tuple(power for _, _, power in weak),
            x[0],
            fluid,
            thermal,
        )

    def reduced(
        self, fluid: MieFluid, thermal: Float[Array, ""], density: Float[Array, ""]
    ) -> tuple[Contribution, Contribution, Contribution]:
        r"""Return :math:`A_\mathrm{res}/N k_B T`, :math:`U/N k_B T` and :math:`p/\rho k_B T - 1`.

        Parameters
        ----------
        fluid
            The fluid.
        thermal
            The thermal energy [kJ/mol].
        density
            Number density [1/angstrom^3].
        """
        x = jnp.stack([fluid.epsilon / thermal, density * fluid.sigma**3, fluid.log_repulsive])
        basis, slopes = self.polynomials.with_slopes(x)
        rows = basis, slopes[0] * x[0], slopes[1] * x[1]
        parts = (
            [Contribution(row @ self.weights.mean, row @ self.weights.factor) for row in rows],
            self.laplacian.contributions(x, fluid.quantum, 2),
            self.triplets.contributions(x, fluid.triple, 1),
            fluid.truncation(thermal, density),
        )
        free, energy, excess = (
            Contribution(sum((one.mean for one in part), jnp.zeros(())), jnp.concatenate([one.causes for one in part]))
            for part in zip(*parts, strict=True)
        )
        return free, energy, excess


@eqx.filter_jit
def _densities(
    equation: EquationOfState, fluid: MieFluid, thermal: Float[Array, " state"], scaled: Float[Array, " state"]
) -> tuple[Array, Array, Array]:
    """Return `_density` at all states."""
    return jax.vmap(partial(_density, equation, fluid))(thermal, scaled)


def _density(
    equation: EquationOfState, fluid: MieFluid, thermal: Float[Array, ""], scaled: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, " cause"], Bool[Array, ""]]:
    """Return the logarithm of a liquid's density at a pressure over the thermal energy, its errors, and whether it is solved."""
    goal, isotherm = jax.lax.stop_gradient(scaled), equation.isotherm(fluid, thermal)

    def advance(_: Array, at: Array) -> Array:
        return at + isotherm.about(at).step_to(goal * jnp.exp(-at))

    start = jax.lax.stop_gradient(jnp.log(fluid.saturated_density(thermal)))
    found = jax.lax.stop_gradient(jax.lax.fori_loop(0, _STEPS, advance, start))
    solved = jnp.isfinite(found) & (jnp.abs(found - start) < 1.0)
    found = jnp.where(solved, found, start)
    stiffness = isotherm.about(found).slopes[2] + goal * jnp.exp(-found)

    def excess(logarithm: Array) -> tuple[Array, Array]:
        part = equation.reduced(fluid, thermal, jnp.exp(logarithm))[2]
        return part.mean, part.causes

    off = 1 + excess(found)[0] - scaled * jnp.exp(-found)
    solved &= (stiffness > 0.0) & (jnp.abs(jax.lax.stop_gradient(off)) < 1e-8)
    # One more step has the derivatives of the solution.
    fixed = jax.lax.stop_gradient(jnp.where(solved, stiffness, 1.0))
    found -= jnp.where(solved, off, 0.0) / fixed
    # The errors have derivatives as well, those of the stiffness among them.
    _, rising, causes = jax.jvp(excess, (found,), (jnp.ones_like(found),), has_aux=True)
    return found, -causes / jnp.where(solved, rising + scaled * jnp.exp(-found), 1.0), solved
