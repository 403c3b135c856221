"""Atomwise factors: the graph's verdict against linear algebra, and what can be solved in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bayesff.potentials as bp
from bayesff.errors import ParameterError

RATIO = 0.6


def system(num_carbons, bonds, hydrogens, beyond=True):
    build = bp.all_atoms if hydrogens else bp.united_atoms
    return bp.FactorSystem.of_one_four(build(num_carbons, bonds), RATIO, beyond)


def ring(number):
    return tuple((i, (i + 1) % number) for i in range(number))


def agrees_with_linear_algebra(found):
    matrix, right = found.matrix, found.logarithms
    assert found.rank == np.linalg.matrix_rank(matrix)
    assert found.solvable == (np.linalg.matrix_rank(np.column_stack([matrix, right])) == found.rank)
    solution, *_ = np.linalg.lstsq(matrix, right, rcond=None)
    np.testing.assert_allclose(np.log(found.atom_factors), solution, atol=1e-10)
    assert found.residual == pytest.approx(np.sqrt(np.mean((matrix @ solution - right) ** 2)), abs=1e-12)
    assert found.solvable == (found.residual < 1e-9)


@pytest.mark.parametrize("hydrogens", [False, True])
@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize(
    ("num_carbons", "bonds"),
    [(n, bp.chain_bonds(n)) for n in (4, 5, 6, 7)] + [(n, ring(n)) for n in (6, 7, 8)] + [(10, bp.DECALIN_BONDS)],
)
def test_the_graph_says_what_linear_algebra_says(num_carbons, bonds, hydrogens, beyond):
    agrees_with_linear_algebra(system(num_carbons, bonds, hydrogens, beyond))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_so_it_does_on_any_graph(data):
    number = data.draw(st.integers(2, 7))
    every = [(i, j) for i in range(number) for j in range(i + 1, number)]
    pairs = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=10, unique=True))
    factors = data.draw(st.lists(st.sampled_from([0.5, 0.6, 1.0, 2.0]), min_size=len(pairs), max_size=len(pairs)))
    agrees_with_linear_algebra(bp.FactorSystem(number, tuple(pairs), tuple(factors)))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_without_a_cycle_everything_is_solvable(data):
    number = data.draw(st.integers(2, 9))
    pairs = tuple((data.draw(st.integers(0, child - 1)), child) for child in range(1, number))
    factors = tuple(data.draw(st.lists(st.floats(0.1, 10.0), min_size=number - 1, max_size=number - 1)))
    found = bp.FactorSystem(number, pairs, factors)
    assert found.rank == number - 1
    assert found.solvable
    np.testing.assert_allclose(found.misfit, 1.0, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(logarithms=st.lists(st.floats(-2.0, 2.0), min_size=4, max_size=8).filter(lambda row: len(row) % 2 == 0))
def test_an_even_cycle_asks_for_an_alternating_sum_of_zero(logarithms):
    number, b = len(logarithms), np.array(logarithms)
    signs = (-1.0) ** np.arange(number)
    found = bp.FactorSystem(number, ring(number), tuple(np.exp(b)))
    assert found.rank == number - 1
    assert found.conflict == pytest.approx(abs(signs @ b), abs=1e-9)
    closed = bp.FactorSystem(number, ring(number), tuple(np.exp(b - signs * (signs @ b) / number)))
    assert closed.solvable
    np.testing.assert_allclose(closed.misfit, 1.0, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(logarithms=st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=9).filter(lambda row: len(row) % 2 == 1))
def test_an_odd_cycle_has_one_solution(logarithms):
    number, b = len(logarithms), np.array(logarithms)
    found = bp.FactorSystem(number, ring(number), tuple(np.exp(b)))
    assert found.rank == number
    assert found.solvable
    # x_0 is half the alternating sum along the cycle.
    assert float(np.log(found.atom_factors[0])) == pytest.approx(((-1.0) ** np.arange(number)) @ b / 2, abs=1e-9)


@pytest.mark.parametrize("hydrogens", [False, True])
@pytest.mark.parametrize(("num_carbons", "bonds"), [(6, bp.chain_bonds(6)), (6, bp.CYCLOHEXANE_BONDS), (10, bp.DECALIN_BONDS)])
def test_one_ratio_for_all_one_four_pairs_is_solved_by_its_root(num_carbons, bonds, hydrogens):
    """On chains and rings alike, as long as pairs farther apart are not asked about."""
    found = system(num_carbons, bonds, hydrogens, beyond=False)
    assert found.solvable
    np.testing.assert_allclose(found.matrix @ np.full(found.num_atoms, np.log(RATIO) / 2), found.logarithms, atol=1e-12)
    taking_part = found.matrix.any(axis=0)
    np.testing.assert_allclose(np.prod(found.atom_factors[np.array(found.pairs)], axis=1), RATIO, rtol=1e-9)
    np.testing.assert_allclose(found.atom_factors[~taking_part], 1.0)


def test_what_is_solvable_when_pairs_farther_apart_must_stay():
    """Chains up to five and rings up to seven united atoms; with hydrogens up to propane: the length decides, not the ring."""
    assert [system(n, bp.chain_bonds(n), False).solvable for n in range(2, 9)] == [True] * 4 + [False] * 3
    assert [system(n, ring(n), False).solvable for n in range(3, 10)] == [True] * 5 + [False] * 2
    assert not system(10, bp.DECALIN_BONDS, False).solvable
    assert [system(n, bp.chain_bonds(n), True).solvable for n in range(2, 6)] == [True, True, False, False]
    assert [system(n, ring(n), True).solvable for n in (3, 4, 5, 6)] == [True, False, False, False]
    assert system(4, ((0, 1), (1, 2), (1, 3)), True).solvable  # isobutane
    # Hexane by hand: the cycle 0-4-1-5-0 of pairs 1-5, 1-4, 1-5, 1-6 leaves the logarithm of the ratio.
    assert system(6, bp.chain_bonds(6), False).conflict == pytest.approx(abs(np.log(RATIO)))


def test_factors_of_propane():
    """The hydrogens of the methyl groups keep their charges, and all their partners take the ratio."""
    factors = system(3, bp.chain_bonds(3), True).atom_factors
    np.testing.assert_allclose(factors, [RATIO, 1.0, RATIO] + [1.0] * 3 + [RATIO] * 2 + [1.0] * 3, atol=1e-12)


def test_an_empty_system_asks_for_nothing():
    found = system(3, bp.chain_bonds(3), False)
    assert (found.rank, found.solvable, found.residual, found.pairs) == (0, True, 0.0, ())
    np.testing.assert_array_equal(found.atom_factors, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.FactorSystem(2, ((0, 1),), ()), "every pair needs a factor, found 1 pairs and 0 factors: give as many"),
        (lambda: bp.FactorSystem(2, ((0, 1),), (0.0,)), r"finite and greater than zero, found 0\.0"),
        (lambda: bp.FactorSystem(2, ((0, 2),), (1.0,)), r"two of the 2 atoms, counted from 0, found \(0, 2\)"),
        (lambda: bp.FactorSystem(2, ((1, 1),), (1.0,)), r"two of the 2 atoms, counted from 0, found \(1, 1\)"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
