"""How well a posterior predicts: scores by environment, by term or by group."""

from collections.abc import Sequence

import numpy as np
import xarray

from bayesff.assessment.predictive import covered
from bayesff.assessment.tables import pointwise
from bayesff.assessment.trees import contents, environments

LEVELS = (0.5, 0.8, 0.9, 0.95)
MAX_PARETO_K = 0.7


def scores(tree: xarray.DataTree, by: str = "environment") -> xarray.Dataset:
    """Return the scores of a posterior for every environment, or for every term or group.

    Parameters
    ----------
    tree
        The posterior of one calibration problem.
    by
        A coordinate of `pointwise`: ``environment``, ``term``, or a grouping column such as ``laboratory``.

    Returns
    -------
    xarray.Dataset
        See `aggregate`. Environments and terms are in the order of the problem, groups in alphabetical order.
    """
    order = {"environment": environments, "term": lambda tree: list(contents(tree))}.get(by)
    return aggregate(pointwise(tree), by, None if order is None else order(tree))


def aggregate(table: xarray.Dataset, by: str, order: Sequence[str] | None = None) -> xarray.Dataset:
    """Return the scores of a table of data, group by group.

    Parameters
    ----------
    table
        Data against predictions, from `pointwise`.
    by
        The coordinate whose labels are the groups; data with an empty label are left out.
    order
        The labels wanted, in this order; all of them, sorted, if not given.

    Returns
    -------
    xarray.Dataset
        Along ``by``: ``num_data``; ``rmse`` and ``rmse_potential`` (of the expectation with and without shared errors) and
        ``crps``, in ``unit``, NaN where the data are of different units; ``rmse_over_uncertainty``,
        ``rmse_potential_over_uncertainty`` and ``crps_over_uncertainty``; ``coverage`` of central intervals over ``level``; the
        sum ``log_predictive_density``. All of these are in sample. With ``loo_`` in front they are of leave-one-out, where
        ``num_high_pareto_k`` counts the data whose estimate is unreliable.
    """
    column = table[by].to_numpy()
    labels = sorted({label for label in column if label}) if order is None else list(order)
    parts = [table.isel(datum=np.flatnonzero(column == label)) for label in labels]
    joined = xarray.concat([_scores(part) for part in parts], dim=by)
    return joined.assign_coords({by: labels, "unit": (by, [_unit(part) or "" for part in parts])})


def _scores(part: xarray.Dataset) -> xarray.Dataset:
    scale = 1.0 if _unit(part) is not None else np.nan
    found: dict[str, xarray.DataArray | int] = {
        "num_data": part.sizes["datum"],
        "num_high_pareto_k": int((~(part["pareto_k"] <= MAX_PARETO_K)).sum()),
    }
    for suffix in ("", "_potential"):
        residual = part[f"residual{suffix}"]
        found[f"rmse{suffix}"] = scale * _root_mean_square(residual)
        found[f"rmse{suffix}_over_uncertainty"] = _root_mean_square(residual / part["uncertainty"])
    for prefix in ("", "loo_"):
        found[f"{prefix}crps"] = scale * part[f"{prefix}crps"].mean()
        found[f"{prefix}crps_over_uncertainty"] = (part[f"{prefix}crps"] / part["uncertainty"]).mean()
        found[f"{prefix}log_predictive_density"] = part[f"{prefix}log_predictive_density"].sum()
        transform = part[f"{prefix}pit"].to_numpy()
        shares = [float(np.mean(covered(transform, level))) if len(transform) else np.nan for level in LEVELS]
        found[f"{prefix}coverage"] = xarray.DataArray(shares, dims="level")
    return xarray.Dataset(found, coords={"level": list(LEVELS)})


def _unit(part: xarray.Dataset) -> str | None:
    """Return the unit of the data; None if they have several."""
    units = {str(unit) for unit in part["unit"].to_numpy()}
    return units.pop() if len(units) == 1 else None


def _root_mean_square(values: xarray.DataArray) -> xarray.DataArray:
    return (values**2).mean() ** 0.5
