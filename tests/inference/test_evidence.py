"""Bridge sampling: the evidence from draws, and whether its stated error is its error."""

import jax
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from bayesff.inference import NUTS, Target
from bayesff.inference.evidence import bridge

from .linear_gaussian import UNCERTAINTY, exact, make_problem


def skewed(points):
    """Log density of independent log-normal numbers' logarithms, twisted; it integrates to 7."""
    bent = points[..., 1] - 0.3 * (points[..., 0] ** 2 - 1)
    return np.log(7.0) + norm.logpdf(points[..., 0]) + norm.logpdf(bent, scale=0.5)


def draw_skewed(random, num_draws):
    first = random.standard_normal((4, num_draws))
    second = 0.3 * (first**2 - 1) + 0.5 * random.standard_normal((4, num_draws))
    return np.stack([first, second], axis=-1)


def test_a_normal_posterior_has_its_evidence_to_the_last_draw():
    random = np.random.default_rng(1)
    covariance = np.array([[2.0, 0.9], [0.9, 1.0]])
    draws = random.multivariate_normal([1.0, -3.0], covariance, size=(4, 400))

    def evaluate(points):
        return multivariate_normal([1.0, -3.0], covariance).logpdf(points) - 12.5

    found = bridge(draws, evaluate(draws), evaluate, 1)
    assert found.log_z == pytest.approx(-12.5, abs=4 * found.sd)
    assert found.sd < 0.01


def test_the_stated_error_is_the_error():
    found = [
        bridge(draws, skewed(draws), skewed, seed)
        for seed in range(60)
        for draws in [draw_skewed(np.random.default_rng([2, seed]), 300)]
    ]
    standardised = np.array([(one.log_z - np.log(7.0)) / one.sd for one in found])
    # 60 standard normal numbers: mean and spread within 3.5 standard errors (false alarm about 1 in 1000).
    assert abs(standardised.mean()) < 3.5 / np.sqrt(60)
    assert standardised.std() == pytest.approx(1.0, abs=3.5 / np.sqrt(120))


def test_draws_of_another_posterior_give_another_evidence():
    draws = 0.6 * draw_skewed(np.random.default_rng(3), 600)  # too narrow: the negative control
    found = bridge(draws, skewed(draws), skewed, 3)
    assert abs(found.log_z - np.log(7.0)) > 5 * found.sd


def test_where_the_density_vanishes_it_counts_as_zero():
    random = np.random.default_rng(4)
    draws = np.abs(random.standard_normal((4, 500, 1)))

    def half(points):
        with np.errstate(divide="ignore"):
            return np.where(points[..., 0] > 0, norm.logpdf(points[..., 0]) + np.log(2.0), np.nan)

    found = bridge(draws, half(draws), half, 4)
    assert found.log_z == pytest.approx(0.0, abs=4 * found.sd)


def test_nuts_gives_the_evidence_of_a_calibration():
    target = Target(make_problem())
    sample = NUTS(num_warmup=200, num_draws=300).sample(target, jax.random.key(1))
    expected = exact(np.diag(UNCERTAINTY**2)).log_z
    assert sample.attributes["log_z"] == pytest.approx(expected, abs=4 * sample.attributes["log_z_sd"])
    assert sample.attributes["log_z_sd"] < 0.01
