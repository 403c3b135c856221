"""A box that has frozen, or holds two phases, is no reference for a liquid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.ensembles import EnsembleStore, PairEnsemble, PairFluid, PairGrid, Simulation, pair_distances
from bayesff.ensembles.phases import FROZEN, SEPARATED, check_fluid, excess, first_minimum
from bayesff.errors import StateError
from bayesff.units import GAS_CONSTANT

EPSILON, SIGMA = 0.996, 3.405
CUT = bp.ShiftedCut(bp.LennardJones(epsilon=EPSILON, sigma=SIGMA), cutoff=2.3 * SIGMA)


def simulation(temperature, density):
    fluid = PairFluid(CUT, temperature * EPSILON / GAS_CONSTANT, density / SIGMA**3, 39.948, 108)
    return Simulation(fluid, fluid.grid(0.7 * SIGMA, 0.05), seed=1, num_frames=60)


@pytest.mark.parametrize(
    ("temperature", "density", "low", "high"),
    [(0.71, 0.845, 0.15, 0.21), (1.5, 0.95, 0.16, 0.24), (1.35, 0.32, 0.4, 0.6)],
    ids=["triple point", "dense and hot", "critical point"],
)
def test_fluids_are_let_pass(temperature, density, low, high):
    found = simulation(temperature, density).run()
    assert low < first_minimum(found) < high
    assert -1.0 < excess(found) < 2.0


def test_a_crystal_is_refused_and_not_kept(tmp_path):
    """Far beyond melting: at a density of 1.05 it depends on the rounding, and so on XLA's threads, whether the box freezes."""
    frozen = simulation(1.0, 1.1)
    with pytest.raises(StateError, match=r"of ShiftedCut\(LennardJones\(.*cutoff=7.831, .* at .* the box has frozen"):
        EnsembleStore(tmp_path).get(frozen)
    assert list(tmp_path.iterdir()) == []


def test_a_crystal_does_not_outlast_its_simulation():
    """At the melting line one that starts at its own temperature stays; a simulation melts it first, and stays a liquid."""
    made = simulation(0.85, 0.95)
    lattice, warm, kept = jax.random.split(jax.random.key(1), 3)
    start = made.fluid.simulate(made.fluid.lattice(lattice, 4), warm, 50, 50, made.grid).last
    crystal = PairEnsemble.from_trajectory(made.fluid, made.fluid.simulate(start, kept, 30, 50, made.grid), made.grid)
    with pytest.raises(StateError, match="the box has frozen"):
        check_fluid(crystal)
    assert first_minimum(made.run()) > FROZEN + 0.02


def ensemble(positions, length):
    grid = PairGrid((0.0, length / 2), 0.05)
    counts = jnp.stack([grid.count(pair_distances(jnp.asarray(one), length)) for one in positions])
    number = positions.shape[1]
    return PairEnsemble(CUT, 100.0, number / length**3, number, grid, counts, 1.0)


def test_a_slab_is_two_phases_and_an_ideal_gas_is_one():
    random, length = np.random.default_rng(4), 24.0
    gas = random.uniform(0, length, (8, 256, 3))
    found = ensemble(gas, length)
    # The variance of the mean over 8 frames of the pairs within a sphere of pi / 6 of the box.
    assert abs(excess(found)) < 4 * 2 * np.sqrt(256**2 / 2 * np.pi / 6 / 8) / 256
    check_fluid(found)
    slab = gas * np.array([1.0, 1.0, 0.6])
    with pytest.raises(StateError, match=r"found \d+: the box holds a dense and a dilute part"):
        check_fluid(ensemble(slab, length))
    assert excess(ensemble(slab, length)) > SEPARATED


def test_too_few_pairs_tell_nothing():
    gas = np.random.default_rng(5).uniform(0, 100.0, (2, 20, 3))
    found = ensemble(gas, 100.0)
    assert np.isnan(first_minimum(found))
    assert not first_minimum(found) < FROZEN
    check_fluid(found)
