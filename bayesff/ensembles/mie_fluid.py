r"""Reference simulations of the Mie fluid over its reduced states, and what each says of the Helmholtz energy.

In units of its depth and its diameter a Mie fluid is the same at every state with the same :math:`\epsilon/k_B T`,
:math:`\rho\sigma^3` and exponents. The residual Helmholtz energy per particle :math:`f = A_\mathrm{res}/N k_B T` is a function
of these, and its derivatives are averages over a simulation:

.. math:: \frac{\partial f}{\partial \ln\epsilon} = \frac{\langle U\rangle}{N k_B T}, \qquad
          \frac{\partial f}{\partial \ln\rho} = \frac{p}{\rho k_B T} - 1, \qquad
          \frac{\partial f}{\partial n} = \frac{1}{N k_B T}\Big\langle\frac{\partial U}{\partial n}\Big\rangle.

The potential is that without a cutoff: pairs up to three diameters are simulated and the rest are spread evenly, so that no
frame has more of it than another.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from bayesff.datasets.library import catalogue_folder
from bayesff.ensembles.correlation import equilibrated
from bayesff.ensembles.insertion import insertion
from bayesff.ensembles.pair_fluid import PairFluid
from bayesff.ensembles.pair_statistics import PairGrid
from bayesff.ensembles.references import PairEnsemble
from bayesff.ensembles.simulation import Simulation
from bayesff.ensembles.triplets import triple_dipole_sum, triple_dipole_tail
from bayesff.errors import DataError
from bayesff.potentials import Mie, PlainCut
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE
from bayesff.writing import atomic

ATTRACTIVE = 6.0
"""The attractive exponent, that of the dispersion."""

CUTOFF = 3.0
"""Cutoff of the simulations, in diameters."""

NUM_PARTICLES = 256
"""Particles in the box of a simulation."""

DIAMETER = 3.4
"""Diameter [angstrom] of the particles of a simulation."""

_EPSILON, _MASS = 1.0, 40.0  # kJ/mol, g/mol: argon's pace
_CLOSEST = 0.6  # diameters
_TRIPLET_PARTICLES, _TRIPLET_FRAMES = 500, 30
_INSERTIONS = 5000  # a frame
_triple_dipole_sum = jax.jit(triple_dipole_sum)


class ReducedState(NamedTuple):
    """A state of a Mie fluid: temperature over the depth, density times the cubed diameter, repulsive exponent."""

    temperature: float
    density: float
    repulsive: float


def coordinates(states: Float[np.ndarray, "simulation 3"]) -> Float[np.ndarray, "simulation 3"]:
    """Return what polynomials are of: depth over thermal energy, density times the cubed diameter, logarithm of the exponent."""
    return np.stack([1 / states[:, 0], states[:, 1], np.log(states[:, 2])], axis=1)


def simulation(state: ReducedState, seed: int) -> Simulation:
    """Return a reference simulation of a state."""
    kelvin = state.temperature * _EPSILON / GAS_CONSTANT
    fluid = PairFluid(
        PlainCut(_potential(state), CUTOFF * DIAMETER, tail=True), kelvin, state.density / DIAMETER**3, _MASS, NUM_PARTICLES
    )
    return Simulation(fluid, PairGrid((_CLOSEST * DIAMETER, CUTOFF * DIAMETER), 0.05), seed, num_replicas=2)


def _potential(state: ReducedState) -> Mie:
    return Mie(*(jnp.asarray(one, float) for one in (_EPSILON, DIAMETER, state.repulsive, ATTRACTIVE)))


def triplets(state: ReducedState, seed: int) -> tuple[float, float]:
    r"""Return the mean triple-dipole sum of a Mie fluid, and the variance of its statistical error.

    It is :math:`\langle U_3\rangle\sigma^9/N C_9` (see `triple_dipole_sum`), of 500 particles and triangles with sides up to half
    their box, with the tail beyond. In a Lennard-Jones liquid at the temperature 0.7 and the density 0.85 the same of 256
    particles is 1 % low, and sides up to 4 diameters in a box of 864 leave 0.2 % out.
    """
    fluid, frames = _frames(state, seed, _TRIPLET_PARTICLES, _TRIPLET_FRAMES)
    series = [float(_triple_dipole_sum(positions, fluid.length, fluid.length / 2)) for positions, _ in frames]
    values = (np.array([series]) / fluid.num_particles + float(triple_dipole_tail(fluid.density, fluid.length / 2))) * DIAMETER**9
    begin, inefficiency = equilibrated(values)
    kept = values[:, begin:]
    return float(kept.mean()), float(kept.var() * inefficiency / kept.size)


def chemical_potential(state: ReducedState, seed: int, num_frames: int = 150) -> tuple[float, float]:
    r"""Return the residual chemical potential of a Mie fluid over the thermal energy, and the variance of its error.

    It is :math:`\beta\mu_\mathrm{res} = f + \partial f/\partial\ln\rho`, by `insertion` at 5000 points of every frame. It
    serves densities up to 0.5.

    Parameters
    ----------
    state
        The state.
    seed
        Seed of the simulation and of the points.
    num_frames
        Number of frames.
    """
    fluid, frames = _frames(state, seed, NUM_PARTICLES, num_frames)
    full = PlainCut(_potential(state), fluid.length / 2, tail=True)
    inserted = jax.jit(lambda at, key: insertion(full, fluid.temperature, at, fluid.length, key, _INSERTIONS))
    values = np.array([[float(inserted(positions, key)) for positions, key in frames]])
    begin, inefficiency = equilibrated(values)
    kept = values[:, begin:]
    error = kept.var() * inefficiency / kept.size / kept.mean() ** 2
    return -math.log(kept.mean()), float(error)


def _frames(
    state: ReducedState, seed: int, num_particles: int, num_frames: int
) -> tuple[PairFluid, Iterator[tuple[Array, PRNGKeyArray]]]:
    """Return a fluid, and positions in frames of a simulation of it, 200 steps apart, each with a random key."""
    one = replace(simulation(state, seed), num_replicas=1)
    one = replace(one, fluid=replace(one.fluid, num_particles=num_particles))

    def frames() -> Iterator[tuple[Array, PRNGKeyArray]]:
        *first, going = jax.random.split(jax.random.key(seed), 4)
        phase = one.start(first)
        for key in jax.random.split(going, num_frames):
            phase = one.fluid.simulate(phase, key, 1, 4 * one.stride, one.grid).last
            yield phase.positions[0], jax.random.fold_in(key, 1)

    return one.fluid, frames()


def derivatives(ensemble: PairEnsemble) -> tuple[Float[np.ndarray, "4"], Float[np.ndarray, "4 4"]]:
    r"""Return averages over a simulation of a Mie fluid, and the covariance of their statistical errors.

    They are the three derivatives of the Helmholtz energy (see the module), and the mean Laplacian of the energy of a particle,
    :math:`\langle\sum_{i<j}\nabla^2 u\rangle\sigma^2/N\epsilon`, that a quantum correction needs.
    """
    sampled = ensemble.potential
    mie, radius = sampled.potential, sampled.cutoff
    assert isinstance(mie, Mie)
    number, density, grid = ensemble.num_particles, ensemble.density, ensemble.grid

    def with_exponent(repulsive: Array) -> PlainCut:
        return PlainCut(Mie(mie.epsilon, mie.sigma, repulsive, mie.attractive), radius, tail=True)

    def energy(repulsive: Array) -> tuple[Array, Array]:
        cut = with_exponent(repulsive)
        return grid.values(cut.energy_inside), cut.tail_energy(density)

    (inside, tail), (slope, tail_slope) = jax.jvp(energy, (mie.repulsive,), (jnp.ones_like(mie.repulsive),))
    force = jax.grad(mie.pair_energy)
    first = grid.values(lambda r: r * force(r))
    laplacian = grid.values(lambda r: jax.grad(force)(r) + 2 * force(r) / r)
    thermal, scale = GAS_CONSTANT * ensemble.temperature, mie.sigma**2 / mie.epsilon
    tail_pressure = with_exponent(mie.repulsive).tail_pressure(density) / MPA_PER_INTERNAL_PRESSURE
    beyond = -2 * np.pi * density * radius**2 * force(radius)  # of the Laplacian, by the divergence theorem
    columns = [
        (inside / (number * thermal), tail / thermal),
        (-first / (3 * number * thermal), tail_pressure / (density * thermal)),
        (slope / (number * thermal), tail_slope / thermal),
        (laplacian * scale / number, beyond * scale),
    ]
    values = jnp.stack([jnp.where(grid.below(radius), column, 0.0) for column, _ in columns], axis=1)
    counts, constants = np.asarray(ensemble.pair_counts, float), np.array([float(constant) for _, constant in columns])
    frames = counts @ np.asarray(values)
    covariance = np.cov(frames, rowvar=False) * ensemble.inefficiency / len(frames)
    return frames.mean(axis=0) + constants, covariance


class Simulated(NamedTuple):
    """What simulations of Mie fluids gave, see `derivatives` and `triplets`; one row each."""

    states: Float[np.ndarray, "simulation 3"]
    means: Float[np.ndarray, "simulation 5"]
    covariances: Float[np.ndarray, "simulation 5 5"]


_COLUMNS = (*ReducedState._fields, "energy", "compressibility", "slope", "laplacian", "triplets")


def save_simulated(found: Simulated, path: Path, comment: Sequence[str] = ()) -> None:
    """Write what simulations gave as a table of comma-separated values: means, then the lower triangle of the covariance."""
    rows, columns = np.tril_indices(5)
    names = [f"covariance_{_COLUMNS[3 + i]}_{_COLUMNS[3 + j]}" for i, j in zip(rows, columns, strict=True)]
    table = np.concatenate([found.states, found.means, found.covariances[:, rows, columns]], axis=1)
    write_table(path, comment, [*_COLUMNS, *names], table)


def load_simulated(path: Path | None = None) -> Simulated:
    """Read what simulations gave; those of the catalogue, ``mie_fluid``, if no file is given.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    rows, columns = np.tril_indices(5)
    table = read_table(path, "simulations.csv", len(_COLUMNS) + len(rows))
    states, means, lower = np.split(table, [3, 8], axis=1)
    covariances = np.zeros((len(table), 5, 5))
    covariances[:, rows, columns] = covariances[:, columns, rows] = lower
    return Simulated(states, means, covariances)


