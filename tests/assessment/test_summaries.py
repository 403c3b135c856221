"""Summaries of the posterior, and what the error models learnt."""

import numpy as np
import pytest

from bayesff import assessment
from bayesff.units import GAS_CONSTANT

from .trees import LABORATORIES, linear, tree_of

MODEL = linear()


@pytest.fixture(scope="module")
def tree():
    return tree_of(MODEL, effects=True, shift=3.0)


def test_parameters_are_shown_in_the_unit_of_their_prior(tree):
    summary = assessment.summarise(tree).sel(scalar="epsilon")
    exact, covariance = MODEL.posterior(np.ones(25, dtype=bool))
    assert str(summary["unit"].item()) == "K"
    # 1000 independent draws: the mean within five standard errors, the standard deviation within 12 %.
    sd = np.sqrt(covariance[0, 0]) / GAS_CONSTANT
    assert float(summary["mean"]) == pytest.approx(exact[0] / GAS_CONSTANT, abs=5 * sd / np.sqrt(1000))
    assert float(summary["sd"]) == pytest.approx(sd, rel=0.12)
    assert float(summary["q05"]) < float(summary["q50"]) < float(summary["q95"])


def test_contraction_is_the_ratio_of_the_standard_deviations(tree):
    contraction = assessment.prior_contraction(tree)
    _, covariance = MODEL.posterior(np.ones(25, dtype=bool))
    assert float(contraction.sel(scalar="sigma")) == pytest.approx(np.sqrt(covariance[1, 1]) / 10.0, rel=0.15)
    # A bias has no prior of its own: it is drawn from its scale.
    assert np.isnan(contraction.sel(scalar=f"second_virial_laboratory_bias[{LABORATORIES[0]}]"))


def test_elements_of_a_vector_keep_their_labels(tree):
    summary = assessment.summarise(tree)
    row = summary.sel(scalar="second_virial_discrepancy_scale[cold gas]")
    assert float(row["mean"]) == pytest.approx(2.0, rel=0.05)
    assert str(row["site"].item()) == "second_virial_discrepancy_scale"


def test_biases_come_with_their_laboratories(tree):
    biases = assessment.group_biases(tree)
    assert biases is not None
    by_label = biases.set_index(member="label")
    assert float(by_label["mean"].sel(member="Weir & <Co> 1967")) == pytest.approx(-2.0, abs=0.02)
    assert by_label["num_data"].to_numpy().tolist() == [12, 12]
    assert assessment.group_biases(tree_of(MODEL)) is None


def test_the_discrepancy_that_was_found_is_told_from_its_prior(tree):
    scales = assessment.error_scales(tree)
    assert scales is not None
    assert list(scales["kind"].to_numpy()) == ["noise", "discrepancy", "discrepancy"]
    cold = scales.isel(scale=1)
    assert str(cold["environment"].item()) == "cold gas"
    assert float(cold["mean"]) == pytest.approx(2.0, rel=0.05)
    # The curve with the discrepancy lies 3.00 +- 0.15 above that of the potential; 100 draws know a quantile to a few hundredths.
    assert float(cold["found_q05"]) == pytest.approx(3.0 - 1.645 * 0.15, abs=0.08)
    assert float(cold["found_q95"]) == pytest.approx(3.0 + 1.645 * 0.15, abs=0.08)
    assert float(cold["significance"]) == pytest.approx(20.0, rel=0.25)
    none_found = assessment.error_scales(tree_of(MODEL, effects=True))
    assert none_found is not None
    assert float(none_found["found_q95"][1]) == pytest.approx(0.0)
    assert float(none_found["mean"][1]) == pytest.approx(2.0, rel=0.05)
    assert assessment.error_scales(tree_of(MODEL)) is None


def test_without_a_grid_the_discrepancy_is_read_at_the_data():
    tree = tree_of(MODEL, effects=True, shift=3.0)
    term = assessment.contents(tree)["second_virial"]
    bias = assessment.draws(tree, "posterior", "second_virial_laboratory_bias")
    without = tree.filter(lambda node: not node.path.startswith("/predictions"))
    without.attrs = tree.attrs
    found, environment = assessment.discrepancy(without, term)
    # The tree's expectation is the potential and 3; what is not a bias is discrepancy.
    expected = 3.0 - bias[:, [LABORATORIES.index(label) for label in term.groups["laboratory"]]]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert environment.tolist() == term.environment.tolist()
