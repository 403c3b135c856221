"""The likelihood against dense formulas of the multivariate normal and Student-t distributions (scipy)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bayesff.calibration import Likelihood
from bayesff.covariance import Covariance

RANDOM = np.random.default_rng(7)
MEAN = RANDOM.normal(size=7)
VALUES = MEAN + RANDOM.normal(size=7)
OBSERVED = jnp.asarray(VALUES)
DIAGONAL = RANDOM.uniform(0.1, 0.5, 7)
FACTOR = RANDOM.normal(size=(7, 3))
NUM_DRAWS = 20_000
# Bound of a standard normal score with a two-sided false-alarm probability of 1e-5; there are 51 such scores in this file.
BOUND = stats.norm.isf(0.5e-5)


def make(factor=FACTOR, degrees_of_freedom=None):
    return Likelihood(jnp.asarray(MEAN), Covariance(jnp.asarray(DIAGONAL), jnp.asarray(factor)), degrees_of_freedom)


def dense():
    return np.diag(DIAGONAL) + FACTOR @ FACTOR.T


def brute_force_conditional(covariance):
    """Log density of every datum given all others, one partition of the dense covariance at a time."""
    found = []
    for i in range(len(VALUES)):
        rest = np.delete(np.arange(len(VALUES)), i)
        gain = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, i])
        mean = MEAN[i] + gain @ (VALUES - MEAN)[rest]
        found.append(stats.norm(mean, np.sqrt(covariance[i, i] - gain @ covariance[rest, i])).logpdf(VALUES[i]))
    return np.array(found)


def test_log_density_of_correlated_data_is_scipys():
    expected = stats.multivariate_normal(MEAN, dense()).logpdf(VALUES)
    assert float(make().distribution().log_prob(OBSERVED)) == pytest.approx(expected, abs=1e-12)


def test_log_likelihood_is_the_density_given_all_other_data():
    np.testing.assert_allclose(make().log_likelihood(OBSERVED), brute_force_conditional(dense()), atol=1e-11)


def test_independent_data():
    likelihood = make(factor=np.zeros((7, 0)))
    expected = stats.norm(MEAN, np.sqrt(DIAGONAL)).logpdf(VALUES)
    assert likelihood.independent
    np.testing.assert_allclose(likelihood.distribution().log_prob(OBSERVED), expected, atol=1e-13)
    np.testing.assert_allclose(likelihood.log_likelihood(OBSERVED), expected, atol=1e-13)
    assert likelihood.sample_causes(jax.random.key(1), OBSERVED).shape == (0,)


def test_student_t_is_scipys():
    likelihood = make(factor=np.zeros((7, 0)), degrees_of_freedom=jnp.asarray(3.5))
    expected = stats.t(3.5, MEAN, np.sqrt(DIAGONAL)).logpdf(VALUES)
    np.testing.assert_allclose(likelihood.log_likelihood(OBSERVED), expected, atol=1e-13)
    drawn = jax.vmap(lambda key: likelihood.replicate(key, jnp.zeros(0)))(jax.random.split(jax.random.key(2), NUM_DRAWS))
    p_values = [stats.kstest((np.asarray(drawn)[:, i] - MEAN[i]) / np.sqrt(DIAGONAL[i]), "t", (3.5,)).pvalue for i in range(7)]
    assert min(p_values) > 1e-5


def test_causes_are_drawn_from_their_conditional_distribution():
    inverse = np.linalg.inv(dense())
    mean = FACTOR.T @ inverse @ (VALUES - MEAN)
    covariance = np.eye(3) - FACTOR.T @ inverse @ FACTOR
    keys = jax.random.split(jax.random.key(3), NUM_DRAWS)
    draws = np.asarray(jax.vmap(lambda key: make().sample_causes(key, OBSERVED))(keys))
    scores = (draws.mean(axis=0) - mean) / np.sqrt(np.diag(covariance) / NUM_DRAWS)
    assert np.abs(scores).max() < BOUND, scores
    # Entries of a sample covariance of normal numbers have the variance (C_ii C_jj + C_ij^2) / n.
    error = np.cov(draws.T) - covariance
    scale = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / NUM_DRAWS)
    assert np.abs(error / scale).max() < BOUND, error / scale


def test_replicated_data_share_the_causes_and_not_the_noise():
    causes = jnp.asarray([1.0, -0.5, 2.0])
    keys = jax.random.split(jax.random.key(4), NUM_DRAWS)
    draws = np.asarray(jax.vmap(lambda key: make().replicate(key, causes))(keys))
    scores = (draws.mean(axis=0) - MEAN - FACTOR @ causes) / np.sqrt(DIAGONAL / NUM_DRAWS)
    assert np.abs(scores).max() < BOUND, scores
    error = np.cov(draws.T) - np.diag(DIAGONAL)
    scale = np.sqrt((np.outer(DIAGONAL, DIAGONAL) + np.diag(DIAGONAL**2)) / NUM_DRAWS)
    assert np.abs(error / scale).max() < BOUND, error / scale


def test_gradient_of_the_log_density_is_the_dense_one():
    """Forward and reverse derivative in the mean: the precision matrix times the residual."""

    def log_density(mean):
        return Likelihood(mean, make().covariance).distribution().log_prob(OBSERVED)

    expected = np.linalg.solve(dense(), VALUES - MEAN)
    np.testing.assert_allclose(jax.grad(log_density)(jnp.asarray(MEAN)), expected, rtol=1e-9)
    np.testing.assert_allclose(jax.jacfwd(log_density)(jnp.asarray(MEAN)), expected, rtol=1e-9)


@pytest.mark.parametrize("num_columns", [0, 2, 9], ids=["independent", "few causes", "more causes than data"])
def test_what_data_say_along_columns_is_the_dense_product(num_columns):
    random = np.random.default_rng(3)
    covariance = Covariance(jnp.asarray(DIAGONAL), jnp.asarray(random.normal(size=(len(DIAGONAL), num_columns))))
    columns = random.normal(size=(len(DIAGONAL), 3))
    expected = columns.T @ np.linalg.solve(np.asarray(covariance.matrix), columns)
    np.testing.assert_allclose(covariance.weigh(jnp.asarray(columns)), expected, rtol=1e-9, atol=1e-12)


def test_data_given_those_before_them():
    """The conditional of a multivariate normal distribution, by the dense formula."""
    covariance, before, after = dense(), slice(4), slice(4, None)
    found = make().after(OBSERVED[:4])
    gain = covariance[after, before] @ np.linalg.inv(covariance[before, before])
    np.testing.assert_allclose(found.mean, MEAN[after] + gain @ (VALUES - MEAN)[before], atol=1e-12)
    np.testing.assert_allclose(found.covariance.matrix, covariance[after, after] - gain @ covariance[before, after], atol=1e-12)


def test_causes_with_a_name_are_common_to_data_side_by_side():
    first = Covariance(jnp.asarray(DIAGONAL[:4]), jnp.asarray(FACTOR[:4]), (None, "b", "a"))
    last = Covariance(jnp.asarray(DIAGONAL[4:]), jnp.asarray(FACTOR[4:]), ("a", None, "c"))
    found = Covariance.concatenate([first + Covariance.independent(np.ones(4)), last, Covariance.independent(np.ones(2))])
    expected = np.zeros((9, 5))  # own, own, b, a, c
    expected[:4, [0, 2, 3]], expected[4:7, [3, 1, 4]] = FACTOR[:4], FACTOR[4:]
    assert found.names == (None, None, "b", "a", "c")
    assert found.num_own == 2
    np.testing.assert_array_equal(found.factor, expected)
    assert Covariance.concatenate([first, last[:2]]).scale(jnp.asarray(2.0)).names == found.names
