"""Comparison of candidates, against ArviZ and by what must be so."""

import dataclasses

import arviz_stats
import numpy as np
import pytest
import xarray

from bayesff import assessment
from bayesff.errors import StudyError

from .trees import ENVIRONMENTS, linear, tree_of

GOOD = linear()


@pytest.fixture(scope="module")
def trees():
    # The second candidate cannot follow the temperature; the third is the first with other random numbers.
    flat = dataclasses.replace(GOOD, design=GOOD.design * np.array([1.0, 0.0]))
    return {"flat": tree_of(flat), "good": tree_of(GOOD), "again": tree_of(GOOD, seed=7)}


def joined(tree):
    """Return the tree with the log likelihood of all terms as one variable, as ArviZ wants it."""
    parts = [tree["log_likelihood"][name].to_numpy() for name in ("second_virial", "well_depth")]
    log_likelihood = xarray.Dataset({"y": (("chain", "draw", "datum"), np.concatenate(parts, axis=2))})
    return xarray.DataTree.from_dict({"posterior": tree["posterior"].to_dataset(), "log_likelihood": log_likelihood})


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_differences_errors_and_weights_are_those_of_arviz(trees):
    pair = {name: trees[name] for name in ("flat", "good")}
    theirs = arviz_stats.compare({name: joined(tree) for name, tree in pair.items()}, round_to="none")
    ours = assessment.compare(pair)
    assert list(ours["candidate"].to_numpy()) == list(theirs.index)
    for mine, other in (
        ("elpd", "elpd"),
        ("se", "se"),
        ("p", "p"),
        ("elpd_difference", "elpd_diff"),
    ):
        np.testing.assert_allclose(ours[mine], theirs[other].astype(float), rtol=1e-8, atol=1e-10)
    # ArviZ divides by N - 1 for the error of a density but by N for that of a difference; ours divides by N - 1 in both.
    np.testing.assert_allclose(ours["se_difference"], theirs["dse"].astype(float) * np.sqrt(25 / 24), rtol=1e-8)
    np.testing.assert_allclose(ours["weight"], theirs["weight"].astype(float), atol=2e-3)


def test_the_better_candidate_comes_first_and_its_twin_is_indistinguishable(trees):
    comparison = assessment.compare(trees)
    assert comparison["candidate"].to_numpy()[-1] == "flat"
    assert float(comparison["elpd_difference"][-1]) < -20
    assert abs(float(comparison["elpd_difference"][1])) < 0.5
    assert float(comparison["weight"].sum()) == pytest.approx(1.0)


def test_differences_by_environment_add_up_to_the_whole(trees):
    comparison = assessment.compare(trees)
    assert list(comparison["environment"].to_numpy()) == list(ENVIRONMENTS)
    np.testing.assert_allclose(comparison["elpd_difference_in"].sum("environment"), comparison["elpd_difference"], atol=1e-9)


def test_candidates_on_different_data_are_refused(trees):
    other = dataclasses.replace(GOOD, values=GOOD.values + 0.1)
    mixed = {"good": trees["good"], "other": tree_of(other)}
    assert not assessment.comparable(mixed)
    assert assessment.comparable(trees)
    with pytest.raises(StudyError, match="candidate 'other' was calibrated on 25 data that are not the same as those of 'good'"):
        assessment.compare(mixed)


def test_stacking_survives_densities_that_underflow():
    rng = np.random.default_rng(0)
    density = -2000.0 + rng.normal(size=(3, 40))
    density[2] -= 5000.0
    weights = assessment.stacking_weights(density)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[2] < 1e-12
    # Stationary: no weight can grow.
    scaled = np.exp(density - density.max(axis=0))
    assert np.max(np.mean(scaled / (weights @ scaled), axis=1)) < 1 + 1e-3
