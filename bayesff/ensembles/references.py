r"""Reference simulations of a pair fluid at one density, and the averages that they give for other potentials and temperatures.

A frame enters by its pair statistics only (see `bayesff.ensembles.pair_statistics`), so that energy and virial of a new potential
are one matrix product, and weights (see `MBAR`) and averages can be differentiated in its parameters.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.ensembles.correlation import equilibrated, statistical_inefficiency
from bayesff.ensembles.mbar import MBAR
from bayesff.ensembles.pair_fluid import PairFluid, Trajectory
from bayesff.ensembles.pair_statistics import PairGrid
from bayesff.errors import ParameterError
from bayesff.potentials import Truncation
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

_MEGAPASCAL = 1e3 / CUBIC_ANGSTROM_PER_MOLE
"""One kJ/mol/angstrom^3 in MPa."""


class PairEnsemble(eqx.Module):
    """The frames of one reference simulation in equilibrium.

    Parameters
    ----------
    potential
        The potential that it was simulated with.
    temperature
        Temperature [K].
    density
        Number density [1/angstrom^3].
    num_particles
        Particles in the box.
    grid
        Nodes of the pair statistics.
    pair_counts
        Pair statistics of every frame, those of one replica after those of another.
    inefficiency
        Statistical inefficiency of the frames.
    """

    potential: Truncation
    temperature: float
    density: float
    num_particles: int = eqx.field(static=True)
    grid: PairGrid = eqx.field(static=True)
    pair_counts: Float[Array, "frame node"]
    inefficiency: float

    @classmethod
    def from_trajectory(cls, fluid: PairFluid, trajectory: Trajectory, grid: PairGrid) -> "PairEnsemble":
        """Keep of a simulation what is in equilibrium, as its energy and its virial tell."""
        counts = np.asarray(trajectory.pair_counts)
        series = [np.asarray(counts @ one, float) for one in _per_node(fluid.truncation, grid)]
        start = max(equilibrated(one)[0] for one in series)
        inefficiency = max(statistical_inefficiency(one[:, start:]) for one in series)
        kept = jnp.asarray(counts[:, start:].reshape(-1, grid.num_nodes))
        return cls(fluid.truncation, fluid.temperature, fluid.density, fluid.num_particles, grid, kept, inefficiency)


class Averages(NamedTuple):
    """Averages at a state, with what they rest on.

    Parameters
    ----------
    energy
        Potential energy per particle [kJ/mol], the truncation's tail included.
    pressure
        Pressure [MPa], the tail included.
    covariance
        Covariance of the statistical errors of energy and pressure.
    effective_sample_size
        Independent frames that the weights leave.
    """

    energy: Float[Array, ""]
    pressure: Float[Array, ""]
    covariance: Float[Array, "2 2"]
    effective_sample_size: Float[Array, ""]


class References(eqx.Module):
    """Reference simulations with one density, number of particles and grid, weighed together.

    Parameters
    ----------
    mbar
        Their frames as one sample.
    pair_counts
        Pair statistics of all frames.
    density, num_particles, grid
        What they have in common.
    """

    mbar: MBAR
    pair_counts: Float[Array, "frame node"]
    density: float
    num_particles: int = eqx.field(static=True)
    grid: PairGrid = eqx.field(static=True)

    @classmethod
    def combine(cls, ensembles: Sequence[PairEnsemble]) -> "References":
        """Weigh several simulations together.

        Raises
        ------
        ParameterError
            If there is none, or if they differ in density, number of particles or grid.
        NumericalError
            If some have no frames in common.
        """
        if not ensembles:
            raise ParameterError("References: at least one simulation is needed, found none")
        first = ensembles[0]
        for one in ensembles[1:]:
            for name in ("density", "num_particles", "grid"):
                if getattr(one, name) != getattr(first, name):
                    raise ParameterError(
                        f"References: simulations must have one {name.replace('_', ' ')}, found {getattr(first, name)} and "
                        f"{getattr(one, name)}: weigh them in groups"
                    )
        counts = jnp.concatenate([one.pair_counts for one in ensembles])
        reduced = jnp.stack(
            [
                (counts @ _per_node(one.potential, first.grid)[0].astype(counts.dtype)) / (GAS_CONSTANT * one.temperature)
                for one in ensembles
            ]
        )
        sizes = [len(one.pair_counts) for one in ensembles]
        mbar = MBAR.solve(reduced, sizes, [one.inefficiency for one in ensembles])
        return cls(mbar, counts, first.density, first.num_particles, first.grid)

    def log_weights(self, potential: Truncation, temperature: Float[ArrayLike, ""]) -> Float[Array, " frame"]:
        """Return the logarithms of the frames' weights for a potential at a temperature [K]."""
        energy = self.pair_counts @ _per_node(potential, self.grid)[0].astype(self.pair_counts.dtype)
        return self.mbar.log_weights(energy / (GAS_CONSTANT * temperature))[0]

    def averages(self, potential: Truncation, temperature: Float[ArrayLike, ""]) -> Averages:
        r"""Return energy and pressure for a potential at a temperature.

        .. math:: \frac{U}{N} = \frac{1}{N}\Big\langle\sum_{i<j} u(r_{ij})\Big\rangle + \frac{U_\mathrm{tail}}{N}, \qquad
                  p = \rho k_B T - \frac{1}{3V} \Big\langle\sum_{i<j} r_{ij} u'(r_{ij})\Big\rangle + p_\mathrm{tail}

        A step of the energy at the cutoff exerts no force, as in most Monte Carlo programs.

        Parameters
        ----------
        potential
            The potential, whose cutoff is an edge of the grid.
        temperature
            Temperature [K].
        """
        weights = self.log_weights(potential, temperature)
        energy, virial = (values.astype(self.pair_counts.dtype) for values in _per_node(potential, self.grid))
        volume = self.num_particles / self.density
        sums = self.pair_counts @ jnp.stack([energy / self.num_particles, virial * (_MEGAPASCAL / (3 * volume))], axis=1)
        mean, factor = self.mbar.average(weights, sums.astype(weights.dtype))
        ideal = self.density * GAS_CONSTANT * jnp.asarray(temperature) * _MEGAPASCAL
        return Averages(
            mean[0] + potential.tail_energy(self.density),
            mean[1] + ideal + potential.tail_pressure(self.density),
            factor @ factor.T,
            self.mbar.effective_sample_size(weights),
        )


def _per_node(potential: Truncation, grid: PairGrid) -> tuple[Float[Array, " node"], Float[Array, " node"]]:
    """Return energy and virial ``-r u'`` [kJ/mol] of a pair at every node; zero beyond the cutoff."""
    inside = grid.below(potential.cutoff)
    energy = grid.values(potential.energy_inside)
    virial = grid.values(lambda r: -r * jax.grad(potential.energy_inside)(r))
    return jnp.where(inside, energy, 0.0), jnp.where(inside, virial, 0.0)
