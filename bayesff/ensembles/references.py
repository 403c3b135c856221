r"""Reference simulations of a pair fluid at one density, and the averages that they give for other potentials and temperatures.

A frame enters by its pair statistics only (see `bayesff.ensembles.pair_statistics`), so that energy and virial of a new potential
are one matrix product, and weights (see `MBAR`) and averages can be differentiated in its parameters.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.ensembles.averages import Averages, Estimate
from bayesff.ensembles.correlation import equilibrated
from bayesff.ensembles.mbar import MBAR
from bayesff.ensembles.pair_fluid import PairFluid, Trajectory
from bayesff.ensembles.pair_statistics import PairGrid
from bayesff.ensembles.pair_values import PairValues, PotentialAt
from bayesff.ensembles.structure import LongRange, ball_interference, interference
from bayesff.errors import ParameterError, StateError
from bayesff.potentials import PairPotential, Truncation
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE


class PairEnsemble(eqx.Module):
    """The frames of one reference simulation in equilibrium.

    Parameters
    ----------
    potential
        The potential whose canonical distribution the frames have; where dynamics were run with a step in the energy, the one
        without it.
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
        sampled = fluid.truncation.without_step()
        pair = PairValues.of(sampled, fluid.temperature, fluid.density, grid)
        series = [counts @ np.asarray(values) for values in (pair.energy, pair.virial)]
        start, inefficiency = equilibrated(*series)
        kept = jnp.asarray(counts[:, start:].reshape(-1, grid.num_nodes))
        return cls(sampled, fluid.temperature, fluid.density, fluid.num_particles, grid, kept, inefficiency)


class FiniteNumber(NamedTuple):
    """What a finite number of particles adds to averages, see `bayesff.ensembles.finite_number`.

    Parameters
    ----------
    energy
        To the energy per particle [kJ/mol].
    pressure
        To the pressure [MPa].
    doubt
        Error of both, as a share of them.
    """

    energy: float
    pressure: float
    doubt: float


