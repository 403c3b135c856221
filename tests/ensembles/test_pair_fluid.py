"""The engine: forces, temperature, and a dilute gas; the states that NIST has simulated are in test_engines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.ensembles import PairEnsemble, PairFluid, PairGrid, References, pair_distances
from bayesff.ensembles.pair_fluid import _forces
from bayesff.errors import NumericalError, ParameterError, StateError
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

EPSILON, SIGMA = 0.996, 3.405
ARGON = bp.LennardJones(epsilon=EPSILON, sigma=SIGMA)


def fluid(temperature, density, cutoff=2.5 * SIGMA, **changes):
    """An argon-like fluid at a reduced temperature and density."""
    cut = bp.ForceShiftedCut(ARGON, cutoff=cutoff)
    chosen = {"potential": cut, "molar_mass": 39.948, "num_particles": 108} | changes
    return PairFluid(temperature=temperature * EPSILON / GAS_CONSTANT, density=density / SIGMA**3, **chosen)


@pytest.mark.parametrize(
    "potential",
    [
        bp.ForceShiftedCut(ARGON, cutoff=8.0),
        bp.SwitchedCut(bp.Mie(epsilon=1.1, sigma=3.3, repulsive=14.0, attractive=6.0), switch_distance=6.5, cutoff=8.0),
        bp.ShiftedCut(bp.TangToennies.argon(), cutoff=8.0),
    ],
)
def test_the_force_is_the_gradient_of_the_energy(potential):
    length = 17.0
    sites = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3) * length / 4
    positions = jnp.asarray(sites + np.random.default_rng(1).uniform(-0.4, 0.4, sites.shape))
    energy = jax.grad(lambda x: jnp.sum(jax.vmap(potential.pair_energy)(pair_distances(x, length))))
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), potential)
    forces = _forces(single, jnp.asarray(positions.T, jnp.float32), jnp.float32(length))
    assert forces.dtype == jnp.float32
    np.testing.assert_allclose(forces.T, -energy(positions), atol=2e-5 * float(jnp.abs(energy(positions)).max()))


@pytest.fixture(scope="module")
def liquid():
    """Two replicas of a dense fluid at a reduced temperature of 1.5."""
    dense = fluid(1.5, 0.7)
    grid = dense.grid(0.7 * SIGMA, 0.05)
    warm = dense.simulate(dense.lattice(jax.random.key(1), 2), jax.random.key(2), 20, 50, grid)
    return dense, grid, warm, dense.simulate(warm.last, jax.random.key(3), 200, 10, grid)


def test_the_thermostat(liquid):
    """321 degrees of freedom a frame; the frames are correlated over about ten.

    At a step of 10 fs the velocities of BAOAB are 0.2 % too cold, the configurations are not.
    """
    dense, _, _, made = liquid
    hot = np.asarray(made.kinetic_temperature)
    error = np.sqrt(2 / 324 / (hot.size / 10))
    assert hot.mean() / dense.temperature == pytest.approx(1, abs=4 * error + 0.004)
    assert hot.std() / dense.temperature == pytest.approx(np.sqrt(2 / 324), rel=0.2)


def test_every_pair_up_to_half_the_box_is_counted(liquid):
    dense, grid, _, made = liquid
    assert made.pair_counts.shape == (2, 200, grid.num_nodes)
    distances = pair_distances(made.last.positions[0].astype(float), dense.length)
    # In single precision a pair may be counted in either of two fine bins whose edge it lies at.
    each = jax.vmap(lambda distance: grid.count(distance[None]))
    either = jnp.sum(jnp.abs(each(distances + 3e-6) - each(distances - 3e-6)), axis=0)
    assert float(jnp.median(either)) < 0.01
    assert np.all(np.abs(made.pair_counts[0, -1] - grid.count(distances)) <= either + 1e-4)
    assert np.asarray(made.pair_counts).sum(axis=-1).mean() == pytest.approx(108 * 107 / 2 * np.pi / 6, rel=0.03)


def test_a_simulation_can_be_repeated_and_its_replicas_differ(liquid):
    dense, grid, warm, made = liquid
    again = dense.simulate(warm.last, jax.random.key(3), 200, 10, grid)
    np.testing.assert_array_equal(again.pair_counts, made.pair_counts)
    assert np.abs(np.asarray(made.pair_counts[0] - made.pair_counts[1])).max() > 1


@pytest.mark.slow
def test_a_dilute_gas_has_its_virial_expansion():
    """Energy and pressure to second order in the density, from the second and third virial coefficients."""
    from bayesff.observables import SecondVirial, ThirdVirial

    gas = fluid(2.0, 0.05, num_particles=64, timestep=0.02)
    grid = gas.grid(0.7 * SIGMA, 0.05)
    warm = gas.simulate(gas.lattice(jax.random.key(4), 4), jax.random.key(5), 20, 40, grid)
    made = gas.simulate(warm.last, jax.random.key(6), 400, 40, grid)
    found = References.combine([PairEnsemble.from_trajectory(gas, made, grid)]).averages(gas.potential, gas.temperature)
    state = {"temperature": jnp.array([gas.temperature])}
    per_volume = gas.density / CUBIC_ANGSTROM_PER_MOLE  # mol/cm^3
    second = float(SecondVirial().predict(gas.potential, state).mean[0]) * per_volume
    third = float(ThirdVirial().predict(gas.potential, state).mean[0]) * per_volume**2
    # The box has 64 particles: each meets 63 others.
    expected = gas.density * GAS_CONSTANT * gas.temperature * 1e3 / CUBIC_ANGSTROM_PER_MOLE * (1 + second * 63 / 64 + third)
    pressure, factor, _ = found.pressure()
    assert float(pressure[0]) == pytest.approx(expected, abs=4 * float(jnp.linalg.norm(factor)) + 2e-3 * expected)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"cutoff": 9.0}, StateError, "at most half the box, found 9 angstrom in a box of 17.47 angstrom"),
        ({"cutoff": 9.0}, StateError, "take at least 119 particles, or a shorter cutoff"),
        ({"potential": ARGON}, ParameterError, "the potential needs a cutoff, found LennardJones: put it into PlainCut"),
        ({"molar_mass": 0.0}, ParameterError, "molar_mass must be finite and greater than zero, found 0.0"),
        ({"timestep": np.nan}, ParameterError, "timestep must be finite and greater than zero, found nan"),
    ],
)
def test_what_cannot_be_simulated(changes, error, said):
    with pytest.raises(error) as raised:
        fluid(1.0, 0.8, **changes)
    assert said in str(raised.value)


def test_a_pair_that_the_grid_does_not_hold_is_found_out(liquid):
    dense, _, warm, made = liquid
    assert 0.8 * SIGMA < float(made.closest.min()) < SIGMA
    late = PairGrid((SIGMA, 2.5 * SIGMA), 0.1)
    with pytest.raises(NumericalError, match=r"from the grid's first edge on, 3\.405 angstrom, found two particles .* begin the"):
        dense.simulate(warm.last, jax.random.key(3), 5, 10, late)


def test_a_step_that_is_too_long_is_found_out():
    hasty = fluid(1.0, 0.7, timestep=0.2)
    grid = PairGrid((2.0, 8.0), 0.1)
    with pytest.raises(NumericalError, match=r"take a timestep shorter than 0\.2 ps"):
        hasty.simulate(hasty.lattice(jax.random.key(1)), jax.random.key(2), 5, 20, grid)
