"""Sums over pairs from their statistics, against the sums themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesff.potentials as bp
from bayesff.ensembles import PairGrid, minimum_image, pair_distances
from bayesff.errors import ParameterError

LENNARD_JONES = bp.LennardJones(epsilon=1.0, sigma=1.0)
GRID = PairGrid((0.8, 3.0, 4.0), 0.02)


@pytest.fixture(scope="module")
def distances():
    """A liquid's distances: none below 0.85, then as many as fit into the shells."""
    return jnp.asarray(np.random.default_rng(1).uniform(0.85**3, 4.2**3, 20_000) ** (1 / 3))


def test_every_pair_within_the_edges_counts_once(distances):
    assert float(GRID.count(distances).sum()) == pytest.approx(float(jnp.sum(distances < 4.0)), rel=1e-12)


def test_a_cubic_polynomial_is_summed_to_the_rounding_of_distances(distances):
    inside = distances[distances < 4.0]
    counts = GRID.count(inside)
    for power in range(4):
        rounding = power * 4.0 ** max(power - 1, 0) * 0.02 / 64 / np.sqrt(12)
        error = float(counts @ GRID.values(lambda r, power=power: r**power) - jnp.sum(inside**power))
        assert abs(error) < 5 * rounding * np.sqrt(len(inside)) + 1e-7


def test_energy_and_virial_of_a_cut_potential(distances):
    """The step at the cutoff is exact, the rest within a few parts in a million of the pairs' energies."""
    counts = GRID.count(distances)
    inner = jnp.arange(GRID.num_nodes) < 111
    assert GRID.nodes[110] == GRID.nodes[111] == 3.0
    close = distances[distances < 3.0]
    for function in (LENNARD_JONES.pair_energy, lambda r: r * LENNARD_JONES.pair_force(r)):
        exact = jax.vmap(function)(close)
        found = jnp.sum(jnp.where(inner, counts * GRID.values(function), 0.0))
        slopes = jax.vmap(jax.grad(function))(close)
        rounding = float(jnp.sqrt(jnp.sum(slopes**2))) * 0.02 / 64 / np.sqrt(12)
        assert float(found) == pytest.approx(float(exact.sum()), abs=4 * rounding + 3e-6 * float(jnp.abs(exact).sum()))


def test_the_error_falls_with_the_fourth_power_of_the_spacing():
    r = jnp.linspace(0.95, 1.5, 400_001)
    exact = float(jnp.sum(jax.vmap(LENNARD_JONES.pair_energy)(r)))
    errors = [
        abs(float(grid.count(r) @ grid.values(LENNARD_JONES.pair_energy)) - exact)
        for grid in (PairGrid((0.9, 1.6), spacing) for spacing in (0.02, 0.01))
    ]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.25)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.0, 5.0), st.integers(1, 3))
def test_single_precision_keeps_a_pair_where_it_belongs(distance, which):
    """Also at an edge: no weight appears in the panel on its other side."""
    grid = PairGrid((0.5, 1.5, 3.0, 4.5)[: which + 1], 0.1)
    single = jnp.float32(distance)
    counts = np.asarray(grid.count(single[None]))
    edges = np.asarray(grid.edges, np.float32)
    inside = bool(edges[0] <= single < edges[-1])
    assert counts.sum() == pytest.approx(float(inside), abs=1e-5)
    if inside:
        assert counts @ grid.nodes == pytest.approx(distance, abs=0.01)
        low = np.searchsorted(edges, single, side="right") - 1
        touched = grid.nodes[np.flatnonzero(np.abs(counts) > 1e-7)]
        assert np.all((touched >= edges[low] - 1e-6) & (touched <= edges[low + 1] + 1e-6))


def test_distances_are_those_of_the_nearest_images():
    positions = jnp.array([[0.1, 0.1, 0.1], [7.9, 0.1, 0.1], [4.1, 4.1, 0.1]])
    np.testing.assert_allclose(pair_distances(positions, 8.0), [0.2, np.sqrt(32.0), np.sqrt(3.8**2 + 16.0)], rtol=1e-12)
    np.testing.assert_allclose(minimum_image(jnp.array([5.0, -5.0, 3.0]), 8.0), [-3.0, 3.0, 3.0])


@pytest.mark.parametrize(
    ("edges", "spacing", "said"),
    [
        ((3.0,), 0.1, "edges must be two or more ascending distances, found [3.0]"),
        ((3.0, 2.0), 0.1, "found [3.0, 2.0] angstrom"),
        ((-1.0, 2.0), 0.1, "found [-1.0, 2.0] angstrom"),
        ((1.0, np.inf), 0.1, "found [1.0, inf] angstrom"),
        ((1.0, 2.0), 0.0, "spacing must be greater than zero, found 0.0 angstrom"),
    ],
)
def test_what_is_no_grid(edges, spacing, said):
    with pytest.raises(ParameterError) as raised:
        PairGrid(edges, spacing)
    assert said in str(raised.value)
