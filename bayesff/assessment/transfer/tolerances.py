r"""Where a prediction is good enough: the probability of being within tolerance, and the domain of transferability.

The truth is what the data of an environment say of it by themselves: the predictions, with the discrepancy, of a model that has
parameters of its own in every environment. A prediction is that of a potential whose parameters were learnt elsewhere, without
any discrepancy: what a simulation with these parameters would give. Draws of both are compared at every state.
"""

from collections.abc import Sequence

import numpy as np
import xarray

from bayesff.assessment.transfer.predictions import OTHERS
from bayesff.assessment.transfer.refits import Fits, Refit
from bayesff.assessment.transfer.settings import Transfer
from bayesff.assessment.trees import contents, draws, environments

NUM_COMPARED = 400
"""Draws of prediction and truth that are compared."""

DOMAIN = 0.9
"""Probability of being within tolerance that makes a state part of the domain."""


def within_tolerance(fits: Fits, transfer: Transfer) -> tuple[xarray.Dataset, xarray.Dataset] | None:
    """Return the probability that predictions are within tolerance, of whole environments and state by state.

    Parameters
    ----------
    fits
        The refits of a candidate.
    transfer
        The tolerances.

    Returns
    -------
    tuple of xarray.Dataset or None
        Over ``fitted`` (the environments alone, then ``all others``) and ``tested``: ``p_within`` of every state of the
        environment for all its observables jointly, ``p_within_of`` for each ``term``, and over ``fitted``
        ``p_within_everywhere`` of all environments that were not fitted; and the domain: ``<term>`` over ``fitted`` and
        ``<term>_grid``, the probability at each state, with its state columns. None where there is one environment only.
    """
    some = next(iter(fits.values()))
    every = environments(some)
    truth = fits.get(Refit("separate", tuple(every)))
    if truth is None:
        return None
    rows = [*every, OTHERS]
    hits = {row: {label: _hits(fits, transfer, truth, row, label) for label in every} for row in rows}
    return _environments(hits, rows, every, list(contents(some))), _domain(hits, rows, every, truth)


def _fit_of(fits: Fits, row: str, label: str, every: Sequence[str]) -> xarray.DataTree | None:
    fitted = tuple(one for one in every if one != label) if row == OTHERS else (row,)
    return fits.get(Refit("shared", fitted))


def _hits(fits: Fits, transfer: Transfer, truth: xarray.DataTree, row: str, label: str) -> dict[str, np.ndarray]:
    """Return by term for every draw and state of an environment whether the prediction is within tolerance."""
    tree, found = _fit_of(fits, row, label, environments(truth)), {}
    if tree is None:
        return {}
    for name, term in contents(truth).items():
        rows = truth["predictions_constant_data"][f"{name}_environment"].to_numpy().astype(str) == label
        if not rows.any():
            continue
        predicted, true = draws(tree, "predictions", f"{name}_mean")[:, rows], draws(truth, "predictions", name)[:, rows]
        number = min(len(predicted), len(true), NUM_COMPARED)
        predicted, true = predicted[:number], true[:number]
        found[name] = np.abs(predicted - true) <= transfer.tolerance(name).allowed(true, term.quantity.unit)
    return found


def _environments(
    hits: dict[str, dict[str, dict[str, np.ndarray]]], rows: list[str], every: list[str], terms: list[str]
) -> xarray.Dataset:
    joint = np.full((len(rows), len(every)), np.nan)
    single = np.full((len(rows), len(every), len(terms)), np.nan)
    everywhere, number = np.full(len(rows), np.nan), 1
    for i, row in enumerate(rows):
        elsewhere = []
        for j, label in enumerate(every):
            by_term = {name: inside.all(axis=1) for name, inside in hits[row][label].items()}
            if not by_term:
                continue
            together = np.all(list(by_term.values()), axis=0)
            number, joint[i, j] = len(together), together.mean()
            for name, inside in by_term.items():
                single[i, j, terms.index(name)] = inside.mean()
            elsewhere += [together] if label != row else []
        if row != OTHERS and elsewhere:
            everywhere[i] = np.all(elsewhere, axis=0).mean()
    found = {"p_within": (("fitted", "tested"), joint), "p_within_of": (("fitted", "tested", "term"), single)}
    found |= {"p_within_everywhere": ("fitted", everywhere)}
    found |= {f"{name}_se": (dims, standard_error(values, number)) for name, (dims, values) in found.items()}
    return xarray.Dataset(found, coords={"fitted": rows, "tested": every, "term": terms})


def standard_error(share: np.ndarray, number: int) -> np.ndarray:
    """Return the Monte Carlo error of a probability from so many draws: with Jeffreys' prior, so that it is never zero."""
    middle = (share * number + 0.5) / (number + 1)
    return np.sqrt(middle * (1 - middle) / number)


def _domain(
    hits: dict[str, dict[str, dict[str, np.ndarray]]], rows: list[str], every: list[str], truth: xarray.DataTree
) -> xarray.Dataset:
    fixed = truth["predictions_constant_data"].to_dataset()
    columns: dict[str, tuple[tuple[str, str], np.ndarray]] = {}
    coordinates: dict[str, tuple[str, np.ndarray]] = {}
    for name in contents(truth):
        where = fixed[f"{name}_environment"].to_numpy().astype(str)
        found = np.full((len(rows), len(where)), np.nan)
        for i, row in enumerate(rows):
            for label in every:
                if name in hits[row][label]:
                    found[i, where == label] = hits[row][label][name].mean(axis=0)
        columns[name] = (("fitted", f"{name}_grid"), found)
        coordinates |= {str(k): (f"{name}_grid", v.to_numpy()) for k, v in fixed.items() if v.dims == (f"{name}_grid",)}
    return xarray.Dataset(columns, coords={"fitted": rows} | coordinates)


def intervals(probability: np.ndarray, state: np.ndarray) -> list[tuple[float, float]]:
    """Return the ranges of a state column, sorted, in which the probability exceeds 0.9 at every state that was looked at."""
    order = np.argsort(state)
    inside, ordered = probability[order] > DOMAIN, state[order]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    return [(float(ordered[first]), float(ordered[last - 1])) for first, last in zip(edges[::2], edges[1::2], strict=True)]
