"""Left-out environments: predictions over the data, and how many data lie where they were predicted."""

import dataclasses
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from bayesff import assessment, quantities
from bayesff.assessment.transfer import EVERY
from bayesff.reporting.assessed import Candidate
from bayesff.reporting.figures.fit import _data, _environment_labels, _horizontal, _residuals
from bayesff.reporting.figures.layout import down, offset
from bayesff.reporting.figures.style import BLUE, FAINT, GREEN, MARKERS, ORANGE, Picture, new_figure
from bayesff.reporting.transferability import overlapping, plain_variants
from bayesff.reporting.wording import axis, candidate_text

_LINES = {"pooled": (BLUE, "-"), "shared": (GREEN, "-."), "bare": (ORANGE, "--")}


def left_out_pictures(candidates: list[Candidate]) -> list[Picture]:
    """Return for each term with one state column how every environment is predicted from all the others."""
    shown = [candidate for candidate in candidates if "left_out_curves" in candidate.transfer and main_variant(candidate)]
    terms = dict.fromkeys(name for candidate in shown for name, term in candidate.terms.items() if len(term.quantity.states) == 1)
    return [_left_out_picture([one for one in shown if term in one.transfer["left_out_curves"]], term) for term in terms]


def main_variant(candidate: Candidate) -> str | None:
    """Return the variant whose left-out predictions are drawn in full: the pooled one where it exists."""
    return next((name for name in ("pooled", "shared") if f"left_out_{name}" in candidate.transfer), None)


def panel_groups(grid: np.ndarray, where: np.ndarray) -> list[list[str]]:
    """Return which environments are drawn in one panel: all of them where they follow one another, else each in its own."""
    labels = [str(label) for label in dict.fromkeys(where)]
    return [[label] for label in labels] if overlapping(grid, where) else [labels]


def _left_out_picture(shown: list[Candidate], term: str) -> Picture:
    quantity = shown[0].terms[term].quantity
    groups = panel_groups(*_grid(shown[0], term))
    figure = new_figure(10, 5.4 if len(groups) == 1 else 2.8 + 1.5 * len(groups))
    ratios = (1.25, 1) if len(groups) == 1 else (1.7, *[1] * len(groups))
    panels = figure.subplots(1 + len(groups), len(shown), sharex=True, squeeze=False, height_ratios=ratios)
    for index, candidate in enumerate(shown):
        panels[0][index].set_title(candidate_text(candidate.name), loc="left", fontweight="bold")
        _top(panels[0][index], candidate, term)
        for place, labels in enumerate(groups):
            _bottom(panels[place + 1][index], candidate, term, labels)
        _across(panels[-1][index], candidate, term)
        if len(groups) == 1:
            _environment_labels(
                panels[-1][index], candidate.terms[term].state[quantity.states[0]], candidate.terms[term].environment
            )
    panels[0][0].set_ylabel(axis(f"${quantity.symbol}$", quantity.unit))
    panels[(len(groups) + 1) // 2][0].set_ylabel(axis("less the median", quantity.unit))
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 4))
    caption = (
        f"{quantity.label[:1].upper()}{quantity.label[1:]}: every environment predicted without its own data. Bands: the whole "
        "model, 50 % (dark) and 90 % (light) of its prediction of the true value; dashed: the 90 % band with one parameter "
        "vector for all environments and no discrepancy. Below, both and the data with the median of the bands taken away. "
        "Error bars are one stated standard deviation."
    )
    if any(axes.get_yscale() == "symlog" for axes in panels[1:].ravel()):
        caption += " The lower axes are linear about zero and logarithmic further out."
    return Picture(f"left_out_{term}", f"Left-out environments: {quantity.label}", caption, figure)


