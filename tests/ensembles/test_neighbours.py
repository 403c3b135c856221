"""Lists of neighbours: complete, made anew in time, and grown where they are too short."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.ensembles import PairFluid, Phase, pair_fluid
from bayesff.ensembles.neighbours import Reach, capacity_for, make_list, updated
from bayesff.ensembles.pair_fluid import _forces
from bayesff.units import GAS_CONSTANT

EPSILON, SIGMA = 0.996, 3.405
CUT = bp.PlainCut(bp.LennardJones(epsilon=EPSILON, sigma=SIGMA), cutoff=2.5 * SIGMA)
DENSE = PairFluid(CUT, EPSILON / GAS_CONSTANT, 0.8 / SIGMA**3, 39.948, num_particles=450)
LISTED = jax.jit(make_list, static_argnums=2)
GRID = DENSE.grid(0.5 * SIGMA, 0.1)
REACH = Reach(*(jnp.float32(size) for size in (DENSE.length, CUT.cutoff, DENSE._skin)))


@pytest.fixture
def runs(monkeypatch):
    """Places of the lists in every run of the integration, None for all pairs."""
    places, simulate = [], pair_fluid._simulate

    def noted(*arguments):
        places.append(arguments[-1].capacity)
        return simulate(*arguments)

    monkeypatch.setattr(pair_fluid, "_simulate", noted)
    return places


def scattered(seed, num_replicas=2):
    """Positions of a disordered dense fluid, no two particles much closer than in one, as rows of every replica."""
    places = DENSE.lattice(jax.random.key(seed), num_replicas).positions
    places = places + jax.random.uniform(jax.random.key(seed + 1), places.shape, jnp.float32, -0.3, 0.3)
    return jnp.swapaxes(places, 1, 2)


def simulated(start, num_frames=2, stride=15):
    return DENSE.simulate(start, jax.random.key(5), num_frames, stride, GRID)


def neighbours_of(listed):
    """Return the neighbours of every particle as sets."""
    return [set(row.tolist()) - {own} for own, row in enumerate(np.asarray(listed.neighbours).T)]


@pytest.mark.parametrize("size", [33, 450])
def test_a_list_is_complete(size):
    positions = scattered(1)[0][:, :size]
    apart = np.asarray(positions, float)[:, :, None] - np.asarray(positions, float)[:, None]
    distance = np.sqrt(np.sum((apart - DENSE.length * np.round(apart / DENSE.length)) ** 2, axis=0)) + 1e3 * np.eye(size)
    made = LISTED(positions, REACH, 104)
    sure, perhaps = (distance < float(REACH.cutoff + REACH.skin) + error for error in (-1e-4, 1e-4))
    for found, least, most in zip(neighbours_of(made), sure, perhaps, strict=True):
        assert set(np.flatnonzero(least)) <= found <= set(np.flatnonzero(most))
    assert int(made.longest) == max(map(len, neighbours_of(made)))


def test_forces_by_lists_are_those_by_all_pairs():
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), CUT)
    before = scattered(1)[0]
    listed = LISTED(before, REACH, 104)
    # Within half the skin the list holds.
    shift = jax.random.uniform(jax.random.key(3), before.shape, jnp.float32, -1, 1) * REACH.skin / 2 / jnp.sqrt(jnp.float32(3))
    for positions in (before, before + shift, before + shift - DENSE.length):
        expected = _forces(single, positions, REACH.length)
        forces = _forces(single, positions, REACH.length, listed)
        assert forces.dtype == jnp.float32
        np.testing.assert_allclose(forces, expected, atol=1e-5 * float(jnp.abs(expected).max()))


def test_steps_by_lists_are_those_by_all_pairs_even_of_fast_particles(monkeypatch, runs):
    """The second replica begins eight times too hot: a particle crosses half the skin in three steps or so."""
    cold = DENSE.lattice(jax.random.key(1), 2)
    start = Phase(cold.positions, cold.velocities * jnp.array([1.0, 2.8], jnp.float32)[:, None, None])
    made = simulated(start)
    assert float(made.kinetic_temperature[1, 0]) > 2 * DENSE.temperature
    monkeypatch.setattr(pair_fluid, "_ALL_PAIRS", 450)
    expected = simulated(start)
    assert [places is None for places in runs] == [False, True]
    np.testing.assert_allclose(made.kinetic_temperature, expected.kinetic_temperature, rtol=1e-4)
    np.testing.assert_allclose(made.last.velocities, expected.last.velocities, atol=0.003)


def test_a_list_is_made_anew_when_a_particle_has_moved_half_the_skin():
    before = scattered(1)
    made = jax.vmap(lambda one: LISTED(one, REACH, 104))(before)
    together = jax.jit(jax.vmap(updated, in_axes=(0, 0, None)))
    for moved, anew in ((0.0, False), (0.48, False), (0.5, True), (np.nan, True)):
        after = before.at[1, 2, 7].add(moved * REACH.skin)
        found = together(made, after, REACH)
        alone = jax.jit(updated)(jax.tree.map(lambda leaf: leaf[1], made), after[1], REACH)
        np.testing.assert_array_equal(found.made_at, after if anew else before)
        np.testing.assert_array_equal(alone.made_at, found.made_at[1])
        np.testing.assert_array_equal(alone.neighbours, found.neighbours[1])
    across = before + DENSE.length  # where every particle was, in the next box
    np.testing.assert_array_equal(together(made, across, REACH).made_at, before)


def test_a_list_that_is_too_short_is_grown(monkeypatch, runs):
    """The frames are those of a list that was long enough from the beginning."""
    start = DENSE.lattice(jax.random.key(1), 2)
    monkeypatch.setattr(pair_fluid, "first_capacity", lambda *_: 8)
    made = simulated(start)
    assert len(runs) > 1
    assert all(np.diff(runs) > 0)
    monkeypatch.setattr(pair_fluid, "first_capacity", lambda *_: runs[-1])
    jax.tree.map(np.testing.assert_array_equal, made, simulated(start))
    assert runs[-1] == runs[-2]


def test_a_longer_list_has_room():
    assert all(longest < capacity_for(float(longest)) < 1.1 * longest + 17 for longest in range(1000))


def test_all_pairs_are_visited_where_a_list_does_not_fit(runs):
    wide = bp.PlainCut(CUT.potential, cutoff=0.49 * DENSE.length)
    large = PairFluid(wide, DENSE.temperature, DENSE.density, DENSE.molar_mass, DENSE.num_particles)
    large.simulate(large.lattice(jax.random.key(1)), jax.random.key(2), 1, 1, large.grid(0.5 * SIGMA, 0.1))
    assert runs == [None]
