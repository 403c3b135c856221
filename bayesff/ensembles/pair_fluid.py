r"""Molecular dynamics of a one-component pair fluid, many replicas at once, kept as pair statistics.

Every replica is a cubic box of particles at constant number, volume and temperature. Langevin's equation is integrated by the
splitting BAOAB (half a kick, half a drift, friction and noise, half a drift, half a kick), whose configurations have the
canonical distribution up to the fourth power of the timestep for a harmonic force: in a Lennard-Jones liquid of argon's mass the
configurational temperature is that of the thermostat times 1.0003(7) with a step of 10 fs, 1.0047(8) with 20 fs. All is done in
single precision. All pairs are visited in a box of at most 400 particles: for the few hundred that a reference simulation needs
this is one fused loop, and the replicas fill a GPU. Larger boxes keep lists of neighbours (`bayesff.ensembles.neighbours`),
unless the cutoff reaches so close to half the box that a list would hold most of the particles.

Forces do not see a step of the energy: with `PlainCut` the configurations are those of `ShiftedCut`, which has the same forces
(`Truncation.without_step`). `References` weighs them as such, so that averages of a plain cut are those of its step.

References
----------
B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013), doi:10.1063/1.4802990
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, PRNGKeyArray

from bayesff.ensembles.neighbours import NeighbourList, Reach, capacity_for, first_capacity, make_list, updated
from bayesff.ensembles.pair_statistics import PairGrid, minimum_image, pair_distances
from bayesff.errors import NumericalError, ParameterError, StateError
from bayesff.potentials import PairPotential, Truncation
from bayesff.units import GAS_CONSTANT

_ACCELERATION = 100.0
"""One kJ/mol/angstrom over one g/mol in angstrom/ps^2."""

_ALL_PAIRS = 400
"""Particles up to which all pairs are visited."""

_SKIN = 0.35
"""What lists of neighbours hold beyond the cutoff, over the edge of the volume per particle."""


class Phase(NamedTuple):
    """Positions and velocities of all replicas, ``(replica, particle, 3)``, in angstrom and angstrom/ps."""

    positions: Float[Array, "replica particle 3"]
    velocities: Float[Array, "replica particle 3"]


class Trajectory(NamedTuple):
    """What is kept of a simulation.

    Parameters
    ----------
    pair_counts
        Pair statistics of every frame, see `PairGrid`.
    kinetic_temperature
        Temperature of the velocities of every frame [K].
    closest
        Shortest distance between two particles in every frame [angstrom].
    last
        The last frame, from which the simulation can go on.
    """

    pair_counts: Float[Array, "replica frame node"]
    kinetic_temperature: Float[Array, "replica frame"]
    closest: Float[Array, "replica frame"]
    last: Phase


@dataclass(frozen=True)
class PairFluid:
    """A fluid of identical particles with a pair potential, at a state point.

    Parameters
    ----------
    potential
        The potential with its truncation; the cutoff must fit into half the box.
    temperature
        Temperature [K].
    density
        Number density [1/angstrom^3].
    molar_mass
        Mass of the particles [g/mol]; it sets the pace, and no average depends on it.
    num_particles
        Particles in the box.
    timestep
        Step of the integration [ps].
    friction
        Rate at which the thermostat forgets velocities [1/ps].

    Raises
    ------
    ParameterError
        If a number is not positive, or the potential is not truncated.
    StateError
        If the box is too small for the cutoff.
    """

    engine: ClassVar[str] = "pair fluid"

    potential: PairPotential
    temperature: float
    density: float
    molar_mass: float
    num_particles: int = 256
    timestep: float = 0.01
    friction: float = 1.0

    def __post_init__(self) -> None:
        for name in ("temperature", "density", "molar_mass", "num_particles", "timestep", "friction"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ParameterError(f"PairFluid: {name} must be finite and greater than zero, found {value}")
        if not isinstance(self.potential, Truncation):
            raise ParameterError(
                f"PairFluid: the potential needs a cutoff, found {type(self.potential).__name__}: put it into PlainCut"
            )
        cutoff = float(self.truncation.cutoff)
        if cutoff > self.length / 2:
            needed = int(np.ceil((2 * cutoff) ** 3 * self.density))
            raise StateError(
                f"PairFluid: the cutoff must be at most half the box, found {cutoff:g} angstrom in a box of {self.length:.4g} "
                f"angstrom: take at least {needed} particles, or a shorter cutoff"
            )

    @property
    def truncation(self) -> Truncation:
        """The potential as what it must be."""
        assert isinstance(self.potential, Truncation)
        return self.potential

    @property
    def length(self) -> float:
        """Edge of the box [angstrom]."""
        return (self.num_particles / self.density) ** (1 / 3)

    @property
    def _skin(self) -> float:
        """What a list of neighbours holds beyond the cutoff [angstrom]."""
        return _SKIN * self.density ** (-1 / 3)

    def grid(self, start: float, spacing: float) -> PairGrid:
        """Return a grid of pair distances from ``start`` over the cutoff to half the box [angstrom]."""
        edges = sorted({start, float(self.truncation.cutoff), self.length / 2})
        return PairGrid(tuple(edges), spacing)

    def lattice(self, key: PRNGKeyArray, num_replicas: int = 1) -> Phase:
        """Return particles on a face-centred cubic lattice, some sites of it empty, with velocities of the temperature."""
        cells = int(np.ceil((self.num_particles / 4) ** (1 / 3)))
        base = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
        sites = (corners + base).reshape(-1, 3) * (self.length / cells)
        places, kicks = jax.random.split(key)
        chosen = jax.vmap(lambda one: jax.random.permutation(one, len(sites))[: self.num_particles])(
            jax.random.split(places, num_replicas)
        )
        scale = np.sqrt(_ACCELERATION * GAS_CONSTANT * self.temperature / self.molar_mass)
        velocities = scale * jax.random.normal(kicks, (num_replicas, self.num_particles, 3), jnp.float32)
        return Phase(jnp.asarray(sites, jnp.float32)[chosen], velocities.astype(jnp.float32))

    def simulate(self, phase: Phase, key: PRNGKeyArray, num_frames: int, stride: int, grid: PairGrid) -> Trajectory:
        """Go on from a phase and keep a frame every ``stride`` steps.

        Raises
        ------
        NumericalError
            If the integration has left the rails: a coordinate that is not finite, or velocities ten times too hot; or if two
            particles come closer than the grid's first edge, where pairs are not counted.
        """
        made = self.with_enough_places(
            lambda capacity: _simulate(self.dynamics, phase, key, Sampling(num_frames, stride, grid, self.reach, capacity))
        )
        self._check(made, grid)
        return made

    @property
    def dynamics(self) -> "Dynamics":
        """What moves the particles, in single precision."""
        single = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), self.truncation)
        return Dynamics(single, *map(jnp.float32, (self.temperature, self.molar_mass, self.timestep, self.friction)))

    @property
    def reach(self) -> Reach:
        """The box, and what lists of neighbours hold, in single precision."""
        return Reach(*map(jnp.float32, (self.length, float(self.truncation.cutoff), self._skin)))

    def with_enough_places[Result](self, run: Callable[[int | None], tuple[Result, Array]]) -> Result:
        """Return what a function of the places in the lists of neighbours gives, again with more while they are too few.

        It returns the most neighbours that a particle has had as well. There are no lists, and no number of places, where all
        pairs are visited.
        """
        capacity, radius = None, float(self.truncation.cutoff) + self._skin
        if self.num_particles > _ALL_PAIRS and radius <= self.length / 2:
            capacity = first_capacity(self.density, radius)
        made, longest = run(capacity)
        while capacity is not None and int(longest) > capacity:
            capacity = capacity_for(float(longest))
            made, longest = run(capacity)
        return made

    def check_temperature(self, found: Float[Array, "replica frame"], name: str) -> None:
        """Raise an error in the name of an engine if velocities have left the rails."""
        hottest = float(jnp.max(found))
        if not hottest < 10 * self.temperature:
            raise NumericalError(
                f"{name}: velocities must stay near {self.temperature:g} K, found {hottest:.3g} K: take a timestep shorter "
                f"than {self.timestep:g} ps, or a start in which no particles overlap"
            )

    def _check(self, made: Trajectory, grid: PairGrid) -> None:
        """Raise an error if the integration has left the rails, or the grid does not hold a pair."""
        name = type(self).__name__
        self.check_temperature(made.kinetic_temperature, name)
        closest = float(jnp.min(made.closest))
        if closest < grid.edges[0]:
            raise NumericalError(
                f"{name}: pairs are counted from the grid's first edge on, {grid.edges[0]:g} angstrom, found two particles "
                f"{closest:.4g} angstrom apart: begin the grid below"
            )


class State(NamedTuple):
    """A replica on its way: coordinates are rows, so that pairs are columns of one matrix for each direction."""

    positions: Float[Array, "3 particle"]
    velocities: Float[Array, "3 particle"]
    forces: Float[Array, "3 particle"]
    listed: NeighbourList | None


class Dynamics(NamedTuple):
    """Langevin's equation: potential, temperature [K], mass [g/mol], timestep [ps] and friction [1/ps], in single precision."""

    potential: Truncation
    temperature: Float[Array, ""]
    molar_mass: Float[Array, ""]
    timestep: Float[Array, ""]
    friction: Float[Array, ""]

    def begin(self, phase: Phase, reach: Reach, capacity: int | None) -> State:
        """Return a replica whose lists of neighbours, if any, have so many places."""
        positions = phase.positions.T
        listed = None if capacity is None else make_list(positions, reach, capacity)
        return State(positions, phase.velocities.T, _forces(self.potential, positions, reach.length, listed), listed)

    def steps(self, state: State, keys: Key[Array, " step"], reach: Reach) -> State:
        """Return a replica as many steps of BAOAB later as there are keys."""
        thermal = jnp.sqrt(_ACCELERATION * GAS_CONSTANT * self.temperature / self.molar_mass).astype(jnp.float32)
        kept = jnp.exp(-self.friction * self.timestep)
        gained = thermal * jnp.sqrt(1 - kept**2)
        kick = (0.5 * self.timestep * _ACCELERATION / self.molar_mass).astype(jnp.float32)

        def step(state: State, own: PRNGKeyArray) -> tuple[State, None]:
            positions, velocities, forces, listed = state
            velocities = velocities + kick * forces
            positions = positions + 0.5 * self.timestep * velocities
            velocities = kept * velocities + gained * jax.random.normal(own, velocities.shape, jnp.float32)
            positions = positions + 0.5 * self.timestep * velocities
            listed = None if listed is None else updated(listed, positions, reach)
            forces = _forces(self.potential, positions, reach.length, listed)
            return State(positions, velocities + kick * forces, forces, listed), None

        return jax.lax.scan(step, state, keys)[0]

    def kinetic_temperature(self, velocities: Float[Array, "3 particle"]) -> Float[Array, ""]:
        """Return the temperature of velocities [K]."""
        return (self.molar_mass * jnp.mean(velocities**2) / (_ACCELERATION * GAS_CONSTANT)).astype(jnp.float32)