def _grid(candidate: Candidate, term: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the states over which a term is predicted, and their environments."""
    curves, (column,) = candidate.transfer["left_out_curves"], candidate.terms[term].quantity.states
    return curves[f"{term}_{column}"].to_numpy(), curves[f"{term}_environment"].to_numpy().astype(str)


def _across(axes: Axes, candidate: Candidate, term: str) -> None:
    (column,), (grid, _) = candidate.terms[term].quantity.states, _grid(candidate, term)
    state = candidate.terms[term].state[column]
    _horizontal(axes, quantities.get(column), np.concatenate([state, grid]))


def _predictions(candidate: Candidate, term: str) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Return the quantiles of the whole model's predictions, those of the plainest variant if it is another, and its words."""
    curves, main = candidate.transfer["left_out_curves"][term], main_variant(candidate)
    plain = next((name for name in plain_variants(candidate) if name != main), None)
    words = "left out, one vector" + (", no discrepancy" if plain == "bare" else "")
    return curves.sel(variant=main).to_numpy(), None if plain is None else curves.sel(variant=plain).to_numpy(), words


def _top(axes: Axes, candidate: Candidate, term: str) -> None:
    contents, (grid, where) = candidate.terms[term], _grid(candidate, term)
    bands, plain, words = _predictions(candidate, term)
    for index, label in enumerate(dict.fromkeys(where)):
        rows = where == label
        _bands(axes, grid[rows], bands[:, rows], None if index else "left out, whole model")
        _outline(axes, grid[rows], None if plain is None else plain[:, rows], None if index else words)
    _data(axes, contents.state[contents.quantity.states[0]], contents.values, contents, label=True)
    _limit(axes, contents)


def _bottom(axes: Axes, candidate: Candidate, term: str, labels: list[str]) -> None:
    """Draw the predictions of some environments and their data less the median of the predictions."""
    contents, (grid, where) = candidate.terms[term], _grid(candidate, term)
    state = contents.state[contents.quantity.states[0]]
    bands, plain, _ = _predictions(candidate, term)
    residual, reach = np.full(len(state), np.nan), 0.0
    for label in labels:
        rows, own = where == label, contents.environment == label
        middle = bands[2, rows]
        _bands(axes, grid[rows], bands[:, rows] - middle, None)
        _outline(axes, grid[rows], None if plain is None else plain[:, rows] - middle, None)
        residual[own] = contents.values[own] - np.interp(state[own], grid[rows], middle)
        reach = max(reach, float(np.nanmax(np.abs(bands[[0, -1]][:, rows] - middle), initial=0.0)))
    known = np.isfinite(residual)
    if not known.any():
        return
    cut = {name: getattr(contents, name)[known] for name in ("values", "uncertainty", "environment")}
    _residuals(axes, state[known], residual[known], dataclasses.replace(contents, **cut), reach)
    every = list(dict.fromkeys(contents.environment))
    if len(labels) < len(every):
        points = cast(ErrorbarContainer, axes.containers[0]).lines[0]
        if points is not None:
            points.set_marker(MARKERS[every.index(labels[0]) % len(MARKERS)])
        axes.set_title(labels[0], loc="left", fontsize=8)
        _fewer_marks(axes)


def _fewer_marks(axes: Axes) -> None:
    """Keep the powers of ten of a symmetric-logarithmic axis, and few ticks of another."""
    if axes.get_yscale() != "symlog":
        axes.yaxis.set_major_locator(MaxNLocator(4))
        return
    marks = axes.get_yticks()
    middle = len(marks) // 2
    kept = [float(mark) for index, mark in enumerate(marks) if index == middle or (index - middle) % 2]
    axes.yaxis.set_major_locator(FixedLocator(kept))


def _outline(axes: Axes, x: np.ndarray, quantiles: np.ndarray | None, label: str | None) -> None:
    if quantiles is None:
        return
    for place in (0, -1):
        axes.plot(x, quantiles[place], "--", color=ORANGE, lw=0.9, label=None if place else label)


def _bands(axes: Axes, x: np.ndarray, quantiles: np.ndarray, label: str | None) -> None:
    for low, high, alpha in ((0, 4, 0.22), (1, 3, 0.45)):
        axes.fill_between(x, quantiles[low], quantiles[high], color=BLUE, alpha=alpha, lw=0)
    axes.plot(x, quantiles[2], color=BLUE, label=label)


def _limit(axes: Axes, contents: assessment.Contents) -> None:
    """Let the data, not the widest band, set the vertical axis."""
    low, high = (contents.values - contents.uncertainty).min(), (contents.values + contents.uncertainty).max()
    margin = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)