class Inserted(NamedTuple):
    """Residual chemical potentials over the thermal energy, see `chemical_potential`; one row each."""

    states: Float[np.ndarray, "simulation 3"]
    means: Float[np.ndarray, " simulation"]
    variances: Float[np.ndarray, " simulation"]


_INSERTED_COLUMNS = (*ReducedState._fields, "chemical_potential", "variance")


def save_inserted(found: Inserted, path: Path, comment: Sequence[str] = ()) -> None:
    """Write chemical potentials as a table of comma-separated values."""
    write_table(path, comment, _INSERTED_COLUMNS, np.column_stack(found))


def load_inserted(path: Path | None = None) -> Inserted:
    """Read chemical potentials; those of the catalogue, ``mie_fluid``, if no file is given.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    table = read_table(path, "insertions.csv", len(_INSERTED_COLUMNS))
    return Inserted(table[:, :3], table[:, 3], table[:, 4])


def write_table(path: Path, comment: Sequence[str], columns: Sequence[str], table: np.ndarray, digits: int = 7) -> None:
    """Write a table of comma-separated values to so many significant digits, after lines of comment."""
    lines = [f"# {line}" for line in comment] + [",".join(columns)]
    with atomic(path) as temporary:
        temporary.write_text("\n".join([*lines, *(",".join(f"{value:.{digits}g}" for value in row) for row in table)]) + "\n")


def read_table(path: Path | None, name: str, num_columns: int) -> np.ndarray:
    """Read a table of simulations; that of a name in the catalogue's ``mie_fluid`` if no file is given.

    Raises
    ------
    DataError
        If it cannot be read, or has another number of columns.
    """
    path = catalogue_folder() / "mie_fluid" / name if path is None else path
    try:
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        table = np.array([[float(value) for value in line.split(",")] for line in lines[1:]])
        if table.shape[1:] != (num_columns,):
            raise ValueError(f"shape {table.shape}")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: a table of simulations must have {num_columns} columns of numbers, found one that cannot be "
            f"read ({str(error).splitlines()[0]}): make it again by data/mie_fluid/simulate.py"
        ) from None
    return table
