r"""Molecular dynamics of a pair fluid at constant pressure: how dense a potential makes it.

Between stretches of the dynamics of `PairFluid` the volume is changed at random, and with it all positions in proportion. A
change from `V` to `V'`, uniform in :math:`\ln V`, is accepted with the probability

.. math:: \min\Big(1,\; \exp\big[-\beta\,(\Delta U + p\,\Delta V) + (N + 1) \ln (V'/V)\big]\Big),

which leaves the distribution of constant pressure as it is, however large the changes are. With a tail, the energy includes that
whose pressure is `Truncation.tail_pressure`, :math:`N p_\mathrm{tail}/\rho`: the mean virial pressure with the tail is the
one that is imposed. As in `PairFluid`, a step of the energy at the cutoff exerts no force and is not felt.

References
----------
D. Frenkel, B. Smit, Understanding Molecular Simulation, 2nd ed., Academic Press (2002), section 5.4
"""

from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from bayesff.ensembles.correlation import equilibrated
from bayesff.ensembles.neighbours import Reach
from bayesff.ensembles.pair_fluid import Dynamics, PairFluid, Phase, State, most_neighbours, of_replicas
from bayesff.ensembles.pair_statistics import pair_distances
from bayesff.errors import ParameterError, StateError
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

_FIRST_CHANGE = 0.01
"""Greatest change of the logarithm of the volume in the first attempt."""

_GAIN = 0.1
"""By how much more an accepted attempt widens the next ones, and a refused one narrows them, while their size adapts."""


class Mean(NamedTuple):
    """A mean over the frames in equilibrium, and its standard error."""

    value: float
    error: float


class IsobaricTrajectory(NamedTuple):
    """What is kept of a simulation at constant pressure.

    Parameters
    ----------
    density
        Number density of every frame [1/angstrom^3].
    energy
        Potential energy per particle, with the tail [kJ/mol].
    pressure
        Virial pressure of the forces and the tail, with that of an ideal gas of the thermostat's temperature [MPa].
    kinetic_temperature
        Temperature of the velocities [K].
    accepted
        Share of the changes of volume that were accepted since the frame before.
    last
        The last frame.
    last_length
        Edge of every replica's box there [angstrom].
    """

    density: Float[Array, "replica frame"]
    energy: Float[Array, "replica frame"]
    pressure: Float[Array, "replica frame"]
    kinetic_temperature: Float[Array, "replica frame"]
    accepted: Float[Array, "replica frame"]
    last: Phase
    last_length: Float[Array, " replica"]

    def means(self) -> dict[str, Mean]:
        """Return the means of density, energy and pressure once they are in equilibrium, see `equilibrated`."""
        series = {name: np.asarray(getattr(self, name), float) for name in ("density", "energy", "pressure")}
        start, inefficiency = equilibrated(*series.values())
        kept = {name: values[:, start:] for name, values in series.items()}
        return {
            name: Mean(float(values.mean()), float(values.std() * np.sqrt(inefficiency / values.size)))
            for name, values in kept.items()
        }


