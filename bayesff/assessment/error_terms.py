"""What the error models learnt: a bias for each laboratory, the noise scale, and the discrepancy of the functional form."""

from typing import Any

import numpy as np
import xarray

from bayesff.assessment.trees import Contents, contents, draws

_FOUND = ("found_q05", "found_q95", "significance")


def group_biases(tree: xarray.DataTree) -> xarray.Dataset | None:
    """Return the estimated offset of every member of every group that has a bias in the model, with its residuals.

    Returns
    -------
    xarray.Dataset or None
        Along ``member``, with the coordinates ``term``, ``group``, ``label`` and ``unit``: ``mean``, ``sd``, ``q05``, ``q95`` of
        the bias, ``num_data``, and ``rms_over_uncertainty`` of the residuals with the bias accounted for. None if no term has a
        bias.
    """
    rows: list[dict[str, Any]] = []
    for name, term in contents(tree).items():
        expected = draws(tree, "posterior_predictive", f"{name}_expected").mean(axis=0)
        standardised = (term.values - expected) / term.uncertainty
        for group, column in term.groups.items():
            site = f"{name}_{group}_bias"
            if site not in tree["posterior"]:
                continue
            sampled, members = draws(tree, "posterior", site), tree["posterior"][site].coords[f"{name}_{group}"].to_numpy()
            for index, member in enumerate(members.astype(str)):
                rows.append(
                    {"term": name, "group": group, "label": member, "unit": term.quantity.unit}
                    | _summary(sampled[:, index])
                    | {
                        "num_data": int(np.sum(column == member)),
                        "rms_over_uncertainty": float(np.sqrt(np.mean(standardised[column == member] ** 2))),
                    }
                )
    return _along("member", rows, ("term", "group", "label", "unit"))


def _summary(sampled: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(sampled, [0.05, 0.95])
    return {"mean": float(sampled.mean()), "sd": float(sampled.std(ddof=1)), "q05": float(low), "q95": float(high)}


def error_scales(tree: xarray.DataTree) -> xarray.Dataset | None:
    """Return what the error models say about the stated uncertainties and about the functional form.

    Returns
    -------
    xarray.Dataset or None
        Along ``scale``, with the coordinates ``term``, ``kind`` (``noise``: the factor on the stated uncertainties;
        ``discrepancy``: the standard deviation of what the form cannot do), ``environment`` (empty for the noise, which all
        share) and ``unit``: ``mean``, ``sd``, ``q05``, ``q95`` of the scale, and ``uncertainty``, the median stated uncertainty
        there. For a discrepancy also what the data showed of it: ``found_q05``, ``found_q95`` of its root mean square over the
        environment, and ``significance``, the largest ratio of its mean to its standard deviation at any state. None if nothing
        was learnt.

    Notes
    -----
    A scale that the data say little about keeps its prior, which may be larger than the stated uncertainties; only the
    discrepancy that was found tells whether the form is wrong.
    """
    rows: list[dict[str, Any]] = []
    for name, term in contents(tree).items():
        if f"{name}_noise_scale" in tree["posterior"]:
            labels = {"term": name, "kind": "noise", "environment": "", "unit": ""}
            summary = _summary(draws(tree, "posterior", f"{name}_noise_scale"))
            rows.append(labels | summary | {"uncertainty": float(np.median(term.uncertainty))} | dict.fromkeys(_FOUND, np.nan))
        site = f"{name}_discrepancy_scale"
        if site not in tree["posterior"]:
            continue
        sampled, (found, where) = draws(tree, "posterior", site), discrepancy(tree, term)
        for index, environment in enumerate(tree["posterior"][site].coords[f"{name}_environment"].to_numpy().astype(str)):
            labels = {"term": name, "kind": "discrepancy", "environment": environment, "unit": term.quantity.unit}
            stated = float(np.median(term.uncertainty[term.environment == environment]))
            shown = _found(found[:, where == environment])
            rows.append(labels | _summary(sampled[:, index]) | {"uncertainty": stated} | shown)
    return _along("scale", rows, ("term", "kind", "environment", "unit"))


def discrepancy(tree: xarray.DataTree, term: Contents) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of the discrepancy that the data showed, (draw, state), and the environment of each state.

    The states are those of the grid on which the term's curve is known, or else those of its data.
    """
    if "predictions" in tree and term.name in tree["predictions"]:
        where = tree["predictions_constant_data"][f"{term.name}_environment"].to_numpy().astype(str)
        return draws(tree, "predictions", term.name) - draws(tree, "predictions", f"{term.name}_mean"), where
    whole, alone = (draws(tree, "posterior_predictive", f"{term.name}_{kind}") for kind in ("expected", "mean"))
    found = whole - alone
    for group, column in term.groups.items():
        site = f"{term.name}_{group}_bias"
        if site in tree["posterior"]:
            members = tree["posterior"][site].coords[f"{term.name}_{group}"].to_numpy().astype(str)
            found = found - draws(tree, "posterior", site)[:, np.argmax(column[:, None] == members, axis=1)]
    return found, term.environment


def _found(sampled: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(np.sqrt(np.mean(sampled**2, axis=1)), [0.05, 0.95])
    spread = np.maximum(sampled.std(axis=0), np.finfo(float).tiny)
    return dict(zip(_FOUND, (float(low), float(high), float(np.max(np.abs(sampled.mean(axis=0)) / spread))), strict=True))


def _along(dim: str, rows: list[dict[str, Any]], labels: tuple[str, ...]) -> xarray.Dataset | None:
    if not rows:
        return None
    columns = {key: (dim, np.array([row[key] for row in rows])) for key in rows[0]}
    coordinates = {key: columns.pop(key) for key in labels}
    return xarray.Dataset(columns, coordinates)
