"""The textbook cases of lost transferability: each runs and transfers, converges, recovers its truth, and says what it finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.stats import binom

from bayesff.assessment.simulation_based_calibration import simulate_coverage
from bayesff.study import load

from .long import long

ROOT = Path(__file__).resolve().parents[1]
STUDIES = (
    "argon_gp_pair",
    "butane_torsion",
    "compressibility_transfer",
    "cutoff_transfer",
    "dielectric_screening",
    "learned_or_classical",
    "one_four_scaling",
    "polarization_trimer",
    "square_well_joint",
)
FALSE_ALARM = 1e-4
"""For each parameter of each candidate with a truth, some forty of them: one run in 250 raises a false alarm."""


@pytest.mark.parametrize("name", STUDIES)
def test_it_runs_transfers_converges_and_says_what_it_finds(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bayesff", "transfer", name, "--quick", "--seed", "1", "--jobs", "1", "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What the study finds" in done.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["converged"]
    assert all(refit["converged"] for candidate in metrics["transfer"].values() for refit in candidate["refits"])
    found = metrics["findings"]
    study = load(name)
    assert set(found) > {f"recovery_{candidate}" for candidate in study.truths}
    for finding in found.values():
        assert finding["text"].endswith(".")
        assert all(np.isfinite(value) for value in finding["values"].values())
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What the study finds" in page
    assert (ROOT / "docs" / "studies" / f"{name}.md").is_file()


@long
@pytest.mark.parametrize("name", STUDIES)
def test_true_parameters_lie_in_their_intervals_as_often_as_these_say(name: str) -> None:
    study, wrong = load(name), {}
    for candidate in study.truths:
        found = simulate_coverage(study.problems[candidate], jax.random.key(1), 100)
        low, high = binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], 100, 0.9)
        counts = dict(zip(found["scalar"].to_numpy().tolist(), found["num_inside"].to_numpy().tolist(), strict=True))
        wrong |= {f"{candidate}: {key}": count for key, count in counts.items() if not low <= count <= high}
    assert wrong == {}
