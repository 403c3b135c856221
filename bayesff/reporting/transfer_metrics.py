"""The part of ``metrics.json`` that a transfer assessment writes."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray

from bayesff.assessment.transfer import NUM_COMPARED, intervals, standard_error
from bayesff.reporting.assessed import Candidate

_SCORES = (
    "rmse_over_uncertainty",
    "rmse_over_uncertainty_q05",
    "rmse_over_uncertainty_q95",
    "crps",
    "crps_over_uncertainty",
    "crps_over_uncertainty_se",
    "skill",
    "skill_se",
    "pit_q05",
    "pit_q50",
    "pit_q95",
    "log_predictive_density",
    "log_predictive_density_se",
)
_JOINT = ("joint_log_predictive_density", "joint_log_predictive_density_sd")
_SPREAD = ("mean", "q05", "q50", "q95", "p_within", "prior_p_within")


def transfer_metrics(candidate: Candidate) -> dict[str, Any] | None:
    """Return the metrics of a candidate's transfer assessment; None if there is none."""
    found = candidate.transfer
    if not found:
        return None
    refits = found["refits"]
    return {
        "notes": json.loads(refits.attrs["notes"]),
        "spread_tolerance": float(refits.attrs["spread_tolerance"]),
        "tolerances": {
            name: {"amount": amount, "unit": unit} for name, (amount, unit) in json.loads(refits.attrs["tolerances"]).items()
        },
        "spread": _spread(found["spread"]) if "spread" in found else {},
        "values": _values(found["values"]) if "values" in found else {},
        "published": _published(found["published"]) if "published" in found else [],
        "left_out": _left_out(found, "pooled"),
        "left_out_shared": _left_out(found, "shared"),
        "left_out_bare": _left_out(found, "bare"),
        "left_out_coverage": _coverage(found["left_out_coverage"]) if "left_out_coverage" in found else {},
        "matrix": _matrix(found) if "matrix" in found else {},
        "within_everywhere": _everywhere(found["within"]) if "within" in found else {},
        "tension": _numbers(found["tension"], tuple(map(str, found["tension"].data_vars))) if "tension" in found else None,
        "domain": _domain(candidate, found["domain"]) if "domain" in found else {},
        "identifiability": _combinations(found["identifiability"]) if "identifiability" in found else {},
        "refits": [_refit(refits.isel(refit=index)) for index in range(refits.sizes["refit"])],
    }


def comparison_metrics(candidates: Mapping[str, Candidate]) -> dict[str, dict[str, Any]] | None:
    """Return how the candidates predict environments that were left out; None where that is not known."""
    comparison = next(iter(candidates.values())).transfer.get("comparison")
    if comparison is None:
        return None
    found = {}
    for name in comparison["candidate"].to_numpy():
        row = comparison.sel(candidate=name)
        evidence = {
            key: {str(variant): _number(row[key].sel(variant=variant)) for variant in row["variant"].to_numpy()}
            for key in ("log_z", "log_z_sd")
        }
        names = ("left_out_density", "left_out_density_sd", "difference", "difference_se", "weight")
        found[str(name)] = _numbers(row, names) | evidence
    return found


def _numbers(row: xarray.Dataset, names: tuple[str, ...]) -> dict[str, float | None]:
    return {name: _number(row[name]) for name in names}


def _number(value: Any) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None


def _spread(spread: xarray.Dataset) -> dict[str, Any]:
    found = {}
    for name in spread["parameter"].to_numpy():
        row = spread.sel(parameter=name)
        within = {
            str(label): {
                "value": _number(row["value"].sel(environment=label)),
                "q05": _number(row["value_q05"].sel(environment=label)),
                "q95": _number(row["value_q95"].sel(environment=label)),
                "p_outside": _number(row["p_outside"].sel(environment=label)),
            }
            for label in row["environment"].to_numpy()
        }
        common = {"value": _number(row["common"]), "q05": _number(row["common_q05"]), "q95": _number(row["common_q95"])}
        found[str(name)] = _numbers(row, _SPREAD) | {"unit": str(row["unit"].item()), "common": common, "environments": within}
    return found


def _values(values: xarray.Dataset) -> dict[str, Any]:
    names = ("q05", "q50", "q95")
    found: dict[str, Any] = {}
    for name in values["parameter"].to_numpy():
        column = values.sel(parameter=name)
        prior = {key: _number(column[f"prior_{key}"]) for key in names}
        fitted = {
            str(label): _numbers(column.sel(fitted=label), (*names, "contraction")) for label in column["fitted"].to_numpy()
        }
        found[str(name)] = {"unit": str(column["unit"].item()), "prior": prior, "fitted": fitted}
    return found


def _published(published: xarray.Dataset) -> list[dict[str, Any]]:
    found = []
    for index in range(published.sizes["publication"]):
        row = published.isel(publication=index)
        texts = {name: str(row[name].item()) for name in ("parameter", "unit", "label", "source")}
        fitted = {str(label): _numbers(row.sel(fitted=label), ("tail", "contraction")) for label in row["fitted"].to_numpy()}
        found.append(texts | _numbers(row, ("value", "sd")) | {"fitted": fitted})
    return found


