"""Everything that can be wrong with a datum reaches the likelihood: against dense covariances and scipy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro import handlers
from scipy import stats

from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, Prior, StudentTNoise, Term
from bayesff.covariance import Covariance
from bayesff.inference import Target, find_mode

from .linear_gaussian import (
    DESIGN,
    LABORATORY,
    PRIORS,
    SEPARATION,
    UNCERTAINTY,
    VALUES,
    Line,
    LineHeight,
    exact,
    make_data,
    make_problem,
)

THETA = {"amplitude": jnp.asarray(1.9), "slope": jnp.asarray(-0.2)}
MEAN = DESIGN @ [np.log(1.9), -0.2]
DISTANCE = np.abs(SEPARATION[:, None] - SEPARATION[None, :])
MEASURED = np.outer(UNCERTAINTY, UNCERTAINTY) * np.exp(-DISTANCE / 2.0)
NUMERICAL = Covariance(jnp.asarray(np.linspace(0.01, 0.02, 6)), jnp.asarray(np.stack([SEPARATION**2, SEPARATION]).T / 100))
SAME_LABORATORY = (LABORATORY[:, None] == LABORATORY[None, :]).astype(float)
BIAS = GroupBias("laboratory", Prior(dist.HalfNormal(0.3), "kJ/mol"))


def data_site(problem, **others):
    """The distribution of the data, and the data, when the unknowns have given values."""
    model = handlers.substitute(handlers.seed(problem, jax.random.key(0)), data=THETA | others)
    return handlers.trace(model).get_trace()["line_height"]


def log_likelihood(problem, **others):
    site = data_site(problem, **others)
    return float(jnp.sum(site["fn"].log_prob(site["value"])))


def normal(covariance):
    return stats.multivariate_normal(MEAN, covariance).logpdf(VALUES)


@pytest.mark.parametrize(
    ("parts", "covariance"),
    [
        ({}, np.diag(UNCERTAINTY**2)),
        ({"covariance": MEASURED}, MEASURED),
        ({"numerical": NUMERICAL}, np.diag(UNCERTAINTY**2) + np.asarray(NUMERICAL.matrix)),
        ({"covariance": MEASURED, "numerical": NUMERICAL}, MEASURED + np.asarray(NUMERICAL.matrix)),
    ],
    ids=["independent", "correlated", "numerical", "correlated and numerical"],
)
def test_covariances_of_data_and_prediction_add(parts, covariance):
    assert log_likelihood(make_problem(**parts)) == pytest.approx(normal(covariance), abs=1e-10)


def test_noise_scale_multiplies_the_stated_uncertainty_only():
    noise = GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5)))
    found = log_likelihood(make_problem(numerical=NUMERICAL, noise=noise), line_height_noise_scale=jnp.asarray(1.7))
    assert found == pytest.approx(normal(np.diag((1.7 * UNCERTAINTY) ** 2) + np.asarray(NUMERICAL.matrix)), abs=1e-10)


def test_bias_is_integrated_out():
    found = log_likelihood(make_problem(effects=[BIAS]), line_height_bias_scale=jnp.asarray(0.25))
    assert found == pytest.approx(normal(np.diag(UNCERTAINTY**2) + 0.25**2 * SAME_LABORATORY), abs=1e-10)


def process(coordinate, length, num_nodes):
    """The discrepancy's correlation: a Gaussian process seen through its nodes, with its variance restored."""
    kernel = partial(lambda a, b: np.exp(-0.5 * ((a[:, None] - b[None, :]) / length) ** 2))
    nodes = np.linspace(coordinate.min(), coordinate.max(), num_nodes)
    across = kernel(coordinate, nodes)
    projected = across @ np.linalg.solve(kernel(nodes, nodes) + 1e-8 * np.eye(num_nodes), across.T)
    return projected / np.sqrt(np.outer(np.diag(projected), np.diag(projected)))


