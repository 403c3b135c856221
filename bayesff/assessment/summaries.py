"""What the data say about every unknown: summaries of the posterior, and how much narrower it is than the prior."""

import numpy as np
import xarray

from bayesff import units


def display(variable: xarray.DataArray) -> tuple[float, str]:
    """Return the factor to the unit in which a parameter is shown, and that unit (the one its prior was given in)."""
    unit = str(variable.attrs.get("units", ""))
    shown = str(variable.attrs.get("display_units", unit))
    return units.factor(unit, shown), shown


def summarise(tree: xarray.DataTree) -> xarray.Dataset:
    """Return mean, spread and quantiles of every scalar of the posterior, in the units of the priors, with its diagnostics.

    Parameters
    ----------
    tree
        The posterior of one calibration problem.

    Returns
    -------
    xarray.Dataset
        Along ``scalar`` (a site, or ``site[label]`` for an element of one), with the coordinates ``site`` and ``unit``: ``mean``,
        ``sd``, ``q05``, ``q50``, ``q95``, ``prior_sd`` (NaN for what has no prior of its own), and from the diagnostics ``rhat``,
        ``ess_bulk``, ``ess_tail``.
    """
    diagnostics, posterior, prior = (tree[group].to_dataset() for group in ("diagnostics", "posterior", "prior"))
    rows, sites, shown = [], [], []
    for site, variable in posterior.data_vars.items():
        factor, unit = display(variable)
        sampled = _flat(variable) * factor
        before = _flat(prior[site]) * factor if site in prior else None
        for index in range(sampled.shape[1]):
            rows.append(_row(sampled[:, index], None if before is None else before[:, index]))
            sites.append(str(site))
            shown.append(unit)
    names = ("mean", "sd", "q05", "q50", "q95", "prior_sd")
    summary = xarray.Dataset(
        {name: ("scalar", np.array([row[name] for row in rows])) for name in names},
        # The diagnostics list the same scalars in the same order.
        coords={"scalar": diagnostics["scalar"].to_numpy(), "site": ("scalar", sites), "unit": ("scalar", shown)},
    )
    return summary.merge(diagnostics[["rhat", "ess_bulk", "ess_tail"]])


def prior_contraction(tree: xarray.DataTree) -> xarray.DataArray:
    """Return for every scalar the standard deviation of the posterior over that of the prior: 1 where the data say nothing."""
    summary = summarise(tree)
    return (summary["sd"] / summary["prior_sd"]).rename("prior_contraction")


def _flat(variable: xarray.DataArray) -> np.ndarray:
    values = variable.transpose("chain", "draw", ...).to_numpy()
    return values.reshape(values.shape[0] * values.shape[1], -1)


def _row(sampled: np.ndarray, before: np.ndarray | None) -> dict[str, float]:
    low, middle, high = np.quantile(sampled, [0.05, 0.5, 0.95])
    return {
        "mean": float(sampled.mean()),
        "sd": float(sampled.std(ddof=1)),
        "q05": float(low),
        "q50": float(middle),
        "q95": float(high),
        "prior_sd": float("nan") if before is None else float(before.std(ddof=1)),
    }