class PairAverages(Averages):
    """Mean pair statistics of a fluid at a state, from which its averages follow.

    They are ``middle + scatter @ deviation``, see `References`.

    Parameters
    ----------
    deviation
        Mean of the modes.
    factor
        Factor of the covariance of its error: a column each for a block of frames, and for what the frames do not show of a mode
        where few of them are effective.
    middle, scatter, neglected
        Those of the references.
    effective_sample_size
        Independent frames that the weights leave.
    pair
        The potential at the nodes of the pair statistics.
    temperature
        Temperature [K].
    density
        Number density [1/angstrom^3].
    num_particles
        Particles in the box.
    grid
        Nodes of the pair statistics.
    long_range
        The correlations beyond half the box; None if there is no solution for them.
    finite_number
        What the finite number of particles adds to energy and pressure, to be taken off; None for those of the box itself.
    """

    source: ClassVar[str] = "reference simulations at one density"

    deviation: Float[Array, " mode"]
    factor: Float[Array, "mode cause"]
    middle: Float[Array, " node"]
    scatter: Float[Array, "node mode"]
    neglected: Float[Array, "node other"]
    effective_sample_size: Float[Array, ""]
    pair: PairValues
    temperature: Float[Array, ""]
    density: float
    num_particles: int = eqx.field(static=True)
    grid: PairGrid = eqx.field(static=True)
    long_range: LongRange | None
    finite_number: FiniteNumber | None = eqx.field(static=True, default=None)

    @property
    def counts(self) -> Float[Array, " node"]:
        """Mean pair statistics."""
        return self.middle + self.scatter @ self.deviation

    def sums(
        self, values: Float[Array, "node datum"], constant: Float[ArrayLike, "..."] = 0.0, of_finite_number: float = 0.0
    ) -> Estimate:
        """Return averages of sums over pairs of functions, given by their values at the nodes, and constants added to them.

        What the finite number of particles adds is taken off, and its doubt is the last column of the errors. What reduced
        references neglect counts as an error: as many standard deviations of a frame as the modes are shifted.
        """
        along = values.T @ self.scatter
        shift = jnp.max(self.deviation**2, initial=0.0) + 1 / self.effective_sample_size
        unknown = shift * jnp.sum((values.T @ self.neglected) ** 2, axis=1)
        mean, factor = values.T @ self.middle + along @ self.deviation + constant, along @ self.factor
        if self.finite_number is not None:
            doubt = jnp.full((len(along), 1), self.finite_number.doubt * of_finite_number)
            mean, factor = mean - of_finite_number, jnp.concatenate([factor, doubt], axis=1)
        return Estimate(mean, factor, unknown)

    def energy(self) -> Estimate:
        r"""Return the potential energy per particle [kJ/mol], the tail included.

        .. math:: \frac{U}{N} = \frac{1}{N}\Big\langle\sum_{i<j} u(r_{ij})\Big\rangle + \frac{U_\mathrm{tail}}{N}

        Of a potential that depends on the temperature, ``u`` stands for :math:`\partial(\beta u)/\partial\beta`.
        """
        added = 0.0 if self.finite_number is None else self.finite_number.energy
        return self.sums(self.pair.caloric[:, None] / self.num_particles, self.pair.tail, added)

    def pressure(self) -> Estimate:
        r"""Return the pressure [MPa], the tail included.

        .. math:: p = \rho k_B T - \frac{1}{3V} \Big\langle\sum_{i<j} r_{ij} u'(r_{ij})\Big\rangle + p_\mathrm{tail}

        A step of the energy at the cutoff exerts no force, as in most Monte Carlo programs.
        """
        per_volume = MPA_PER_INTERNAL_PRESSURE * self.density / (3 * self.num_particles)
        ideal = self.density * GAS_CONSTANT * self.temperature * MPA_PER_INTERNAL_PRESSURE
        added = 0.0 if self.finite_number is None else self.finite_number.pressure
        return self.sums(self.pair.virial[:, None] * per_volume, ideal + self.pair.tail_pressure, added)

    def pair_distribution(self, separation: Float[np.ndarray, " datum"]) -> Estimate:
        r"""Return the pair distribution function at separations [angstrom] within the grid.

        .. math:: g(r) = \frac{n(r)}{2\pi r^2 \rho N}

        with :math:`n(r)` the density of pair distances (see `PairGrid.density`). In a box of N particles it is lower than in an
        infinite fluid by about :math:`S(0)/N`.
        """
        shell = 2 * np.pi * separation**2 * self.density * self.num_particles
        return self.sums(jnp.asarray(self.grid.density(separation).T) / shell)

    def structure_factor(self, wavevector: Float[np.ndarray, " datum"]) -> Estimate:
        r"""Return the structure factor at wave vectors [1/angstrom].

        .. math:: S(q) = 1 + 4\pi\rho \int_0^\infty r^2\,(g(r) - 1)\,\frac{\sin qr}{qr}\,dr

        up to half the box from the pairs, beyond it by `LongRange`. The covariance has a column each for the next term of the
        closure (0.002 for 256 particles of liquid argon) and for half of what the finite number of particles takes away (0.005 at
        the smallest wave vectors, where S is 0.05). What a cutoff changes is in the weights; a tail beyond it is not corrected
        for: in the random-phase approximation it would be far too large at the peak, and simulations of liquid argon with cutoffs
        of 7.5, 9 and 11 angstrom differ by 0.013 there and by 0.006 elsewhere.

        Raises
        ------
        StateError
            If nothing is known of the correlations beyond half the box.
        """
        if self.long_range is None:
            raise StateError(
                f"structure factor: correlations beyond half the box must follow from those inside, found no solution for "
                f"{self.num_particles} particles at {self.density:g} 1/angstrom^3: take more particles, or a state of one phase"
            )
        far = self.long_range
        inside = interference(self.grid.nodes, wavevector) * (2 / self.num_particles)
        beyond = far.transform(wavevector, self.density)
        constant = 1 - self.density * ball_interference(self.grid.edges[-1], wavevector) + far.offset @ beyond
        found = self.sums(jnp.asarray(inside * (1 + far.swelling) + far.response.T @ beyond), constant)
        doubts = jnp.stack([jnp.asarray(far.closure @ beyond), 0.5 * far.swelling * (inside.T @ self.counts)], axis=1)
        return found._replace(factor=jnp.concatenate([found.factor, doubts], axis=1))