@pytest.mark.parametrize(("logarithmic", "length"), [(False, 0.8), (True, 0.3)])
def test_discrepancy_is_integrated_out(logarithmic, length):
    prior = Prior(dist.LogNormal(0.0, 1.0), "" if logarithmic else "angstrom")
    effect = Discrepancy("separation", Prior(dist.HalfNormal(0.3), "kJ/mol"), prior, logarithmic=logarithmic)
    problem = make_problem(effects=[effect, BIAS])
    found = log_likelihood(
        problem,
        line_height_discrepancy_scale=jnp.asarray([0.4]),
        line_height_discrepancy_length=jnp.asarray(length),
        line_height_bias_scale=jnp.asarray(0.25),
    )
    coordinate = np.log(SEPARATION) if logarithmic else SEPARATION
    correlation = process(coordinate, length, 8)
    covariance = np.diag(UNCERTAINTY**2) + 0.4**2 * correlation + 0.25**2 * SAME_LABORATORY
    assert found == pytest.approx(normal(covariance), abs=1e-8)
    # Eight nodes are closer together than the length, so the nodes miss little of the process itself.
    process_itself = np.exp(-0.5 * ((coordinate[:, None] - coordinate[None, :]) / length) ** 2)
    np.testing.assert_allclose(correlation, process_itself, atol=2e-3)


def test_discrepancies_of_two_environments_are_independent_and_biases_shared():
    parts = [make_data(rows=slice(0, 3), label="near"), make_data(rows=slice(3, 6), label="far")]
    effect = Discrepancy("separation", Prior(dist.HalfNormal(0.3), "kJ/mol"), Prior(dist.LogNormal(0.0, 1.0)))
    problem = CalibrationProblem(Line, PRIORS, [Term(parts, LineHeight(), effects=[effect, BIAS])])
    found = log_likelihood(
        problem,
        line_height_discrepancy_scale=jnp.asarray([0.4, 0.2]),
        line_height_discrepancy_length=jnp.asarray(0.3),
        line_height_bias_scale=jnp.asarray(0.25),
    )
    covariance = np.diag(UNCERTAINTY**2) + 0.25**2 * SAME_LABORATORY
    covariance[:3, :3] += 0.4**2 * process(np.log(SEPARATION[:3]), 0.3, 8)
    covariance[3:, 3:] += 0.2**2 * process(np.log(SEPARATION[3:]), 0.3, 8)
    assert found == pytest.approx(normal(covariance), abs=1e-8)


def test_student_t_has_numerical_variance_in_its_scale_and_causes_in_its_mean():
    noise = StudentTNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5)))
    found = log_likelihood(
        make_problem(numerical=NUMERICAL, noise=noise, effects=[BIAS]),
        line_height_noise_scale=jnp.asarray(1.7),
        line_height_degrees_of_freedom=jnp.asarray(3.0),
        line_height_bias_scale=jnp.asarray(0.25),
        line_height_causes=jnp.asarray([1.0, -2.0, 0.5]),
    )
    offsets = 0.25 * np.select([LABORATORY == "A", LABORATORY == "B"], [1.0, -2.0], 0.5)
    scale = np.sqrt((1.7 * UNCERTAINTY) ** 2 + np.asarray(NUMERICAL.variance))
    assert found == pytest.approx(stats.t(3.0, MEAN + offsets, scale).logpdf(VALUES).sum(), abs=1e-10)


def test_posterior_widens_by_the_exact_amount():
    """The Gaussian at the mode has the covariance of the closed form, with and without the error of the prediction."""
    widths = []
    for numerical in (None, NUMERICAL):
        target = Target(make_problem(MEASURED, numerical))
        mode = find_mode(target, jax.random.key(1))
        expected = exact(MEASURED if numerical is None else MEASURED + np.asarray(numerical.matrix))
        assert bool(mode.converged)
        np.testing.assert_allclose(mode.factor @ mode.factor.T, expected.covariance, rtol=1e-5)
        # Less than 1e-6 of log density is left to gain, so the mode lies within sqrt(2e-6) standard deviations of the mean.
        away = np.linalg.solve(np.linalg.cholesky(expected.covariance), mode.location - expected.mean)
        assert np.linalg.norm(away) < np.sqrt(2e-6)
        widths.append(np.sqrt(np.diag(mode.factor @ mode.factor.T)))
    assert np.all(widths[1] > 1.05 * widths[0])


def test_replicated_data_of_correlated_measurements_are_not_the_data():
    """Of correlated noise the independent part is drawn anew: a predictive check must not see its own data."""
    covariance = Term(make_data(MEASURED), LineHeight()).measurement_covariance()
    np.testing.assert_allclose(covariance.matrix, MEASURED, rtol=1e-12)
    smallest = np.linalg.eigvalsh(MEASURED / np.outer(UNCERTAINTY, UNCERTAINTY))[0]
    np.testing.assert_allclose(covariance.diagonal, smallest * UNCERTAINTY**2, rtol=1e-12)
    assert smallest > 0.05
