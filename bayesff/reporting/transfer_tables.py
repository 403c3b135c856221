"""The tables of a transfer assessment, as text that is ready to be read."""

import numpy as np
import xarray

from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.transferability import assessed_candidates, estimate, is_positive, plain_variants, rows_of
from bayesff.reporting.wording import (
    candidate_text,
    chance_text,
    log_text,
    p_text,
    percent,
    percent_interval,
    rounded,
    significant,
    site_text,
)


def score_rows(candidate: Candidate) -> list[list[str]]:
    """Return the scores of environments left out by the pooled variant, those of the plainest variant in brackets."""
    pooled, plain = (candidate.transfer.get(f"left_out_{one}") for one in ("pooled", *plain_variants(candidate), "")[:2])
    if pooled is None:
        return []
    rows = []
    for row in rows_of(pooled, "environment"):
        label = row["environment"].item()
        known = plain is not None and label in plain["environment"].to_numpy()
        other = _score_cells(plain.sel(environment=label)) if plain is not None and known else None
        cells = _score_cells(row)
        if other is not None:
            cells = [f"{cell} ({beside.split(',')[0]})" for cell, beside in zip(cells, other, strict=True)]
        rows.append([str(label), str(int(row["num_data"])), *cells])
    return rows


def _score_cells(row: xarray.Dataset) -> list[str]:
    """Return the scores of an environment: coverages in per cent, CRPS, skill, error with its interval, and density."""
    error, low, high = (significant(float(row[f"rmse_over_uncertainty{rest}"])) for rest in ("", "_q05", "_q95"))
    return [
        *(rounded(100 * float(row["coverage"].sel(level=level)), 0) for level in row["level"].to_numpy()),
        significant(float(row["crps_over_uncertainty"])),
        rounded(float(row["skill"]), 2),
        f"{error}, {low} to {high}",
        log_text(float(row["joint_log_predictive_density"]), float(row["joint_log_predictive_density_sd"])),
    ]


def within_rows(candidate: Candidate) -> list[list[str]]:
    """Return the probability that all states of an environment are within tolerance, by what was fitted and what is tested."""
    within = candidate.transfer.get("within")
    if within is None:
        return []
    return [
        [
            str(row["fitted"].item()),
            *(_within(candidate, one) for one in rows_of(row, "tested")),
            _chance(float(row["p_within_everywhere"])),
        ]
        for row in rows_of(within, "fitted")
    ]


def _within(candidate: Candidate, row: xarray.Dataset) -> str:
    """Return the probability for all observables jointly, and in brackets for each where there are several."""
    single = {str(term): float(row["p_within_of"].sel(term=term)) for term in row["term"].to_numpy()}
    told = [f"{candidate.terms[term].quantity.label} {_chance(chance)}" for term, chance in single.items() if np.isfinite(chance)]
    joint = _chance(float(row["p_within"]))
    return f"{joint} ({', '.join(told)})" if len(told) > 1 else joint


def _chance(value: float) -> str:
    return chance_text(value).removeprefix("= ")


def tension_rows(assessed: Assessed) -> list[list[str]]:
    """Return the tension between environments of every candidate."""
    shown = [
        (candidate, candidate.transfer["tension"])
        for candidate in assessed_candidates(assessed)
        if "tension" in candidate.transfer
    ]
    return [
        [
            candidate_text(candidate.name),
            log_text(float(tension["log_ratio"]), float(tension["log_ratio_sd"])),
            *(estimate(tension, name) for name in ("suspiciousness", "dimension")),
            p_text(float(tension["p_value"])).removeprefix("= "),
        ]
        for candidate, tension in shown
    ]


def left_out_comparison_rows(assessed: Assessed) -> list[list[str]]:
    """Return the candidates by how well they predict left-out environments, best first, with their log evidences by variant."""
    comparison = assessed.first.transfer.get("comparison")
    return [
        [
            candidate_text(str(row["candidate"].item())),
            log_text(float(row["left_out_density"]), float(row["left_out_density_sd"])),
            estimate(row.rename(difference_se="difference_sd"), "difference") if float(row["difference"]) else "best",
            rounded(float(row["weight"]), 2),
            *(log_text(float(one["log_z"]), float(one["log_z_sd"])) for one in rows_of(row, "variant")),
        ]
        for row in (() if comparison is None else rows_of(comparison, "candidate"))
    ]


def combination_rows(candidate: Candidate) -> list[list[str]]:
    """Return the combinations of parameters that the data fix, as products of powers, best fixed first."""
    found = candidate.transfer.get("identifiability")
    return [
        [str(fitted["fitted"].item()), combination_text(candidate, row), *_fixed(row), _share(float(row["contraction"]))]
        for fitted in (() if found is None else rows_of(found, "fitted"))
        for row in rows_of(fitted, "combination")
    ]


def _share(value: float) -> str:
    return "> 99 %" if value > 0.99 else percent(value)


def combination_text(candidate: Candidate, row: xarray.Dataset) -> str:
    """Return a combination as a product of powers; powers below 0.1 are left out."""
    powers = {str(name): float(row["power"].sel(parameter=name)) for name in row["parameter"].to_numpy()}
    factors = []
    for name, power in sorted(powers.items(), key=lambda item: -abs(item[1])):
        exponent, symbol = rounded(power, 2), site_text(name, {})
        if abs(power) >= 0.1:
            factors.append(
                (symbol if exponent == "1.00" else f"{symbol}^{exponent}")
                if is_positive(candidate, name)
                else f"e^({exponent} {symbol})"
            )
    return " ".join(factors)


def _fixed(row: xarray.Dataset) -> list[str]:
    """Return the relative standard deviation to which the data fix a combination, and its central 90 % interval."""
    value, high, low = (
        float(row[name]) ** -0.5 if row[name] > 0 else np.inf for name in ("eigenvalue", "eigenvalue_q05", "eigenvalue_q95")
    )
    return [f"{significant(100 * value)} %", percent_interval(low, high)] if np.isfinite(value) else ["not at all", "–"]


def refit_rows(candidate: Candidate) -> list[list[str]]:
    """Return every refit: what was fitted, its evidence, and whether it converged."""
    table = candidate.transfer.get("refits")
    return [
        [
            str(row["variant"].item()),
            str(row["fitted"].item()),
            log_text(float(row["log_z"]), float(row["log_z_sd"])),
            "yes" if int(row["converged"]) else f"no: {row['reasons'].item()}",
            rounded(float(row["largest_rhat"]), 3),
            rounded(float(row["fewest_effective"]), 0),
        ]
        for row in (() if table is None else rows_of(table, "refit"))
    ]
