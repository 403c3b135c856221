"""The whole transfer assessment of a candidate, from its refits; and of several candidates side by side."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray

from bayesff.assessment.comparison import comparable, stacking_weights
from bayesff.assessment.transfer.coverage import left_out_coverage
from bayesff.assessment.transfer.identifiability import identifiability
from bayesff.assessment.transfer.predictions import left_out_curves, left_out_data, left_out_scores, transfer_matrix
from bayesff.assessment.transfer.refits import VARIANTS, Fits, Refit
from bayesff.assessment.transfer.settings import Published, Transfer
from bayesff.assessment.transfer.spread import spread
from bayesff.assessment.transfer.tension import tension
from bayesff.assessment.transfer.tolerances import within_tolerance
from bayesff.assessment.transfer.values import parameter_values, published_values
from bayesff.assessment.trees import contents, environments, parameter_names

LEFT_OUT_VARIANTS = ("pooled", "shared", "bare")


def assess_transfer(fits: Fits, transfer: Transfer, published: Sequence[Published] = ()) -> dict[str, xarray.Dataset]:
    """Return the transfer assessment of a candidate.

    Parameters
    ----------
    fits
        All its refits.
    transfer
        The tolerances.
    published
        Values of its parameters that others have published.

    Returns
    -------
    dict of str to xarray.Dataset
        ``refits`` (their evidence and convergence), ``spread``, ``values``, ``published``, ``left_out_<variant>``,
        ``left_out_coverage``, ``left_out_data``, ``left_out_curves``, ``matrix``, ``within``, ``domain``, ``tension`` and
        ``identifiability``; what cannot be computed is not there, and the attribute ``notes`` of ``refits`` (JSON) says why.
    """
    found: dict[str, xarray.Dataset | None] = {"refits": refit_table(fits), "spread": spread(fits, transfer)}
    found |= {"values": parameter_values(fits), "published": published_values(fits, published)}
    found |= {f"left_out_{variant}": left_out_scores(fits, variant) for variant in LEFT_OUT_VARIANTS}
    found["left_out_coverage"] = left_out_coverage(fits, LEFT_OUT_VARIANTS)
    found["left_out_data"] = left_out_data(fits, LEFT_OUT_VARIANTS)
    found["left_out_curves"] = left_out_curves(fits, LEFT_OUT_VARIANTS)
    found["matrix"] = transfer_matrix(fits)
    within = within_tolerance(fits, transfer)
    found |= {"within": None, "domain": None} if within is None else {"within": within[0], "domain": within[1]}
    found |= {"tension": tension(fits), "identifiability": identifiability(fits)}
    kept = {name: dataset for name, dataset in found.items() if dataset is not None}
    some = next(iter(fits.values()))
    kept["refits"].attrs["notes"] = json.dumps(notes(some))
    kept["refits"].attrs["spread_tolerance"] = transfer.spread_tolerance
    tolerances = {name: transfer.tolerance(name) for name in contents(some)}
    kept["refits"].attrs["tolerances"] = json.dumps({name: [one.amount, one.unit] for name, one in tolerances.items()})
    return kept


def refit_table(fits: Fits) -> xarray.Dataset:
    """Return along ``refit`` the evidence of every refit, and whether it converged, with the reasons if not."""
    ordered = sorted(fits, key=lambda refit: (VARIANTS.index(refit.variant), -len(refit.fitted)))
    diagnostics = [fits[refit]["diagnostics"].to_dataset() for refit in ordered]
    return xarray.Dataset(
        {
            "log_z": ("refit", [float(fits[refit].attrs["log_z"]) for refit in ordered]),
            "log_z_sd": ("refit", [float(fits[refit].attrs["log_z_sd"]) for refit in ordered]),
            "converged": ("refit", [int(one["converged"]) for one in diagnostics]),
            "num_divergences": ("refit", [int(one["num_divergences"]) for one in diagnostics]),
            "largest_rhat": ("refit", [float(one["rhat"].max()) for one in diagnostics]),
            "fewest_effective": ("refit", [float(np.fmin(one["ess_bulk"], one["ess_tail"]).min()) for one in diagnostics]),
            "reasons": ("refit", [str(one.attrs["reasons"]) for one in diagnostics]),
        },
        coords={
            "variant": ("refit", [refit.variant for refit in ordered]),
            "fitted": ("refit", [" + ".join(refit.fitted) for refit in ordered]),
        },
    )


def notes(tree: xarray.DataTree) -> list[str]:
    """Return in words what of a transfer assessment cannot be computed from the data, or must be read with care."""
    every, terms, found = environments(tree), contents(tree), []
    if len(every) == 1:
        return [
            f"There is one environment, “{every[0]}”: spread, left-out environments, transfer matrix, tension and domain need two"
            " at least, so cut the data or add some."
        ]
    number = {label: sum(int(np.sum(term.environment == label)) for term in terms.values()) for label in every}
    num_parameters = len(parameter_names(tree))
    for label in every:
        if number[label] < num_parameters:
            has = "1 datum" if number[label] == 1 else f"{number[label]} data"
            found.append(f"“{label}” has {has} for {num_parameters} parameters: what is learnt from it alone rests on the prior.")
    observed = {label: {term.quantity.name for term in terms.values() if label in term.environment} for label in every}
    alone = [label for label in every if not any(observed[label] & observed[other] for other in every if other != label)]
    if alone:
        named = ", ".join(f"“{label}”" for label in alone)
        found.append(
            f"No other environment has the observables of {named}: an index from or to it compares errors of different "
            "observables, each in units of its uncertainty."
        )
    return found


def compare_left_out(candidates: Mapping[str, Fits]) -> xarray.Dataset | None:
    """Return how well candidates predict environments that they were not fitted to.

    Parameters
    ----------
    candidates
        The refits of each candidate.

    Returns
    -------
    xarray.Dataset or None
        Along ``candidate``, best first: ``left_out_density``, the sum over environments of the joint log predictive density of
        all data of an environment left out (pooled variant), with ``_sd`` (Monte Carlo); ``difference`` to the best and its
        ``difference_se`` from the scatter between environments; the stacking ``weight`` of the mixture that predicts left-out
        environments best; and ``log_z``, ``log_z_sd`` over ``variant``. None where there are fewer than two candidates or
        environments, or the candidates have different data.
    """
    if not comparable({name: next(iter(fits.values())) for name, fits in candidates.items()}):
        return None
    tables = {name: left_out_scores(fits, "pooled") for name, fits in candidates.items()}
    if len(tables) < 2 or any(table is None for table in tables.values()):
        return None
    density = np.stack([table["joint_log_predictive_density"].to_numpy() for table in tables.values() if table is not None])
    error = np.stack([table["joint_log_predictive_density_sd"].to_numpy() for table in tables.values() if table is not None])
    order = np.argsort(-density.sum(axis=1), kind="stable")
    difference = density - density[order[0]]
    num_environments = density.shape[1]
    return xarray.Dataset(
        {
            "left_out_density": ("candidate", density.sum(axis=1)[order]),
            "left_out_density_sd": ("candidate", np.sqrt(np.sum(error**2, axis=1))[order]),
            "difference": ("candidate", difference.sum(axis=1)[order]),
            "difference_se": ("candidate", np.sqrt(num_environments * np.var(difference, axis=1, ddof=1))[order]),
            "weight": ("candidate", stacking_weights(density)[order]),
            "log_z": (("candidate", "variant"), _evidences(candidates, "log_z")[order]),
            "log_z_sd": (("candidate", "variant"), _evidences(candidates, "log_z_sd")[order]),
        },
        coords={"candidate": np.array(list(tables))[order], "variant": list(VARIANTS)},
    )


def _evidences(candidates: Mapping[str, Fits], name: str) -> np.ndarray:
    found = np.full((len(candidates), len(VARIANTS)), np.nan)
    for i, fits in enumerate(candidates.values()):
        every = tuple(environments(next(iter(fits.values()))))
        for j, variant in enumerate(VARIANTS):
            tree = fits.get(Refit(variant, every))
            if tree is not None:
                found[i, j] = float(tree.attrs[name])
    return found
