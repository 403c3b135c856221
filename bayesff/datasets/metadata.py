"""The file ``metadata.toml`` of a data set: its schema, and its reading with a line for every problem."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bayesff import quantities, units
from bayesff.datasets.environment import Medium
from bayesff.datasets.problems import Problem, Problems, read_text
from bayesff.errors import DataError, UnitError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ColumnTable(_Table):
    """One column of ``values.csv``: what it holds, in which unit; a state may name its quantity if the column does not."""

    role: Literal["state", "value", "uncertainty", "group", "annotation"]
    unit: str | None = None
    quantity: str | None = None


class EnvironmentTable(_Table):
    """The environment; ranges are in the units of the columns."""

    label: Text
    medium: Medium
    ranges: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]] = {}
    treatment: dict[str, str | bool | int | float] = {}


class ReferenceTable(_Table):
    """A publication."""

    citation: Text
    doi: str = ""


class SourceTable(ReferenceTable):
    """The source of the numbers."""

    licence: Text
    note: str = ""


class MolarMassTable(_Table):
    """The molar mass, for columns that hold mass densities."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unit: str


class Metadata(_Table):
    """The whole of ``metadata.toml``."""

    format: Literal[1]
    observable: str
    substance: Text
    uncertainty: Text
    molar_mass: MolarMassTable | None = None
    covariance: Literal["covariance.csv"] | None = None
    source: SourceTable
    environment: EnvironmentTable
    columns: dict[str, ColumnTable]
    references: dict[str, dict[str, ReferenceTable]] = {}

    def named(self, role: str) -> list[str]:
        """Return the columns that have this role, in the order of the file."""
        return [name for name, column in self.columns.items() if column.role == role]

    def quantity_of(self, name: str) -> str:
        """Return the name of the quantity that a state, value or uncertainty column holds."""
        column = self.columns[name]
        return (column.quantity or name) if column.role == "state" else self.observable

    @property
    def grams_per_mole(self) -> float | None:
        """The molar mass [g/mol], where one is given."""
        return None if self.molar_mass is None else float(units.convert(self.molar_mass.value, self.molar_mass.unit, "g/mol"))


