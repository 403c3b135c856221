"""What a run says, in sentences computed from its numbers."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import xarray

from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.wording import (
    candidate_text,
    count,
    enumerate_words,
    interval,
    percent,
    plus_minus,
    significant,
    site_text,
)

NEGLIGIBLE = 4.0
"""Difference in expected log predictive density below which candidates predict alike (doi:10.48550/arXiv.2008.10296)."""

MOST_NAMED = 6
"""Values of a candidate's parameters that the summary lists; of more it says how many, and the table of parameters has them."""

SIGNIFICANT = 3.0
"""How many of its standard deviations a discrepancy must lie from zero somewhere before the form is called wrong."""


@dataclass(frozen=True)
class Verdict:
    """The verdict of a run.

    Parameters
    ----------
    converged
        Whether all candidates have converged.
    reasons
        Why not, a sentence for each candidate that has not.
    summary
        What the data say, in two sentences.
    findings
        What else they say: about the form, the stated uncertainties, the calibration of the predictions.
    """

    converged: bool
    reasons: list[str]
    summary: list[str]
    findings: list[str]


def verdict(assessed: Assessed) -> Verdict:
    """Return what the numbers of a run say."""
    reasons = [
        f"{candidate_text(candidate.name)}: {candidate.reasons}."
        for candidate in assessed.candidates.values()
        if not candidate.converged
    ]
    reasons += [_failed_refits(candidate) for candidate in assessed.candidates.values() if candidate.unconverged_refits]
    findings = [sentence for candidate in assessed.candidates.values() for sentence in form_findings(candidate)]
    findings += [*noise_findings(assessed.best), calibration_finding(assessed.best)]
    return Verdict(assessed.converged, reasons, [ranking(assessed), parameters_and_misfit(assessed.best)], findings)


def _failed_refits(candidate: Candidate) -> str:
    """Return how many refits have not converged, and the first of them."""
    failed, total = candidate.unconverged_refits, candidate.transfer["refits"].sizes["refit"]
    return f"{candidate_text(candidate.name)}: {len(failed)} of {total} refits of the transfer assessment, first {failed[0]}."


def ranking(assessed: Assessed) -> str:
    """Return which candidate predicts best, and which cannot be told apart from it."""
    best, comparison = assessed.best, assessed.comparison
    name = candidate_text(best.name)
    if comparison is None and len(assessed.candidates) > 1:
        return "The candidates were calibrated on different data, so that their predictions cannot be ranked."
    if comparison is None:
        extent = count(best.table.sizes["datum"], "datum", "data")
        where = count(best.environments.sizes["environment"], "environment", "environments")
        return f"{name} was calibrated on {extent} from {where}, without another candidate to compare it with."
    worse, alike = [], []
    for index in range(1, comparison.sizes["candidate"]):
        row = comparison.isel(candidate=index)
        difference, error = -float(row["elpd_difference"]), float(row["se_difference"])
        other = candidate_text(str(row["candidate"].item()))
        if difference < NEGLIGIBLE or difference < 2 * error:
            alike.append(f"{other} (lower by {plus_minus(difference, error)})")
        else:
            worse.append(f"that of {other} by {plus_minus(difference, error)}")
    leading = f"{name} predicts the data best"
    if worse:
        leading += f": its leave-one-out expected log predictive density exceeds {enumerate_words(worse)} (standard error)"
        return leading + (f", while {enumerate_words(alike)} cannot be told apart from it." if alike else ".")
    return f"{leading} by a margin that decides nothing: {enumerate_words(alike)} cannot be told apart from it."


def parameters_and_misfit(candidate: Candidate) -> str:
    """Return the parameters with their spread, and how far the potential alone misses the worst environment."""
    worst = candidate.environments.sel(environment=candidate.worst_environment)
    alone = float(worst["rmse_potential_over_uncertainty"])
    whole = float(worst["rmse_over_uncertainty"])
    where = f"“{candidate.worst_environment}”" if candidate.environments.sizes["environment"] > 1 else "its environment"
    text = (
        f"With {enumerate_words(_values(candidate))}, {candidate_text(candidate.name)} alone misses the data of {where}, where "
        f"it fares worst, by {significant(alone)} times their stated uncertainty (root mean square)"
    )
    if not np.isclose(alone, whole, rtol=0.02):
        text += (
            f", and by {significant(whole)} times once the biases and the discrepancy that the data showed are taken into account"
        )
    return f"{text}."


