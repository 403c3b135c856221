"""The file ``values.csv`` of a data set: its columns as text, and their numbers, with the place of everything wrong."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bayesff.datasets.problems import Problem, Problems, read_text
from bayesff.datasets.rules import broken_rule

# The numbers that a person writes; Python's float would also take 1_000 and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The cells of a table by column, and the line of each row."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]


def read_table(path: Path, declared: list[str]) -> tuple[Table, list[Problem]]:
    """Read the table and compare its header with the declared columns; ragged rows are reported and left out."""
    rows = _rows(path)
    if not rows:
        raise Problems(Problem(path, None, "", "the file must not be empty, found no row: fill it or remove the data set"))
    line, header = rows[0][0], [name.strip() for name in rows[0][1]]
    found = _header_problems(path, line, header, declared)
    ragged = [
        Problem(path, number, "", f"a row must have {len(header)} cells as the header has, found {len(cells)}: correct the row")
        for number, cells in rows[1:]
        if len(cells) != len(header)
    ]
    whole = [(number, cells) for number, cells in rows[1:] if len(cells) == len(header)]
    if not rows[1:]:
        found.append(Problem(path, None, "", "the table must hold at least one row, found only a header: add data"))
    # Of a column that occurs twice the first is kept: which one is meant is for the person to say.
    columns = {
        name: [cells[header.index(name)].strip() for _, cells in whole] for name in dict.fromkeys(header) if name in declared
    }
    return Table(path, columns, [number for number, _ in whole]), [*found, *ragged]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows, start = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        message = f"the row must be valid CSV, found: {error}; check its quotation marks"
        raise Problems(Problem(path, start, "", message)) from None
    return rows


def _header_problems(path: Path, line: int, header: list[str], declared: list[str]) -> list[Problem]:
    def problem(name: str, message: str) -> Problem:
        return Problem(path, line, f"column {name!r}", message)

    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    found = [problem(name, f"a column may occur once, found {header.count(name)} of that name: rename one") for name in twice]
    found += [
        problem(name, f"the column is declared in metadata.toml and must be there, found {', '.join(header)}: add it")
        for name in declared
        if name not in header
    ]
    return found + [
        problem(name, "every column must be declared in metadata.toml, found this one undeclared: declare its role and unit")
        for name in dict.fromkeys(header)
        if name not in declared
    ]


def numbers(
    table: Table, name: str, to_canonical: Callable[[np.ndarray], np.ndarray], positive: bool, units: tuple[str, str]
) -> tuple[np.ndarray, list[Problem]]:
    """Return a column as numbers in the canonical unit, and the problems in it; ``units`` are the file's and the canonical."""
    unit, canonical = units
    cells = table.columns[name]
    plain = np.array([float(cell) if _NUMBER.fullmatch(cell) else np.nan for cell in cells])
    values = to_canonical(plain)
    bad, rule = broken_rule(values, positive)
    place = f"column {name!r}"
    found = []
    for index in np.flatnonzero(bad):
        cell, line = cells[index], table.lines[index]
        if not _NUMBER.fullmatch(cell):
            what = f"{cell!r}" if cell else "an empty cell"
            message = f"the cell must be a number with a decimal point, found {what}: correct it or leave the row out"
        else:
            scale = f" in {canonical}" if canonical != unit else ""
            message = f"the value must be {rule}{scale}, found {f'{cell} {unit}'.strip()}: correct it or leave the row out"
        found.append(Problem(table.path, line, place, message))
    return values, found


def labels(table: Table, name: str) -> tuple[list[str], list[Problem]]:
    """Return a column of labels and the problems in it."""
    cells = table.columns[name]
    found = [
        Problem(
            table.path, line, f"column {name!r}", f"a label must be printable text, found {cell or 'an empty cell'!r}: write one"
        )
        for line, cell in zip(table.lines, cells, strict=True)
        if not cell or not cell.isprintable()
    ]
    return cells, found


def read_matrix(path: Path, num_data: int) -> np.ndarray:
    """Return the matrix of a file without a header, one row a datum."""
    rows = _rows(path)
    if len(rows) != num_data:
        raise Problems(
            Problem(path, None, "", f"the covariance must have a row for each of {num_data} data, found {len(rows)}: give all")
        )
    found, matrix = [], np.full((num_data, num_data), np.nan)
    for index, (line, cells) in enumerate(rows):
        if len(cells) != num_data:
            found.append(
                Problem(path, line, "", f"a row must have a cell for each of {num_data} data, found {len(cells)}: give all")
            )
            continue
        for column, cell in enumerate(cells):
            if _NUMBER.fullmatch(cell.strip()) and np.isfinite(float(cell)):
                matrix[index, column] = float(cell)
            else:
                message = f"the cell must be a finite number with a decimal point, found {cell.strip()!r}: correct it"
                found.append(Problem(path, line, f"column {column + 1}", message))
    if found:
        raise Problems(*found)
    return matrix
