"""The catalogue of data sets that comes with the package, and loading by name or by path."""

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import bayesff
from bayesff import quantities
from bayesff.datasets.dataset import DataSet
from bayesff.datasets.problems import Problems, read_text
from bayesff.errors import DataError


@dataclass(frozen=True)
class Description:
    """What one line about a data set says: the metadata as written, without reading a number."""

    name: str
    path: Path
    observable: str
    label: str
    unit: str
    substance: str
    num_data: int
    environment: str
    citation: str
    doi: str
    licence: str
    uncertainty: str
    note: str


def catalogue_folder() -> Path:
    """Return the folder of the catalogue: inside an installed package, or ``data/`` beside it in a clone."""
    package = Path(bayesff.__file__).resolve().parent
    installed = package / "share" / "data"
    return installed if installed.is_dir() else package.parent / "data"


def catalogue() -> list[str]:
    """Return the names of the data sets in the catalogue."""
    folder = catalogue_folder()
    return sorted(item.parent.name for item in folder.glob("*/metadata.toml")) if folder.is_dir() else []


def find(name_or_path: str | Path) -> Path:
    """Return the folder of a data set: a name of the catalogue, or else the path of a folder.

    Raises
    ------
    DataError
        If there is no such name and no such folder; it lists the nearest names.
    """
    text = str(name_or_path)
    names = catalogue()
    if text in names:
        return catalogue_folder() / text
    path = Path(name_or_path).expanduser()
    if text and path.is_dir():
        return path
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}" if near else f"the catalogue has {', '.join(names) or 'no data set'}"
    raise DataError(f"data set {text!r}: a name of the catalogue or a folder is needed, found neither: {hint}")


def load(name_or_path: str | Path) -> DataSet:
    """Load a data set by its name in the catalogue or by the path of its folder.

    Raises
    ------
    DataError
        If there is none, or if it breaks a rule of the format.

    Examples
    --------
    >>> data = load("argon_second_virial")
    >>> data.num_data, data.unit
    (269, 'cm^3/mol')
    """
    from bayesff.datasets.reading import read

    return read(find(name_or_path))


def describe(name_or_path: str | Path) -> Description:
    """Return what a data set is, from its metadata and the number of its rows; quick, since nothing is checked in full.

    Raises
    ------
    DataError
        If there is none, or if its metadata cannot be understood.
    """
    path = find(name_or_path)
    place = path / "metadata.toml"
    try:
        raw = tomllib.loads(read_text(place))
        num_rows = sum(bool(line.strip()) for line in read_text(path / "values.csv").split("\n")) - 1
        quantity = quantities.get(raw["observable"])
        source = raw["source"]
        return Description(
            name=path.resolve().name,
            path=path,
            observable=quantity.name,
            label=quantity.label,
            unit=quantity.unit,
            substance=raw["substance"],
            num_data=num_rows,
            environment=raw["environment"]["label"],
            citation=source["citation"],
            doi=source.get("doi", ""),
            licence=source["licence"],
            uncertainty=raw["uncertainty"],
            note=source.get("note", ""),
        )
    except Problems as problems:
        raise DataError(str(problems.found[0])) from None
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: the metadata must follow the format, found {error}: run the check of this data set") from None
