"""``metrics.json``: the numbers of a run for scripts, in a versioned schema."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import xarray

from bayesff.assessment import Finding
from bayesff.reporting.assessed import Assessed, Candidate, assess
from bayesff.reporting.schema import Metrics
from bayesff.reporting.transfer_metrics import comparison_metrics, transfer_metrics


def metrics(study: str, seed: int | None, trees: Mapping[str, xarray.DataTree]) -> dict[str, Any]:
    """Return the metrics of a run, as `bayesff.reporting.schema` and docs/file-formats.md describe them.

    Parameters
    ----------
    study
        Name of the study.
    seed
        Seed of the run.
    trees
        The posterior of each candidate, by its name.
    """
    return metrics_of(study, seed, assess(trees))


def metrics_of(study: str, seed: int | None, assessed: Assessed, findings: Sequence[Finding] = ()) -> dict[str, Any]:
    """Return the metrics of a run that has been assessed."""
    comparison = assessed.comparison
    checked = Metrics.model_validate(
        {
            "study": study,
            "seed": seed,
            "converged": assessed.converged,
            "models": {name: _candidate(candidate) for name, candidate in assessed.candidates.items()},
            "comparison": None if comparison is None else _comparison(comparison),
            "transfer": {name: transfer_metrics(one) for name, one in assessed.candidates.items() if one.transfer} or None,
            "transfer_comparison": comparison_metrics(assessed.candidates),
            "findings": {one.name: {"text": one.text, "values": dict(one.values)} for one in findings},
        }
    )
    return checked.model_dump(by_alias=True)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    tree, diagnostics = candidate.tree, candidate.tree["diagnostics"]
    found = {
        "converged": candidate.converged,
        "reasons": candidate.reasons,
        "method": candidate.method,
        "parameters": _parameters(candidate.summary),
        "divergences": int(diagnostics["num_divergences"].item()),
        "ebfmi": _number(diagnostics["ebfmi"].item()) if candidate.has_statistic("energy") else None,
        "environments": _scores(candidate.environments, "environment"),
        "terms": _scores(candidate.by_term, "term"),
        "noise_scale": {},
        "discrepancy": {},
        "loo": _leave_one_out(candidate.table, candidate.num_high_pareto_k),
        "evidence": None,
        "ensembles": None if candidate.ensembles is None else _ensembles(candidate, candidate.ensembles),
    }
    if candidate.scales is not None:
        _add_scales(found, candidate.scales)
    if "log_z" in tree.attrs:
        found["evidence"] = {"log_z": float(tree.attrs["log_z"]), "sd": _number(float(tree.attrs.get("log_z_sd", math.nan)))}
    return found | {"notes": _notes(found)}


def _ensembles(candidate: Candidate, ensembles: xarray.Dataset) -> dict[str, Any]:
    states = []
    for index in range(ensembles.sizes["liquid_state"]):
        state = ensembles.isel(liquid_state=index)
        sizes = state["effective_sample_size"]
        states.append(
            {name: state[name].item() for name in ("environment", "temperature", "density", "smallest_sample")}
            | {"effective_sample_size": {name: float(sizes.quantile(q)) for name, q in (("min", 0), ("q05", 0.05), ("q50", 0.5))}}
        )
    return {"num_simulations": len(candidate.simulations), "shortfall": candidate.shortfall, "states": states}


def _parameters(summary: xarray.Dataset) -> dict[str, dict[str, Any]]:
    names = ("mean", "sd", "q05", "q50", "q95", "rhat", "ess_bulk", "ess_tail")
    columns = {name: summary[name].to_numpy() for name in names}
    units = summary["unit"].to_numpy()
    return {
        str(scalar): {"unit": str(units[index])} | {name: _number(columns[name][index]) for name in names}
        for index, scalar in enumerate(summary["scalar"].to_numpy())
    }


def _scores(scores: xarray.Dataset, by: str) -> dict[str, dict[str, Any]]:
    found = {}
    for label in scores[by].to_numpy():
        row = scores.sel({by: label})
        unit = row["unit"].item()
        found[str(label)] = (
            {
                "unit": str(unit) if math.isfinite(row["rmse"].item()) else None,
                "num_data": int(row["num_data"].item()),
                "num_high_pareto_k": int(row["num_high_pareto_k"].item()),
                "loo": _predictive(row, "loo_"),
            }
            | _predictive(row, "")
            | {f"rmse{suffix}": _number(row[f"rmse{suffix}"].item()) for suffix in ("", "_potential")}
            | {
                f"rmse{suffix}_over_uncertainty": _number(row[f"rmse{suffix}_over_uncertainty"].item())
                for suffix in ("", "_potential")
            }
        )
    return found


def _predictive(row: xarray.Dataset, prefix: str) -> dict[str, Any]:
    coverage = row[f"{prefix}coverage"]
    return {
        "crps": _number(row[f"{prefix}crps"].item()),
        "crps_over_uncertainty": _number(row[f"{prefix}crps_over_uncertainty"].item()),
        "coverage": {f"{level:g}": _number(coverage.sel(level=level).item()) for level in coverage["level"].to_numpy()},
        "log_predictive_density": _number(row[f"{prefix}log_predictive_density"].item()),
    }


def _leave_one_out(table: xarray.Dataset, num_high: int) -> dict[str, Any]:
    density = table["loo_log_predictive_density"]
    return {
        "elpd": float(density.sum()),
        "se": float(math.sqrt(density.size * float(density.var(ddof=1)))) if density.size > 1 else None,
        "p": float((table["log_predictive_density"] - density).sum()),
        "num_high_pareto_k": num_high,
    }


def _add_scales(found: dict[str, Any], scales: xarray.Dataset) -> None:
    for index in range(scales.sizes["scale"]):
        row = scales.isel(scale=index)
        term, environment = str(row["term"].item()), str(row["environment"].item())
        entry: dict[str, Any] = {name: float(row[name].item()) for name in ("mean", "q05", "q95", "uncertainty")}
        entry["unit"] = str(row["unit"].item())
        if environment:
            entry |= {name: float(row[name].item()) for name in ("found_q05", "found_q95", "significance")}
            found["discrepancy"].setdefault(term, {})[environment] = entry
        else:
            found["noise_scale"][term] = entry


def _comparison(comparison: xarray.Dataset) -> dict[str, dict[str, Any]]:
    return {
        str(name): {"rank": index + 1}
        | {key: _number(comparison[key].to_numpy()[index]) for key in ("elpd_difference", "se_difference", "weight")}
        for index, name in enumerate(comparison["candidate"].to_numpy())
    }


def _notes(found: Mapping[str, Any]) -> list[str]:
    """Return in words why a number is null."""
    notes = []
    for place in ("environments", "terms"):
        for label, scores in found[place].items():
            if scores["unit"] is None:
                notes.append(f"{place}.{label}: rmse and crps are null because its data are of different units")
    undefined = [name for name, row in found["parameters"].items() if row["rhat"] is None or row["ess_bulk"] is None]
    if undefined:
        notes.append(f"rhat and ess are null where they cannot be computed from the draws: {', '.join(undefined)}")
    if found["ebfmi"] is None:
        notes.append("ebfmi is null because the method has no energy")
    if found["evidence"] is not None and found["evidence"]["sd"] is None:
        notes.append("evidence.sd is null because the method approximates the evidence without an error of its own")
    if found["loo"]["num_high_pareto_k"]:
        notes.append(f"loo: the estimate is unreliable for {found['loo']['num_high_pareto_k']} data (Pareto k above 0.7)")
    return notes


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