@dataclass(frozen=True)
class IsobaricFluid:
    """A pair fluid at constant temperature and pressure.

    Parameters
    ----------
    fluid
        The fluid; its density is only where it starts.
    pressure
        Pressure [MPa].
    interval
        Steps of the dynamics between two changes of the volume.

    Raises
    ------
    ParameterError
        If the pressure is not finite, or the interval is not positive.

    Example
    -------
    A liquid like argon at 85 K and no pressure to speak of, from a lattice that melts first:

    >>> import jax
    >>> from bayesff.ensembles import PairFluid
    >>> from bayesff.potentials import LennardJones, PlainCut
    >>> cut = PlainCut(LennardJones(epsilon=0.98, sigma=3.39), cutoff=8.0, tail=True)
    >>> start = PairFluid(cut, temperature=85.0, density=0.021, molar_mass=39.948, num_particles=108)
    >>> liquid = IsobaricFluid(start, pressure=0.1)
    >>> made = liquid.simulate(start.lattice(jax.random.key(1)), jax.random.key(2), num_frames=5, stride=20, num_warm=5)
    >>> made.density.shape
    (1, 5)
    """

    fluid: PairFluid
    pressure: float
    interval: int = 10

    def __post_init__(self) -> None:
        if not np.isfinite(self.pressure):
            raise ParameterError(f"IsobaricFluid: pressure must be finite, found {self.pressure} MPa")
        if not self.interval > 0:
            raise ParameterError(f"IsobaricFluid: interval must be greater than zero, found {self.interval}")

    def simulate(self, phase: Phase, key: PRNGKeyArray, num_frames: int, stride: int, num_warm: int = 100) -> IsobaricTrajectory:
        """Go on from a phase of the fluid at its density and keep a frame every ``stride`` steps.

        Parameters
        ----------
        phase
            Where to start: of `Simulation.start`, or a lattice.
        key
            Random key.
        num_frames
            Frames that are kept of each replica.
        stride
            Steps between two frames, a multiple of the interval.
        num_warm
            Frames before, which are not kept; in them the changes of volume become such that half of them are accepted.

        Raises
        ------
        ParameterError
            If the stride is no multiple of the interval.
        NumericalError
            If the integration has left the rails: a coordinate that is not finite, or velocities ten times too hot.
        StateError
            If a box has become smaller than twice the cutoff, or ten times as large as it was: the liquid has evaporated.
        """
        if stride % self.interval:
            raise ParameterError(
                f"IsobaricFluid: the stride must be a multiple of the interval between two changes of the volume, found {stride} "
                f"and {self.interval} steps: take {self.interval * -(-stride // self.interval)} steps"
            )
        imposed = jnp.float32(self.pressure / MPA_PER_INTERNAL_PRESSURE)
        barostat = Barostat(self.fluid.dynamics, imposed, self.fluid.reach)
        made = self.fluid.with_enough_places(
            lambda capacity: _simulate(barostat, phase, key, Course(num_warm, num_frames, stride, self.interval, capacity))
        )
        self._check(made)
        return made

    def _check(self, made: IsobaricTrajectory) -> None:
        self.fluid.check_temperature(made.kinetic_temperature, type(self).__name__)
        cutoff, densest = float(self.fluid.truncation.cutoff), float(jnp.max(made.density))
        needed = int(np.ceil((2 * cutoff) ** 3 * densest))
        if needed > self.fluid.num_particles:
            raise StateError(
                f"IsobaricFluid: the cutoff must be at most half the box, found {cutoff:g} angstrom in a box that shrank to "
                f"{(self.fluid.num_particles / densest) ** (1 / 3):.4g} angstrom: take at least {needed} particles, or a shorter "
                "cutoff"
            )
        thinnest = float(jnp.min(made.density))
        if thinnest < 0.1 * self.fluid.density:
            raise StateError(
                f"IsobaricFluid: the fluid must stay near the density it starts with, {self.fluid.density:.4g} 1/angstrom^3, "
                f"found {thinnest:.2g}: it has evaporated, take a higher pressure or a lower temperature"
            )


class Course(NamedTuple):
    """Frames before the first that is kept, frames, steps between two of them and two changes of volume, places of the lists."""

    num_warm: int
    num_frames: int
    stride: int
    interval: int
    capacity: int | None


class Expanding(NamedTuple):
    """A replica on its way, the edge of its box, the greatest change of the logarithm of its volume, and its longest list."""

    state: State
    length: Float[Array, ""]
    change: Float[Array, ""]
    longest: Array


