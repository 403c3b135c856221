"""What every textbook study must do: run, transfer, converge, find its truth as often as it says, and answer in words."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
from scipy.stats import binom

from bayesff.assessment.simulation_based_calibration import simulate_coverage
from bayesff.study import load

from ..long import long  # noqa: TID252

ROOT = Path(__file__).resolve().parents[2]
FALSE_ALARM = 1e-4
"""For each parameter of each candidate with a truth, some forty of them: one run in 250 raises a false alarm."""


def module_of(name: str) -> ModuleType:
    """Return the module of a study."""
    load(name)
    return sys.modules[f"study_{name}"]


class TextbookStudy:
    """The tests of one study; those that take minutes run where BAYESFF_LONG_TESTS is 1."""

    name = ""

    def test_it_runs_and_converges(self, tmp_path: Path) -> None:
        check_run(self.name, tmp_path)

    @long
    def test_it_transfers_and_answers_its_question(self, tmp_path: Path) -> None:
        check_transfer(self.name, tmp_path)

    @long
    def test_true_parameters_lie_in_their_intervals_as_often_as_these_say(self) -> None:
        check_coverage(self.name)


def check_run(name: str, folder: Path) -> None:
    """Run a study in its quick settings: it converges, finds its truths and says so."""
    metrics = _finished(folder, "run", name)
    _check_findings(name, metrics)
    assert (ROOT / "docs" / "studies" / f"{name}.md").is_file()


def check_transfer(name: str, folder: Path) -> None:
    """Assess the transfer of a study in its quick settings: all refits converge as well, and say more."""
    metrics = _finished(folder, "transfer", name)
    _check_findings(name, metrics)
    assert all(refit["converged"] for candidate in metrics["transfer"].values() for refit in candidate["refits"])
    assert len(metrics["findings"]) > len(load(name).truths)


def check_coverage(name: str) -> None:
    """Count how often truths from the prior lie in their 90 % intervals."""
    study, wrong = load(name), {}
    for candidate in study.truths:
        found = simulate_coverage(study.problems[candidate], jax.random.key(1), 100)
        assert found.attrs["num_replications"] > 80, f"{candidate}: the posteriors of many data sets have two modes"
        low, high = binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], found.attrs["num_replications"], 0.9)
        counts = dict(zip(found["scalar"].to_numpy().tolist(), found["num_inside"].to_numpy().tolist(), strict=True))
        wrong |= {f"{candidate}: {key}": count for key, count in counts.items() if not low <= count <= high}
    assert wrong == {}


def _finished(folder: Path, verb: str, name: str) -> dict[str, Any]:
    """Run a command for a study, check what a person reads, and return the metrics."""
    command = [sys.executable, "-m", "bayesff", verb, name, "--quick", "--seed", "1", "--jobs", "1", "--output", verb]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What the study finds" in done.stdout
    assert "What the study finds" in (folder / verb / "report.html").read_text(encoding="utf-8")
    return json.loads((folder / verb / "metrics.json").read_text(encoding="utf-8"))


def _check_findings(name: str, metrics: dict[str, Any]) -> None:
    assert metrics["converged"]
    assert set(metrics["findings"]) >= {f"recovery_{candidate}" for candidate in load(name).truths}
    for finding in metrics["findings"].values():
        assert finding["text"].endswith(".")
        assert all(np.isfinite(value) for value in finding["values"].values())
