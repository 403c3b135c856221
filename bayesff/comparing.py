"""Finished runs side by side, from their ``metrics.json`` and ``manifest.json`` alone."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from bayesff import units
from bayesff.errors import BayesffError, OutputError, UnitError

METRICS, MANIFEST = 1, 1
"""Versions of ``metrics.json`` and ``manifest.json`` that can be read."""

LEVEL = "0.9"
"""Probability of the central interval whose coverage is compared."""

TENSION = ("log_ratio", "suspiciousness", "dimension")
"""Measures of the tension between environments that are compared."""


class Kind(StrEnum):
    """What a row of a comparison shows."""

    parameter = "parameter"
    elpd = "elpd"
    evidence = "evidence"
    coverage = "coverage"
    spread = "spread"
    left_out = "left out"
    tension = "tension"

    @property
    def of_transfer(self) -> bool:
        """Whether it says how the candidate carries over between environments."""
        return self in (Kind.spread, Kind.left_out, Kind.tension)


@dataclass(frozen=True)
class Value:
    """A number of a run.

    Parameters
    ----------
    number, spread
        The number, and its standard deviation or standard error where it has one.
    low, high
        The bounds of its central 90 % interval, where that is shown instead.
    unit
        Its unit.
    place
        The environment that it was found in.
    """

    number: float
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    place: str = ""


@dataclass(frozen=True)
class Candidate:
    """What a run says about one candidate potential: its values by kind and name, and how many data it was calibrated on."""

    converged: bool
    reasons: str
    num_data: int
    values: dict[tuple[Kind, str], Value]


@dataclass(frozen=True)
class FinishedRun:
    """What a folder holds.

    Parameters
    ----------
    folder, name
        Where it lies, and the shortest name that tells it from the others.
    study, seed, converged
        As in ``metrics.json``.
    candidates
        What it says about each candidate potential.
    data
        The checksum of each data set; None where the manifest lists no data.
    facts
        Settings of the run and versions of the packages.
    results
        All numbers of ``metrics.json``.
    """

    folder: Path
    name: str
    study: str
    seed: int | None
    converged: bool
    candidates: dict[str, Candidate]
    data: dict[str, str] | None
    facts: dict[str, Any]
    results: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One number in every run.

    Parameters
    ----------
    kind, name
        What it is; the name is that of a site, an environment or a measure of tension.
    unit
        Unit of a parameter.
    values
        A value for each run, None where it has none; one that cannot be converted to the unit of the row has its own.
    difference
        The second of two runs minus the first: of a parameter in combined standard deviations; None where it says nothing.
    """

    kind: Kind
    name: str
    unit: str
    values: list[Value | None]
    difference: Value | None


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Parameters
    ----------
    runs
        The runs, in the order given.
    tables
        For each candidate potential its rows.
    differing
        Settings and versions that are not the same in all runs.
    without_data
        Names of the runs that do not say which data they were calibrated on.
    different_data
        In words what differs in the data; empty where all runs were calibrated on the same data.
    """

    runs: list[FinishedRun]
    tables: dict[str, list[Row]]
    differing: dict[str, list[Any]]
    without_data: list[str]
    different_data: list[str]

    @property
    def converged(self) -> bool:
        """Whether all runs have converged."""
        return all(run.converged for run in self.runs)

    @property
    def same_data(self) -> bool:
        """Whether all runs were calibrated on the same data, so that their log densities can be compared."""
        return not self.without_data and not self.different_data

    @property
    def identical(self) -> bool:
        """Whether all numbers of all runs are the same to the last digit."""
        return all(run.results == self.runs[0].results for run in self.runs)

    @property
    def farthest(self) -> tuple[str, str, float] | None:
        """Of two runs the candidate and the site that differ most, and by how many combined standard deviations."""
        found = [
            (name, row.name, abs(row.difference.number))
            for name, rows in self.tables.items()
            for row in rows
            if row.kind is Kind.parameter and row.difference is not None
        ]
        return max(found, key=lambda each: each[2], default=None)


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Set finished runs side by side.

    Parameters
    ----------
    folders
        Folders of two runs at least.

    Returns
    -------
    Comparison
        Everything that is shown of them.

    Raises
    ------
    BayesffError
        If there are fewer than two folders.
    OutputError
        If a folder is given twice, holds no finished run, or holds one that cannot be read.
    """
    if len(folders) < 2:
        raise BayesffError(
            f"compare: two runs at least are needed, found {len(folders) or 'none'}: give the folders of finished runs"
        )
    paths = [Path(folder).absolute() for folder in folders]
    _check_distinct(folders, paths)
    runs = [_read(Path(folder), name) for folder, name in zip(folders, short_names(paths), strict=True)]
    without = [run.name for run in runs if run.data is None]
    different = [] if without else _different_data(runs)
    names = dict.fromkeys(name for run in runs for name in run.candidates)
    tables = {name: _rows([run.candidates.get(name) for run in runs], not without and not different) for name in names}
    return Comparison(runs, tables, _differing(runs), without, different)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return for each path as few of its last parts as tell it from all the others.

    Examples
    --------
    >>> short_names([Path("a/out"), Path("b/out"), Path("b/quick")])
    ['a/out', 'b/out', 'quick']
    """
    names = []
    for index, path in enumerate(paths):
        others = [other.parts for place, other in enumerate(paths) if place != index]
        length = 1
        while length < len(path.parts) and any(other[-length:] == path.parts[-length:] for other in others):
            length += 1
        names.append(Path(*path.parts[-length:]).as_posix())
    return names


def _check_distinct(folders: Sequence[str | Path], paths: Sequence[Path]) -> None:
    seen = set()
    for folder, path in zip(folders, paths, strict=True):
        if path.resolve() in seen:
            raise OutputError(f"{folder}: each run must be given once, found it twice: leave one of them out")
        seen.add(path.resolve())


# Reading ----------------------------------------------------------------------------------------------------------------------


def _read(folder: Path, name: str) -> FinishedRun:
    if not folder.is_dir():
        found = "a file" if folder.exists() else "none of that name"
        raise OutputError(f"{folder}: a run is a folder, found {found}: give the folder that 'bayesff run' has written")
    metrics = _json(folder, "metrics.json", "schema", METRICS)
    manifest = _json(folder, "manifest.json", "bayesff_manifest", MANIFEST)
    try:
        return _run(folder, name, metrics, manifest)
    except (KeyError, TypeError, AttributeError) as error:
        found = f"no {error}" if isinstance(error, KeyError) else "one of another kind"
        raise OutputError(
            f"{folder}: metrics.json and manifest.json must have the keys of docs/file-formats.md, found {found}: run the study "
            "again"
        ) from None


def _json(folder: Path, name: str, key: str, version: int) -> dict[str, Any]:
    path = folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OutputError(
            f"{folder}: the folder of a finished run holds {name}, found none: give a folder that 'bayesff run' has written"
        ) from None
    except OSError as error:
        raise OutputError(f"{path}: the file must be readable, found that it is not ({error.strerror}): correct that") from None
    except ValueError as error:
        raise OutputError(f"{path}: the file must be JSON, found that it is not ({error}): run the study again") from None
    found = content.get(key, "none") if isinstance(content, dict) else "none"
    if found != version:
        raise OutputError(f"{path}: {key!r} must be {version}, found {found}: update bayesff, or run the study again")
    return content


def _run(folder: Path, name: str, metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> FinishedRun:
    transfer = metrics.get("transfer") or {}
    data = manifest.get("data")
    return FinishedRun(
        folder=folder,
        name=name,
        study=metrics["study"],
        seed=metrics["seed"],
        converged=metrics["converged"],
        candidates={name: _candidate(found, transfer.get(name) or {}) for name, found in metrics["models"].items()},
        data=None if data is None else {entry["name"]: entry["sha256"] for entry in data},
        facts=dict(manifest.get("options") or {}) | dict(manifest.get("versions") or {}),
        results={"models": metrics["models"], "transfer": transfer},
    )


def _candidate(found: Mapping[str, Any], transfer: Mapping[str, Any]) -> Candidate:
    loo, evidence, environments = found["loo"], found["evidence"], found["environments"]
    values = {
        (Kind.parameter, name): Value(entry["mean"], entry["sd"], unit=entry["unit"])
        for name, entry in found["parameters"].items()
        if _is_potential(name, found)
    }
    values[Kind.elpd, ""] = Value(loo["elpd"], loo["se"])
    if evidence is not None:
        values[Kind.evidence, ""] = Value(evidence["log_z"], evidence["sd"])
    covered = [Value(scores["loo"]["coverage"][LEVEL], place=label) for label, scores in environments.items()]
    if covered:
        values[Kind.coverage, ""] = min(covered, key=lambda value: value.number)
    num_data = sum(scores["num_data"] for scores in environments.values())
    return Candidate(found["converged"], found["reasons"], num_data, values | _transfer(transfer))


def _is_potential(scalar: str, found: Mapping[str, Any]) -> bool:
    """Return whether a scalar is of the potential: those of an error model bear the name of their term, offsets are auxiliary."""
    site = scalar.partition("[")[0]
    if any(site.startswith(f"{term}_") for term in found["terms"]):
        return False
    return not (site.endswith("_offset") and f"tau_{site.removesuffix('_offset')}" in found["parameters"])


def _transfer(transfer: Mapping[str, Any]) -> dict[tuple[Kind, str], Value]:
    spreads = {
        (Kind.spread, site): Value(entry["mean"], low=entry["q05"], high=entry["q95"])
        for site, entry in (transfer.get("spread") or {}).items()
    }
    left_out, tension = transfer.get("left_out") or {}, transfer.get("tension") or {}
    numbers = {(Kind.left_out, label): (scores["coverage"].get(LEVEL), None) for label, scores in left_out.items()}
    numbers |= {(Kind.tension, name): (tension.get(name), tension.get(f"{name}_sd")) for name in TENSION}
    return spreads | {key: Value(number, sd) for key, (number, sd) in numbers.items() if number is not None}


# Comparing --------------------------------------------------------------------------------------------------------------------


def _rows(candidates: Sequence[Candidate | None], same_data: bool) -> list[Row]:
    """Return the rows of one candidate, of which some runs may have none."""
    contents = [{} if candidate is None else candidate.values for candidate in candidates]
    keys = dict.fromkeys(key for content in contents for key in content)
    ordered = sorted(keys, key=lambda key: list(Kind).index(key[0]))
    return [_row(*key, [content.get(key) for content in contents], same_data) for key in ordered]


def _row(kind: Kind, name: str, values: list[Value | None], same_data: bool) -> Row:
    unit = next(value.unit for value in values if value is not None)
    values = [None if value is None else _in_unit(value, unit) for value in values]
    return Row(kind, name, unit, values, _difference(kind, values, same_data) if len(values) == 2 else None)


def _in_unit(value: Value, unit: str) -> Value:
    """Return a value in the unit of its row; one that cannot be converted keeps its own."""
    if value.unit == unit:
        return value
    try:
        factor = units.factor(value.unit, unit)
    except UnitError:
        return value
    numbers = {name: getattr(value, name) for name in ("number", "spread", "low", "high")}
    scaled = {name: None if number is None else factor * number for name, number in numbers.items()}
    return replace(value, unit=unit, **scaled)


def _difference(kind: Kind, values: Sequence[Value | None], same_data: bool) -> Value | None:
    first, second = values
    if first is None or second is None or first.unit != second.unit:
        return None
    apart = second.number - first.number
    combined = None if first.spread is None or second.spread is None else math.hypot(first.spread, second.spread)
    if kind is Kind.parameter and combined is not None:
        return Value(apart / combined) if combined > 0 else Value(0.0) if apart == 0 else None
    if kind is Kind.elpd and same_data:
        # Each standard error is mostly the scatter of the data, which both runs share: it is not that of the difference.
        return Value(apart)
    return Value(apart, combined) if kind is Kind.evidence and same_data else None


def _different_data(runs: Sequence[FinishedRun]) -> list[str]:
    """Return in words which data are not the same in all runs."""
    changed: list[str] = []
    only: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(name for run in runs for name in run.data or {}):
        found = {run.name: (run.data or {}).get(name) for run in runs}
        holders = tuple(run for run, checksum in found.items() if checksum is not None)
        if len(holders) < len(runs):
            only.setdefault(holders, []).append(name)
        elif len(set(found.values())) > 1:
            changed.append(name)
    return _phrases(only, changed) if only or changed else _different_choice(runs)


def _phrases(only: Mapping[tuple[str, ...], list[str]], changed: list[str]) -> list[str]:
    from bayesff.reporting.wording import enumerate_words

    phrases = [f"{enumerate_words(names)} only in {enumerate_words(list(holders))}" for holders, names in only.items()]
    return [*phrases, f"{enumerate_words(changed)} with different numbers"] if changed else phrases


def _different_choice(runs: Sequence[FinishedRun]) -> list[str]:
    """Return in words which candidates were given other parts of the same data."""
    phrases = []
    for name in dict.fromkeys(name for run in runs for name in run.candidates):
        numbers = list(dict.fromkeys(run.candidates[name].num_data for run in runs if name in run.candidates))
        if len(numbers) > 1:
            phrases.append(f"{name} on {' and '.join(map(str, numbers))} data")
    return phrases


def _differing(runs: Sequence[FinishedRun]) -> dict[str, list[Any]]:
    """Return the settings and versions that are not the same in all runs; None where a run does not say."""
    names = dict.fromkeys(name for run in runs for name in run.facts)
    found = {name: [run.facts.get(name) for run in runs] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}
