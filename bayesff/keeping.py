"""What an interrupted run leaves: every finished posterior in a file beside the output, until the run has been written.

A run that was ended at any time goes on from there, and has the numbers that it would have had: posteriors are read from their
files, whether they were made before or after.
"""

import glob
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesff.errors import OutputError
from bayesff.study import Study

if TYPE_CHECKING:
    from xarray import DataTree

_FACTS = {"study": "study", "file": "the study's file", "data": "data", "seed": "seed", "changes": "settings"}
"""What must be the same to go on with a run, and how it is called."""


class Store:
    """A folder of finished posteriors, each a NetCDF file that is written under a temporary name and renamed.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file of a posterior."""
        return self.folder / f"{name}.nc"

    def has(self, name: str) -> bool:
        """Return whether a posterior is finished."""
        return self.path(name).is_file()

    def put(self, name: str, tree: "DataTree") -> None:
        """Write a finished posterior."""
        from bayesff.reporting.store import storable_tree
        from bayesff.writing import atomic

        with atomic(self.path(name)) as temporary:
            storable_tree(tree).to_netcdf(temporary, engine="h5netcdf")

    def get(self, name: str) -> "DataTree":
        """Read a finished posterior."""
        import xarray

        with xarray.open_datatree(self.path(name), engine="h5netcdf") as opened:
            # DataTree.load leaves a variable in the file that has the name of a group.
            groups = {node.path: node.to_dataset(inherit=False).load() for node in opened.subtree}
        return xarray.DataTree.from_dict(groups)

    @property
    def num_finished(self) -> int:
        """How many posteriors are finished."""
        return len(list(self.folder.glob("*.nc")))


@contextmanager
def kept_store(output: Path, facts: Mapping[str, Any], resume: bool, overwrite: bool) -> Iterator[Store]:
    """Give the store of a run, beside its output folder; it is removed when the run has been written.

    If the run fails, what is finished stays; a store in which nothing is finished is no interrupted run, and goes too.

    Parameters
    ----------
    output
        Where the run will be written.
    facts
        What makes the posteriors what they are, see `facts_of`.
    resume
        Whether to go on with the store of a run that was ended.
    overwrite
        Whether to remove such a store, if the run does not go on with it.

    Raises
    ------
    OutputError
        If there is such a store and neither is wanted; if it is of another study, seed, data or settings; if it cannot be
        written.
    """
    output = output if output.name.strip(".") else output.resolve()  # "." has no name
    store = Store(output.parent / f".{output.name}.unfinished")
    about = store.folder / "about.json"
    if about.is_file() and store.num_finished and (resume or not overwrite):
        if not resume:
            raise OutputError(
                f"{store.folder}: an interrupted run is kept here: add --resume to go on with it, or --overwrite to start anew"
            )
        _check_same(store.folder, json.loads(about.read_text(encoding="utf-8")), facts)
    else:
        shutil.rmtree(store.folder, ignore_errors=True)
        try:
            store.folder.mkdir(parents=True)
            about.write_text(json.dumps(facts, indent=2), encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{store.folder}: the folder cannot be written ({error.strerror}): choose another --output folder"
            ) from None
    try:
        yield store
    except BaseException as error:
        number = store.num_finished
        if number:
            error.add_note(
                f"{number} finished posterior{'s are' if number > 1 else ' is'} kept, the same command with --resume goes on"
            )
        else:
            shutil.rmtree(store.folder, ignore_errors=True)
        raise
    # A run that was killed while it wrote its report has left that too.
    for left in [store.folder, *output.parent.glob(f".{glob.escape(output.name)}.????????.partial")]:
        shutil.rmtree(left, ignore_errors=True)


def _check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differing = [words for name, words in _FACTS.items() if before.get(name) != now.get(name)]
    if differing:
        raise OutputError(
            f"{folder}: the interrupted run must be of this study, data, seed and settings to go on with it, found differences "
            f"in {' and '.join(differing)}: repeat its command, or add --overwrite instead of --resume to start anew"
        )


def facts_of(path: Path, study: Study, seed: int, changes: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Return what makes the posteriors of a study what they are.

    Parameters
    ----------
    path, study
        The study and its file.
    seed
        Seed of all random numbers.
    changes
        Fields of its samplers that the run changes.
    """
    from bayesff.reporting.provenance import data_sources

    return {
        "study": study.name,
        "file": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data": [source["sha256"] for source in data_sources(study.problems)],
        "seed": seed,
        "changes": {kind: dict(values) for kind, values in changes.items()},
    }
