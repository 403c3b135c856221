"""The triple-dipole sum, against one triangle after another."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from bayesff.ensembles import triple_dipole_sum
from bayesff.ensembles.triplets import triple_dipole_tail
from bayesff.potentials import AxilrodTeller


@pytest.mark.parametrize("cutoff", [2.0, 3.3])
def test_the_sum_is_that_over_all_triangles(cutoff):
    """Eighty atoms in a box of ten angstrom, some pairs across its faces; the sides of a triangle are below a third of it."""
    positions, length = np.random.default_rng(1).uniform(0.0, 10.0, (80, 3)), 10.0
    term, expected, counted = AxilrodTeller(jnp.asarray(1.0)), 0.0, 0
    for triangle in itertools.combinations(positions, 3):
        apart = [one - other for one, other in itertools.combinations(triangle, 2)]
        sides = [float(np.linalg.norm(one - length * np.round(one / length))) for one in apart]
        if max(sides) < cutoff:
            expected += float(term.triplet_energy(*sides))
            counted += 1
    assert counted > 10
    assert float(triple_dipole_sum(jnp.asarray(positions), length, cutoff)) == pytest.approx(expected, rel=1e-9)


def test_three_atoms_in_a_row_and_a_regular_triangle():
    """By hand: -2/8 for a row with the sides 1, 1 and 2, and 11/8 for a regular triangle with sides of 1."""
    row = jnp.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    assert float(triple_dipole_sum(row, 100.0, 5.0)) == pytest.approx(-2 / 8, rel=1e-12)
    assert float(triple_dipole_sum(row, 100.0, 1.5)) == 0.0
    regular = jnp.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, np.sqrt(0.75), 0.0]])
    assert float(triple_dipole_sum(regular, 100.0, 5.0)) == pytest.approx(11 / 8, rel=1e-12)


def test_the_tail_is_the_integral_over_triangles_with_a_long_side():
    """Of particles that know nothing of one another; the sides are b and c where the longest is 1."""
    term = AxilrodTeller(jnp.asarray(1.0))
    nodes, weights = np.polynomial.legendre.leggauss(40)

    def over_middle(short):
        low = max(short, 1 - short)
        middle = low + 0.5 * (1 - low) * (nodes + 1)
        found = [short * b * float(term.triplet_energy(1.0, short, b)) for b in middle]
        return 0.5 * (1 - low) * np.dot(weights, found)

    shape = 2 * sum(quad(over_middle, *edges, limit=10, epsrel=1e-6)[0] for edges in ((1e-3, 0.5), (0.5, 1.0)))
    shape -= 1e-3  # what the shortest sides add: 2 * (-1/2) of each
    assert float(triple_dipole_tail(0.03, 9.0)) == pytest.approx(4 * np.pi**2 / 3 * shape * 0.03**2 / 9.0**3, rel=1e-4)
