"""What a posterior tree holds, term by term, as plain arrays."""

import json
from dataclasses import dataclass

import numpy as np
import xarray

from bayesff import quantities
from bayesff.quantities import Quantity


@dataclass(frozen=True)
class Contents:
    """The data of one term of a posterior tree.

    Parameters
    ----------
    name
        Name of the term and of its variables.
    quantity
        What was measured.
    values
        The data, in the quantity's unit.
    uncertainty
        One standard deviation of every datum.
    environment
        Environment of every datum.
    state
        Numeric columns (temperature, separation, ...).
    groups
        Columns of labels (a laboratory).
    """

    name: str
    quantity: Quantity
    values: np.ndarray
    uncertainty: np.ndarray
    environment: np.ndarray
    state: dict[str, np.ndarray]
    groups: dict[str, np.ndarray]

    @property
    def num_data(self) -> int:
        """Number of data."""
        return len(self.values)


def contents(tree: xarray.DataTree) -> dict[str, Contents]:
    """Return the data of every term of a posterior tree, in the order of the problem."""
    return {name: _contents(tree, name, quantity) for name, quantity in json.loads(tree.attrs["terms"]).items()}


def environments(tree: xarray.DataTree) -> list[str]:
    """Return the labels of the environments, in the order of the problem."""
    return json.loads(tree.attrs["environments"])


def parameter_names(tree: xarray.DataTree) -> list[str]:
    """Return the names of the potential's parameters."""
    return json.loads(tree.attrs["parameters"])


def draws(tree: xarray.DataTree, group: str, variable: str) -> np.ndarray:
    """Return a variable of a group with the draws of all chains along the first axis."""
    array = tree[group][variable].transpose("chain", "draw", ...)
    values = np.asarray(array.to_numpy(), dtype=float)
    return values.reshape(-1, *values.shape[2:])


def _contents(tree: xarray.DataTree, name: str, quantity: str) -> Contents:
    constant, along = tree["constant_data"].to_dataset(), f"{name}_datum"
    # The dimension tells whose column it is: the name of one term may begin with that of another.
    columns = {
        str(key).removeprefix(f"{name}_"): variable.to_numpy()
        for key, variable in constant.data_vars.items()
        if variable.dims == (along,)
    }
    uncertainty, environment = columns.pop("uncertainty"), columns.pop("environment")
    return Contents(
        name=name,
        quantity=quantities.get(quantity),
        values=tree["observed_data"][name].to_numpy().astype(float),
        uncertainty=uncertainty.astype(float),
        environment=environment.astype(str),
        state={key: column.astype(float) for key, column in columns.items() if column.dtype.kind in "fiu"},
        groups={key: column.astype(str) for key, column in columns.items() if column.dtype.kind not in "fiu"},
    )
