"""Splitting data into a part to fit and a part to test; every function returns the training part first."""

from collections.abc import Collection, Sequence

import numpy as np

from bayesff.datasets.dataset import DataSet
from bayesff.datasets.rules import within
from bayesff.errors import DataError


def split_by_datum(data: DataSet, test_fraction: float, seed: int | np.random.Generator) -> tuple[DataSet, DataSet]:
    """Split at random, datum by datum.

    Parameters
    ----------
    data
        The data.
    test_fraction
        Fraction to hold out, strictly between zero and one; at least one datum goes to either part.
    seed
        Seed, or a generator of random numbers; the same seed gives the same split.

    Returns
    -------
    tuple of DataSet
        Training and test part, each in the order of the data.
    """
    _check_fraction(data.name, test_fraction, data.num_data, "data")
    num_test = _num_test(test_fraction, data.num_data)
    order = np.random.default_rng(seed).permutation(data.num_data)
    return data.take(np.sort(order[num_test:])), data.take(np.sort(order[:num_test]))


def split_by_group(
    data: DataSet,
    column: str,
    held_out: str | Collection[str] | None = None,
    *,
    test_fraction: float | None = None,
    seed: int | np.random.Generator | None = None,
) -> tuple[DataSet, DataSet]:
    """Split by whole groups, so that no group (a laboratory, a trajectory) is in both parts.

    Parameters
    ----------
    data
        The data.
    column
        Grouping column.
    held_out
        The label or labels to hold out.
    test_fraction
        Instead of labels: the fraction of the groups to hold out at random, with a seed.
    seed
        Seed, or a generator of random numbers.

    Returns
    -------
    tuple of DataSet
        Training and test part.
    """
    if (held_out is None) == (test_fraction is None):
        raise DataError(
            f"{data.name}: split_by_group takes the labels to hold out or a fraction, found both or neither: give one"
        )
    labels = np.unique(data.group(column)).tolist()
    if test_fraction is not None:
        if seed is None:
            raise DataError(f"{data.name}: a random split needs a seed, found none: give one")
        _check_fraction(data.name, test_fraction, len(labels), f"groups in {column!r}")
        held_out = np.random.default_rng(seed).permutation(labels)[: _num_test(test_fraction, len(labels))].tolist()
    assert held_out is not None
    wanted = {held_out} if isinstance(held_out, str) else set(held_out)
    test = data.where(**{column: wanted})
    return data.where(**{column: set(labels) - wanted}), test


def split_by_environment(data: Sequence[DataSet], held_out: str) -> tuple[list[DataSet], list[DataSet]]:
    """Hold out all data sets of one environment.

    Parameters
    ----------
    data
        Data sets of several environments.
    held_out
        Label of the environment to hold out.

    Returns
    -------
    tuple of list of DataSet
        The data sets of the other environments, and those of this one.
    """
    labels = sorted({item.environment.label for item in data})
    if held_out not in labels:
        raise DataError(f"environment {held_out!r}: it must be that of a data set, found {', '.join(labels)}: use one of those")
    if len(labels) == 1:
        raise DataError(f"environment {held_out!r}: another one must be left to fit, found none: cut the data or add some")
    train = [item for item in data if item.environment.label != held_out]
    return train, [item for item in data if item.environment.label == held_out]


def split_by_range(
    data: DataSet, column: str, low: float | int | None = None, high: float | int | None = None
) -> tuple[DataSet, DataSet]:
    """Hold out the data whose state lies in ``low <= state < high``; None leaves a side open."""
    test = within(data.column(column), low, high)
    return data.where(~test), data.where(test)


def _num_test(fraction: float, total: int) -> int:
    return min(max(round(fraction * total), 1), total - 1)


def _check_fraction(name: str, fraction: float, total: int, what: str) -> None:
    if not 0.0 < fraction < 1.0:
        raise DataError(f"{name}: the test fraction must lie between zero and one, found {fraction}: choose, for example, 0.2")
    if total < 2:
        raise DataError(f"{name}: a split needs at least two {what}, found {total}: use more data")
