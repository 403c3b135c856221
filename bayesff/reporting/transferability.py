"""What a transfer assessment says, in sentences and in tables computed from its numbers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray

from bayesff import assessment, quantities
from bayesff.assessment.transfer import intervals
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.verdict import NEGLIGIBLE
from bayesff.reporting.wording import (
    candidate_text,
    enumerate_words,
    interval,
    percent,
    plus_minus,
    probability,
    rounded,
    significant,
    site_text,
    with_unit,
)

LIKELY = 0.9
"""Probability from which on something is called so; below its complement it is called not so."""

TENSE = 0.05
"""The p-value below which environments are said to disagree."""

OTHERS = "all others"

_MAX_NAMED = 3
_FINEST = 0.05
"""Monte Carlo errors of a logarithm below this are not worth showing."""


@dataclass(frozen=True)
class Topic:
    """What is found under one heading, a sentence or two for each candidate."""

    heading: str
    sentences: list[str]


@dataclass(frozen=True)
class Transferability:
    """The verdict of a transfer assessment.

    Parameters
    ----------
    num_refits
        How many refits there are.
    failed
        Which of them did not converge, a sentence for each candidate that has such.
    topics
        What was found.
    notes
        What could not be computed, or must be read with care.
    """

    num_refits: int
    failed: list[str]
    topics: list[Topic]
    notes: list[str]


def transferability(assessed: Assessed) -> Transferability | None:
    """Return what the transfer assessment of a run says; None if there is none."""
    shown = assessed_candidates(assessed)
    if not shown:
        return None
    said = {
        "Parameters": [parameter_finding(candidate) for candidate in shown],
        "Tension": [tension_finding(candidate) for candidate in shown],
        "Left-out environments": [left_out_finding(candidate) for candidate in shown],
        "Domain": [domain_finding(candidate) for candidate in shown],
        "Best elsewhere": [comparison_finding(assessed)],
    }
    topics = [Topic(heading, [one for one in sentences if one]) for heading, sentences in said.items() if any(sentences)]
    tables = [candidate.transfer["refits"] for candidate in shown if "refits" in candidate.transfer]
    notes = [note for table in tables for note in json.loads(table.attrs.get("notes", "[]"))]
    failed = [sentence for candidate in shown if (sentence := failed_refits(candidate))]
    return Transferability(sum(table.sizes["refit"] for table in tables), failed, topics, list(dict.fromkeys(notes)))


def assessed_candidates(assessed: Assessed) -> list[Candidate]:
    """Return the candidates that have a transfer assessment."""
    return [candidate for candidate in assessed.candidates.values() if candidate.transfer]


def failed_refits(candidate: Candidate) -> str:
    """Return which refits did not converge; empty if all did."""
    table = candidate.transfer.get("refits")
    if table is None or bool(table["converged"].all()):
        return ""
    wrong = table.isel(refit=np.flatnonzero(table["converged"].to_numpy() == 0))
    names = [
        f"{row['variant'].item()}, fitted to {row['fitted'].item()} ({row['reasons'].item()})" for row in _rows(wrong, "refit")
    ]
    named = "; ".join(names[:_MAX_NAMED])
    if len(names) > _MAX_NAMED:
        named += f"; and {len(names) - _MAX_NAMED} more, see the table of the refits"
    return f"{candidate_text(candidate.name)}, {len(names)} of {table.sizes['refit']} refits: {named}."


def parameter_finding(candidate: Candidate) -> str:
    """Return which parameters carry over between environments, which do not, and who disagrees."""
    spread = candidate.transfer.get("spread")
    if spread is None:
        return ""
    refits = candidate.transfer.get("refits")
    tolerance = float(refits.attrs["spread_tolerance"]) if refits is not None else np.nan
    ordered = sorted(_rows(spread, "parameter"), key=lambda row: -float(row["p_within"]))
    return f"{candidate_text(candidate.name)}: {'; '.join(_carried(candidate, row, tolerance) for row in ordered)}."


def _carried(candidate: Candidate, row: xarray.Dataset, tolerance: float) -> str:
    name = str(row["parameter"].item())
    symbol, within, relative = site_text(name, {}), float(row["p_within"]), is_positive(candidate, name)
    limit = f"{significant(100 * tolerance)} %" if relative else significant(tolerance)
    chance = (
        f"probability {probability(within)} of less than {limit}, {probability(float(row['prior_p_within']))} before the data"
    )
    if within > LIKELY:
        return f"{symbol} carries over (its values differ by {spread_text(row, relative)} between environments; {chance})"
    judged = f"{symbol} does not carry over" if within < 1 - LIKELY else f"whether {symbol} carries over is not decided"
    text = f"{judged}: its values differ by {spread_text(row, relative)} between environments ({chance})"
    return text + _disagreeing(row)


def spread_text(row: xarray.Dataset, relative: bool) -> str:
    """Return the median of a spread and its central 90 % interval."""
    factor, unit = (100.0, " %") if relative else (1.0, "")
    middle, low, high = (significant(factor * float(row[name])) for name in ("q50", "q05", "q95"))
    return f"{middle}{unit} ({low} to {high}{unit})"


def is_positive(candidate: Candidate, parameter: str) -> bool:
    """Return whether a parameter is positive, so that its spread is relative and its logarithm is looked at."""
    if parameter not in candidate.tree["prior"]:
        return True
    return bool(np.all(assessment.draws(candidate.tree, "prior", parameter) > 0))


def _disagreeing(row: xarray.Dataset) -> str:
    """Return the environments whose value is more likely than not further from the common one than the tolerance."""
    unit, outside = str(row["unit"].item()), row["p_outside"].to_numpy()
    worst = [index for index in np.argsort(-outside, kind="stable") if outside[index] > 0.5][:_MAX_NAMED]
    if not worst:
        value = row["value"].to_numpy()
        worst = [int(np.argmax(value)), int(np.argmin(value))]
    wanted = [
        f"“{row['environment'].to_numpy()[i]}” wants {interval(float(row['value_q05'][i]), float(row['value_q95'][i]), unit)}"
        for i in worst
    ]
    common = interval(float(row["common_q05"]), float(row["common_q95"]), unit)
    return f"; {enumerate_words(wanted)}, and the value common to all is {common}"


def tension_finding(candidate: Candidate) -> str:
    """Return whether one parameter vector serves all environments."""
    tension = candidate.transfer.get("tension")
    if tension is None:
        return ""
    name, chance, ratio = candidate_text(candidate.name), float(tension["p_value"]), float(tension["log_ratio"])
    numbers = f"log R {log_text(ratio, float(tension['log_ratio_sd']))}, suspiciousness {_estimate(tension, 'suspiciousness')}"
    if not np.isfinite(chance):
        judged = "one parameter vector is preferred" if ratio > 0 else "parameters of their own are preferred"
        return f"{name}: {judged} by the evidence; a p-value cannot be given ({numbers})."
    judged = "one parameter vector serves all environments" if chance >= TENSE else "the environments disagree"
    opposed = (chance >= TENSE) != (ratio > 0)
    hint = f", though the evidence prefers {'one vector' if ratio > 0 else 'one vector for each'}" if opposed else ""
    return f"{name}: {judged} (p {_p_text(chance)}){hint} ({numbers})."


def _p_text(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {significant(value, 1)}"


def _estimate(dataset: xarray.Dataset, name: str) -> str:
    return plus_minus(float(dataset[name]), float(dataset[f"{name}_sd"]))


def log_text(value: float, error: float) -> str:
    """Return a log evidence or density with its Monte Carlo error where that is worth a word."""
    return rounded(value, 1) if not np.isfinite(error) or error < _FINEST else plus_minus(value, error)


def left_out_finding(candidate: Candidate) -> str:
    """Return how well environments are predicted by what was fitted to all others."""
    said = [text for text in (_index_text(candidate), _coverage_text(candidate)) if text]
    return f"{candidate_text(candidate.name)}: {'; '.join(said)}." if said else ""


def _index_text(candidate: Candidate) -> str:
    matrix = candidate.transfer.get("matrix")
    if matrix is None or OTHERS not in matrix["fitted"].to_numpy():
        return ""
    index = matrix["index"].sel(fitted=OTHERS)
    index = index.isel(tested=np.flatnonzero(np.isfinite(index.sel(quantile="q50").to_numpy())))
    middle = index.sel(quantile="q50").to_numpy()
    if not len(middle):
        return ""

    def told(place: int) -> str:
        low, high = (significant(float(index.isel(tested=place).sel(quantile=name))) for name in ("q05", "q95"))
        return f"“{index['tested'].to_numpy()[place]}” {significant(float(middle[place]))} times ({low} to {high})"

    text = f"fitted to all other environments, its error is largest in {told(int(np.argmax(middle)))}"
    if len(middle) > 1:
        text += f" and smallest in {told(int(np.argmin(middle)))}"
    return f"{text} that where it was fitted"


def _coverage_text(candidate: Candidate) -> str:
    found = {
        variant: share for variant in ("pooled", *plain_variants(candidate)) if (share := left_out_share(candidate, variant))
    }
    if "pooled" not in found:
        return ""
    text = f"{percent(found.pop('pooled'))} of the data of left-out environments lie in their 90 % interval"
    for variant, share in found.items():
        text += f"; without {'discrepancy and pooling' if variant == 'bare' else 'pooling'} {percent(share)}"
    return text


def plain_variants(candidate: Candidate) -> list[str]:
    """Return the plainest variant that environments were left out of: without a discrepancy where there are such refits."""
    return next(([one] for one in ("bare", "shared") if f"left_out_{one}" in candidate.transfer), [])


def left_out_share(candidate: Candidate, variant: str, level: float = 0.9) -> float | None:
    """Return the share of the left-out data inside their central interval; None where it is not known."""
    data = candidate.transfer.get("left_out_data")
    if data is None or variant not in data["variant"].to_numpy():
        return None
    transform = data["pit"].sel(variant=variant).to_numpy()
    transform = transform[np.isfinite(transform)]
    return float(np.mean(assessment.covered(transform, level))) if len(transform) else None


def domain_finding(candidate: Candidate) -> str:
    """Return where predictions of states by what was fitted to all other environments are within tolerance."""
    domain = candidate.transfer.get("domain")
    if domain is None or OTHERS not in domain["fitted"].to_numpy():
        return ""
    said = [_domain_of(candidate, domain.sel(fitted=OTHERS), str(name)) for name in domain.data_vars]
    lead = (
        f"{candidate_text(candidate.name)}, fitted to all other environments, is within tolerance with more than 90 % probability"
    )
    return f"{lead}: {'; '.join(said)}."


def _domain_of(candidate: Candidate, domain: xarray.Dataset, term: str) -> str:
    quantity, chance = candidate.terms[term].quantity, domain[term].to_numpy()
    text = f"{quantity.label} (within {tolerance_text(candidate, term)}) "
    if len(quantity.states) != 1:
        return text + f"at {np.count_nonzero(chance > LIKELY)} of {len(chance)} states"
    (column,) = quantity.states
    state, unit = domain[f"{term}_{column}"].to_numpy(), quantities.get(column).unit
    where = domain[f"{term}_environment"].to_numpy().astype(str)
    if np.all(chance > LIKELY):
        return text + f"everywhere from {interval(state.min(), state.max(), unit)}"
    if not np.any(chance > LIKELY):
        return text + "nowhere"
    if not overlapping(state, where):
        return text + _ranges(chance, state, unit)
    parts = [(label, where == label) for label in dict.fromkeys(where) if np.any(chance[where == label] > LIKELY)]
    return text + enumerate_words([f"in “{label}” {_ranges(chance[rows], state[rows], unit)}" for label, rows in parts])


def overlapping(state: np.ndarray, environment: np.ndarray) -> bool:
    """Return whether some environments have states in common, so that a range of states belongs to none of them."""
    spans = sorted((state[environment == label].min(), state[environment == label].max()) for label in set(environment))
    return any(before[1] > after[0] for before, after in zip(spans, spans[1:], strict=False))


def _ranges(chance: np.ndarray, state: np.ndarray, unit: str) -> str:
    decimals = max(0, 2 - int(np.floor(np.log10(np.ptp(state) or 1.0))))
    found = sorted(intervals(chance, state), key=lambda span: span[0] - span[1])[:_MAX_NAMED]
    told = [
        rounded(low, decimals) if low == high else f"{rounded(low, decimals)} to {rounded(high, decimals)}"
        for low, high in sorted(found)
    ]
    return with_unit(enumerate_words(told), unit)


def tolerance_text(candidate: Candidate, term: str) -> str:
    """Return the tolerance of a term, such as 5 % or 3 cm³/mol."""
    refits = candidate.transfer.get("refits")
    known = {} if refits is None else json.loads(refits.attrs.get("tolerances", "{}"))
    if term not in known:
        return "tolerance"
    amount, unit = known[term]
    return with_unit(f"{amount:g}", unit) if unit else f"{100 * amount:g} %"


def comparison_finding(assessed: Assessed) -> str:
    """Return which candidate predicts environments best that it was not fitted to; empty where that is not known."""
    comparison = assessed.first.transfer.get("comparison")
    if comparison is None:
        return ""
    best, *others = _rows(comparison, "candidate")
    worse, alike = [], []
    for row in others:
        difference, error = -float(row["difference"]), float(row["difference_se"])
        decided = difference >= NEGLIGIBLE and difference >= 2 * error
        (worse if decided else alike).append(f"{_name(row)} by {plus_minus(difference, error)}")
    text = f"{_name(best)} predicts left-out environments best"
    if worse:
        text += f": the log density of their data exceeds that of {enumerate_words(worse)} (standard error between environments)"
    if alike:
        text += f"{', and' if worse else ', but'} by a margin that decides nothing exceeds that of {enumerate_words(alike)}"
    return f"{text}."


def _name(row: xarray.Dataset) -> str:
    return candidate_text(str(row["candidate"].item()))


def _rows(dataset: xarray.Dataset, dim: str) -> Iterable[xarray.Dataset]:
    return [dataset.isel({dim: index}) for index in range(dataset.sizes[dim])]