def read_metadata(path: Path) -> tuple[Metadata, list[Problem]]:
    """Read and check ``metadata.toml``; return it with the problems that still let the table be checked."""
    text = read_text(path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        found = str(error).split(" (at ")[0]
        message = f"the file must be valid TOML, found: {found}; correct the line"
        raise Problems(Problem(path, int(line[1]) if line else None, "", message)) from None
    try:
        metadata = Metadata.model_validate(raw)
    except ValidationError as error:
        found = [_schema_problem(path, text, item) for item in error.errors()]
        raise Problems(*{problem.column: problem for problem in reversed(found)}.values()) from None
    found = [Problem(path, line_of(text, place), ".".join(place), message) for place, message in _rules(metadata)]
    if any(problem.column == "observable" for problem in found):
        raise Problems(*found)  # without the quantity no unit can be checked
    return metadata, found


def _schema_problem(path: Path, text: str, item: Any) -> Problem:
    # pydantic adds the branch of a union (str, bool, ...) to the place; keep what is really in the file.
    place = [str(part) for part in item["loc"]]
    if place[:2] == ["environment", "treatment"]:
        place = place[:3]
    value = item["input"]
    if item["type"] == "missing":
        message = f"the key {place[-1]!r} must be given, found none: add it"
    elif item["type"] == "extra_forbidden":
        message = f"the key {place[-1]!r} is not part of the format, found {value!r}: correct its name or remove it"
    else:
        rule = item["msg"][:1].lower() + item["msg"][1:]
        message = f"the rule is broken that {rule}, found {value!r}: correct the value"
    return Problem(path, line_of(text, place), ".".join(place), message)


def _rules(metadata: Metadata) -> list[tuple[Sequence[str], str]]:
    """Return the place and the sentence of every rule that the schema alone cannot hold."""
    found: list[tuple[Sequence[str], str]] = []
    try:
        needed = quantities.get(metadata.observable).states
    except DataError as error:
        return [(("observable",), str(error))]
    for name, column in metadata.columns.items():
        found += [((("columns", name, *key)), message) for key, message in _column_rules(metadata, name, column)]
    try:
        _ = metadata.grams_per_mole
    except UnitError as error:
        found.append((("molar_mass", "unit"), str(error)))
    if len(metadata.named("value")) != 1:
        found.append(
            (("columns",), f"one column must have the role 'value', found {_listed(metadata.named('value'))}: declare one")
        )
    wanted = 0 if metadata.covariance else 1
    if len(metadata.named("uncertainty")) != wanted:
        rule = (
            "no column may have the role 'uncertainty' beside a covariance"
            if metadata.covariance
            else ("one column must have the role 'uncertainty', or a covariance must be given")
        )
        found.append((("columns",), f"{rule}, found {_listed(metadata.named('uncertainty'))}: correct the roles"))
    states = [metadata.quantity_of(name) for name in metadata.named("state")]
    for name in needed:
        if states.count(name) != 1:
            message = f"{metadata.observable} needs one state column {name!r}, found {_listed(states)}: declare it"
            found.append((("columns",), message))
    for name in metadata.environment.ranges:
        if metadata.columns.get(name) is None or metadata.columns[name].role != "state":
            message = (
                f"a range must be that of a state column, found {name!r} beside {_listed(metadata.named('state'))}: rename it"
            )
            found.append((("environment", "ranges", name), message))
    for name in metadata.references:
        if name not in metadata.named("group"):
            message = f"references must belong to a group column, found {name!r}: declare the column or remove the references"
            found.append((("references", name), message))
    return found


def _column_rules(metadata: Metadata, name: str, column: ColumnTable) -> list[tuple[tuple[str, ...], str]]:
    if column.role in ("group", "annotation"):
        extra = [key for key in ("unit", "quantity") if getattr(column, key) is not None]
        if column.role == "group" and extra:
            return [
                (
                    (extra[0],),
                    f"a group column holds labels and has no {extra[0]}, found {getattr(column, extra[0])!r}: remove it",
                )
            ]
        return []
    found: list[tuple[tuple[str, ...], str]] = []
    if column.quantity is not None and column.role != "state":
        message = f"only a state column names its quantity, found {column.quantity!r} for the role {column.role!r}: remove it"
        found.append((("quantity",), message))
    try:
        quantity = quantities.get(metadata.quantity_of(name))
    except DataError as error:
        return [*found, ((), str(error))]
    try:
        molar_mass = metadata.grams_per_mole
    except UnitError:
        molar_mass = None  # reported at its own place
    try:
        if column.role == "state":
            units.convert(1.0, column.unit, quantity.unit, molar_mass=molar_mass)
        else:
            units.factor(column.unit, quantity.unit, molar_mass=molar_mass)
    except UnitError as error:
        found.append((("unit",) if column.unit is not None else (), str(error)))
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def line_of(text: str, place: Sequence[str]) -> int | None:
    """Return the line of ``metadata.toml`` where the key at this place is, or the nearest table around it."""
    table: tuple[str, ...] = ()
    best, depth = None, 0
    for number, line in enumerate(text.split("\n"), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            table = path = _keys(header[1])
        elif entry := re.match(r"\s*((?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\w.-]+)+)\s*=", line):
            path = (*table, *_keys(entry[1]))
        else:
            continue
        shared = tuple(place[: len(path)]) == path
        if shared and len(path) > depth:
            best, depth = number, len(path)
    return best


def _keys(dotted: str) -> tuple[str, ...]:
    parts = re.findall(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([\w-]+)", dotted)
    return tuple(next(filter(None, part), "") for part in parts)
