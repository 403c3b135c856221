"""Reading and checking the folder of a data set: ``metadata.toml``, ``values.csv`` and perhaps ``covariance.csv``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesff import quantities, units
from bayesff.datasets.dataset import DataSet
from bayesff.datasets.environment import Environment, Reference, Source
from bayesff.datasets.problems import Problem, Problems, raise_first
from bayesff.datasets.rules import checked_covariance
from bayesff.datasets.table import Table, labels, numbers, read_matrix, read_table
from bayesff.errors import DataError, UnitError

if TYPE_CHECKING:
    from bayesff.datasets.metadata import Metadata


def read(folder: str | Path) -> DataSet:
    """Read a data set from its folder, with every number converted to its canonical unit.

    Raises
    ------
    DataError
        With the first problem that `check` finds.
    """
    data, found = _examine(Path(folder))
    raise_first(found)
    assert data is not None
    return data


def check(folder: str | Path) -> list[Problem]:
    """Return all problems of the data set in a folder, those of the metadata first; an empty list means that it is in order."""
    return _examine(Path(folder))[1]


def _examine(folder: Path) -> tuple[DataSet | None, list[Problem]]:
    from bayesff.datasets.metadata import read_metadata  # brings pydantic, which is slow to import

    if not folder.is_dir():
        return None, [Problem(folder, None, "", "a data set must be a folder, found none there: create it or correct the path")]
    found: list[Problem] = []
    try:
        metadata, found = read_metadata(folder / "metadata.toml")
    except Problems as problems:
        return None, problems.found + _unreadable(folder / "values.csv")
    try:
        table, wrong = read_table(folder / "values.csv", list(metadata.columns))
        found += wrong
        content, wrong = _content(metadata, table, whole=not found)
        found += wrong
        if metadata.covariance and not found:
            content["covariance"] = _covariance(folder / metadata.covariance, metadata, len(content["values"]))
    except Problems as problems:
        return None, found + problems.found
    if found:
        return None, found
    try:
        return DataSet(**content, **_description(folder.name, metadata)), []
    except DataError as error:
        return None, [Problem(folder, None, "", str(error))]


def _unreadable(path: Path) -> list[Problem]:
    """Return what keeps the table from being read at all, which is worth knowing even when the metadata are broken."""
    try:
        read_table(path, [])
    except Problems as problems:
        return problems.found
    return []


def _content(metadata: "Metadata", table: Table, *, whole: bool) -> tuple[dict[str, Any], list[Problem]]:
    """Return the arrays of the data set in canonical units and the problems in the cells."""
    found: list[Problem] = []
    content: dict[str, Any] = {"state": {}, "groups": {}}
    for name, column in metadata.columns.items():
        if name not in table.columns or column.role == "annotation":
            continue
        if column.role == "group":
            content["groups"][name], wrong = labels(table, name)
            found += wrong
            continue
        try:
            convert = _conversion(metadata, name)
        except (UnitError, DataError):
            continue  # reported with the metadata
        quantity = quantities.get(metadata.quantity_of(name))
        positive = quantity.positive or column.role == "uncertainty"
        array, wrong = numbers(table, name, convert, positive, (column.unit or "", quantity.unit))
        found += wrong
        if column.role == "state":
            content["state"][quantity.name] = array
        else:
            content["values" if column.role == "value" else "uncertainty"] = array
    if whole and not found:
        found += _unused_references(metadata, table)
    return content, found


def _conversion(metadata: "Metadata", name: str) -> Any:
    """Return the function that converts a column to its canonical unit, or raise at once if there is none."""
    column, to, molar_mass = metadata.columns[name], quantities.get(metadata.quantity_of(name)).unit, metadata.grams_per_mole
    if column.role == "state":
        units.convert(1.0, column.unit, to, molar_mass=molar_mass)
        return lambda values: units.convert(values, column.unit, to, molar_mass=molar_mass)
    factor = units.factor(column.unit, to, molar_mass=molar_mass)
    return lambda values: values * factor


def _unused_references(metadata: "Metadata", table: Table) -> list[Problem]:
    path = table.path.with_name("metadata.toml")
    return [
        Problem(
            path,
            None,
            f"references.{group}",
            f"a reference must belong to a label of the column, found {label!r}: correct the label",
        )
        for group, references in metadata.references.items()
        for label in references
        if label not in table.columns[group]
    ]


def _covariance(path: Path, metadata: "Metadata", num_data: int) -> np.ndarray:
    matrix = read_matrix(path, num_data)
    value = metadata.columns[metadata.named("value")[0]]
    factor = units.factor(value.unit, quantities.get(metadata.observable).unit, molar_mass=metadata.grams_per_mole)
    try:
        return checked_covariance(matrix * factor**2, str(path))
    except DataError as error:
        raise Problems(Problem(path, None, "", str(error).removeprefix(f"{path}: "))) from None


def _description(name: str, metadata: "Metadata") -> dict[str, Any]:
    """Return the parts of the data set that come from the metadata alone."""
    ranges = {}
    for column, bounds in metadata.environment.ranges.items():
        converted = _conversion(metadata, column)(np.array(bounds))
        ranges[metadata.quantity_of(column)] = (float(converted[0]), float(converted[1]))
    references = {
        group: {label: Reference(item.citation, item.doi) for label, item in table.items()}
        for group, table in metadata.references.items()
    }
    source, environment = metadata.source, metadata.environment
    return {
        "name": name,
        "observable": metadata.observable,
        "substance": metadata.substance,
        "environment": Environment(environment.label, environment.medium, ranges, environment.treatment),
        "source": Source(source.citation, source.doi, source.licence, source.note, references),
        "uncertainty_meaning": metadata.uncertainty,
    }
