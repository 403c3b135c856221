"""Writing a data set as a folder in the format that the reader takes, all at once or not at all."""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayesff import quantities
from bayesff.datasets.dataset import DataSet
from bayesff.errors import OutputError


def write(data: DataSet, folder: str | Path) -> Path:
    """Write a data set to a new folder, in canonical units; reading it back gives the same numbers to the last bit.

    The folder appears only when it is complete. Its name becomes the name of the data set when it is read.

    Parameters
    ----------
    data
        The data set.
    folder
        Folder to make; it must not exist yet, or be empty.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    OutputError
        If the folder holds something already, or cannot be written.
    """
    folder = Path(folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: a data set is written to a new folder, found one with content: choose another name")
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _fill(data, temporary)
            temporary.chmod(0o755)  # mkdtemp makes it private
            temporary.replace(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(f"{folder}: the folder must be writable, found {error.strerror}: choose another place") from None
    return folder


def _fill(data: DataSet, folder: Path) -> None:
    columns: dict[str, Iterable[str]] = {name: _repr(column) for name, column in data.state.items()}
    columns["value"] = _repr(data.values)
    if data.uncertainty is not None:
        columns["uncertainty"] = _repr(data.uncertainty)
    columns.update({name: column.tolist() for name, column in data.groups.items()})
    _write_rows(folder / "values.csv", [list(columns), *zip(*columns.values(), strict=True)])
    if data.covariance is not None:
        _write_rows(folder / "covariance.csv", [_repr(row) for row in data.covariance])
    (folder / "metadata.toml").write_text(_metadata(data), encoding="utf-8")


def _write_rows(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _repr(column: np.ndarray) -> list[str]:
    return [repr(value) for value in column.tolist()]


def _metadata(data: DataSet) -> str:
    """Return the text of ``metadata.toml``."""
    source, environment = data.source, data.environment
    top = {"format": 1, "observable": data.observable, "substance": data.substance}
    top["uncertainty"] = data.uncertainty_meaning or "One standard deviation."
    if data.covariance is not None:
        top["covariance"] = "covariance.csv"
    lines = _table((), top)
    words = {"citation": source.citation, "doi": source.doi, "licence": source.licence or "not stated", "note": source.note}
    lines += _table(("source",), {key: word for key, word in words.items() if word})
    lines += _table(("environment",), {"label": environment.label, "medium": environment.medium})
    ranges = {name: list(bounds) for name, bounds in environment.ranges.items() if name in data.state}
    lines += _table(("environment", "ranges"), ranges)
    lines += _table(("environment", "treatment"), environment.treatment)
    for name in data.state:
        lines += _table(("columns", name), {"role": "state", "unit": quantities.get(name).unit})
    lines += _table(("columns", "value"), {"role": "value", "unit": data.unit})
    if data.uncertainty is not None:
        lines += _table(("columns", "uncertainty"), {"role": "uncertainty", "unit": data.unit})
    for name in data.groups:
        lines += _table(("columns", name), {"role": "group"})
    for group, references in source.references.items():
        present = set(data.groups.get(group, np.array([])).tolist())
        for label, reference in references.items():
            if label in present:  # a selection of the data keeps only the references that it uses
                lines += _table(("references", group, label), {"citation": reference.citation, "doi": reference.doi})
    return "\n".join(lines) + "\n"


def _table(path: Sequence[str], entries: Any) -> list[str]:
    if not entries:
        return []
    header = ["", f"[{'.'.join(map(_text, path))}]"] if path else []
    return [*header, *(f"{_text(key)} = {_value(value)}" for key, value in entries.items())]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _text(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else _quoted(key)


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string but for the delete character, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
