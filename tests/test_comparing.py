"""Finished runs side by side: what is shown, what can be compared, and what is refused."""

import copy
import importlib.util
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayesff import cli, comparing, reporting
from bayesff.reporting import run as run_module
from bayesff.reporting import schema
from bayesff.reporting.wording import percent, plus_minus, rounded

ROOT = Path(__file__).resolve().parents[1]

# The trees of the assessment's tests, which are a package beside this module.
_spec = importlib.util.spec_from_file_location("assessment_trees", ROOT / "tests" / "assessment" / "trees.py")
assert _spec is not None
assert _spec.loader is not None
trees = importlib.util.module_from_spec(_spec)
sys.modules.setdefault(_spec.name, trees)
_spec.loader.exec_module(trees)


def source(name: str, sha256: str) -> dict[str, Any]:
    about = dict.fromkeys(["observable", "substance", "citation", "doi", "licence", "note", "uncertainty"], "")
    return about | {"name": name, "environments": [], "num_data": 12, "references": {}, "sha256": sha256, "file_sha256": None}


PROVENANCE = {
    "options": {"num_draws": 500, "quick": False},
    "versions": {"python": "3.12.1", "jax": "0.10.0", "blackjax": None},
    "data": [source("virials", "ab" * 32), source("depth", "cd" * 32)],
}
TRANSFER = {
    "mie": {
        "spread": {
            "epsilon": {"mean": 0.052, "q05": 0.011, "q95": 0.12, "p_within": 0.4},
            "sigma": {"mean": 0.004, "q05": 0.001, "q95": 0.009, "p_within": 1.0},
        },
        "left_out": {"cold gas": {"coverage": {"0.5": 0.3, "0.9": 0.75}}, "dimer": {"coverage": {"0.5": 0.0, "0.9": 1.0}}},
        "matrix": {"cold gas": {"dimer": {"rmse_over_uncertainty": 3.0}}},
        "tension": {"log_ratio": -3.24, "suspiciousness": -1.31, "dimension": 2.0},
    }
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that have the candidate ``mie`` in common."""
    folder = tmp_path_factory.mktemp("written")
    linear = trees.linear()
    one = {
        "lennard_jones": trees.tree_of(linear, num_draws=300),
        "mie": trees.tree_of(linear, effects=True, num_draws=300),
    }
    two = {"mie": trees.tree_of(linear, effects=True, num_draws=300, seed=2), "morse": trees.tree_of(linear, num_draws=300)}
    one["mie"].attrs |= {"log_z": -40.13, "log_z_sd": 0.3}
    two["mie"].attrs |= {"log_z": -38.02, "log_z_sd": 0.4}
    reporting.write_run("first_study", "?", one, folder / "one", seed=7, provenance=PROVENANCE)
    reporting.write_run("second_study", "?", two, folder / "two", provenance=PROVENANCE)
    return folder


@pytest.fixture
def runs(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of what of the runs is read, in the current folder; 80 columns."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("metrics.json", "manifest.json"):
            shutil.copy(written / name / file, tmp_path / name / file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def content(folder: Path, file: str = "metrics.json") -> Any:
    return json.loads((folder / file).read_text(encoding="utf-8"))


def change(folder: Path, change_it: Callable[[Any], object], file: str = "metrics.json") -> None:
    changed = content(folder, file)
    change_it(changed)
    (folder / file).write_text(json.dumps(changed), encoding="utf-8")


def shown(capsys: pytest.CaptureFixture[str], *folders: str, code: int = 0) -> str:
    assert cli.main(["compare", *folders]) == code
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def refused(capsys: pytest.CaptureFixture[str], *folders: str) -> str:
    assert cli.main(["compare", *folders]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("bayesff: ")
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("bayesff: ").rstrip("\n")


def table_of(out: str, heading: str) -> dict[str, list[str]]:
    """Return the rows under a heading, cells being two blanks apart at least."""
    lines = out.splitlines()
    start = next(index for index, line in enumerate(lines) if re.match(rf"{re.escape(heading)}  ", line))
    rows = {"": re.split(r"  +", lines[start].strip())[1:]}
    for line in lines[start + 2 :]:
        if not line.strip():
            break
        name, *cells = re.split(r"  +", line.strip())
        rows[name] = cells
    return rows


def flat(out: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(out.split())


# What is shown ----------------------------------------------------------------------------------------------------------------


def test_convergence_comes_first_and_then_what_the_runs_are(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "one", "two")
    assert out.strip().splitlines()[0] == "Both runs have converged."
    assert table_of(out, "run") == {
        "": ["one", "two"],
        "converged": ["yes", "yes"],
        "study": ["first_study", "second_study"],
        "seed": ["7", "–"],
    }
    assert max(map(len, out.splitlines())) <= 80


def test_parameters_are_in_both_runs_with_their_difference_in_combined_standard_deviations(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(capsys, "one", "two")
    rows = table_of(out, "Mie")
    assert rows[""] == ["one", "two", "difference"]
    differences = {}
    for site, label in {"epsilon": "ε [K]", "sigma": "σ [Å]"}.items():
        one, two = (content(runs / name)["models"]["mie"]["parameters"][site] for name in ("one", "two"))
        differences[label] = (two["mean"] - one["mean"]) / math.sqrt(one["sd"] ** 2 + two["sd"] ** 2)
        text = rounded(differences[label], 2)
        assert rows[label][:2] == [plus_minus(each["mean"], each["sd"]) for each in (one, two)]
        assert rows[label][2] == f"{'+' if differences[label] > 0 and text != '0.00' else ''}{text} sd"
    assert rows["ε [K]"][0] != rows["ε [K]"][1]
    farthest = max(differences, key=lambda label: abs(differences[label]))
    by = rounded(abs(differences[farthest]), 2)
    assert f"Of all parameters {farthest[0]} of Mie differs most: by {by} combined standard deviations (sd)." in flat(out)


def test_scales_and_biases_of_the_error_model_are_left_out(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "second_virial_laboratory_bias[Ewing 1992]" in content(runs / "one")["models"]["mie"]["parameters"]
    rows = table_of(shown(capsys, "one", "two"), "Mie")
    assert list(rows) == ["", "ε [K]", "σ [Å]", "elpd", "log evidence", "worst coverage"]


def test_elpd_evidence_and_worst_coverage(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "one", "two")
    rows = table_of(out, "Mie")
    assert "Both runs were calibrated on the same data." in out
    models = [content(runs / name)["models"]["mie"] for name in ("one", "two")]
    elpd = [model["loo"]["elpd"] for model in models]
    assert rows["elpd"][:2] == [plus_minus(model["loo"]["elpd"], model["loo"]["se"]) for model in models]
    assert rows["elpd"][2].lstrip("+") == rounded(elpd[1] - elpd[0], 1)
    assert rows["log evidence"] == ["−40.13 ± 0.30", "−38.02 ± 0.40", "+2.11 ± 0.50"]
    for cell, model in zip(rows["worst coverage"], models, strict=True):
        covered = {label: scores["loo"]["coverage"]["0.9"] for label, scores in model["environments"].items()}
        worst = min(covered, key=lambda label: covered[label])
        assert cell == f"{percent(covered[worst])} ({worst})"


def test_an_evidence_without_a_standard_deviation(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "one", lambda metrics: metrics["models"]["mie"]["evidence"].update(sd=None))
    assert table_of(shown(capsys, "one", "two"), "Mie")["log evidence"] == ["−40.1", "−38.02 ± 0.40", "+2.1"]
    change(runs / "one", lambda metrics: metrics["models"]["mie"].update(evidence=None))
    assert table_of(shown(capsys, "one", "two"), "Mie")["log evidence"] == ["–", "−38.02 ± 0.40", "–"]


def test_a_candidate_of_one_run_only_has_dashes_in_the_other(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "one", "two")
    only_one, only_two = table_of(out, "Lennard-Jones"), table_of(out, "Morse")
    assert set(only_one) == {"", "ε [K]", "σ [Å]", "elpd", "worst coverage"}  # none of these two has an evidence
    assert all(cells[1:] == ["–", "–"] for name, cells in only_one.items() if name not in ("", "worst coverage"))
    assert only_one["worst coverage"][1] == "–"
    assert all(cells[0] == "–" for name, cells in only_two.items() if name)


def test_runs_without_a_common_candidate(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "one", lambda metrics: metrics["models"].pop("mie"))
    assert "No parameter of a candidate is in both runs." in shown(capsys, "one", "two")


def test_values_of_every_environment_and_their_spread_are_shown_without_the_auxiliary_offsets(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"unit": "", "mean": 0.05, "sd": 0.01}
    added = {"tau_epsilon": entry, "epsilon_offset[cold gas]": entry, "epsilon_environment[cold gas]": entry | {"unit": "K"}}
    for name in ("one", "two"):
        change(runs / name, lambda metrics: metrics["models"]["mie"]["parameters"].update(added))
    out = shown(capsys, "one", "two")
    assert table_of(out, "Mie")["ε, cold gas [K]"] == ["0.050 ± 0.010", "0.050 ± 0.010", "0.00 sd"]
    assert re.search(r"^spread of ε between .*0\.050 ± 0\.010 +0\.050 ± 0\.010 +0\.00 sd$", out, re.MULTILINE)
    assert "offset" not in out


def test_the_same_results(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "one", runs / "again")
    out = shown(capsys, "one", "again")
    assert "Both runs have the same results to the last digit." in out
    assert "differs most" not in out
    rows = table_of(out, "Mie")
    assert [cells[2] for cells in rows.values() if len(cells) == 3] == ["difference", "0.00 sd", "0.00 sd", "0.0", "0.00 ± 0.42"]
    change(runs / "again", lambda metrics: metrics["models"]["mie"]["parameters"]["second_virial_noise_scale"].update(mean=1.5))
    out = shown(capsys, "one", "again")
    assert "to the last digit" not in out
    assert "differs most: by less than 0.01 combined" in flat(out)


def test_values_without_spread_have_a_difference_only_where_they_are_equal(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, mean in (("one", 100.0), ("two", 101.0)):
        change(runs / name, lambda metrics, mean=mean: parameters(metrics)["epsilon"].update(mean=mean, sd=0.0))
        change(runs / name, lambda metrics: parameters(metrics)["sigma"].update(mean=3.4, sd=0.0))
    rows = table_of(shown(capsys, "one", "two"), "Mie")
    assert rows["ε [K]"][2] == "–"
    assert rows["σ [Å]"][2] == "0.00 sd"


def parameters(metrics: Any) -> Any:
    return metrics["models"]["mie"]["parameters"]


def test_the_second_unit_is_converted_to_the_first(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = table_of(shown(capsys, "one", "two"), "Mie")["ε [K]"]
    kelvin = 8.31446261815324e-3

    def convert(metrics: Any) -> None:
        entry = parameters(metrics)["epsilon"]
        entry.update(unit="kJ/mol", mean=entry["mean"] * kelvin, sd=entry["sd"] * kelvin)

    change(runs / "two", convert)
    assert table_of(shown(capsys, "one", "two"), "Mie")["ε [K]"] == before


def test_a_unit_that_cannot_be_converted_is_shown_and_there_is_no_difference(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(runs / "two", lambda metrics: parameters(metrics)["epsilon"].update(unit="angstrom", mean=3.0, sd=0.1))
    assert table_of(shown(capsys, "one", "two"), "Mie")["ε [K]"][1:] == ["3.00 ± 0.10 Å", "–"]


def test_settings_and_versions_are_shown_where_they_differ(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "two", lambda manifest: manifest["options"].update(quick=True, num_warmup=300), "manifest.json")
    change(runs / "two", lambda manifest: manifest["versions"].update(jax="0.11.1", blackjax="1.7.1"), "manifest.json")
    rows = table_of(shown(capsys, "one", "two"), "run")
    assert list(rows) == ["", "converged", "study", "seed", "quick", "jax", "blackjax", "warmup"]
    assert [rows[name] for name in list(rows)[4:]] == [["no", "yes"], ["0.10.0", "0.11.1"], ["–", "1.7.1"], ["–", "300"]]


def test_the_aids_explain_what_is_shown_and_nothing_else(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "one", "two")
    assert "elpd expected log predictive density, each datum predicted from all the others" in flat(out)
    assert "difference two minus one; of parameters in combined standard deviations" in flat(out)
    assert re.search(r"^log evidence +its ± is", out, re.MULTILINE)
    assert "left out" not in out
    change(runs / "one", lambda metrics: metrics["models"]["mie"].update(evidence=None))
    change(runs / "two", lambda metrics: metrics["models"]["mie"].update(evidence=None))
    assert not re.search(r"^log evidence", shown(capsys, "one", "two"), re.MULTILINE)


# Transfer ---------------------------------------------------------------------------------------------------------------------


def test_transfer_is_shown_where_a_run_has_it(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ", transfer" not in shown(capsys, "one", "two")
    change(runs / "two", lambda metrics: metrics.update(transfer=TRANSFER))
    assert table_of(shown(capsys, "one", "two"), "Mie, transfer") == {
        "": ["one", "two"],
        "spread of ε": ["–", "0.052 (0.01 to 0.12)"],
        "spread of σ": ["–", "0.0040 (0.0010 to 0.0090)"],
        "coverage of cold gas left out": ["–", "75 %"],
        "coverage of dimer left out": ["–", "100 %"],
        "tension: log ratio": ["–", "−3.2"],
        "tension: suspiciousness": ["–", "−1.3"],
        "tension: dimension": ["–", "2.0"],
    }


def test_transfer_side_by_side(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = copy.deepcopy(TRANSFER)
    changed["mie"]["tension"] = {"log_ratio": -8.0, "log_ratio_sd": 0.25, "suspiciousness": None}
    del changed["mie"]["left_out"]["dimer"]
    change(runs / "one", lambda metrics: metrics.update(transfer=TRANSFER))
    change(runs / "two", lambda metrics: metrics.update(transfer=changed))
    out = shown(capsys, "one", "two")
    rows = table_of(out, "Mie, transfer")
    assert rows["spread of ε"] == ["0.052 (0.01 to 0.12)"] * 2
    assert rows["coverage of dimer left out"] == ["100 %", "–"]
    assert rows["tension: log ratio"] == ["−3.2", "−8.00 ± 0.25"]
    assert rows["tension: suspiciousness"] == ["−1.3", "–"]
    for line in ("spread +of a parameter between environments", "left out +share of an environment's data", "tension +log ratio"):
        assert re.search(f"^{line}", out, re.MULTILINE)


# Different data ---------------------------------------------------------------------------------------------------------------


def check_no_difference(out: str) -> None:
    rows = table_of(out, "Mie")
    assert rows["elpd"][2] == rows["log evidence"][2] == "–"
    assert rows["ε [K]"][2].endswith(" sd")


def test_other_checksums_forbid_comparing_elpd_and_evidence(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "two", lambda manifest: manifest["data"][0].update(sha256="ef" * 32), "manifest.json")
    out = shown(capsys, "one", "two")
    assert (
        "The runs were calibrated on different data (virials with different numbers), so that elpd and log evidence cannot be "
        "compared: no difference of them is shown." in flat(out)
    )
    check_no_difference(out)


def test_data_of_one_run_only_forbid_it_too(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "one", lambda manifest: manifest["data"].pop(), "manifest.json")
    change(runs / "one", lambda manifest: manifest["data"].append({"name": "viscosity", "sha256": "12"}), "manifest.json")
    out = shown(capsys, "one", "two")
    assert "(viscosity only in one; depth only in two)" in flat(out)
    check_no_difference(out)


def test_a_candidate_that_was_given_a_part_of_the_same_data(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "two", lambda metrics: metrics["models"]["mie"]["environments"].pop("dimer"))
    out = shown(capsys, "one", "two")
    assert "different data (mie on 25 and 24 data)" in flat(out)
    check_no_difference(out)


def test_runs_that_do_not_say_what_their_data_were(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "two", lambda manifest: manifest.pop("data"), "manifest.json")
    out = shown(capsys, "one", "two")
    assert "two does not say on which data it was calibrated, so that elpd and log evidence cannot be compared" in flat(out)
    check_no_difference(out)
    change(runs / "one", lambda manifest: manifest.pop("data"), "manifest.json")
    assert "one and two do not say on which data they were calibrated" in flat(shown(capsys, "one", "two"))


# Convergence ------------------------------------------------------------------------------------------------------------------


def test_a_run_that_has_not_converged_is_said_first_and_gives_3(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(runs / "two", lambda metrics: metrics.update(converged=False))
    change(runs / "two", lambda metrics: metrics["models"]["mie"].update(converged=False, reasons="3 draws diverged"))
    out = shown(capsys, "one", "two", code=3)
    lines = out.strip().splitlines()
    assert lines[0] == "NOT CONVERGED: do not rely on two, take more draws or warm-up steps."
    assert lines[1].strip() == "two, Mie: 3 draws diverged."
    assert table_of(out, "run")["converged"] == ["yes", "NOT CONVERGED"]
    assert table_of(out, "Mie")[""] == ["one", "NOT CONVERGED", "difference"]
    assert table_of(out, "Morse")[""] == ["one", "two", "difference"]


# Several runs -----------------------------------------------------------------------------------------------------------------


def test_three_runs_have_no_difference(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "one", runs / "three")
    out = shown(capsys, "one", "two", "three")
    assert out.strip().splitlines()[0] == "All runs have converged."
    assert "All runs were calibrated on the same data." in out
    assert "difference" not in out
    rows = table_of(out, "Mie")
    assert rows[""] == ["one", "two", "three"]
    assert rows["ε [K]"][0] == rows["ε [K]"][2] != rows["ε [K]"][1]
    change(runs / "two", lambda manifest: manifest["data"].pop(), "manifest.json")
    sentence = "different data (depth only in one and three), so that elpd and log evidence cannot be compared."
    assert sentence in flat(shown(capsys, "one", "two", "three"))


def test_runs_that_do_not_fit_beside_the_others_go_below_them(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["one", "two", *(f"run_with_a_name_{number}" for number in range(3))]
    for name in names[2:]:
        shutil.copytree(runs / "one", runs / name)
    out = shown(capsys, *names)
    assert max(map(len, out.splitlines())) <= 80
    blocks = [block for block in re.findall(r"^.*\n─+\n(?:.+\n)*", out, re.MULTILINE) if block.startswith("Mie ")]
    assert [block.splitlines()[0].split()[1:] for block in blocks] == [names[:3], names[3:]]
    assert [table_of(block, "Mie")["ε [K]"].count(table_of(out, "Mie")["ε [K]"][0]) for block in blocks] == [2, 2]


def test_runs_are_named_by_as_little_of_their_path_as_is_needed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("a/out", "b/out"):
        shutil.copytree(runs / "one", runs / place)
    assert table_of(shown(capsys, "a/out", str(runs / "b" / "out"), "two"), "run")[""] == ["a/out", "b/out", "two"]
    assert comparing.short_names([Path("/x/out"), Path("/x/y/out")]) == ["x/out", "y/out"]
    assert comparing.short_names([Path("/out"), Path("/y/out")]) == ["/out", "y/out"]


# Wrong input ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "found"), [([], "none"), (["one"], "1")])
def test_fewer_than_two_runs_are_refused(given: list[str], found: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, *given)
    assert said == f"compare: two runs at least are needed, found {found}: give the folders of finished runs"


def test_the_same_folder_twice_is_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "link").symlink_to(runs / "one")
    for again in ("one", "one/", str(runs / "one"), "two/../one", "link"):
        said = refused(capsys, "one", "two", again)
        place = str(Path(again))
        assert said == f"{place}: each run must be given once, found it twice: leave one of them out"


def test_a_folder_that_is_not_there_and_a_file_are_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mend = "give the folder that 'bayesff run' has written"
    assert refused(capsys, "one", "three") == f"three: a run is a folder, found none of that name: {mend}"
    assert refused(capsys, "one", "two/metrics.json") == f"two/metrics.json: a run is a folder, found a file: {mend}"


@pytest.mark.parametrize("file", ["metrics.json", "manifest.json"])
def test_a_folder_without_a_run_is_refused(file: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "two" / file).unlink()
    assert refused(capsys, "one", "two") == (
        f"two: the folder of a finished run holds {file}, found none: give a folder that 'bayesff run' has written"
    )


@pytest.mark.parametrize(
    ("file", "key"),
    [("metrics.json", "schema"), ("manifest.json", "bayesff_manifest")],
    ids=["metrics", "manifest"],
)
def test_an_unknown_schema_is_refused(file: str, key: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = f"two/{file}: '{key}' must be 1, found"
    change(runs / "two", lambda found: found.update({key: 2}), file)
    assert refused(capsys, "one", "two") == f"{rule} 2: update bayesff, or run the study again"
    change(runs / "two", lambda found: found.pop(key), file)
    assert refused(capsys, "one", "two") == f"{rule} none: update bayesff, or run the study again"
    (runs / "two" / file).write_text("[1]")
    assert refused(capsys, "one", "two") == f"{rule} none: update bayesff, or run the study again"


def test_files_that_cannot_be_read_are_refused(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "two" / "metrics.json"
    path.write_text('{"schema": 1,')
    said = refused(capsys, "one", "two")
    assert said.startswith("two/metrics.json: the file must be JSON, found that it is not (Expecting property name")
    assert said.endswith("): run the study again")
    path.unlink()
    path.mkdir()
    said = refused(capsys, "one", "two")
    assert said == "two/metrics.json: the file must be readable, found that it is not (Is a directory): correct that"


@pytest.mark.parametrize(
    ("change_it", "found"),
    [
        (lambda metrics: metrics["models"]["mie"].pop("loo"), "no 'loo'"),
        (lambda metrics: metrics.update(models=[]), "one of another kind"),
        (lambda metrics: metrics["models"].update(mie=None), "one of another kind"),
    ],
)
def test_metrics_without_their_keys_are_refused(
    change_it: Callable[[Any], object], found: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(runs / "two", change_it)
    assert refused(capsys, "one", "two") == (
        f"two: metrics.json and manifest.json must have the keys of docs/file-formats.md, found {found}: run the study again"
    )


# What it rests on -------------------------------------------------------------------------------------------------------------


def test_the_versions_that_are_read_are_those_that_are_written() -> None:
    assert comparing.METRICS == schema.SCHEMA
    assert comparing.MANIFEST == run_module.MANIFEST


def test_reading_and_comparing_need_no_jax(runs: Path) -> None:
    code = (
        "import sys; from bayesff import comparing; found = comparing.compare(['one', 'two']); "
        "print(found.same_data, found.farthest[0], *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=runs)
    assert done.returncode == 0, done.stderr
    same, farthest, *modules = done.stdout.split()
    assert (same, farthest) == ("True", "mie")
    assert {"jax", "numpyro", "xarray", "matplotlib", "pydantic"}.isdisjoint(modules)


def test_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert re.search(r"^ +compare +Set finished runs side by side", capsys.readouterr().out, re.MULTILINE)
