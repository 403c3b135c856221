"""The folder of a run: its five artefacts, written so that an interrupted run leaves nothing half-written."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray

from bayesff.assessment import Finding
from bayesff.errors import OutputError
from bayesff.reporting.assessed import Assessed, assess
from bayesff.reporting.report import render
from bayesff.reporting.run_metrics import metrics_of
from bayesff.reporting.store import load_facts, load_posterior, save_posterior, storable_tree
from bayesff.reporting.tables import ParameterRow, parameter_rows
from bayesff.reporting.transferability import Transferability, transferability
from bayesff.reporting.verdict import Verdict, verdict
from bayesff.writing import atomic, temporary_folder

Progress = Callable[[str, int, int], None]

MANIFEST = 1
"""Version of ``manifest.json``."""


@dataclass(frozen=True)
class Run:
    """A run that has been written.

    Parameters
    ----------
    folder, report
        Where it lies.
    converged
        Whether all candidates have converged.
    verdict
        What it says.
    parameters
        For each candidate the rows of its parameter table.
    transfer
        What its transfer assessment says, if it has one.
    answers
        What the study finds beside.
    """

    folder: Path
    report: Path
    converged: bool
    verdict: Verdict
    parameters: dict[str, list[ParameterRow]]
    transfer: Transferability | None
    answers: list[str]


def _silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


def check_output(folder: str | Path, overwrite: bool = False) -> None:
    """Check that a run can be written to a folder: call it before the sampling starts.

    Raises
    ------
    OutputError
        If the folder holds a finished run and ``overwrite`` is false; if it holds anything else but no run, which is never
        touched; if it cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: the output must be a folder, found a file: choose another --output folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not _holds_run(folder):
            raise OutputError(
                f"{folder}: the folder is not empty and holds no bayesff run, so that it is left alone: choose another "
                "--output folder"
            )
        if not overwrite:
            raise OutputError(
                f"{folder}: the folder holds a finished run, which is kept: choose another --output folder or --overwrite"
            )
    with temporary_folder(folder):
        pass
    if folder.is_dir():
        with temporary_folder(folder / "figures"):
            pass


def write_run(
    study: str,
    question: str,
    trees: Mapping[str, xarray.DataTree],
    folder: str | Path,
    *,
    seed: int | None = None,
    provenance: Mapping[str, Any] | None = None,
    findings: Sequence[Finding] = (),
    overwrite: bool = False,
    progress: Progress = _silent,
) -> Run:
    """Write posterior, metrics, figures, report and manifest of a run.

    All of it is made in a temporary folder beside, which takes its place at the end.

    Parameters
    ----------
    study, question
        Name of the study, and what it asks.
    trees
        The posterior of each candidate, by its name.
    folder
        Where the run goes; it and its parents are made.
    seed
        Seed of the run.
    provenance
        From `bayesff.reporting.provenance.collect`.
    findings
        What the study finds beside the scores that every study has.
    overwrite
        Whether a finished run in the folder is replaced; files that are not its own stay.
    progress
        Called as ``progress(stage, done, total)``.

    Raises
    ------
    OutputError
        As `check_output`.
    """
    folder = Path(folder)
    check_output(folder, overwrite)
    trees = {name: storable_tree(tree) for name, tree in trees.items()}
    with temporary_folder(folder) as made:
        progress("report", 0, 100)
        save_posterior(
            trees, made / "posterior.nc", study=study, question=question, seed=seed, provenance=provenance, findings=findings
        )
        assessed, facts = assess(trees), load_facts(made / "posterior.nc")
        progress("report", 20, 100)
        with atomic(made / "metrics.json") as file:
            file.write_text(_json(metrics_of(study, seed, assessed, findings)), encoding="utf-8")
        _write_report(made, assessed, facts, progress)
        with atomic(made / "manifest.json") as file:
            file.write_text(_json(_manifest(made, facts)), encoding="utf-8")
        _publish(made, folder)
    progress("report", 100, 100)
    return _run(folder, assessed, facts)


def rebuild_report(folder: str | Path, progress: Progress = _silent) -> Run:
    """Make ``report.html`` and the figures of a run again, from its ``posterior.nc`` alone.

    Raises
    ------
    OutputError
        If there is no posterior, or if the folder cannot be written.
    """
    folder = Path(folder)
    posterior = folder / "posterior.nc"
    facts = load_facts(posterior)
    assessed = assess(load_posterior(posterior))
    with temporary_folder(folder / "report") as made:
        _write_report(made, assessed, facts, progress)
        if (folder / "manifest.json").is_file():
            manifest = _read_manifest(folder) or _manifest(folder, facts)
            fresh = {entry["path"]: entry for entry in _files(made)}
            kept = [
                entry for entry in manifest["files"] if not entry["path"].startswith("figures/") and entry["path"] not in fresh
            ]
            manifest["files"] = sorted([*kept, *fresh.values()], key=lambda entry: entry["path"])
            (made / "manifest.json").write_text(_json(manifest), encoding="utf-8")
        _publish(made, folder)
    progress("report", 100, 100)
    return _run(folder, assessed, facts)


def _run(folder: Path, assessed: Assessed, facts: Mapping[str, Any]) -> Run:
    rows = {name: parameter_rows(candidate) for name, candidate in assessed.candidates.items()}
    answers = [finding.text for finding in facts["findings"]]
    return Run(folder, folder / "report.html", assessed.converged, verdict(assessed), rows, transferability(assessed), answers)


def _write_report(folder: Path, assessed: Assessed, facts: Mapping[str, Any], progress: Progress) -> None:
    from bayesff.reporting import figures  # brings matplotlib, which takes a second

    pictures = figures.draw(assessed, facts["findings"])
    (folder / "figures").mkdir()
    figures.write_all(pictures, folder / "figures", lambda done, total: progress("report", 30 + 65 * done // total, 100))
    with atomic(folder / "report.html") as file:
        file.write_text(render(assessed, pictures, folder / "figures", facts), encoding="utf-8")


def _manifest(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bayesff_manifest": MANIFEST,
        "study": facts["study"],
        "question": facts["question"],
        "seed": facts["seed"],
        **facts["provenance"],
        "files": list(_files(folder)),
    }


def _files(folder: Path) -> Iterable[dict[str, Any]]:
    for path in _own_files(folder):
        content = path.read_bytes()
        yield {
            "path": path.relative_to(folder).as_posix(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }


def _own_files(folder: Path) -> list[Path]:
    """Return the artefacts in a folder that a run has just been written to, without the manifest."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "bayesff_manifest" in manifest and "files" in manifest else None


def _holds_run(folder: Path) -> bool:
    return _read_manifest(folder) is not None


def _publish(made: Path, folder: Path) -> None:
    """Move everything into its place; the manifest last, so that it speaks of what is there."""
    if not folder.exists():
        made.rename(folder)
        return
    before = _read_manifest(folder)
    new = [path.relative_to(made) for path in [*_own_files(made), made / "manifest.json"] if path.is_file()]
    (folder / "figures").mkdir(exist_ok=True)
    for path in new:
        (made / path).replace(folder / path)
    known = {path.as_posix() for path in new}
    for entry in [] if before is None else before["files"]:
        stale = str(entry["path"])
        if stale not in known and stale.startswith("figures/") and ".." not in stale:
            (folder / stale).unlink(missing_ok=True)


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