class Sampling(NamedTuple):
    """Frames, steps between two of them, what is counted, the box, and the places of the lists, none for all pairs."""

    num_frames: int
    stride: int
    grid: PairGrid
    reach: Reach
    capacity: int | None


@eqx.filter_jit
def _simulate(dynamics: Dynamics, phase: Phase, key: PRNGKeyArray, sampling: Sampling) -> tuple[Trajectory, Array]:
    """Return what is kept, and the most neighbours that a particle has had, zero if all pairs are visited."""
    return of_replicas(lambda one, own: _replica(dynamics, one, own, sampling), phase, key)


def of_replicas[Result](
    run: Callable[[Phase, PRNGKeyArray], tuple[Result, Array]], phase: Phase, key: PRNGKeyArray
) -> tuple[Result, Array]:
    """Return what a function gives of all replicas side by side, and the most neighbours of any."""
    made, most = jax.vmap(run)(phase, jax.random.split(key, phase.positions.shape[0]))
    return made, jnp.max(most)


def _replica(dynamics: Dynamics, phase: Phase, key: PRNGKeyArray, sampling: Sampling) -> tuple[Trajectory, Array]:
    """Run one replica."""
    num_frames, stride, grid, reach, capacity = sampling

    def frame(state: State, own: PRNGKeyArray) -> tuple[State, tuple[Array, Array, Array]]:
        state = dynamics.steps(state, jax.random.split(own, stride), reach)
        state = state._replace(positions=state.positions - reach.length * jnp.floor(state.positions / reach.length))
        distances = pair_distances(state.positions.T, reach.length)
        return state, (grid.count(distances), dynamics.kinetic_temperature(state.velocities), jnp.min(distances))

    start = dynamics.begin(phase, reach, capacity)
    last, (counts, hot, closest) = jax.lax.scan(frame, start, jax.random.split(key, num_frames))
    return Trajectory(counts, hot, closest, Phase(last.positions.T, last.velocities.T)), most_neighbours(last)


