"""Predictive checks, comparison of the candidates, and the chains."""

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import binom, rankdata

from bayesff import assessment
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.figures.style import BLUE, COLOURS, DATA, FAINT, MARKERS, ORANGE, Picture, few_ticks, new_figure
from bayesff.reporting.wording import axis, candidate_text, site_text

NUM_BINS = 10
MAX_CHAIN_PANELS = 5


def check_picture(assessed: Assessed) -> Picture:
    """Return the picture of coverage and probability integral transform of all candidates."""
    candidates = list(assessed.candidates.values())
    if len(candidates) == 1:
        figure = new_figure(10, 3.4)
        panels = figure.subplots(1, 2, squeeze=False).T
    else:
        figure = new_figure(10, 5.6)
        panels = figure.subplots(2, len(candidates), squeeze=False, sharey="row")
    for index, candidate in enumerate(candidates):
        _coverage(panels[0][index], candidate)
        _transform(panels[1][index], candidate)
        panels[0][index].set_title(candidate_text(candidate.name), loc="left", fontweight="bold")
    panels[0][0].set_ylabel("share of the data inside")
    panels[1][0].set_ylabel("number of data")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    caption = (
        "The curves: how many data lie within the central predictive interval of each probability. The histograms: the "
        "probability integral transform. Calibrated predictions stay within the grey bands, which hold 95 % of what chance "
        "does at each place. Left out: each datum predicted from all the others. In sample: the datum was used in the fit, so "
        "that these predictions look better than they are."
    )
    return Picture("predictive_checks", "Predictive checks", caption, figure)


def _coverage(axes: Axes, candidate: Candidate) -> None:
    nominal, number = np.linspace(0.02, 0.98, 49), candidate.table.sizes["datum"]
    low, high = (binom.ppf(edge, number, nominal) / number for edge in (0.025, 0.975))
    axes.fill_between(nominal, low, high, color=FAINT, alpha=0.35, lw=0, label="95 % of chance")
    axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
    for name, colour, line, label in (("loo_pit", BLUE, "-", "left out"), ("pit", ORANGE, "--", "in sample")):
        transform = candidate.table[name].to_numpy()
        observed = [np.mean(assessment.covered(transform, level)) for level in nominal]
        axes.plot(nominal, observed, line, color=colour, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability of the interval")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])


def _transform(axes: Axes, candidate: Candidate) -> None:
    number, edges = candidate.table.sizes["datum"], np.linspace(0, 1, NUM_BINS + 1)
    low, high = (float(binom.ppf(edge, number, 1 / NUM_BINS)) for edge in (0.025, 0.975))
    axes.axhspan(low, high, color=FAINT, alpha=0.35, lw=0)
    axes.axhline(number / NUM_BINS, color=FAINT, lw=0.8)
    left_out, _ = np.histogram(np.clip(candidate.table["loo_pit"].to_numpy(), 0, 1), edges)
    in_sample, _ = np.histogram(candidate.table["pit"].to_numpy(), edges)
    axes.stairs(left_out, edges, fill=True, color=BLUE, alpha=0.35)
    axes.stairs(left_out, edges, color=BLUE)
    axes.stairs(in_sample, edges, color=ORANGE, ls="--")
    axes.set(xlim=(0, 1), xlabel="predicted probability of a smaller value")
    axes.set_ylim(0, None)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])


def comparison_picture(assessed: Assessed) -> Picture | None:
    """Return the picture of the differences in predictive density; None where there is nothing to compare."""
    comparison = assessed.comparison
    if comparison is None:
        return None
    names = [str(name) for name in comparison["candidate"].to_numpy()]
    labels = [str(label) for label in comparison["environment"].to_numpy()]
    figure = new_figure(10, max(1.5 + 0.3 * len(names), 1.5 + 0.36 * len(labels)))
    left, right = figure.subplots(1, 2)
    difference, error = comparison["elpd_difference"].to_numpy(), comparison["se_difference"].to_numpy()
    inside, error_inside = comparison["elpd_difference_in"].to_numpy(), comparison["se_difference_in"].to_numpy()
    order = list(assessed.candidates)
    for index, name in enumerate(names):
        colour, marker = COLOURS[order.index(name) % len(COLOURS)], MARKERS[order.index(name) % len(MARKERS)]
        left.errorbar(difference[index], index, xerr=2 * error[index], fmt=marker, ms=6, color=colour)
        where = np.arange(len(labels)) + (0.0 if len(names) == 1 else 0.4 * (index / (len(names) - 1) - 0.5))
        right.errorbar(inside[index], where, xerr=2 * error_inside[index], fmt=marker, ms=5, color=colour, ls="none")
    left.set_yticks(range(len(names)), [candidate_text(name) for name in names])
    right.set_yticks(range(len(labels)), labels)
    left.set_title("all data", loc="left")
    right.set_title("by environment", loc="left")
    for axes, number in ((left, len(names)), (right, len(labels))):
        axes.set_ylim(number - 0.5, -0.5)
        axes.axvline(0.0, color=FAINT, lw=1)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("expected log predictive density, less that of the best")
    caption = (
        "Expected log predictive density of a left-out datum, summed over the data, less that of the best candidate: further "
        "left is worse. Bars are two standard errors. Differences below 4 are no reason to prefer a candidate."
    )
    return Picture("comparison", "Comparison of the candidates", caption, figure)