class Barostat(NamedTuple):
    """Dynamics, pressure [kJ/mol/angstrom^3], and the box at first with what its lists hold."""

    dynamics: Dynamics
    pressure: Float[Array, ""]
    first: Reach

    def reach(self, length: Float[Array, ""]) -> Reach:
        """Return what lists of neighbours hold in another box."""
        return self.first._replace(length=length)

    def attempt(self, now: Expanding, key: PRNGKeyArray, capacity: int | None) -> tuple[Expanding, Array]:
        """Change the volume, or leave it: by what `Expanding.change` allows; return whether it was changed as well."""
        dynamics, (positions, velocities, _, _) = self.dynamics, now.state
        of_size, of_choice = jax.random.split(key)
        growth = now.change * jax.random.uniform(of_size, (), jnp.float32, -1, 1)
        factor = jnp.exp(growth / 3)
        number, volume = positions.shape[1], now.length**3
        distances = pair_distances(positions.T, now.length)
        felt = jax.vmap(dynamics.potential.without_step().pair_energy)
        # Summed pair by pair: two energies of a thousand kJ/mol would differ by little in single precision.
        energy = jnp.sum(felt(factor * distances) - felt(distances)).astype(jnp.float32)
        energy += number * (self.work_of_tail(number / (volume * jnp.exp(growth))) - self.work_of_tail(number / volume))
        work = energy + self.pressure * volume * jnp.expm1(growth)
        log_chance = (number + 1) * growth - work / (GAS_CONSTANT * dynamics.temperature)
        accepted = jnp.log(jax.random.uniform(of_choice, (), jnp.float32, 1e-30)) < log_chance
        scale = jnp.where(accepted, factor, 1.0).astype(jnp.float32)
        length = scale * now.length
        state = dynamics.begin(Phase((scale * positions).T, velocities.T), self.reach(length), capacity)
        return Expanding(state, length, now.change, jnp.maximum(now.longest, most_neighbours(now.state))), accepted

    def work_of_tail(self, density: Float[Array, ""]) -> Float[Array, ""]:
        """Return the energy per particle [kJ/mol] whose pressure is that of the tail, which grows as the squared density."""
        return (self.dynamics.potential.tail_pressure(density) / MPA_PER_INTERNAL_PRESSURE / density).astype(jnp.float32)

    def seen(self, now: Expanding) -> tuple[Array, Array, Array, Array]:
        """Return density, energy, pressure and kinetic temperature."""
        potential, number = self.dynamics.potential, now.state.positions.shape[1]
        density = number / now.length**3
        distances = pair_distances(now.state.positions.T, now.length)
        energy = jnp.sum(jax.vmap(potential.pair_energy)(distances)) / number + potential.tail_energy(density)
        slope = jax.vmap(jax.grad(lambda r: potential.energy_inside(r).astype(jnp.float32)))
        virial = -jnp.sum(jnp.where(distances < potential.cutoff, distances * slope(distances), 0.0)) / (3 * now.length**3)
        ideal = density * GAS_CONSTANT * self.dynamics.temperature
        pressure = (ideal + virial) * MPA_PER_INTERNAL_PRESSURE + potential.tail_pressure(density)
        hot = self.dynamics.kinetic_temperature(now.state.velocities)
        return density, energy.astype(jnp.float32), pressure.astype(jnp.float32), hot


@eqx.filter_jit
def _simulate(barostat: Barostat, phase: Phase, key: PRNGKeyArray, course: Course) -> tuple[IsobaricTrajectory, Array]:
    """Return what is kept, and the most neighbours that a particle has had, zero if all pairs are visited."""
    return of_replicas(lambda one, own: _replica(barostat, one, own, course), phase, key)


def _replica(barostat: Barostat, phase: Phase, key: PRNGKeyArray, course: Course) -> tuple[IsobaricTrajectory, Array]:
    """Run one replica."""
    num_warm, num_frames, stride, interval, capacity = course

    def turn(now: Expanding, own: PRNGKeyArray) -> tuple[Expanding, Array]:
        moving, changing = jax.random.split(own)
        state = barostat.dynamics.steps(now.state, jax.random.split(moving, interval), barostat.reach(now.length))
        return barostat.attempt(now._replace(state=state), changing, capacity)

    def adapting(now: Expanding, own: PRNGKeyArray) -> tuple[Expanding, None]:
        now, accepted = turn(now, own)
        return now._replace(change=now.change * jnp.exp(_GAIN * (accepted.astype(jnp.float32) - 0.5))), None

    def frame(now: Expanding, own: PRNGKeyArray) -> tuple[Expanding, tuple[Array, Array, Array, Array, Array]]:
        now, accepted = jax.lax.scan(turn, now, jax.random.split(own, stride // interval))
        return now, (*barostat.seen(now), jnp.mean(accepted.astype(jnp.float32)))

    state = barostat.dynamics.begin(phase, barostat.first, capacity)
    now = Expanding(state, barostat.first.length, jnp.float32(_FIRST_CHANGE), jnp.int32(0))
    warm, kept = jax.random.split(key)
    now = jax.lax.scan(adapting, now, jax.random.split(warm, num_warm * stride // interval))[0]
    now, (density, energy, pressure, hot, accepted) = jax.lax.scan(frame, now, jax.random.split(kept, num_frames))
    positions = now.state.positions - now.length * jnp.floor(now.state.positions / now.length)
    last = Phase(positions.T, now.state.velocities.T)
    made = IsobaricTrajectory(density, energy, pressure, hot, accepted, last, now.length)
    return made, jnp.maximum(now.longest, most_neighbours(now.state))
