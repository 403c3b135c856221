"""``posterior.nc``: the posteriors of all candidates of a study in one file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from bayesff.assessment import Finding
from bayesff.errors import OutputError
from bayesff.writing import atomic

FORMAT = 1
"""Version of the layout of the file; kept in its attribute ``format``."""

# Draws of data, of which there are many, in single precision: their own Monte Carlo error is far larger.
_SINGLE = ("posterior_predictive", "prior_predictive", "predictions", "log_likelihood")
_OURS = ("format", "study", "question", "potential", "candidates", "seed", "provenance", "findings")


def save_posterior(
    trees: Mapping[str, xarray.DataTree],
    path: str | Path,
    *,
    study: str = "",
    question: str = "",
    seed: int | None = None,
    provenance: Mapping[str, Any] | None = None,
    findings: Sequence[Finding] = (),
) -> None:
    """Write the posteriors of a study to one NetCDF file, under a temporary name that becomes the real one when it is complete.

    The groups of the first candidate are at the root, where ArviZ looks for them; those of the others are under
    ``candidates/<name>``. See docs/file-formats.md.

    Parameters
    ----------
    trees
        The posterior of each candidate, by its name.
    path
        The file.
    study, question
        Name of the study, and what it asks.
    seed
        Seed that the draws were made from.
    provenance
        What is needed to repeat the run, from `bayesff.reporting.provenance`; kept as JSON.
    findings
        What the study finds; kept as JSON.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    names = list(trees)
    groups: dict[str, xarray.Dataset] = {}
    for name, tree in trees.items():
        place = "" if name == names[0] else f"candidates/{name}/"
        tree = storable_tree(tree)
        groups[place.rstrip("/") or "/"] = xarray.Dataset(attrs=tree.attrs)
        groups |= {f"{place}{group}": dataset for group, dataset in _groups(tree).items()}
    ours: dict[str, Any] = {"format": FORMAT, "study": study, "question": question, "potential": names[0], "candidates": names}
    ours |= {"seed": seed, "provenance": dict(provenance or {}), "findings": [finding.to_json() for finding in findings]}
    root = xarray.DataTree.from_dict(groups)
    root.attrs |= storable(ours)
    with atomic(Path(path)) as temporary:
        root.to_netcdf(temporary, engine="h5netcdf")


def load_posterior(path: str | Path) -> dict[str, xarray.DataTree]:
    """Read the posteriors of a study, each as it came from inference, by the candidates' names.

    Raises
    ------
    OutputError
        If there is no such file, or if it is not one that `save_posterior` wrote.
    """
    with _open(path) as opened:
        root = opened.load()
    names = json.loads(root.attrs["candidates"])
    trees = {}
    for name in names:
        branch = root if name == names[0] else root[f"candidates/{name}"]
        assert isinstance(branch, xarray.DataTree)
        groups = {group: found for group, found in _groups(branch).items() if group.split("/")[0] != "candidates"}
        trees[name] = xarray.DataTree.from_dict(groups)
        trees[name].attrs |= {key: value for key, value in branch.attrs.items() if key not in _OURS}
    return trees


def load_facts(path: str | Path) -> dict[str, Any]:
    """Read what a posterior file says: ``study``, ``question``, ``seed``, ``candidates``, ``provenance`` and ``findings``.

    Raises
    ------
    OutputError
        As `load_posterior`.
    """
    with _open(path) as opened:
        attributes = dict(opened.attrs)
    facts = {key: attributes[key] for key in ("format", "study", "question", "potential")}
    facts["seed"] = None if attributes["seed"] == "null" else int(attributes["seed"])
    facts["findings"] = [Finding.from_json(found) for found in json.loads(attributes.get("findings", "[]"))]
    return facts | {key: json.loads(attributes[key]) for key in ("candidates", "provenance")}


def storable_tree(tree: xarray.DataTree) -> xarray.DataTree:
    """Return the posterior of one candidate as it comes back from a file: draws of data in single precision, plain attributes."""
    groups = {group: _storable_dataset(dataset, group in _SINGLE) for group, dataset in _groups(tree).items()}
    kept = xarray.DataTree.from_dict(groups)
    kept.attrs |= storable(tree.attrs)
    return kept


def _groups(tree: xarray.DataTree) -> dict[str, xarray.Dataset]:
    """Return every group below a tree by its path, those inside other groups too."""
    return {
        node.path.removeprefix(f"{tree.path.rstrip('/')}/"): node.to_dataset(inherit=False)
        for node in tree.subtree
        if node is not tree
    }


def storable(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes that NetCDF can hold: numbers and strings as they are, a boolean as 0 or 1, anything else as JSON."""
    found: dict[str, Any] = {}
    for key, value in attributes.items():
        if isinstance(value, bool | np.bool_):
            found[str(key)] = int(value)
        elif isinstance(value, str | int | float | np.integer | np.floating | np.ndarray):
            found[str(key)] = value
        else:
            found[str(key)] = json.dumps(value)
    return found


def _storable_dataset(dataset: xarray.Dataset, single: bool) -> xarray.Dataset:
    dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        if single and variable.dtype == np.float64 and name in dataset.data_vars:
            dataset[name] = variable.astype(np.float32)
        dataset[name].attrs = storable(variable.attrs)
    dataset.attrs = storable(dataset.attrs)
    return dataset


def _open(path: str | Path) -> xarray.DataTree:
    path = Path(path)
    if not path.is_file():
        raise OutputError(f"{path}: there is no such file: give the folder or the posterior.nc of a finished run")
    try:
        tree = xarray.open_datatree(path, engine="h5netcdf")
    except Exception as error:  # a file of another kind makes a dozen kinds of exception in h5py and xarray
        raise OutputError(f"{path}: the file is not NetCDF that can be read ({error}): run the study again") from None
    if tree.attrs.get("format") != FORMAT:
        found = tree.attrs.get("format", "none")
        tree.close()
        raise OutputError(f"{path}: the posterior must be of format {FORMAT}, found {found}: run the study again")
    return tree