def chain_pictures(assessed: Assessed) -> list[Picture]:
    """Return for each candidate the traces and the rank histograms of its parameters and of its worst scalar."""
    return [_chains(candidate, index) for index, candidate in enumerate(assessed.candidates.values())]


def _chains(candidate: Candidate, index: int) -> Picture:
    summary = candidate.summary
    sites = summary["site"].to_numpy()
    own = [summary["scalar"].to_numpy()[index] for index in candidate.order if _of_potential(sites[index], candidate)]
    worst = str(summary["scalar"].to_numpy()[int(np.argmax(np.nan_to_num(summary["rhat"].to_numpy(), nan=np.inf)))])
    shown = [str(name) for name in own[: MAX_CHAIN_PANELS - 1]]
    shown += [worst] if worst not in shown else []
    figure = new_figure(10, 3.6)
    panels = figure.subplots(2, len(shown), squeeze=False)
    terms = {name: term.quantity.label for name, term in candidate.terms.items()}
    for column, scalar in enumerate(shown):
        values, unit = _scalar(candidate, scalar)
        trace, ranks = panels[0][column], panels[1][column]
        _trace(trace, values)
        _ranks(ranks, values)
        title = site_text(scalar, terms)
        trace.set_title(title if len(title) < 24 else title.replace(": ", ":\n"), fontsize=8.5, loc="left")
        trace.set_ylabel(axis("", unit).strip())
    panels[1][0].set_ylabel("draws")
    caption = (
        "Above, the chains, one colour each; below, the ranks of each chain's draws among those of all chains, flat where the "
        f"chains agree. Shown are the potential's parameters and the scalar with the largest R-hat ({site_text(worst, terms)})."
    )
    return Picture(f"chains_{candidate.name}", f"Chains of {candidate_text(candidate.name)}", caption, figure)


def _of_potential(site: str, candidate: Candidate) -> bool:
    return any(site in (name, f"{name}_environment", f"tau_{name}") for name in candidate.parameters)


def _scalar(candidate: Candidate, scalar: str) -> tuple[np.ndarray, str]:
    """Return the (chain, draw) array of a scalar by its position among those of its site, in the unit shown."""
    summary = candidate.summary
    position = list(summary["scalar"].to_numpy()).index(scalar)
    site = str(summary["site"].to_numpy()[position])
    first = list(summary["site"].to_numpy()).index(site)
    variable = candidate.tree["posterior"].to_dataset()[site]
    factor, unit = assessment.display(variable)
    values = variable.transpose("chain", "draw", ...).to_numpy()
    return values.reshape(*values.shape[:2], -1)[:, :, position - first] * factor, unit


def _trace(axes: Axes, values: np.ndarray) -> None:
    step = max(values.shape[1] // 400, 1)
    for chain, row in enumerate(values):
        colour = COLOURS[chain % len(COLOURS)]
        axes.plot(np.arange(values.shape[1])[::step], row[::step], lw=0.5, color=colour, alpha=0.7, rasterized=True)
    few_ticks(axes, 3, 4)
    axes.ticklabel_format(useOffset=False)
    axes.set_xlabel("draw")


def _ranks(axes: Axes, values: np.ndarray) -> None:
    ranks = rankdata(values).reshape(values.shape)
    for chain, row in enumerate(ranks):
        heights, edges = np.histogram(row, bins=20, range=(0.5, values.size + 0.5))
        axes.stairs(heights, edges, color=COLOURS[chain % len(COLOURS)], lw=0.9)
    axes.axhline(values.shape[1] / 20, color=DATA, lw=0.7)
    axes.set_ylim(0, None)
    axes.set_xlabel("rank")
    few_ticks(axes, 3, 3)