def most_neighbours(state: State) -> Array:
    """Return the most neighbours that a particle has had, zero if all pairs are visited."""
    return jnp.int32(0) if state.listed is None else state.listed.longest


def _forces(
    truncation: Truncation,
    positions: Float[Array, "3 particle"],
    length: Float[ArrayLike, ""],
    listed: NeighbourList | None = None,
) -> Float[Array, "3 particle"]:
    """Return the force on every particle, in single precision, from all others or from those in its list.

    One matrix for each direction, and no branch of the potential at the cutoff: twice as fast as the obvious way.
    """
    # A particle is as far from itself as the box is long: beyond the cutoff.
    if listed is None:
        axis, itself = 1, jnp.eye(positions.shape[1], dtype=positions.dtype)
        x, y, z = (minimum_image(one[:, None] - one[None, :], length) for one in positions)
    else:
        axis, itself = 0, (listed.neighbours == jnp.arange(positions.shape[1], dtype=jnp.int32)).astype(positions.dtype)
        others = (one.at[listed.neighbours].get(mode="promise_in_bounds") for one in positions)
        x, y, z = (minimum_image(one - other, length) for one, other in zip(positions, others, strict=True))
    distance = jnp.sqrt(x * x + y * y + z * z + length**2 * itself)
    slope = jax.vmap(jax.grad(lambda r: truncation.energy_inside(r).astype(jnp.float32)))(distance.ravel())
    pull = jnp.where(distance < truncation.cutoff, slope.reshape(distance.shape) / distance, 0.0)
    return -jnp.stack([jnp.sum(pull * one, axis=axis) for one in (x, y, z)])
