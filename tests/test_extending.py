"""A potential, an error model, a data set and a study written outside the package run without a change in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_readme import ROOT, blocks


@pytest.mark.slow
def test_the_study_of_the_extending_page_runs(tmp_path: Path) -> None:
    for block in blocks(ROOT / "docs" / "extending.md"):
        if "file=" in block["info"]:
            path = tmp_path / block["info"].split("file=")[1].strip()
            path.parent.mkdir(exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
    command = [sys.executable, "-m", "bayesff", "run", "my_study.py", "--seed", "1", "--output", "out"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["converged"]
    assert metrics["models"]["kihara"]["parameters"]["core"]["unit"] == "angstrom"
    assert (tmp_path / "out" / "report.html").is_file()
