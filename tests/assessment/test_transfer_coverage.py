"""The coverage that calibrated predictions of left-out environments would have, against closed forms."""

import json

import numpy as np
import pytest
import xarray
from scipy.stats import binom

from bayesff.assessment.transfer import EVERY, Refit, left_out_coverage

LABELS = ("cold gas", "warm gas")
NUM_DATA = 40
NUM_DRAWS = 2000


def make_fits(common, values, number=NUM_DATA, seed=0):
    """Refits that predict a normal datum of unit variance, of which the share ``common`` is one error of the environment."""
    fits = {}
    for index, label in enumerate(LABELS):
        random = np.random.default_rng((seed, index))
        shared, own = random.normal(size=(NUM_DRAWS, 1)), random.normal(size=(NUM_DRAWS, 2 * number))
        drawn = (np.sqrt(common) * shared + np.sqrt(1 - common) * own)[None]
        labels = np.repeat(LABELS, number)
        refit = Refit("pooled", tuple(other for other in LABELS if other != label))
        groups = {
            "posterior_predictive": {"second_virial": (("chain", "draw", "second_virial_datum"), drawn)},
            "observed_data": {"second_virial": ("second_virial_datum", np.concatenate([values, values]))},
            "constant_data": {
                "second_virial_environment": ("second_virial_datum", labels),
                "second_virial_temperature": ("second_virial_datum", np.linspace(80.0, 500.0, 2 * number)),
                "second_virial_uncertainty": ("second_virial_datum", np.ones(2 * number)),
            },
        }
        tree = xarray.DataTree.from_dict({name: xarray.Dataset(group) for name, group in groups.items()})
        tree.attrs = {"environments": json.dumps(LABELS), "terms": json.dumps({"second_virial": "second_virial"})}
        fits[refit] = tree
    return fits


def test_independent_data_have_the_coverage_of_the_binomial_distribution():
    found = left_out_coverage(make_fits(0.0, np.zeros(NUM_DATA)), ["pooled"]).sel(variant="pooled", level=0.9)
    for label, number in (("cold gas", NUM_DATA), (EVERY, 2 * NUM_DATA)):
        row = found.sel(environment=label)
        assert float(row["coverage"]) == 1.0
        for name, chance in (("expected_q05", 0.05), ("expected_q50", 0.5), ("expected_q95", 0.95)):
            assert float(row[name]) == pytest.approx(binom.ppf(chance, number, 0.9) / number, abs=1.1 / number)
        exact = 0.9**number
        assert float(row["p_as_high"]) == pytest.approx(exact, abs=4 * np.sqrt(exact / NUM_DRAWS))
        assert float(row["p_as_low"]) == 1.0


def test_data_that_err_together_are_all_inside_or_all_outside():
    found = left_out_coverage(make_fits(1.0, np.full(NUM_DATA, 1.0)), ["pooled"]).sel(variant="pooled", level=0.9)
    row = found.sel(environment="cold gas")
    assert (float(row["expected_q05"]), float(row["expected_q50"]), float(row["expected_q95"])) == (0.0, 1.0, 1.0)
    # Four Monte Carlo errors of 2000 draws are 0.027.
    assert float(row["p_as_high"]) == pytest.approx(0.9, abs=0.027)
    # Two environments are both inside with probability 0.81.
    assert float(found.sel(environment=EVERY)["p_as_high"]) == pytest.approx(0.81, abs=0.035)
    assert float(found.sel(environment=EVERY)["expected_q05"]) == 0.5


@pytest.mark.parametrize("common", [0.0, 0.5, 0.95])
def test_calibrated_predictions_are_called_too_narrow_as_often_as_said(common):
    chances = []
    for seed in range(60):
        random = np.random.default_rng((100, seed))
        truth = np.sqrt(common) * random.normal() + np.sqrt(1 - common) * random.normal(size=NUM_DATA)
        found = left_out_coverage(make_fits(common, truth, seed=seed), ["pooled"])
        chances.append(float(found["p_as_low"].sel(variant="pooled", environment="cold gas", level=0.9)))
    # At most one in twenty, up to the false alarm of 0.001: binomial of 60 and 0.05.
    assert np.sum(np.array(chances) < 0.05) <= binom.ppf(0.999, 60, 0.05)


def test_predictions_that_are_too_narrow_are_found():
    # Errors three times as large as predicted, of independent data: half of them outside.
    values = 3.0 * np.random.default_rng(5).normal(size=NUM_DATA)
    found = left_out_coverage(make_fits(0.0, values), ["pooled"]).sel(variant="pooled", level=0.9)
    assert float(found["p_as_low"].sel(environment=EVERY)) < 0.001


def test_a_variant_without_refits_has_no_numbers():
    found = left_out_coverage(make_fits(0.0, np.zeros(NUM_DATA)), ["pooled", "bare"])
    assert np.isnan(found.sel(variant="bare").to_array()).all()
    assert left_out_coverage(make_fits(0.0, np.zeros(NUM_DATA)), ["bare"]) is None