def _left_out(found: Mapping[str, xarray.Dataset], variant: str) -> dict[str, Any]:
    scores = found.get(f"left_out_{variant}")
    if scores is None:
        return {}
    return {
        str(label): _scores(scores.sel(environment=label)) | _numbers(scores.sel(environment=label), _JOINT)
        for label in scores["environment"].to_numpy()
    }


def _coverage(found: xarray.Dataset) -> dict[str, Any]:
    names = tuple(map(str, found.data_vars))
    return {
        str(variant): {
            str(label): {
                f"{level:g}": _numbers(found.sel(variant=variant, environment=label, level=level), names)
                for level in found["level"].to_numpy()
            }
            for label in found["environment"].to_numpy()
            if np.isfinite(found["coverage"].sel(variant=variant, environment=label)).all()
        }
        for variant in found["variant"].to_numpy()
    }


def _scores(row: xarray.Dataset) -> dict[str, Any]:
    levels = row["level"].to_numpy()
    shares = {
        key: {f"{level:g}": float(row[key].sel(level=level)) for level in levels}
        for key in ("coverage", "coverage_low", "coverage_high")
    }
    return {"num_data": int(row["num_data"])} | _numbers(row, _SCORES) | shares


def _matrix(found: Mapping[str, xarray.Dataset]) -> dict[str, dict[str, Any]]:
    matrix, within = found["matrix"], found.get("within")
    made: dict[str, dict[str, Any]] = {}
    for fitted in matrix["fitted"].to_numpy():
        made[str(fitted)] = {}
        for tested in matrix["tested"].to_numpy():
            row = matrix.sel(fitted=fitted, tested=tested)
            if not np.isfinite(row["crps_over_uncertainty"]):
                continue
            index = {str(level): _number(row["index"].sel(quantile=level)) for level in row["quantile"].to_numpy()}
            entry = _scores(row) | {"index": index, "p_within": None, "p_within_se": None, "p_within_of": {}}
            if within is not None:
                entry |= _within(within.sel(fitted=fitted, tested=tested))
            made[str(fitted)][str(tested)] = entry
    return made


def _within(row: xarray.Dataset) -> dict[str, Any]:
    single = {str(term): _number(row["p_within_of"].sel(term=term)) for term in row["term"].to_numpy()}
    known = {term: value for term, value in single.items() if value is not None}
    return _numbers(row, ("p_within", "p_within_se")) | {"p_within_of": known}


def _everywhere(within: xarray.Dataset) -> dict[str, Any]:
    return {
        str(label): {
            "p_within": _number(within["p_within_everywhere"].sel(fitted=label)),
            "p_within_se": _number(within["p_within_everywhere_se"].sel(fitted=label)),
        }
        for label in within["fitted"].to_numpy()
        if np.isfinite(within["p_within_everywhere"].sel(fitted=label))
    }


def _domain(candidate: Candidate, domain: xarray.Dataset) -> dict[str, Any]:
    """Return for each term over one state variable the ranges in which the probability exceeds 0.9.

    They are by what was fitted and by environment: the ranges of two environments may overlap, but a state is in one of them.
    """
    found: dict[str, Any] = {}
    for name, term in candidate.terms.items():
        if len(term.quantity.states) != 1:
            continue
        (state,) = term.quantity.states
        where, environment = domain[f"{name}_{state}"].to_numpy(), domain[f"{name}_environment"].to_numpy().astype(str)
        found[name] = {"state": state, "ranges": {}, "sure_ranges": {}}
        for fitted in domain["fitted"].to_numpy():
            probability = domain[name].sel(fitted=fitted).to_numpy()
            sure = probability - 2 * standard_error(probability, NUM_COMPARED)
            for key, column in (("ranges", probability), ("sure_ranges", sure)):
                rows = {label: environment == label for label in dict.fromkeys(environment.tolist())}
                found[name][key][str(fitted)] = {label: intervals(column[row], where[row]) for label, row in rows.items()}
    return found


def _combinations(identifiability: xarray.Dataset) -> dict[str, list[dict[str, Any]]]:
    names = ("eigenvalue", "eigenvalue_q05", "eigenvalue_q95", "contraction")
    found: dict[str, list[dict[str, Any]]] = {}
    for fitted in identifiability["fitted"].to_numpy():
        rows = [identifiability.sel(fitted=fitted, combination=one) for one in identifiability["combination"].to_numpy()]
        found[str(fitted)] = [
            _numbers(row, names)
            | {"power": {str(name): float(row["power"].sel(parameter=name)) for name in row["parameter"].to_numpy()}}
            for row in rows
        ]
    return found


def _refit(row: xarray.Dataset) -> dict[str, Any]:
    return {
        "variant": str(row["variant"].item()),
        "fitted": str(row["fitted"].item()),
        "converged": bool(row["converged"].item()),
        "reasons": str(row["reasons"].item()),
    } | _numbers(row, ("log_z", "log_z_sd"))
