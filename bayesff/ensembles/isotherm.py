"""A Mie fluid, and what its equation of state says of it at one temperature: near one density, and at all of them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bayesff.ensembles.mie_fluid import ATTRACTIVE
from bayesff.ensembles.polynomials import Polynomials
from bayesff.errors import ParameterError
from bayesff.potentials import AxilrodTeller, LennardJones, Mie, PlainCut
from bayesff.potentials.base import PairPotential, traced
from bayesff.units import HBAR_SQUARED_OVER_MASS, MPA_PER_INTERNAL_PRESSURE

_OF_TAIL = 0.03
"""Error of what a cutoff takes off, as a share of it."""


class Contribution(NamedTuple):
    """A mean, and the column of its error for every cause."""

    mean: Float[Array, ""]
    causes: Float[Array, " cause"]


class MieFluid(NamedTuple):
    r"""A Mie fluid, and what adds to its energy.

    Parameters
    ----------
    epsilon, sigma
        Depth [kJ/mol] and diameter [angstrom].
    log_repulsive
        Logarithm of the repulsive exponent.
    quantum
        :math:`\hbar^2/12 m \epsilon\sigma^2`; zero for classical particles.
    triple
        :math:`C_9/\epsilon\sigma^9`; zero without forces between three particles.
    lost_energy, lost_pressure
        What a cutoff without a tail takes off the energy of a particle and off the pressure over the density, each over the
        density [kJ/mol angstrom^3]; zero for the potential in full.
    """

    epsilon: Float[Array, ""]
    sigma: Float[Array, ""]
    log_repulsive: Float[Array, ""]
    quantum: Float[Array, ""]
    triple: Float[Array, ""]
    lost_energy: Float[Array, ""]
    lost_pressure: Float[Array, ""]

    @classmethod
    def of(
        cls,
        potential: PairPotential,
        molar_mass: float | None = None,
        three_body: AxilrodTeller | None = None,
        cutoff: float | None = None,
    ) -> "MieFluid":
        r"""Return the fluid that a potential makes.

        Parameters
        ----------
        potential
            A Lennard-Jones potential, or a Mie potential with the attractive exponent 6.
        molar_mass
            Mass of the particles [g/mol] for a quantum correction to first order in :math:`\hbar^2`, see `FeynmanHibbs`; none
            if not given.
        three_body
            Forces between three particles, to first order; none if not given.
        cutoff
            Distance [angstrom] where a simulation cuts the potential without adding a tail; in full if not given. What that takes
            off is the tail of `PlainCut` for a uniform fluid.

        Raises
        ------
        ParameterError
            If the potential is another one.
        """
        if isinstance(potential, LennardJones):
            repulsive = jnp.asarray(12.0)
        elif isinstance(potential, Mie):
            repulsive = potential.repulsive
            if not traced(potential.attractive) and float(potential.attractive) != ATTRACTIVE:
                raise ParameterError(
                    f"EquationOfState: the attractive exponent must be {ATTRACTIVE:g}, found {float(potential.attractive):g}"
                )
        else:
            raise ParameterError(
                f"EquationOfState: the potential must be Lennard-Jones or Mie, found {type(potential).__name__}: give its "
                "liquids reference simulations"
            )
        epsilon, sigma = potential.epsilon, potential.sigma
        quantum = 0.0 if molar_mass is None else HBAR_SQUARED_OVER_MASS / (12 * molar_mass * epsilon * sigma**2)
        triple = 0.0 if three_body is None else three_body.c9 / (epsilon * sigma**9)
        tail = None if cutoff is None else PlainCut(potential, cutoff, tail=True)
        lost = (0.0, 0.0) if tail is None else (tail.tail_energy(1.0), tail.tail_pressure(1.0) / MPA_PER_INTERNAL_PRESSURE)
        return cls(epsilon, sigma, jnp.log(repulsive), *(jnp.asarray(one) for one in (quantum, triple, *lost)))

    def truncation(self, thermal: Float[Array, ""], density: Float[Array, ""]) -> list[Contribution]:
        """Return what a cutoff without a tail adds to f, U/NkT and Z; 3 % of it is an error, because g(r) is not 1 beyond."""
        pressure, energy = (-one * density / thermal for one in (self.lost_pressure, self.lost_energy))
        return [Contribution(one, _OF_TAIL * one[None]) for one in (pressure, energy, pressure)]

    def saturated_density(self, thermal: Float[Array, ""]) -> Float[Array, ""]:
        """Return about the density of the saturated liquid, that of Lennard-Jones as far from the critical point."""
        below = jnp.maximum(self.critical - thermal / self.epsilon, 0.0)
        return (0.316 + 0.5 * jnp.cbrt(below) + 0.155 * below) / self.sigma**3

    @property
    def critical(self) -> Float[Array, ""]:
        """About the critical temperature over the depth."""
        return 0.67 + 7.8 * jnp.exp(-self.log_repulsive)


class LocalLiquid(NamedTuple):
    """A liquid's f, U/NkT and Z - 1 about a density, to first order in the logarithm of the density."""

    logarithm: Float[Array, ""]
    values: Float[Array, "3"]
    slopes: Float[Array, "3"]

    def __call__(self, logarithm: Float[Array, ""]) -> Float[Array, "3"]:
        """Return them at the logarithm of another density."""
        return self.values + self.slopes * (logarithm - self.logarithm)

    def step_to(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        """Return a step of the logarithm towards ``p/(rho kT) = ratio`` that does not leave the liquid for the vapour."""
        stiffness = self.slopes[2] + ratio
        return jnp.where(stiffness > 1.0, jnp.clip((ratio - 1 - self.values[2]) / stiffness, -0.06, 0.06), 0.06)


class Isotherm(eqx.Module):
    """A fluid at one temperature, for many densities: series in the density are left of the products.

    Parameters
    ----------
    polynomials
        The bases of the Helmholtz energy and of the two weak terms.
    series
        For each, see `Polynomials.series`.
    sizes, powers
        What the weak means are multiplied with, and its power of the depth over the thermal energy.
    depth
        The depth over the thermal energy.
    fluid, thermal
        The fluid and the thermal energy [kJ/mol].
    """

    polynomials: tuple[Polynomials, ...]
    series: tuple[Float[Array, "2 _"], ...]
    sizes: tuple[Float[Array, ""], ...]
    powers: tuple[int, ...] = eqx.field(static=True)
    depth: Float[Array, ""]
    fluid: MieFluid
    thermal: Float[Array, ""]

    def values(self, logarithm: Float[Array, ""]) -> Float[Array, "3"]:
        """Return f, U/NkT and Z - 1 at the logarithm of a density [1/angstrom^3]."""
        density = jnp.exp(logarithm)
        reduced = density * self.fluid.sigma**3
        x = jnp.stack([self.depth, reduced, self.fluid.log_repulsive])
        found = []
        for polynomials, (series, warming) in zip(self.polynomials, self.series, strict=True):
            values, slopes = (one[1] for one in polynomials.of_each(x))
            found.append(jnp.stack([series @ values, self.depth * (warming @ values), reduced * (series @ slopes)]))
        total = found[0] + jnp.stack([one.mean for one in self.fluid.truncation(self.thermal, density)])
        for (logarithm_of_mean, warming, rising), size, power in zip(found[1:], self.sizes, self.powers, strict=True):
            total += size * jnp.exp(logarithm_of_mean) * jnp.stack([jnp.ones_like(warming), power + warming, rising])
        return total

    def about(self, logarithm: Float[Array, ""]) -> LocalLiquid:
        """Return the liquid about the logarithm of a density."""
        return LocalLiquid(logarithm, *jax.jvp(self.values, (logarithm,), (jnp.ones_like(logarithm),)))
