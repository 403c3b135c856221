r"""Which values of a parameter each part of the data wants, and which of them a published value belongs to.

A value belongs to data that have it inside the central 90 % interval of their posterior, and that fix the parameter: data that
take less than half of the prior's variance away want no value of their own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray
from scipy.stats import norm

from bayesff import units
from bayesff.assessment.summaries import display
from bayesff.assessment.transfer.identifiability import logarithms
from bayesff.assessment.transfer.refits import Fits, Refit
from bayesff.assessment.transfer.settings import Published
from bayesff.assessment.trees import draws, environments, parameter_names

ALL, BARE = "all data", "all data without discrepancy"

DECIDING = 0.5
"""Share of the prior's variance that data must take away to want a value of their own."""

_QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def parameter_values(fits: Fits) -> xarray.Dataset | None:
    """Return what one parameter vector is when it is fitted to each environment alone, to all data, and without discrepancy.

    Returns
    -------
    xarray.Dataset or None
        Over ``fitted`` and ``parameter``: the posterior's ``q05``, ``q50``, ``q95`` in ``unit`` and its ``contraction``, the
        share of the prior's variance (of the logarithm where the parameter is positive) that the data take away; over
        ``parameter`` the ``prior_q05``, ``prior_q50``, ``prior_q95``. None without such refits.
    """
    chosen = _chosen(fits)
    if not chosen:
        return None
    some = next(iter(chosen.values()))
    names = parameter_names(some)
    shown = {name: display(some["posterior"].to_dataset()[name]) for name in names}
    found = {key: np.full((len(chosen), len(names)), np.nan) for key in (*_QUANTILES, "contraction")}
    before = {f"prior_{key}": np.full(len(names), np.nan) for key in _QUANTILES}
    for column, name in enumerate(names):
        prior = draws(some, "prior", name)
        for key, level in _QUANTILES.items():
            before[f"prior_{key}"][column] = np.quantile(prior, level) * shown[name][0]
        for line, tree in enumerate(chosen.values()):
            sampled = draws(tree, "posterior", name)
            for key, level in _QUANTILES.items():
                found[key][line, column] = np.quantile(sampled, level) * shown[name][0]
            found["contraction"][line, column] = _contraction(tree, name)
    columns = {key: (("fitted", "parameter"), values) for key, values in found.items()}
    columns |= {key: (("parameter",), values) for key, values in before.items()}
    unit = ("parameter", [shown[name][1] for name in names])
    return xarray.Dataset(columns, coords={"fitted": list(chosen), "parameter": names, "unit": unit})


def published_values(fits: Fits, published: Sequence[Published]) -> xarray.Dataset | None:
    """Return where published values lie in the posteriors of `parameter_values`.

    Returns
    -------
    xarray.Dataset or None
        Along ``publication``: ``value`` and ``sd`` in ``unit``, the strings ``parameter``, ``label`` and ``source``; over
        ``fitted`` too: ``tail``, twice the smaller of the probabilities that the parameter is below and above the published
        value (which is a normal variable if it has an ``sd``), and ``contraction``. None without published values.
    """
    chosen = _chosen(fits)
    if not chosen or not published:
        return None
    rows = []
    for one in published:
        posterior = next(iter(chosen.values()))["posterior"].to_dataset()[one.parameter]
        factor, unit = display(posterior)
        scale = units.factor(one.unit, unit)
        value, sd = one.value * scale, one.sd * scale
        tails, contractions = [], []
        for tree in chosen.values():
            sampled = draws(tree, "posterior", one.parameter)
            below = float(np.mean(_below(sampled * factor, value, sd)))
            tails.append(2 * min(below, 1 - below))
            contractions.append(_contraction(tree, one.parameter))
        strings = {"parameter": one.parameter, "label": one.label, "source": one.source, "unit": unit}
        numbers = {"value": value, "sd": sd, "tail": ("fitted", tails), "contraction": ("fitted", contractions)}
        rows.append(xarray.Dataset(numbers, coords={"fitted": list(chosen)} | strings))
    joined: Any = xarray.concat(rows, dim="publication", coords="all")
    return joined


def _chosen(fits: Fits) -> dict[str, xarray.DataTree]:
    """Return the refits of one parameter vector: to each environment alone, to all data, and without discrepancy."""
    every = tuple(environments(next(iter(fits.values()))))
    alone = {label: Refit("shared", (label,)) for label in every} if len(every) > 1 else {}
    wanted = alone | {ALL: Refit("shared", every), BARE: Refit("bare", every)}
    return {label: fits[refit] for label, refit in wanted.items() if refit in fits}


def _contraction(tree: xarray.DataTree, name: str) -> float:
    after, before = (logarithms(tree, group, [name]) for group in ("posterior", "prior"))
    return float(1 - after.var() / before.var())


def _below(sampled: np.ndarray, value: float, sd: float) -> np.ndarray:
    """Return the probability that each draw is below a value with a standard deviation."""
    return norm.cdf((value - sampled) / sd) if sd > 0 else (sampled < value).astype(float)
