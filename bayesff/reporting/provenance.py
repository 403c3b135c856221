"""What is needed to repeat a run: versions, machine, commit, and the data with their sources and checksums."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayesff.calibration import CalibrationProblem
from bayesff.datasets import DataSet, catalogue, find

_PACKAGES = (
    "bayesff",
    "jax",
    "jaxlib",
    "numpyro",
    "blackjax",
    "equinox",
    "optimistix",
    "numpy",
    "scipy",
    "xarray",
    "arviz-base",
    "arviz-stats",
    "h5netcdf",
    "matplotlib",
)


def collect(
    problems: Mapping[str, CalibrationProblem],
    *,
    command: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
    elapsed: float | None = None,
    folder: str | Path | None = None,
) -> dict[str, Any]:
    """Return the provenance of a run, of plain values that JSON can hold.

    Parameters
    ----------
    problems
        The candidates of the study; their data are listed.
    command
        The command line as words.
    options
        Settings of the run, such as the sampler's numbers of draws and chains.
    elapsed
        How long the run took [s].
    folder
        A folder inside the git checkout that defines the study; the current one if not given.

    Returns
    -------
    dict
        ``created`` (UTC), ``command``, ``options``, ``elapsed``, ``versions``, ``platform``, ``device``, ``git`` and ``data``.
    """
    import jax

    devices = jax.devices()
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": [str(word) for word in command],
        "options": dict(options or {}),
        "elapsed": elapsed,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "platform": f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
        "device": f"{devices[0].platform} ({devices[0].device_kind})",
        "git": git_state(folder),
        "data": data_sources(problems),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state(folder: str | Path | None = None) -> dict[str, Any] | None:
    """Return the commit that is checked out and whether files differ from it; None outside a checkout or without git."""
    place = Path.cwd() if folder is None else Path(folder)

    def ask(*words: str) -> str:
        answer = subprocess.run(["git", "-C", str(place), *words], capture_output=True, text=True, timeout=10, check=True)
        return answer.stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "changed": bool(ask("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def data_sources(problems: Mapping[str, CalibrationProblem]) -> list[dict[str, Any]]:
    """Return every data set that a study uses, with citation, licence and checksums.

    ``sha256`` is of the numbers and labels as used (see `checksum`); ``file_sha256`` is of ``values.csv`` for a
    set of the catalogue.
    """
    parts: dict[str, dict[str, DataSet]] = {}
    for problem in problems.values():
        for term in problem.terms.values():
            for part in term.parts:
                parts.setdefault(part.name, {}).setdefault(f"{part.observable} {part.environment.label} {checksum([part])}", part)
    return [_source(name, list(found.values())) for name, found in parts.items()]


def _source(name: str, parts: list[DataSet]) -> dict[str, Any]:
    first, used = parts[0], {group: set() for part in parts for group in part.groups}
    for part in parts:
        for group, labels in part.groups.items():
            used[group] |= set(labels.tolist())
    references = {
        group: {label: {"citation": entry.citation, "doi": entry.doi} for label, entry in table.items() if label in used[group]}
        for group, table in first.source.references.items()
        if group in used
    }
    file = find(name) / "values.csv" if name in catalogue() else None
    return {
        "name": name,
        "observable": first.observable,
        "substance": first.substance,
        "environments": list(dict.fromkeys(part.environment.label for part in parts)),
        "num_data": sum(part.num_data for part in parts),
        "citation": first.source.citation,
        "doi": first.source.doi,
        "licence": first.source.licence,
        "note": first.source.note,
        "uncertainty": first.uncertainty_meaning,
        "references": references,
        "sha256": checksum(parts),
        "file_sha256": None if file is None else hashlib.sha256(file.read_bytes()).hexdigest(),
    }


def checksum(parts: Iterable[DataSet]) -> str:
    """Return the SHA-256 of data sets as they enter a calibration: values, uncertainties, states and labels, in this order."""
    digest = hashlib.sha256()
    for part in parts:
        errors = part.uncertainty if part.covariance is None else part.covariance
        for name, column in {"value": part.values, "uncertainty": errors, **part.state}.items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
        for name, labels in part.groups.items():
            digest.update("\0".join([name, *labels.tolist()]).encode())
    return digest.hexdigest()
