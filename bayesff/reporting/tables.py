"""The tables of the report, as text that is ready to be read."""

from dataclasses import dataclass

import numpy as np

from bayesff.potentials.description import as_call
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.wording import (
    candidate_text,
    decimals_of,
    interval,
    percent,
    plus_minus,
    rounded,
    significant,
    site_text,
    unit_text,
)


@dataclass(frozen=True)
class ParameterRow:
    """One scalar of the posterior: what it is, its unit, its value with its spread, and its diagnostics, all as text.

    Parameters
    ----------
    kind
        ``potential`` or ``error model``.
    name, unit, value, span
        What it is; its unit; mean ± standard deviation; the central 90 % interval.
    contraction
        Standard deviation of the prior over that of the posterior.
    rhat, ess
        R-hat, and the smaller of the bulk and tail effective sample sizes.
    """

    kind: str
    name: str
    unit: str
    value: str
    span: str
    contraction: str
    rhat: str
    ess: str


def parameter_rows(candidate: Candidate) -> list[ParameterRow]:
    """Return the parameters of the potential and the scales of the error model; the biases are shown in a table of their own."""
    terms = {name: term.quantity.label for name, term in candidate.terms.items()}
    rows = []
    for index in candidate.order:
        site = candidate.summary["site"].to_numpy()[index]
        kind = _kind(str(site), candidate)
        if kind is None:
            continue
        row = {name: float(candidate.summary[name].to_numpy()[index]) for name in candidate.summary.data_vars}
        decimals = decimals_of(row["sd"], row["mean"])
        rows.append(
            ParameterRow(
                kind=kind,
                name=site_text(str(candidate.summary["scalar"].to_numpy()[index]), terms),
                unit=unit_text(str(candidate.summary["unit"].to_numpy()[index])),
                value=plus_minus(row["mean"], row["sd"]),
                span=f"{rounded(row['q05'], decimals)} to {rounded(row['q95'], decimals)}",
                contraction=significant(row["prior_sd"] / row["sd"]) if row["sd"] > 0 else "–",
                rhat=rounded(row["rhat"], 3),
                ess=rounded(np.fmin(row["ess_bulk"], row["ess_tail"]), 0),
            )
        )
    return rows


def _kind(site: str, candidate: Candidate) -> str | None:
    """Return where a site belongs; None for auxiliary ones and for biases."""
    for name in candidate.parameters:
        if site in (name, f"{name}_environment", f"tau_{name}"):
            return "potential"
        if site == f"{name}_offset":
            return None
    biases = {f"{term}_{group}_bias" for term, contents in candidate.terms.items() for group in contents.groups}
    return None if site in biases or site.endswith("_causes") else "error model"


def environment_rows(candidate: Candidate) -> list[list[str]]:
    """Return the residuals of each environment: number of data, root mean squares, CRPS."""
    scores, rows = candidate.environments, []
    for label in scores["environment"].to_numpy():
        row = scores.sel(environment=label)
        unit = unit_text(str(row["unit"].item()))
        both = [
            f"{significant(float(row[name]))} {unit}" if np.isfinite(row[name]) else "–" for name in ("rmse_potential", "rmse")
        ]
        rows.append(
            [
                str(label),
                str(int(row["num_data"])),
                both[0],
                significant(float(row["rmse_potential_over_uncertainty"])),
                both[1],
                significant(float(row["rmse_over_uncertainty"])),
            ]
        )
    return rows


def check_rows(candidate: Candidate) -> list[list[str]]:
    """Return the predictive scores of each environment, left out and in sample."""
    scores, rows = candidate.environments, []
    for label in scores["environment"].to_numpy():
        row = scores.sel(environment=label)
        unit = unit_text(str(row["unit"].item()))
        covered = [
            f"{percent(float(row['loo_coverage'].sel(level=level)))} ({percent(float(row['coverage'].sel(level=level)))})"
            for level in row["level"].to_numpy()
        ]
        crps = [
            f"{significant(float(row[name]))} {unit}" if np.isfinite(row[name]) else f"{significant(float(row[relative]))} u"
            for name, relative in (("loo_crps", "loo_crps_over_uncertainty"), ("crps", "crps_over_uncertainty"))
        ]
        density = [rounded(float(row[name]), 1) for name in ("loo_log_predictive_density", "log_predictive_density")]
        rows.append(
            [
                str(label),
                str(int(row["num_data"])),
                *covered,
                f"{crps[0]} ({crps[1]})",
                f"{density[0]} ({density[1]})",
                str(int(row["num_high_pareto_k"])),
            ]
        )
    return rows


def comparison_rows(assessed: Assessed) -> list[list[str]]:
    """Return the candidates, best first."""
    if assessed.comparison is None:
        return []
    rows = []
    for index in range(assessed.comparison.sizes["candidate"]):
        row = assessed.comparison.isel(candidate=index)
        difference, error = float(row["elpd_difference"]), float(row["se_difference"])
        candidate = assessed.candidates[str(row["candidate"].item())]
        evidence = "–"
        if "log_z" in candidate.tree.attrs:
            log_z, log_z_sd = (float(candidate.tree.attrs.get(name, np.nan)) for name in ("log_z", "log_z_sd"))
            evidence = plus_minus(log_z, log_z_sd) if np.isfinite(log_z_sd) else rounded(log_z, 1)
        rows.append(
            [
                candidate_text(candidate.name),
                plus_minus(float(row["elpd"]), float(row["se"])),
                "best" if index == 0 else plus_minus(difference, error),
                rounded(float(row["weight"]), 2),
                rounded(float(row["p"]), 1),
                str(int(row["num_high_pareto_k"])),
                evidence,
            ]
        )
    return rows


