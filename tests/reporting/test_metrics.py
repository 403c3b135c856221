"""The numbers for scripts: their schema, and that they are those of the posterior."""

import json

import pytest
from pydantic import ValidationError

from bayesff import assessment, reporting
from bayesff.reporting.assessed import assess
from bayesff.reporting.schema import Metrics
from bayesff.reporting.tables import diagnostic_rows


@pytest.fixture(scope="module")
def metrics(written):
    return json.loads((written.folder / "metrics.json").read_text())


def test_the_file_keeps_its_schema(metrics):
    assert metrics["schema"] == 1
    assert Metrics.model_validate(metrics).model_dump(by_alias=True) == metrics
    with pytest.raises(ValidationError):
        Metrics.model_validate(metrics | {"extra": 1})
    with pytest.raises(ValidationError):
        Metrics.model_validate(metrics | {"schema": 2})


def test_the_names_that_users_rely_on_are_there(metrics):
    assert {"schema", "study", "seed", "converged", "models"} <= set(metrics)
    model = metrics["models"]["mie"]
    assert set(model["parameters"]["epsilon"]) == {"unit", "mean", "sd", "q05", "q50", "q95", "rhat", "ess_bulk", "ess_tail"}
    assert model["divergences"] == 0
    assert 0 < model["ebfmi"] < 4
    assert not any("ebfmi" in note for note in model["notes"])
    environment = model["environments"]["cold gas"]
    assert {"num_data", "rmse", "rmse_over_uncertainty", "crps", "coverage", "log_predictive_density"} <= set(environment)
    assert set(environment["coverage"]) == {"0.5", "0.8", "0.9", "0.95"}
    assert {"elpd", "se"} <= set(model["loo"])


def test_the_numbers_are_those_of_the_assessment(metrics, trees):
    model, tree = metrics["models"]["lennard_jones"], trees["lennard_jones"]
    summary = assessment.summarise(tree).sel(scalar="epsilon")
    assert model["parameters"]["epsilon"]["unit"] == "K"
    assert model["parameters"]["epsilon"]["mean"] == pytest.approx(float(summary["mean"]))
    scores = assessment.scores(tree).sel(environment="warm gas")
    assert model["environments"]["warm gas"]["rmse_potential"] == pytest.approx(float(scores["rmse_potential"]), rel=1e-5)
    comparison = assessment.compare(trees).sel(candidate="lennard_jones")
    assert metrics["comparison"]["lennard_jones"]["elpd_difference"] == pytest.approx(
        float(comparison["elpd_difference"]), rel=1e-4
    )
    assert metrics["comparison"]["mie"] == {"rank": 1, "elpd_difference": 0.0, "se_difference": 0.0} | {
        "weight": metrics["comparison"]["mie"]["weight"]
    }
    assert model["discrepancy"]["second_virial"]["cold gas"]["found_q05"] == pytest.approx(2.75, abs=0.08)
    assert model["noise_scale"]["second_virial"]["mean"] == pytest.approx(1.0, abs=0.02)


def test_evidence_is_there_where_the_method_knows_it(trees):
    tree = trees["mie"].copy()
    tree.attrs |= {"log_z": -12.5, "log_z_sd": 0.25}
    found = reporting.metrics("one", 1, {"mie": tree})
    assert found["models"]["mie"]["evidence"] == {"log_z": -12.5, "sd": 0.25}
    assert found["comparison"] is None
    assert reporting.metrics("one", None, {"mie": trees["mie"]})["models"]["mie"]["evidence"] is None


def test_an_undefined_number_is_null_with_its_reason(trees):
    tree = trees["mie"].copy()
    tree["diagnostics"]["rhat"][0] = float("nan")
    del tree["sample_stats"]
    found = reporting.metrics("one", 1, {"mie": tree})["models"]["mie"]
    assert found["parameters"]["epsilon"]["rhat"] is None
    assert found["ebfmi"] is None
    assert any("rhat and ess are null" in note and "epsilon" in note for note in found["notes"])
    assert "ebfmi is null because the method has no energy" in found["notes"]
    json.dumps(found, allow_nan=False)


def test_a_run_that_has_not_converged_is_called_so(trees):
    bad = trees["mie"].copy()
    bad["diagnostics"]["converged"] = 0
    bad["diagnostics"].attrs["reasons"] = "R-hat of sigma is 1.200 (must be below 1.01)"
    found = reporting.metrics("two", 1, {"lennard_jones": trees["lennard_jones"], "mie": bad})
    assert not found["converged"]
    assert found["models"]["lennard_jones"]["converged"]
    assert not found["models"]["mie"]["converged"]
    assert "R-hat of sigma" in found["models"]["mie"]["reasons"]


def test_the_table_of_diagnostics_has_what_the_method_gave(trees):
    without = trees["mie"].copy()
    del without["sample_stats"]
    for tree, divergences, has_energy in ((trees["mie"], "0", True), (without, "–", False)):
        (row,) = diagnostic_rows(assess({"mie": tree}))
        assert row[4] == divergences
        assert (row[5] != "–") == has_energy
        assert not has_energy or float(row[5]) == pytest.approx(float(tree["diagnostics"]["ebfmi"]), abs=0.005)
