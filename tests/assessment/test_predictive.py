"""Scores of weighted draws against closed forms of the normal distribution."""

import numpy as np
import pytest
from scipy.stats import norm

from bayesff.assessment import covered, crps, pit
from bayesff.assessment.predictive import replicated_pit


def normal_crps(mean, sd, value):
    """Closed form: T. Gneiting, A. E. Raftery, J. Am. Stat. Assoc. 102, 359 (2007), doi:10.1198/016214506000001437."""
    z = (value - mean) / sd
    return sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


def test_the_crps_of_normal_draws_is_the_closed_form():
    values = np.array([-3.0, -1.0, 0.2, 2.0, 5.0])
    draws = 1.0 + 2.0 * np.random.default_rng(0).normal(size=(20_000, 5))
    exact = normal_crps(1.0, 2.0, values)
    # The standard error of the mean of |X - y| is about 2 / sqrt(20000) = 0.014; five of them for five values and a fixed key.
    np.testing.assert_allclose(crps(draws, values), exact, atol=0.05)


def test_the_crps_is_fair_with_as_few_as_two_draws():
    draws = np.random.default_rng(1).normal(size=(2, 200_000))
    estimates = crps(draws, np.full(200_000, 0.3))
    standard_error = estimates.std() / np.sqrt(200_000)
    assert abs(estimates.mean() - normal_crps(0.0, 1.0, 0.3)) < 4 * standard_error


def test_the_unfair_estimator_would_be_seen():
    draws = np.random.default_rng(1).normal(size=(2, 200_000))
    unfair = np.abs(draws - 0.3).mean(axis=0) - 0.25 * np.abs(draws[0] - draws[1])
    assert unfair.mean() - normal_crps(0.0, 1.0, 0.3) > 0.2


def test_weights_move_the_draws_to_another_distribution():
    draws = np.random.default_rng(2).normal(size=(40_000, 1))
    weights = norm.pdf(draws, 0.5, 0.8) / norm.pdf(draws)
    assert crps(draws, np.array([1.0]), weights)[0] == pytest.approx(normal_crps(0.5, 0.8, 1.0), abs=0.02)
    assert pit(draws, np.array([1.0]), weights)[0] == pytest.approx(norm.cdf(1.0, 0.5, 0.8), abs=0.02)


def test_the_scale_of_the_weights_does_not_matter():
    rng = np.random.default_rng(3)
    draws, weights = rng.normal(size=(50, 4)), rng.uniform(size=(50, 4))
    values = np.zeros(4)
    np.testing.assert_allclose(crps(draws, values, weights), crps(draws, values, 7 * weights), rtol=1e-12)
    np.testing.assert_allclose(crps(draws, values, np.ones_like(weights)), crps(draws, values), rtol=1e-12)


def test_the_transform_counts_ties_half_and_gives_the_intervals():
    draws = np.arange(5.0)[:, None] * np.ones(3)
    np.testing.assert_allclose(pit(draws, np.array([2.0, -1.0, 9.0])), [0.5, 0.0, 1.0])
    assert covered(np.array([0.04, 0.05, 0.5, 0.95, 0.96]), 0.9).tolist() == [False, True, True, True, False]


def test_the_transform_of_every_draw_is_that_among_the_other_ones():
    draws = np.random.default_rng(3).normal(size=(50, 3))
    draws[1] = draws[0]  # of equal draws each counts the other half
    found = replicated_pit(draws)
    for index in range(len(draws)):
        np.testing.assert_allclose(found[index], pit(np.delete(draws, index, axis=0), draws[index]), atol=1e-12)