def coverage_picture(candidates: list[Candidate]) -> Picture | None:
    """Return the picture of how many data of left-out environments lie where they were predicted; None if that is not known."""
    shown = [candidate for candidate in candidates if "left_out_coverage" in candidate.transfer]
    if not shown:
        return None
    labels = list(dict.fromkeys(str(one) for one in shown[0].transfer["left_out_data"]["environment"].to_numpy()))
    rows = 0.9 + 0.42 * len(labels)
    figure = new_figure(10, 3.2 + rows)
    panels = figure.subplots(2, len(shown), squeeze=False, sharey="row", height_ratios=(2.6, rows))
    for index, candidate in enumerate(shown):
        _shares(panels[0][index], candidate)
        _shares_by_environment(panels[1][index], candidate, [*labels, EVERY])
        panels[0][index].set_title(candidate_text(candidate.name), loc="left", fontweight="bold")
    panels[0][0].set_ylabel("share of the data inside")
    down(panels[1][0], [*labels, EVERY])
    handles = [
        Line2D([], [], color=colour, ls=line, marker=marker, ms=5, label=variant)
        for (variant, (colour, line)), marker in zip(_LINES.items(), MARKERS, strict=False)
        if any(f"left_out_{variant}" in candidate.transfer for candidate in shown)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    caption = (
        "Above: how many data of left-out environments lie within the central predictive interval of each probability; on the "
        "diagonal predictions are calibrated, below it too sure of themselves, above it too cautious. Data of one environment "
        "err together, so that the curves are steps rather than lines. Below: the share within the 90 % interval (marker), "
        "and what that share would be if the predictions were right, from 5 % to 95 % (line): long where one unknown moves "
        "all data of an environment. Pooled: parameters may differ between environments; shared: one parameter vector; bare: "
        "the same without a discrepancy."
    )
    return Picture("left_out_coverage", "Coverage of left-out environments", caption, figure)


def _shares(axes: Axes, candidate: Candidate) -> None:
    data, nominal = candidate.transfer["left_out_data"], np.linspace(0.02, 0.98, 49)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
    for variant in (str(name) for name in data["variant"].to_numpy()):
        transform = data["pit"].sel(variant=variant).to_numpy()
        transform = transform[np.isfinite(transform)]
        colour, line = _LINES[variant]
        axes.plot(
            nominal, [np.mean(assessment.covered(transform, level)) for level in nominal], line, color=colour, label=variant
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability of the interval")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])


def _shares_by_environment(axes: Axes, candidate: Candidate, labels: list[str]) -> None:
    found = candidate.transfer["left_out_coverage"].sel(level=0.9)
    for index, variant in enumerate(str(name) for name in found["variant"].to_numpy()):
        row, colour = found.sel(variant=variant), _LINES[variant][0]
        where = [labels.index(str(one)) + offset(index, len(_LINES)) for one in row["environment"].to_numpy()]
        axes.hlines(where, row["expected_q05"], row["expected_q95"], color=colour, alpha=0.4, lw=3)
        axes.plot(row["coverage"], where, MARKERS[index], ms=5, color=colour)
    axes.axvline(0.9, color=FAINT, lw=0.8)
    axes.set(xlim=(-0.02, 1.02), xlabel="share within the 90 % interval")
    axes.grid(axis="y", visible=False)