def bias_rows(candidate: Candidate) -> list[list[str]]:
    """Return the bias of each member of each group."""
    biases = candidate.biases
    if biases is None:
        return []
    rows = []
    for index in range(biases.sizes["member"]):
        row = biases.isel(member=index)
        unit = unit_text(str(row["unit"].item()))
        value = plus_minus(float(row["mean"]), float(row["sd"]))
        span = interval(float(row["q05"]), float(row["q95"]))
        rows.append(
            [
                candidate.terms[str(row["term"].item())].quantity.label,
                str(row["label"].item()),
                str(int(row["num_data"])),
                f"{value} {unit}",
                f"{span} {unit}",
                significant(float(row["rms_over_uncertainty"])),
            ]
        )
    return rows


def diagnostic_rows(assessed: Assessed) -> list[list[str]]:
    """Return how each candidate was sampled and whether that converged."""
    rows = []
    for candidate in assessed.candidates.values():
        diagnostics, sizes = candidate.tree["diagnostics"].to_dataset(), candidate.tree["posterior"].sizes
        scalars, rhat = diagnostics["scalar"].to_numpy(), diagnostics["rhat"].to_numpy()
        smallest = np.fmin(diagnostics["ess_bulk"].to_numpy(), diagnostics["ess_tail"].to_numpy())
        terms = {name: term.quantity.label for name, term in candidate.terms.items()}
        worst = int(np.argmax(np.nan_to_num(rhat, nan=np.inf)))
        least = int(np.argmin(np.nan_to_num(smallest, nan=0.0)))
        rows.append(
            [
                candidate_text(candidate.name),
                candidate.method,
                "converged" if candidate.converged else "not converged",
                f"{sizes['chain']} × {sizes['draw']}",
                str(int(diagnostics["num_divergences"])) if candidate.has_statistic("diverging") else "–",
                rounded(float(diagnostics["ebfmi"]), 2) if candidate.has_statistic("energy") else "–",
                f"{rounded(rhat[worst], 3)} ({site_text(str(scalars[worst]), terms)})",
                f"{rounded(smallest[least], 0)} ({site_text(str(scalars[least]), terms)})",
            ]
        )
    return rows


def sample_size_rows(candidate: Candidate) -> list[list[str]]:
    """Return for every state of a liquid how many frames of the reference simulations are effective over the draws."""
    ensembles, rows = candidate.ensembles, []
    if ensembles is None:
        return []
    for index in range(ensembles.sizes["liquid_state"]):
        state = ensembles.isel(liquid_state=index)
        sizes = state["effective_sample_size"].to_numpy().ravel()
        near = [one for one in candidate.simulations if np.isclose(one["fluid"]["density"], state["density"].item(), rtol=1e-6)]
        rows.append(
            [
                str(state["environment"].item()),
                f"{state['temperature'].item():g} K",
                f"{state['density'].item():g}",
                str(len(near)) if candidate.simulations else "–",
                *(rounded(size, 0) for size in (sizes.min(), *np.quantile(sizes, (0.05, 0.5)))),
                f"{state['smallest_sample'].item():g}",
            ]
        )
    return rows


def simulation_rows(candidate: Candidate) -> list[list[str]]:
    """Return what each reference simulation was made with."""
    rows = []
    for one in candidate.simulations:
        fluid = one["fluid"]
        frames = one["num_replicas"] * one["num_frames"]
        rows.append(
            [
                as_call(one["potential"]),
                f"{fluid['temperature']:g} K",
                f"{fluid['density']:g} {unit_text('1/angstrom^3')}",
                str(fluid["num_particles"]),
                f"{frames} of {one['num_replicas']} boxes, every {one['stride']} steps of {1000 * fluid['timestep']:g} fs",
                str(one["seed"]),
            ]
        )
    return rows


def discrepancy_rows(candidate: Candidate) -> list[list[str]]:
    """Return the discrepancies that the data showed: root mean square over the environment, and the scale that was learnt."""
    scales, rows = candidate.scales, []
    if scales is None:
        return []
    for index in range(scales.sizes["scale"]):
        row = scales.isel(scale=index)
        if row["kind"].item() != "discrepancy":
            continue
        unit = str(row["unit"].item())
        low, high, stated = (float(row[name]) for name in ("found_q05", "found_q95", "uncertainty"))
        rows.append(
            [
                candidate.terms[str(row["term"].item())].quantity.label,
                str(row["environment"].item()),
                interval(low, high, unit),
                f"{significant(low / stated)} to {significant(high / stated)}",
                interval(float(row["q05"]), float(row["q95"]), unit),
            ]
        )
    return rows