def _values(candidate: Candidate) -> list[str]:
    found = []
    for name in candidate.parameters:
        rows = candidate.summary.isel(scalar=np.flatnonzero(candidate.summary["site"].to_numpy() == name))
        for index in range(rows.sizes["scalar"]):
            row = rows.isel(scalar=index)
            value = plus_minus(float(row["mean"]), float(row["sd"]), str(row["unit"].item()))
            found.append(f"{site_text(str(row['scalar'].item()), {})} = {value}")
    if len(found) > MOST_NAMED:
        return [f"its {len(found)} parameters"]
    return found or ["parameters of its own in each environment"]


def form_findings(candidate: Candidate) -> list[str]:
    """Return where the discrepancy says that the functional form is wrong, and where it does not."""
    name, scales = candidate_text(candidate.name), candidate.scales
    rows = [] if scales is None else [row for row in _rows(scales) if row["kind"].item() == "discrepancy"]
    if not rows:
        worst = float(candidate.environments["rmse_over_uncertainty"].max())
        if worst < 2:
            return []
        return [
            f"{name}: the model has no discrepancy, and its expectation misses the data by up to {significant(worst)} times "
            "their stated uncertainty, so either the form or the stated uncertainties are wrong."
        ]
    several = {label for label, number in Counter(row["environment"].item() for row in rows).items() if number > 1}

    def label(row: xarray.Dataset) -> str:
        """Return what of the environment's data is meant, where it has data of more than one observable."""
        return candidate.terms[str(row["term"].item())].quantity.label if row["environment"].item() in several else ""

    seen = [row for row in rows if row["found_q05"] > row["uncertainty"] and row["significance"] > SIGNIFICANT]
    wrong = [_discrepancy(row, label(row)) for row in seen]
    unseen = [row for row in rows if row["found_q95"] < row["uncertainty"]]
    harmless = [f"“{row['environment'].item()}”" + (f" ({label(row)})" if label(row) else "") for row in unseen]
    findings = []
    if wrong:
        findings.append(f"{name}: the functional form is wrong in {enumerate_words(wrong)}.")
    if harmless:
        findings.append(f"{name}: no error of the form beyond the stated uncertainty is seen in {enumerate_words(harmless)}.")
    return findings


def _rows(dataset: xarray.Dataset) -> list[xarray.Dataset]:
    return [dataset.isel(scale=index) for index in range(dataset.sizes["scale"])]


def _discrepancy(row: xarray.Dataset, label: str) -> str:
    low, high = (significant(float(row[name] / row["uncertainty"])) for name in ("found_q05", "found_q95"))
    off = f"{label} off" if label else "off"
    return f"“{row['environment'].item()}” ({off} by {low} to {high} median stated uncertainties)"


def noise_findings(candidate: Candidate) -> list[str]:
    """Return what the learnt noise scales say about the stated uncertainties."""
    if candidate.scales is None:
        return []
    findings = []
    for row in _rows(candidate.scales):
        if row["kind"].item() != "noise":
            continue
        label = candidate.terms[str(row["term"].item())].quantity.label
        span = f"{significant(float(row['mean']))} ({interval(float(row['q05']), float(row['q95']))})"
        if row["q05"] > 1:
            findings.append(f"The scatter of the {label} is larger than stated: {span} times the stated uncertainty.")
        elif row["q95"] < 1:
            findings.append(f"The scatter of the {label} is smaller than stated: {span} times the stated uncertainty.")
        else:
            findings.append(f"The scatter of the {label} agrees with what was stated: {span} times the stated uncertainty.")
    return findings


def calibration_finding(candidate: Candidate) -> str:
    """Return how many left-out data lie in their predictive intervals."""
    scores = candidate.environments
    weight = scores["num_data"] / scores["num_data"].sum()
    share = {level: float((scores["loo_coverage"].sel(level=level) * weight).sum()) for level in (0.5, 0.9)}
    text = (
        f"{candidate_text(candidate.name)} with its error model, predicting each datum from all the others: "
        f"{percent(share[0.9])} of the data lie in their 90 % interval and {percent(share[0.5])} in their 50 % interval"
    )
    if candidate.num_high_pareto_k:
        unreliable = count(candidate.num_high_pareto_k, "datum", "data")
        text += f"; for {unreliable} the leave-one-out estimate is unreliable (Pareto k above 0.7 or unknown)"
    return f"{text}."
