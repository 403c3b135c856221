"""What was measured: data sets with their state, uncertainty, environment and source.

A data set is read from a folder (`load`, `check`), made in a script (`DataSet`), cut into environments, split into a part to fit
and a part to test, or synthesised from a known potential. The format on disk is described in ``docs/file-formats.md``.
"""

from pathlib import Path

from bayesff.datasets.dataset import DataSet
from bayesff.datasets.environment import MEDIA, Environment, Reference, Source
from bayesff.datasets.export import to_dataset
from bayesff.datasets.library import Description, catalogue, catalogue_folder, describe, find, load
from bayesff.datasets.problems import Problem
from bayesff.datasets.splitting import split_by_datum, split_by_environment, split_by_group, split_by_range
from bayesff.datasets.synthesis import synthesise
from bayesff.datasets.writing import write

__all__ = [
    "MEDIA",
    "DataSet",
    "Description",
    "Environment",
    "Problem",
    "Reference",
    "Source",
    "catalogue",
    "catalogue_folder",
    "check",
    "describe",
    "find",
    "load",
    "split_by_datum",
    "split_by_environment",
    "split_by_group",
    "split_by_range",
    "synthesise",
    "to_dataset",
    "write",
]


def check(name_or_path: str | Path) -> list[Problem]:
    """Return every problem found in a data set; an empty list means that it is in order.

    Raises
    ------
    DataError
        If there is no data set of that name and no folder at that path.
    """
    from bayesff.datasets.reading import check as check_folder

    return check_folder(find(name_or_path))
