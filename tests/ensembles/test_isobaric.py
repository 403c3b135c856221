"""Constant pressure: the ideal gas, the pressure of a liquid, its density by an equation of state, and OpenMM's barostat."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.ensembles import EquationOfState, IsobaricFluid, OpenMMFluid, PairFluid, Simulation, pair_distances, pair_fluid
from bayesff.errors import NumericalError, ParameterError, StateError
from bayesff.observables import MieLiquid
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

from ..long import long  # noqa: TID252

ARGON = bp.LennardJones(epsilon=118.5 * GAS_CONSTANT, sigma=3.39)
MASS = 39.948


def liquid(potential, num_particles=108, temperature=100.0, density=0.0195, kind=PairFluid):
    """Liquid argon a little less dense than it is at 100 K."""
    return kind(potential, temperature, density, MASS, num_particles=num_particles)


def molten(fluid, num_replicas=2):
    """Where a simulation of a liquid begins."""
    start = Simulation(fluid, fluid.grid(2.2, 0.1), 1, num_replicas=num_replicas, num_warm=40)
    return start.start(list(jax.random.split(jax.random.key(1), 3)))


def test_an_ideal_gas():
    """The volume of N particles has a gamma distribution of the order N + 1: the mean of N/V is p/kT, a closed form."""
    nothing = bp.ShiftedCut(bp.LennardJones(epsilon=1e-9, sigma=0.5), cutoff=1.0)
    temperature, pressure, number = 300.0, 1.0, 32
    expected = pressure / MPA_PER_INTERNAL_PRESSURE / (GAS_CONSTANT * temperature)
    gas = PairFluid(nothing, temperature, 1.4 * expected, MASS, num_particles=number)
    made = IsobaricFluid(gas, pressure).simulate(gas.lattice(jax.random.key(1), 8), jax.random.key(2), 500, 20, 200)
    mean = made.means()["density"]
    assert mean.error < 0.01 * expected
    assert abs(mean.value - expected) < 4 * mean.error
    volume = number / np.asarray(made.density)
    assert volume.std() / volume.mean() == pytest.approx(1 / np.sqrt(number + 1), rel=0.1)
    assert np.asarray(made.accepted).mean() == pytest.approx(0.5, abs=0.1)


@pytest.fixture(scope="module")
def compressed():
    """A liquid at a low and at a high pressure [MPa]."""
    fluid = liquid(bp.PlainCut(ARGON, cutoff=8.0, tail=True))
    start = molten(fluid)
    return {pressure: IsobaricFluid(fluid, pressure).simulate(start, jax.random.key(3), 300, 40, 50) for pressure in (0.5, 60.0)}


@pytest.mark.parametrize("pressure", [0.5, 60.0])
def test_a_liquid(compressed, pressure):
    """Its mean virial pressure is the one imposed, its density that of the equation of state but for 0.2 % of so few."""
    made = compressed[pressure]
    means = made.means()
    assert abs(means["pressure"].value - pressure) < 4 * means["pressure"].error
    assert means["pressure"].error < 4
    found = MieLiquid(EquationOfState.learn(), MASS).density(ARGON, np.array([100.0]), np.array([pressure]))
    assert means["density"].value == pytest.approx(float(found.mean[0]), abs=4 * means["density"].error, rel=2e-3)
    assert means["density"].error < 0.004 * means["density"].value
    assert np.asarray(made.kinetic_temperature).mean() == pytest.approx(100, rel=0.02)


def test_what_is_said_of_a_frame_is_that_of_its_positions(compressed):
    cut, made = bp.PlainCut(ARGON, cutoff=8.0, tail=True), compressed[60.0]
    for replica in range(2):
        length = float(made.last_length[replica])
        density = 108 / length**3
        positions = np.asarray(made.last.positions[replica], float)
        assert np.all((positions >= 0) & (positions <= length))
        assert float(made.density[replica, -1]) == pytest.approx(density, rel=1e-6)
        distances = pair_distances(jnp.asarray(positions), length)
        energy = float(jax.vmap(cut.pair_energy)(distances).sum()) / 108 + float(cut.tail_energy(density))
        assert float(made.energy[replica, -1]) == pytest.approx(energy, rel=1e-5)
        slope = jnp.where(distances < 8.0, jax.vmap(jax.grad(cut.energy_inside))(distances), 0.0)
        virial = -float(jnp.sum(distances * slope)) / (3 * length**3)
        pressure = (density * GAS_CONSTANT * 100 + virial) * MPA_PER_INTERNAL_PRESSURE + float(cut.tail_pressure(density))
        assert float(made.pressure[replica, -1]) == pytest.approx(pressure, abs=0.02)


def test_lists_of_neighbours_change_nothing(monkeypatch):
    """Two runs of the same keys stay together for a while; later rounding tells them apart."""
    fluid = liquid(bp.ShiftedCut(ARGON, cutoff=6.0), num_particles=420)
    start, barostat = molten(fluid, 1), IsobaricFluid(fluid, 5.0)
    listed = barostat.simulate(start, jax.random.key(5), 4, 10, 2)
    monkeypatch.setattr(pair_fluid, "_ALL_PAIRS", 1000)
    every = barostat.simulate(start, jax.random.key(5), 4, 10, 2)
    assert np.ptp(np.asarray(every.density)) > 1e-6
    np.testing.assert_allclose(listed.density, every.density, rtol=1e-5)
    np.testing.assert_allclose(listed.energy, every.energy, rtol=1e-4)


def test_what_cannot_be_simulated():
    fluid = liquid(bp.ShiftedCut(ARGON, cutoff=8.0))
    start = fluid.lattice(jax.random.key(1))
    with pytest.raises(ParameterError, match="pressure must be finite, found nan MPa"):
        IsobaricFluid(fluid, float("nan"))
    with pytest.raises(ParameterError, match="interval must be greater than zero, found 0"):
        IsobaricFluid(fluid, 1.0, interval=0)
    with pytest.raises(ParameterError, match=r"must be a multiple of the interval .* found 25 and 10 steps: take 30 steps"):
        IsobaricFluid(fluid, 1.0).simulate(start, jax.random.key(1), 2, 25)
    tight = liquid(bp.ShiftedCut(ARGON, cutoff=8.7))
    with pytest.raises(
        StateError, match=r"at most half the box, found 8\.7 angstrom in a box that shrank to .* take at least \d+ part"
    ):
        IsobaricFluid(tight, 2000.0).simulate(start, jax.random.key(1), 2, 20, 100)
    thin = PairFluid(fluid.potential, 300.0, 0.0195, MASS, num_particles=108)
    with pytest.raises(StateError, match="it has evaporated, take a higher pressure or a lower temperature"):
        IsobaricFluid(thin, 0.01).simulate(start, jax.random.key(1), 2, 20, 100)
    overlapping = start._replace(positions=start.positions.at[0, 1].set(start.positions[0, 0]))
    with pytest.raises(NumericalError, match=r"IsobaricFluid: velocities must stay near 100 K"):
        IsobaricFluid(fluid, 1.0).simulate(overlapping, jax.random.key(2), 2, 20, 100)


@long
@pytest.mark.slow
@pytest.mark.parametrize("tail", [True, False])
def test_the_density_that_a_cutoff_leaves(tail):
    """What `cutoff_liquid` is calibrated with: the liquid of the equation of state, in full and cut at 2.5 diameters."""
    fluid = liquid(bp.PlainCut(ARGON, cutoff=8.5, tail=tail), num_particles=256, density=0.0192)
    made = IsobaricFluid(fluid, 0.5).simulate(molten(fluid, 4), jax.random.key(5), 600, 50, 60).means()["density"]
    known = MieLiquid(EquationOfState.learn(), MASS, cutoff=None if tail else 8.5)
    found = known.density(ARGON, np.array([100.0]), np.array([0.5]))
    error = float(np.sqrt(found.variance[0] + np.sum(found.factor[0] ** 2)))
    print(f"tail {tail}: {made}, equation of state {float(found.mean[0]):.6f} with error {error:.2g}")
    assert abs(made.value - float(found.mean[0])) < 3 * np.hypot(made.error, error)


@long
@pytest.mark.slow
def test_the_barostat_of_openmm():
    """The same box of 256 particles without a tail, at constant pressure by another code: densities and energies agree."""
    openmm = pytest.importorskip("openmm")
    cut = bp.SwitchedCut(ARGON, switch_distance=7.5, cutoff=9.0)
    fluid = liquid(cut, num_particles=256)
    ours = IsobaricFluid(fluid, 20.0).simulate(molten(fluid, 4), jax.random.key(6), 1000, 50, 50).means()
    other = liquid(cut, num_particles=256, kind=OpenMMFluid)
    system = other._system(other.grid(2.2, 0.1))
    system.addForce(openmm.MonteCarloBarostat(200.0, 100.0, 10))  # bar, K, steps between attempts
    integrator = openmm.LangevinMiddleIntegrator(100.0, 1.0, 0.01)
    integrator.setRandomNumberSeed(7)
    context = openmm.Context(system, integrator)
    phase = molten(fluid, 1)
    context.setPositions(np.asarray(phase.positions[0], float) / 10)
    context.setVelocities(np.asarray(phase.velocities[0], float) / 10)
    integrator.step(3000)
    densities, energies = [], []
    for _ in range(500):
        integrator.step(50)
        state = context.getState(energy=True)
        densities.append(256 / (state.getPeriodicBoxVolume()._value * 1000))
        energies.append(state.getPotentialEnergy()._value / 256)
    from bayesff.ensembles import equilibrated

    series = [np.array([one]) for one in (densities, energies)]
    begin, inefficiency = equilibrated(*series)
    for name, values in zip(("density", "energy"), series, strict=True):
        kept = values[:, begin:]
        theirs, error = kept.mean(), kept.std() * np.sqrt(inefficiency / kept.size)
        print(f"{name}: {ours[name]}, OpenMM {theirs:.6g} with error {error:.2g}")
        assert abs(ours[name].value - theirs) < 3 * np.hypot(ours[name].error, error)
        assert np.hypot(ours[name].error, error) < 0.005 * abs(theirs)
