"""What a transfer assessment says, in sentences computed from its numbers."""

import itertools
import json
from dataclasses import dataclass

import numpy as np
import xarray

from bayesff import assessment, quantities
from bayesff.assessment.transfer import EVERY, intervals
from bayesff.assessment.transfer.predictions import OTHERS
from bayesff.assessment.transfer.tolerances import DOMAIN
from bayesff.assessment.transfer.values import ALL, BARE, DECIDING
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.verdict import NEGLIGIBLE
from bayesff.reporting.wording import (
    candidate_text,
    decimals_of,
    enumerate_words,
    interval,
    log_text,
    p_text,
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

MISSED = 0.05
"""Intervals are called too narrow or too wide where calibrated ones hold as few or as many data with a smaller probability."""

_MAX_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """What is found, in a few words, and the numbers behind it."""

    judged: str
    numbers: str


@dataclass(frozen=True)
class Topic:
    """What is found under one heading, for each candidate."""

    heading: str
    findings: list[Finding]


@dataclass(frozen=True)
class Transferability:
    """The verdict of a transfer assessment.

    Parameters
    ----------
    num_refits
        How many refits there are.
    failed
        Which of them did not converge, a sentence for each candidate that has such.
    answer
        Whether the parameters may be carried over, in a few sentences.
    topics
        What was found.
    notes
        What could not be computed, or must be read with care.
    """

    num_refits: int
    failed: list[str]
    answer: list[str]
    topics: list[Topic]
    notes: list[str]


def transferability(assessed: Assessed) -> Transferability | None:
    """Return what the transfer assessment of a run says; None if there is none."""
    shown = assessed_candidates(assessed)
    if not shown:
        return None
    said = {
        "Parameters": [parameter_finding(candidate) for candidate in shown],
        "Published values": [one for candidate in shown for one in published_findings(candidate)],
        "Tension": [tension_finding(candidate) for candidate in shown],
        "Left-out environments": [left_out_finding(candidate) for candidate in shown],
        "Domain: within tolerance with more than 90 % probability, fitted to all other environments": [
            domain_finding(candidate) for candidate in shown
        ],
        "Candidates": [comparison_finding(assessed)],
    }
    made = {heading: [one for one in findings if one is not None] for heading, findings in said.items()}
    topics = [Topic(heading, findings) for heading, findings in made.items() if findings]
    tables = [candidate.transfer["refits"] for candidate in shown if "refits" in candidate.transfer]
    notes = [note for table in tables for note in json.loads(table.attrs.get("notes", "[]"))]
    failed = [sentence for candidate in shown if (sentence := failed_refits(candidate))]
    num_refits = sum(table.sizes["refit"] for table in tables)
    return Transferability(num_refits, failed, answer(shown), topics, list(dict.fromkeys(notes)))


def assessed_candidates(assessed: Assessed) -> list[Candidate]:
    """Return the candidates that have a transfer assessment."""
    return [candidate for candidate in assessed.candidates.values() if candidate.transfer]


def answer(candidates: list[Candidate]) -> list[str]:
    """Return in a few sentences whether the parameters of the candidates may be carried over."""
    said: dict[str, list[str]] = {"does not carry over": [], "carries over": [], "undecided": []}
    tense: list[str] = []
    for candidate in candidates:
        if "spread" not in candidate.transfer:
            continue
        kinds = {
            site_text(str(row["parameter"].item()), {}): carries_over(float(row["p_within"])) for row in _by_spread(candidate)
        }
        worst = next((kind for kind in ("does not carry over", "undecided") if kind in kinds.values()), "carries over")
        named = [name for name, kind in kinds.items() if kind == worst != "carries over"]
        said[worst].append(candidate_text(candidate.name) + (f" ({', '.join(named)})" if named else ""))
        if worst != "does not carry over" and (chance := _tension(candidate)) < TENSE:
            tense.append(f"{candidate_text(candidate.name)} (p {p_text(chance)})")
    opening = {
        "does not carry over": "Parameters of {} may not be carried over unchanged: what is in brackets wants another value in "
        "another environment.",
        "carries over": "Parameters of {} may be carried over.",
        "undecided": "Whether parameters of {} may be carried over, the data do not decide.",
    }
    found = [opening[kind].format(enumerate_words(names)) for kind, names in said.items() if names]
    if tense:
        found.append(
            f"And yet the environments disagree about one vector of parameters of {enumerate_words(tense)}, though no parameter "
            "by itself shows it."
        )
    largest = {candidate.name: max(middle) for candidate in candidates if (middle := _left_out_indices(candidate))}
    if largest:
        told = enumerate_words([f"{significant(value)} ({candidate_text(name)})" for name, value in largest.items()])
        found.append(f"The potential alone errs in an environment left out up to {told} times as much as where it was fitted.")
    return found


def _tension(candidate: Candidate) -> float:
    """Return the p-value of one parameter vector for all environments; 1 if there is none."""
    tension = candidate.transfer.get("tension")
    chance = float(tension["p_value"]) if tension is not None else np.nan
    return chance if np.isfinite(chance) else 1.0


def _left_out_indices(candidate: Candidate) -> list[float]:
    """Return the medians of the transferability index of every environment by the fit to all others."""
    matrix = candidate.transfer.get("matrix")
    if matrix is None or OTHERS not in matrix["fitted"].to_numpy():
        return []
    middle = matrix["index"].sel(fitted=OTHERS, quantile="q50").to_numpy()
    return middle[np.isfinite(middle)].tolist()


def _by_spread(candidate: Candidate) -> list[xarray.Dataset]:
    """Return the rows of the spread, those that carry over least first."""
    return sorted(rows_of(candidate.transfer["spread"], "parameter"), key=lambda row: float(row["p_within"]))


def failed_refits(candidate: Candidate) -> str:
    """Return which refits did not converge; empty if all did."""
    table = candidate.transfer.get("refits")
    if table is None or bool(table["converged"].all()):
        return ""
    wrong = table.isel(refit=np.flatnonzero(table["converged"].to_numpy() == 0))
    names = [f"{row['variant'].item()}, fitted to {row['fitted'].item()}" for row in rows_of(wrong, "refit")]
    named = "; ".join([*names[:_MAX_NAMED], *([f"{len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else [])])
    return f"{candidate_text(candidate.name)}, {len(names)} of {table.sizes['refit']} refits did not converge: {named}."


def parameter_finding(candidate: Candidate) -> Finding | None:
    """Return which parameters carry over between environments, which do not, and who disagrees."""
    spread = candidate.transfer.get("spread")
    if spread is None:
        return None
    refits = candidate.transfer.get("refits")
    tolerance = float(refits.attrs["spread_tolerance"]) if refits is not None else np.nan
    kinds: dict[str, list[str]] = {kind: [] for kind in ("does not carry over", "undecided", "carries over")}
    numbers = []
    for row in _by_spread(candidate):
        kind = carries_over(float(row["p_within"]))
        kinds[kind].append(site_text(str(row["parameter"].item()), {}))
        numbers.append(_varying(candidate, row, tolerance, kind))
    judged = [_judged(kind, names) for kind, names in kinds.items() if names]
    return Finding(f"{candidate_text(candidate.name)}: {', '.join(judged)}.", f"{'; '.join(numbers)}.")


def carries_over(within: float) -> str:
    """Return what follows from the probability that a parameter's spread is within the tolerance."""
    return "carries over" if within > LIKELY else "undecided" if within >= 1 - LIKELY else "does not carry over"


def _judged(kind: str, names: list[str]) -> str:
    if kind == "undecided":
        return f"undecided for {enumerate_words(names)}"
    several = {"carries over": "carry over", "does not carry over": "do not carry over"}
    return f"{enumerate_words(names)} {kind if len(names) == 1 else several[kind]}"


def _varying(candidate: Candidate, row: xarray.Dataset, tolerance: float, kind: str) -> str:
    name = str(row["parameter"].item())
    relative = bool(row["relative"])
    limit = f"{100 * tolerance:g} %" + ("" if relative else " of the common value")
    within, before = (probability(float(row[key])) for key in ("p_within", "prior_p_within"))
    text = (
        f"{site_text(name, {})} differs by {spread_text(row)} between environments, probability {within} of less than "
        f"{limit} ({before} before the data)"
    )
    return text if kind == "carries over" else text + _disagreeing(row, kind == "does not carry over")


def spread_text(row: xarray.Dataset) -> str:
    """Return the median of a spread and its central 90 % interval."""
    factor, unit = (100.0, " %") if bool(row["relative"]) else (1.0, with_unit("", str(row["unit"].item())))
    middle, low, high = (significant(factor * float(row[name])) for name in ("q50", "q05", "q95"))
    return f"{middle}{unit} ({low} to {high}{unit})"


def is_positive(candidate: Candidate, parameter: str) -> bool:
    """Return whether a parameter is positive, so that its spread is relative and its logarithm is looked at."""
    if parameter not in candidate.tree["prior"]:
        return True
    return bool(np.all(assessment.draws(candidate.tree, "prior", parameter) > 0))


def _disagreeing(row: xarray.Dataset, always: bool) -> str:
    """Return the environments whose value is rather further from the common one than the tolerance, or the extremes."""
    unit, outside, value = str(row["unit"].item()), row["p_outside"].to_numpy(), row["value"].to_numpy()
    worst = [index for index in np.argsort(-outside, kind="stable") if outside[index] > 0.5][:_MAX_NAMED]
    if always and not worst:
        worst = [int(np.argmax(value)), int(np.argmin(value))]
    if not worst:
        return ""
    labels, low, high = (row[name].to_numpy() for name in ("environment", "value_q05", "value_q95"))
    wanted = [f"“{labels[index]}” wants {interval(low[index], high[index], unit)}" for index in worst]
    return f": {enumerate_words(wanted)}, all together {interval(float(row['common_q05']), float(row['common_q95']), unit)}"


def published_findings(candidate: Candidate) -> list[Finding]:
    """Return what each part of the data wants of the parameters that have published values, and where each value belongs."""
    values, published = (candidate.transfer.get(name) for name in ("values", "published"))
    if values is None or published is None:
        return []
    found = []
    for name in dict.fromkeys(published["parameter"].to_numpy().astype(str).tolist()):
        column = values.sel(parameter=name)
        found.append(_wanted(candidate, name, column))
        rows = [row for row in rows_of(published, "publication") if str(row["parameter"].item()) == name]
        found += [_belonging(name, row) for row in sorted(rows, key=lambda row: float(row["value"]))]
    return found


def _wanted(candidate: Candidate, name: str, column: xarray.Dataset) -> Finding:
    unit, wanted, silent = str(column["unit"].item()), [], []
    for row in rows_of(column, "fitted"):
        if float(row["contraction"]) >= DECIDING:
            wanted.append(f"{interval(float(row['q05']), float(row['q95']), unit)} by {fit_text(str(row['fitted'].item()))}")
        else:
            silent.append(f"{fit_text(str(row['fitted'].item()))} ({percent(max(float(row['contraction']), 0.0))})")
    numbers = f"Its 90 % interval is {enumerate_words(wanted)}." if wanted else ""
    if silent:
        numbers += f" Of the prior's variance less than half is taken away by {enumerate_words(silent)}, too little to decide."
    numbers = " ".join(part for part in (numbers, _price(candidate, column)) if part)
    return Finding(f"{candidate_text(candidate.name)}, {site_text(name, {})} by what it is fitted to.", numbers.strip())


def _price(candidate: Candidate, column: xarray.Dataset) -> str:
    """Return what the least and the greatest value that an environment wants cost elsewhere; empty where that is not known."""
    matrix = candidate.transfer.get("matrix")
    if matrix is None:
        return ""
    alone = [str(label) for label in matrix["tested"].to_numpy()]
    rows = [row for row in rows_of(column, "fitted") if row["fitted"].item() in alone and float(row["contraction"]) >= DECIDING]
    wanting = [str(row["fitted"].item()) for row in sorted(rows, key=lambda row: float(row["q50"]))]
    told = []
    for label, size in zip(dict.fromkeys((*wanting[-1:], *wanting[:1])), ("greatest", "least"), strict=False):
        index = matrix["index"].sel(fitted=label, quantile="q50")
        worst = int(np.argmax(index.fillna(-np.inf).to_numpy()))
        times, where = significant(float(index[worst])), str(index["tested"].to_numpy()[worst])
        if where != label:
            told.append(f"the {size}, by “{label}”, makes the potential err {times} times as much in “{where}” as in “{label}”")
    return f"Each has its price: {' and '.join(told)}." if len(told) > 1 else ""


def _belonging(name: str, row: xarray.Dataset) -> Finding:
    value, sd, unit = float(row["value"]), float(row["sd"]), str(row["unit"].item())
    shown = plus_minus(value, sd, unit) if sd > 0 else with_unit(f"{value:.4g}", unit)
    kinds: dict[str, list[str]] = {"inside": [], "outside": []}
    for fit in rows_of(row, "fitted"):
        if float(fit["contraction"]) >= DECIDING:
            kinds["inside" if float(fit["tail"]) >= 1 - LIKELY else "outside"].append(fit_text(str(fit["fitted"].item())))
    judged = f"{site_text(name, {})} = {shown} ({row['label'].item()})"
    inside, outside = (enumerate_words(kinds[kind]) for kind in ("inside", "outside"))
    if not inside:
        return Finding(f"{judged} is what none of these data want.", "")
    return Finding(f"{judged} agrees with {inside}.", f"It lies outside the 90 % interval of {outside}." if outside else "")


def fit_text(fitted: str) -> str:
    """Return what was fitted: an environment in quotation marks, or all data."""
    return fitted if fitted in (ALL, BARE) else f"“{fitted}”"


def tension_finding(candidate: Candidate) -> Finding | None:
    """Return whether one parameter vector serves all environments."""
    tension = candidate.transfer.get("tension")
    if tension is None:
        return None
    chance, ratio = float(tension["p_value"]), float(tension["log_ratio"])
    numbers = f"log R = {log_text(ratio, float(tension['log_ratio_sd']))}, suspiciousness {estimate(tension, 'suspiciousness')}"
    preferred = f"the evidence prefers {'one vector for all' if ratio > 0 else 'a vector for each of them'}"
    if abs(ratio) < 1:
        preferred = "the evidence decides nothing"
    if not np.isfinite(chance):
        judged, numbers = preferred, f"There is no p-value; {numbers}"
    else:
        judged = "one parameter vector serves all environments" if chance >= TENSE else "the environments disagree"
        judged += f", though {preferred}" if abs(ratio) < 1 or (chance >= TENSE) != (ratio > 0) else ""
        numbers = f"p {p_text(chance)}, {numbers}"
    return Finding(f"{candidate_text(candidate.name)}: {judged}.", f"{numbers}.")


def estimate(dataset: xarray.Dataset, name: str) -> str:
    """Return a variable with its Monte Carlo error, see `log_text`."""
    return log_text(float(dataset[name]), float(dataset[f"{name}_sd"]))


def left_out_finding(candidate: Candidate) -> Finding | None:
    """Return how well environments are predicted by what was fitted to all others."""
    covered, index = _coverage_text(candidate), _index_text(candidate)
    if not covered and not index:
        return None
    return Finding(f"{candidate_text(candidate.name)}{f': {covered}.' if covered else ''}", f"{index}." if index else "")


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
        return f"“{index['tested'].to_numpy()[place]}”, {significant(float(middle[place]))} times ({low} to {high})"

    text = f"The error in an environment left out is largest in {told(int(np.argmax(middle)))} what it is where it was fitted"
    return text if len(middle) == 1 else f"{text}, and smallest in {told(int(np.argmin(middle)))}"


def _coverage_text(candidate: Candidate) -> str:
    found = candidate.transfer.get("left_out_coverage")
    if found is None:
        return ""
    told = []
    for variant in ("pooled", *plain_variants(candidate)):
        rows = found.sel(variant=variant, environment=EVERY)
        share, low, high = (float(rows[name].sel(level=0.9)) for name in ("coverage", "expected_q05", "expected_q95"))
        if not np.isfinite(share):
            continue
        text = f"{percent(share)}, where calibrated ones would hold {rounded(100 * low, 0)} to {percent(high)}{_misjudged(rows)}"
        told.append(f"without {'discrepancy and pooling' if variant == 'bare' else 'pooling'} {text}" if told else text)
    return f"the 90 % intervals of left-out environments hold {'; '.join(told)}" if told else ""


def _misjudged(rows: xarray.Dataset) -> str:
    """Return at which probabilities intervals are too narrow or too wide; empty if at none."""
    found = []
    for name, judged in (("p_as_low", "too narrow"), ("p_as_high", "too wide")):
        levels = [percent(float(level)) for level in rows["level"].to_numpy() if float(rows[name].sel(level=level)) < MISSED]
        found += [f"{judged} at {enumerate_words(levels)}"] if levels else []
    return f" ({'; '.join(found)})" if found else ""


def plain_variants(candidate: Candidate) -> list[str]:
    """Return the plainest variant that environments were left out of: without a discrepancy where there are such refits."""
    return next(([one] for one in ("bare", "shared") if f"left_out_{one}" in candidate.transfer), [])


def domain_finding(candidate: Candidate) -> Finding | None:
    """Return where predictions of states by what was fitted to all other environments are within tolerance."""
    domain = candidate.transfer.get("domain")
    if domain is None or OTHERS not in domain["fitted"].to_numpy():
        return None
    said = [_domain_of(candidate, domain.sel(fitted=OTHERS), str(name)) for name in domain.data_vars]
    return Finding(f"{candidate_text(candidate.name)}:", f"{'; '.join(said)}.")


def _domain_of(candidate: Candidate, domain: xarray.Dataset, term: str) -> str:
    quantity, chance = candidate.terms[term].quantity, domain[term].to_numpy()
    text = quantity.label
    if sum(one.quantity == quantity for one in candidate.terms.values()) > 1:  # only their environments tell them apart
        labels = dict.fromkeys(domain[f"{term}_environment"].to_numpy().astype(str))
        text += f" in {enumerate_words([f'“{label}”' for label in labels])}"
    text += f" (within {tolerance_text(candidate, term)}) "
    if len(quantity.states) != 1:
        return text + f"at {np.count_nonzero(chance > DOMAIN)} of {len(chance)} states"
    (column,) = quantity.states
    state, unit = domain[f"{term}_{column}"].to_numpy(), quantities.get(column).unit
    where = domain[f"{term}_environment"].to_numpy().astype(str)
    inside = chance > DOMAIN
    if inside.all() or not inside.any():
        return text + (
            f"everywhere from {with_unit(_range(state.min(), state.max(), state), unit)}" if inside.any() else "nowhere"
        )
    if not overlapping(state, where):
        return text + _ranges(chance, state, unit)
    labels = [label for label in dict.fromkeys(where) if inside[where == label].any()]
    whole = [f"“{label}”" for label in labels if inside[where == label].all()]
    parts = [
        f"in “{label}” {_ranges(chance[where == label], state[where == label], unit)}"
        for label in labels
        if f"“{label}”" not in whole
    ]
    return text + enumerate_words([*([f"everywhere in {enumerate_words(whole)}"] if whole else []), *parts])


def overlapping(state: np.ndarray, environment: np.ndarray) -> bool:
    """Return whether some environments have states in common, so that a range of states belongs to none of them."""
    spans = sorted((state[environment == label].min(), state[environment == label].max()) for label in set(environment))
    return any(before[1] > after[0] for before, after in itertools.pairwise(spans))


def _ranges(chance: np.ndarray, state: np.ndarray, unit: str) -> str:
    """Return the longest ranges of the state in which the probability is high enough."""
    found = sorted(intervals(chance, state), key=lambda span: span[0] - span[1])[:_MAX_NAMED]
    return with_unit(enumerate_words([_range(low, high, state) for low, high in sorted(found)]), unit)


def _range(low: float, high: float, state: np.ndarray) -> str:
    """Return a range with digits that fit the width of all states, and more where its ends would look the same."""
    decimals = max(decimals_of(float(np.ptp(state))), 0)
    while rounded(low, decimals) == rounded(high, decimals) and high - low > 1e-6 * np.ptp(state):
        decimals += 1
    return rounded(low, decimals) if low == high else f"{rounded(low, decimals)} to {rounded(high, decimals)}"


def tolerance_text(candidate: Candidate, term: str) -> str:
    """Return the tolerance of a term, such as 5 % or 3 cm³/mol."""
    refits = candidate.transfer.get("refits")
    known = {} if refits is None else json.loads(refits.attrs.get("tolerances", "{}"))
    if term not in known:
        return "tolerance"
    amount, unit = known[term]
    return with_unit(f"{amount:g}", unit) if unit else f"{100 * amount:g} %"


def comparison_finding(assessed: Assessed) -> Finding | None:
    """Return which candidate predicts environments best that it was not fitted to; None where that is not known."""
    comparison = assessed.first.transfer.get("comparison")
    if comparison is None:
        return None
    best, *others = rows_of(comparison, "candidate")
    worse, alike = [], []
    for row in others:
        difference, error = -float(row["difference"]), float(row["difference_se"])
        decided = difference >= NEGLIGIBLE and difference >= 2 * error
        (worse if decided else alike).append(f"that of {_name(row)} by {plus_minus(difference, error)}")
    judged = f"{_name(best)} predicts left-out environments best{'' if worse else ', by a margin that decides nothing'}."
    numbers = (
        f"The joint log density of their data exceeds {enumerate_words([*worse, *alike])} (standard error between environments)"
    )
    undecided = f"; {enumerate_words(alike)} decides nothing" if worse and alike else ""
    return Finding(judged, f"{numbers}{undecided}.")


def _name(row: xarray.Dataset) -> str:
    return candidate_text(str(row["candidate"].item()))


def rows_of(dataset: xarray.Dataset, dim: str) -> list[xarray.Dataset]:
    """Return a dataset row by row."""
    return [dataset.isel({dim: index}) for index in range(dataset.sizes[dim])]
