"""Every ``python`` block of README.md and docs/ runs, in the order of its page, in an empty folder.

A block that says ``file=<path>`` is written to that path instead, so that a page can show the files that its code reads or
imports.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[re.Match[str]]:
    return list(BLOCK.finditer(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block["language"] == "python" for block in blocks(page))], ids=lambda page: page.name
)
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": f"blocks of {page.name}"}
    for block in blocks(page):
        if named := re.search(r"\bfile=(\S+)", block["info"]):
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
        elif block["language"] == "python":
            # Blank lines before the code make a traceback point at the line of the page.
            above = text.count("\n", 0, block.start("text"))
            exec(compile("\n" * above + block["text"], str(page), "exec"), namespace)


def test_readme_has_an_example_of_at_most_25_lines() -> None:
    lengths = [block["text"].count("\n") for block in blocks(ROOT / "README.md") if block["language"] == "python"]
    assert 0 < max(lengths) <= 25


def test_extensions_take_less_than_40_lines_each() -> None:
    lengths = [block["text"].count("\n") for block in blocks(ROOT / "docs" / "extending.md")]
    assert 0 < max(lengths) < 40


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken


@pytest.mark.slow
def test_the_study_of_the_extending_page_runs(tmp_path: Path) -> None:
    for block in blocks(ROOT / "docs" / "extending.md"):
        if "file=" in block["info"]:
            path = tmp_path / block["info"].split("file=")[1].strip()
            path.parent.mkdir(exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
    command = [sys.executable, "-m", "bayesff", "run", "my_study.py", "--quick", "--seed", "1", "--output", "out"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["converged"]
    assert metrics["models"]["kihara"]["parameters"]["core"]["unit"] == "angstrom"
    assert (tmp_path / "out" / "report.html").is_file()
