r"""How well a calibration to some environments predicts another: left-out scores, the transfer matrix, the transferability index.

The *error* of a potential in an environment is the root mean square of its residuals there, each over its measurement's standard
deviation, :math:`e_j(\theta) = [\tfrac1n\sum_k (y_k - \mu_k(\theta))^2/u_k^2]^{1/2}`, and the *index* of a transfer from *i* to
*j* is :math:`e_j(\theta)/e_i(\theta)` with :math:`\theta` from the posterior fitted to *i*: about 1 where the parameters carry
over. Everything else is a score of the predictive distribution, which has the discrepancy and the laboratories' biases in it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from scipy.special import logsumexp
from scipy.stats import beta

from bayesff.assessment.predictive import covered, crps, pit
from bayesff.assessment.scoring import LEVELS
from bayesff.assessment.transfer.refits import Fits, Refit, without_each
from bayesff.assessment.trees import contents, draws, environments

OTHERS = "all others"
"""The row of a transfer matrix that is fitted to all environments but the one tested."""

_QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def data_table(tree: xarray.DataTree) -> xarray.Dataset:
    """Return one row a datum: how the posterior of a refit predicts it.

    Returns
    -------
    xarray.Dataset
        Along ``datum``, with the coordinates ``term``, ``environment`` and ``unit``: ``value``, ``uncertainty``, ``crps``,
        ``pit``, ``log_predictive_density`` and ``crps_prior``, that of the prior's prediction.
    """
    blocks = []
    for term in contents(tree).values():
        replicated, before = draws(tree, "posterior_predictive", term.name), draws(tree, "prior_predictive", term.name)
        density = draws(tree, "log_likelihood", term.name)
        columns = {
            "value": term.values,
            "uncertainty": term.uncertainty,
            "crps": crps(replicated, term.values),
            "pit": pit(replicated, term.values),
            "log_predictive_density": logsumexp(density, axis=0) - np.log(len(density)),
            "crps_prior": crps(before, term.values),
        }
        empty = np.full(term.num_data, "", dtype=object)
        labels = {"term": empty + term.name, "environment": term.environment.astype(object), "unit": empty + term.quantity.unit}
        made = {key: ("datum", column) for key, column in columns.items()}
        blocks.append(xarray.Dataset(made, {key: ("datum", column) for key, column in labels.items()}))
    joined: Any = xarray.concat(blocks, dim="datum")
    return joined


def errors(tree: xarray.DataTree, labels: Sequence[str]) -> np.ndarray:
    """Return draws of the error of the potential alone over the data of some environments."""
    squares = []
    for term in contents(tree).values():
        rows = np.isin(term.environment, list(labels))
        mean = draws(tree, "posterior_predictive", f"{term.name}_mean")[:, rows]
        squares.append(((term.values[rows] - mean) / term.uncertainty[rows]) ** 2)
    return np.sqrt(np.concatenate(squares, axis=1).mean(axis=1))


def scores(table: xarray.Dataset, error: np.ndarray) -> xarray.Dataset:
    """Return the scores of predicting the data of one environment, each with its uncertainty.

    Parameters
    ----------
    table
        Their rows of `data_table`.
    error
        Draws of `errors` over them.

    Returns
    -------
    xarray.Dataset
        ``num_data``; the median ``rmse_over_uncertainty`` with ``_q05`` and ``_q95``; ``crps`` in the data's unit (NaN where they
        have several) and ``crps_over_uncertainty`` with ``_se``; its ``skill`` with ``skill_se``: 1 is perfect, 0 no better than
        the prior, and negative worse; ``coverage`` over ``level``, with the central 90 % interval ``coverage_low`` to
        ``coverage_high`` of the share that so many independent data allow; the quantiles ``pit_q05``, ``pit_q50`` and ``pit_q95``
        of the probability integral transforms, 0.05, 0.5 and 0.95 where predictions are calibrated; ``log_predictive_density``,
        the sum over the data, each by itself, with ``_se``.
    """
    number, relative = table.sizes["datum"], (table["crps"] / table["uncertainty"]).to_numpy()
    before = (table["crps_prior"] / table["uncertainty"]).to_numpy()
    units = set(table["unit"].to_numpy().tolist())
    inside = np.array([covered(table["pit"].to_numpy(), level).sum() for level in LEVELS])
    skill, skill_se = _skill(relative, before)
    density = table["log_predictive_density"].to_numpy()
    return xarray.Dataset(
        {
            "num_data": number,
            "rmse_over_uncertainty": float(np.median(error)),
            "rmse_over_uncertainty_q05": float(np.quantile(error, 0.05)),
            "rmse_over_uncertainty_q95": float(np.quantile(error, 0.95)),
            "crps": float(table["crps"].mean()) if len(units) == 1 else np.nan,
            "crps_over_uncertainty": float(relative.mean()),
            "crps_over_uncertainty_se": _standard_error(relative) / number,
            "skill": skill,
            "skill_se": skill_se,
            "coverage": ("level", inside / number),
            # The share's posterior with Jeffreys' prior, as if the data were independent.
            "coverage_low": ("level", beta.ppf(0.05, inside + 0.5, number - inside + 0.5)),
            "coverage_high": ("level", beta.ppf(0.95, inside + 0.5, number - inside + 0.5)),
            **{f"pit_{name}": float(np.quantile(table["pit"], share)) for name, share in _QUANTILES.items()},
            "log_predictive_density": float(density.sum()),
            "log_predictive_density_se": _standard_error(density),
        },
        coords={"level": list(LEVELS), "unit": units.pop() if len(units) == 1 else ""},
    )


def _skill(relative: np.ndarray, before: np.ndarray) -> tuple[float, float]:
    """Return 1 less the ratio of two mean scores, with its jackknife error."""
    skill = 1 - relative.sum() / before.sum()
    if len(relative) < 2:
        return float(skill), float("nan")
    without = 1 - (relative.sum() - relative) / (before.sum() - before)
    return float(skill), float(np.sqrt((len(without) - 1) * np.var(without)))


def _standard_error(values: np.ndarray) -> float:
    """Return the standard error of a sum; NaN for a single datum."""
    return float(np.sqrt(len(values) * np.var(values, ddof=1))) if len(values) > 1 else float("nan")


def left_out_scores(fits: Fits, variant: str) -> xarray.Dataset | None:
    """Return the scores of every environment when it is left out, by one variant of the model.

    Returns
    -------
    xarray.Dataset or None
        Along ``environment``, see `scores`, with ``joint_log_predictive_density`` and its ``_sd``: the density of all data of the
        environment together, which is the ratio of two evidences. None where the refits are not there.
    """
    found = {
        label: _left_out(tree, label, fits.get(Refit(variant, tuple(environments(tree)))))
        for label, tree in without_each(fits, variant).items()
    }
    return _along("environment", found) if found else None


def _left_out(tree: xarray.DataTree, label: str, whole: xarray.DataTree | None) -> xarray.Dataset:
    table = data_table(tree)
    made = scores(_rows(table, label), errors(tree, [label]))
    density, error = np.nan, np.nan
    if whole is not None:
        density = float(whole.attrs["log_z"]) - float(tree.attrs["log_z"])
        error = float(np.hypot(whole.attrs["log_z_sd"], tree.attrs["log_z_sd"]))
    return made.assign(joint_log_predictive_density=density, joint_log_predictive_density_sd=error)


def transfer_matrix(fits: Fits) -> xarray.Dataset | None:
    """Return the scores of every environment by the posterior fitted to each one alone, and to all others.

    Returns
    -------
    xarray.Dataset or None
        Over ``fitted`` (the environments, then ``all others``) and ``tested``: those of `scores` and the transferability
        ``index`` over ``quantile``. On the diagonal the data were used in the fit. None where there is one environment only.
    """
    some = next(iter(fits.values()))
    every = environments(some)
    rows: dict[str, dict[str, xarray.Dataset]] = {}
    for refit, tree in fits.items():
        if refit.variant != "shared" or len(refit.fitted) == len(every):
            continue
        table = data_table(tree)
        if len(refit.fitted) == 1:
            rows.setdefault(refit.fitted[0], {}).update({label: _entry(tree, table, refit, label) for label in every})
        if len(refit.fitted) == len(every) - 1:
            (label,) = (label for label in every if label not in refit.fitted)
            rows.setdefault(OTHERS, {})[label] = _entry(tree, table, refit, label)
    if not rows:
        return None
    order = [label for label in (*every, OTHERS) if label in rows]
    return _along(
        "fitted", {label: _along("tested", {to: rows[label][to] for to in every if to in rows[label]}) for label in order}
    )


def _entry(tree: xarray.DataTree, table: xarray.Dataset, refit: Refit, label: str) -> xarray.Dataset:
    tested, trained = errors(tree, [label]), errors(tree, refit.fitted)
    index = np.quantile(tested / trained, list(_QUANTILES.values()))
    return scores(_rows(table, label), tested).assign(index=("quantile", index)).assign_coords(quantile=list(_QUANTILES))


def left_out_data(fits: Fits, variants: Sequence[str]) -> xarray.Dataset | None:
    """Return for every datum, predicted without its environment by each variant, where it fell in the prediction.

    Returns
    -------
    xarray.Dataset or None
        Along ``datum``, with the coordinates ``term`` and ``environment``: ``pit`` over ``variant``.
    """
    columns = {}
    for variant in variants:
        column, some = None, None
        for label, tree in without_each(fits, variant).items():
            some = data_table(tree)
            column = np.full(some.sizes["datum"], np.nan) if column is None else column
            rows = some["environment"].to_numpy() == label
            column[rows] = some["pit"].to_numpy()[rows]
        if column is not None and some is not None:
            columns[variant] = (column, some)
    if not columns:
        return None
    some = next(iter(columns.values()))[1]
    found = np.stack([column for column, _ in columns.values()])
    return xarray.Dataset(
        {"pit": (("variant", "datum"), found)},
        coords={"variant": list(columns)} | {key: ("datum", some[key].to_numpy()) for key in ("term", "environment")},
    )


def left_out_curves(fits: Fits, variants: Sequence[str]) -> xarray.Dataset | None:
    """Return the bands in which each variant predicts an environment that it was not fitted to, over the states.

    Returns
    -------
    xarray.Dataset or None
        For each term ``<term>`` (prediction with discrepancy) and ``<term>_mean`` (the potential alone) over ``variant``,
        ``quantile`` and ``<term>_grid``, with the state columns and ``<term>_environment`` as coordinates.
    """
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    made: dict[str, np.ndarray] = {}
    coordinates: dict[str, tuple[str, np.ndarray]] = {}
    chosen = [(place, *found) for place, variant in enumerate(variants) for found in without_each(fits, variant).items()]
    for place, label, tree in chosen:
        fixed = tree["predictions_constant_data"].to_dataset()
        for name in contents(tree):
            where = fixed[f"{name}_environment"].to_numpy().astype(str)
            coordinates |= {str(k): (f"{name}_grid", v.to_numpy()) for k, v in fixed.items() if v.dims == (f"{name}_grid",)}
            for key in (name, f"{name}_mean"):
                column = made.setdefault(key, np.full((len(variants), len(levels), len(where)), np.nan))
                rows = where == label
                column[place][:, rows] = np.quantile(draws(tree, "predictions", key)[:, rows], levels, axis=0)
    if not made:
        return None
    columns = {key: (("variant", "quantile", f"{key.removesuffix('_mean')}_grid"), column) for key, column in made.items()}
    return xarray.Dataset(columns, coords={"variant": list(variants), "quantile": levels} | coordinates)


def _rows(table: xarray.Dataset, label: str) -> xarray.Dataset:
    return table.isel(datum=np.flatnonzero(table["environment"].to_numpy() == label))


def _along(dim: str, parts: Mapping[str, xarray.Dataset]) -> xarray.Dataset:
    joined = xarray.concat(list(parts.values()), dim=dim, join="outer", coords="minimal", compat="override")
    return joined.assign_coords({dim: list(parts)})
