"""A pair potential at the nodes of a grid: what sums over pairs are made of."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.ensembles.pair_statistics import PairGrid
from bayesff.potentials import Truncation

PotentialAt = Callable[[Float[Array, ""]], Truncation]
"""A potential that depends on the temperature [K]."""


class PairValues(eqx.Module):
    r"""Energy and virial of a pair at every node of a grid, zero beyond the cutoff, and what a tail adds to a fluid.

    Parameters
    ----------
    energy
        Energy ``u`` [kJ/mol].
    virial
        Virial ``-r u'`` [kJ/mol].
    caloric
        :math:`\partial(\beta u)/\partial\beta` [kJ/mol], which the internal energy is the mean of: another one than the energy
        where the potential depends on the temperature.
    tail
        What a tail adds to the internal energy [kJ/mol].
    tail_pressure
        What a tail adds to the pressure [MPa].
    """

    energy: Float[Array, " node"]
    virial: Float[Array, " node"]
    caloric: Float[Array, " node"]
    tail: Float[Array, ""]
    tail_pressure: Float[Array, ""]

    @classmethod
    def of(
        cls, potential: Truncation | PotentialAt, temperature: Float[ArrayLike, ""], density: float, grid: PairGrid
    ) -> "PairValues":
        """Return the values of a potential, or of one that is a function of the temperature.

        Parameters
        ----------
        potential
            The potential, whose cutoff is an edge of the grid.
        temperature
            Temperature [K].
        density
            Number density [1/angstrom^3].
        grid
            The grid.
        """

        def values(temperature: Float[Array, ""]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            here = potential if isinstance(potential, Truncation) else potential(temperature)
            pair = grid.values(lambda r: jax.jvp(here.energy_inside, (r,), (jnp.ones_like(r),)))
            energy, slope = (jnp.where(grid.below(here.cutoff), part, 0.0) for part in pair)
            return (energy, here.tail_energy(density)), (-jnp.asarray(grid.nodes) * slope, here.tail_pressure(density))

        temperature = jnp.asarray(temperature, float)
        at, ones = (temperature,), (jnp.ones_like(temperature),)
        # One derivative in the temperature, in which nothing is differentiated that does not depend on it.
        (energy, tail), (energy_slope, tail_slope), (virial, tail_pressure) = jax.jvp(values, at, ones, has_aux=True)
        return cls(energy, virial, energy - temperature * energy_slope, tail - temperature * tail_slope, tail_pressure)
