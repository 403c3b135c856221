"""Scores and leave-one-out against the exact posterior of a linear-Gaussian model."""

import numpy as np
import pytest
from scipy.stats import norm

from bayesff import assessment

from .trees import ENVIRONMENTS, LABORATORIES, linear, tree_of

MODEL = linear()


@pytest.fixture(scope="module")
def tree():
    return tree_of(MODEL, num_chains=4, num_draws=1000)


@pytest.fixture(scope="module")
def table(tree):
    return assessment.pointwise(tree)


def exact_left_out():
    return np.array([MODEL.left_out(index) for index in range(25)]).T


def test_leave_one_out_densities_are_the_exact_ones(table):
    mean, sd = exact_left_out()
    exact = norm.logpdf(MODEL.values, mean, sd)
    # Measured spread between seeds: 0.01 for most data, 0.04 for the most influential one.
    np.testing.assert_allclose(table["loo_log_predictive_density"], exact, atol=0.12)
    assert float(table["loo_log_predictive_density"].sum()) == pytest.approx(exact.sum(), abs=0.15)
    assert (table["log_predictive_density"].sum() > table["loo_log_predictive_density"].sum()).item()


def test_the_left_out_transform_and_crps_are_the_exact_ones(table):
    mean, sd = exact_left_out()
    np.testing.assert_allclose(table["loo_pit"], norm.cdf(MODEL.values, mean, sd), atol=0.05)
    z = (MODEL.values - mean) / sd
    exact = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    np.testing.assert_allclose(table["loo_crps"], exact, atol=0.05)


def test_few_draws_that_hide_an_influential_datum_are_reported():
    # One datum measured twenty times as precisely as the others: without it the posterior is elsewhere.
    uncertainty = MODEL.uncertainty.copy()
    uncertainty[3] = 0.005
    values = MODEL.values.copy()
    values[3] += 4.0
    harsh = type(MODEL)(MODEL.design, values, uncertainty)
    table = assessment.pointwise(tree_of(harsh))
    assert float(table["pareto_k"][3]) > assessment.MAX_PARETO_K
    scores = assessment.aggregate(table, "environment")
    assert int(scores["num_high_pareto_k"].sel(environment="cold gas")) >= 1


def test_a_chain_that_is_stuck_is_scored_and_called_unreliable():
    tree = tree_of(MODEL, num_draws=50)
    for group in ("posterior", "log_likelihood"):
        for name in tree[group].data_vars:
            tree[group][name][:] = tree[group][name][0, 0]
    table = assessment.pointwise(tree)
    np.testing.assert_allclose(table["loo_log_predictive_density"], table["log_predictive_density"], rtol=1e-12)
    assert np.isnan(table["pareto_k"]).all()
    assert int(assessment.aggregate(table, "environment")["num_high_pareto_k"].sum()) == 25


def test_scores_by_environment_add_up(tree, table):
    scores = assessment.scores(tree)
    assert list(scores["environment"].to_numpy()) == list(ENVIRONMENTS)
    assert scores["num_data"].to_numpy().tolist() == [12, 12, 1]
    cold = slice(0, 12)
    mean, _ = MODEL.posterior(np.ones(25, dtype=bool))
    residual = MODEL.values - MODEL.design @ mean
    assert float(scores["rmse"].sel(environment="cold gas")) == pytest.approx(np.sqrt(np.mean(residual[cold] ** 2)), rel=0.03)
    standardised = residual[cold] / MODEL.uncertainty[cold]
    assert float(scores["rmse_over_uncertainty"].sel(environment="cold gas")) == pytest.approx(
        np.sqrt(np.mean(standardised**2)), rel=0.03
    )
    total = float(scores["loo_log_predictive_density"].sum())
    assert total == pytest.approx(float(table["loo_log_predictive_density"].sum()))
    inside = np.abs(table["pit"].to_numpy()[cold] - 0.5) <= 0.45
    assert float(scores["coverage"].sel(environment="cold gas", level=0.9)) == pytest.approx(inside.mean())


def test_scores_by_laboratory_leave_out_data_without_one(tree):
    scores = assessment.scores(tree, by="laboratory")
    assert list(scores["laboratory"].to_numpy()) == sorted(LABORATORIES)
    assert int(scores["num_data"].sum()) == 24


def test_data_of_different_units_have_no_common_error_in_a_unit(table):
    together = table.assign_coords(all=("datum", np.full(25, "all", dtype=object)))
    scores = assessment.aggregate(together, "all")
    assert np.isnan(scores["rmse"]).all()
    assert np.isnan(scores["crps"]).all()
    assert np.isfinite(scores["rmse_over_uncertainty"]).all()
    assert str(scores["unit"].to_numpy()[0]) == ""


def test_the_potential_alone_is_scored_apart(tree):
    shifted = assessment.scores(tree_of(MODEL, num_chains=4, num_draws=1000, shift=3.0))
    assert float(shifted["rmse_potential"].sel(environment="warm gas")) == pytest.approx(3.0, rel=0.1)
    plain = assessment.scores(tree)
    assert float(shifted["rmse"].sel(environment="warm gas")) == pytest.approx(float(plain["rmse"].sel(environment="warm gas")))


def test_intervals_that_are_too_narrow_cover_too_little():
    honest = assessment.scores(tree_of(linear(5)), by="term")
    tree = tree_of(linear(5))
    centre = tree["posterior_predictive"]["second_virial_mean"]
    for name in ("second_virial", "second_virial_left_out"):
        tree["posterior_predictive"][name] = centre + 0.2 * (tree["posterior_predictive"][name] - centre)
    narrow = assessment.scores(tree, by="term")
    for kind in ("coverage", "loo_coverage"):
        before = float(honest[kind].sel(term="second_virial", level=0.8))
        assert before > 0.6
        assert float(narrow[kind].sel(term="second_virial", level=0.8)) < before - 0.3