class References(eqx.Module):
    """Reference simulations with one density, number of particles and grid, weighed together.

    The pair statistics of a frame are ``middle + scatter @ modes``: the modes have mean zero, variance one and no correlation
    over all frames. So single precision resolves them, and those that nothing depends on can be left out (see `reduced`).

    Parameters
    ----------
    mbar
        Their frames as one sample.
    modes
        Modes of every frame.
    middle
        Mean of the pair statistics over all frames.
    scatter
        What a mode adds to the pair statistics.
    neglected
        Factor of the covariance of what the modes leave out of a frame's pair statistics.
    density, num_particles, grid
        What they have in common.
    long_range
        The correlations beyond half the box; None if there is no solution for them.
    depth, diameter
        Depth of the well [kJ/mol] and zero of the energy [angstrom] of the first one's potential in full.
    """

    mbar: MBAR
    modes: Float[Array, "frame mode"]
    middle: Float[Array, " node"]
    scatter: Float[Array, "node mode"]
    neglected: Float[Array, "node other"]
    density: float
    num_particles: int = eqx.field(static=True)
    grid: PairGrid = eqx.field(static=True)
    long_range: LongRange | None
    depth: float = eqx.field(static=True)
    diameter: float = eqx.field(static=True)

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
        together = np.concatenate([np.asarray(one.pair_counts, float) for one in ensembles])
        middle = together.mean(axis=0)
        variances, directions = np.linalg.eigh(np.cov(together, rowvar=False, bias=True))
        moving = variances > 1e-13 * variances[-1]
        roots = np.sqrt(variances[moving])
        modes = jnp.asarray((together - middle) @ (directions[:, moving] / roots), jnp.float32)
        middle, scatter = jnp.asarray(middle), jnp.asarray(directions[:, moving] * roots)
        pairs = [PairValues.of(one.potential, one.temperature, first.density, first.grid) for one in ensembles]
        energies = [pair.energy / (GAS_CONSTANT * one.temperature) for pair, one in zip(pairs, ensembles, strict=True)]
        reduced = jnp.stack([_reduced(energy, modes, middle, scatter) for energy in energies])
        sizes = [len(one.pair_counts) for one in ensembles]
        mbar = MBAR.solve(reduced, sizes, [one.inefficiency for one in ensembles])
        state = (first.density, first.num_particles)
        far = LongRange.solve(first.grid, np.asarray(middle), *state)
        none = jnp.zeros((len(middle), 0))
        return cls(mbar, modes, middle, scatter, none, *state, first.grid, far, *_well(first.potential.potential))

    def reduced(self, needed: Float[np.ndarray, "function mode"]) -> "References":
        """Return references that keep only what some sums over pairs need, which cost less.

        Parameters
        ----------
        needed
            Derivatives of sums in the modes (see `energy_slope`), over the standard deviation that may be left out of each.
        """
        _, sizes, directions = np.linalg.svd(needed, full_matrices=False)
        kept = jnp.asarray(directions[sizes > 1].T)
        left = self.scatter - self.scatter @ kept @ kept.T
        return replace(
            self,
            modes=self.modes @ kept.astype(self.modes.dtype),
            scatter=self.scatter @ kept,
            neglected=jnp.concatenate([self.neglected, left], axis=1),
        )

    def energy_slope(self, potential: Truncation, temperature: Float[ArrayLike, ""]) -> Float[Array, " mode"]:
        """Return the derivatives of a frame's reduced energy in its modes, for a potential at a temperature [K]."""
        return self._pair(potential, temperature).energy @ self.scatter / (GAS_CONSTANT * temperature)

    def log_weights(self, potential: Truncation, temperature: Float[ArrayLike, ""]) -> Float[Array, " frame"]:
        """Return the logarithms of the frames' weights for a potential at a temperature [K]."""
        return self._log_weights(self._pair(potential, temperature), temperature)

    def _pair(self, potential: Truncation | PotentialAt, temperature: Float[ArrayLike, ""]) -> PairValues:
        return PairValues.of(potential, temperature, self.density, self.grid)

    def _log_weights(self, pair: PairValues, temperature: Float[ArrayLike, ""]) -> Float[Array, " frame"]:
        energy = pair.energy / (GAS_CONSTANT * temperature)
        return self.mbar.log_weights(_reduced(energy, self.modes, self.middle, self.scatter))[0]

    def averages(
        self, potential: Truncation | PotentialAt, temperature: Float[ArrayLike, ""], smallest_sample: float = 0.0
    ) -> PairAverages:
        r"""Return the averages for a potential, whose cutoff is an edge of the grid, at a temperature [K].

        The statistical error is estimated from the weighted frames themselves, and is as much larger as the effective sample size
        is smaller than their weights say (`MBAR.effective_sample_size`). Where few are left it is too small, with one frame zero;
        so the scatter of independent frames over all references, divided by the root of the effective sample size
        :math:`n`, is added to it with the factor :math:`n_\mathrm{min}/n`: a hundredth of the variance at ten times
        ``smallest_sample``, and far more than all of it where nothing is known. It is an error of each mode, which all averages
        share.

        Parameters
        ----------
        potential
            The potential; a function of the temperature [K] if it depends on it.
        temperature
            Temperature [K].
        smallest_sample
            Effective sample size :math:`n_\mathrm{min}` below which the frames' own error is not believed.
        """
        pair = self._pair(potential, temperature)
        log_weights = self._log_weights(pair, temperature)
        size = self.mbar.effective_sample_size(log_weights)
        mean, factor = self.mbar.average(log_weights, self.modes)
        shown, unseen = factor * jnp.sqrt(self.mbar.caution(log_weights)), smallest_sample / size**1.5 * jnp.eye(len(mean))
        return PairAverages(
            mean,
            jnp.concatenate([shown, unseen], axis=1),
            self.middle,
            self.scatter,
            self.neglected,
            size,
            pair,
            jnp.asarray(temperature, float),
            self.density,
            self.num_particles,
            self.grid,
            self.long_range,
        )


def _reduced(
    energy: Float[Array, " node"],
    modes: Float[Array, "frame mode"],
    middle: Float[Array, " node"],
    scatter: Float[Array, "node mode"],
) -> Float[Array, " frame"]:
    """Return the reduced energies of frames, from those of a pair at every node."""
    return (modes @ (energy @ scatter).astype(modes.dtype)).astype(energy.dtype) + middle @ energy


def _well(potential: PairPotential) -> tuple[float, float]:
    """Return the depth of the well [kJ/mol], at least next to nothing, and the distance [angstrom] of zero energy."""
    diameter = float(potential.breakpoints()[0])
    energies = jax.vmap(potential.pair_energy)(jnp.geomspace(1.0, 3.0, 1000) * diameter)
    return max(-float(energies.min()), 1e-9), diameter
