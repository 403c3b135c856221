"""Parameters: prior against posterior, and how they hang together."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from bayesff import assessment
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.figures.style import BLUE, COLOURS, FAINT, Picture, few_ticks, new_figure
from bayesff.reporting.wording import axis, candidate_text, site_text

MAX_PAIRS = 4
_NUM_POINTS = 800


def parameter_pictures(assessed: Assessed) -> list[Picture]:
    """Return one picture for each candidate."""
    return [_picture(candidate) for candidate in assessed.candidates.values()]


def _picture(candidate: Candidate) -> Picture:
    names = candidate.parameters
    shared = [name for name in names if name in candidate.tree["posterior"]]
    paired = shared if 2 <= len(shared) <= MAX_PAIRS else []
    if paired:
        figure = new_figure(10, max(1.75 * len(names), 3.6))
        halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.7))
        left, right = halves
        _pairs(right, candidate, paired)
        _marginals(left, candidate, names, along_rows=True)
    else:
        figure = new_figure(10, 2.6 * int(np.ceil(len(names) / 4)))
        whole: Any = figure.subfigures(1, 1)
        _marginals(whole, candidate, names, along_rows=False)
    caption = (
        "Prior (grey) and posterior (colour) of each parameter over the range of the prior, each scaled to its peak; the ratio "
        "is of their standard deviations."
    )
    if paired:
        caption += " Beside them, the posterior alone, one parameter against another, with their correlation."
    elif len(shared) > MAX_PAIRS:
        caption += f" Pairs are drawn for up to {MAX_PAIRS} parameters."
    return Picture(f"parameters_{candidate.name}", f"Parameters of {candidate_text(candidate.name)}", caption, figure)


def _sampled(candidate: Candidate, group: str, site: str) -> tuple[np.ndarray, str]:
    factor, unit = assessment.display(candidate.tree["posterior"].to_dataset()[site])
    return assessment.draws(candidate.tree, group, site) * factor, unit


def _marginals(figure: SubFigure, candidate: Candidate, names: list[str], along_rows: bool) -> None:
    if along_rows:
        panels = figure.subplots(len(names), 1, squeeze=False).ravel()
    else:
        panels = figure.subplots(int(np.ceil(len(names) / 4)), min(len(names), 4), squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        _marginal(axes, candidate, name)


def _marginal(axes: Axes, candidate: Candidate, name: str) -> None:
    site = name if name in candidate.tree["posterior"] else f"{name}_environment"
    sampled, unit = _sampled(candidate, "posterior", site)
    prior, _ = _sampled(candidate, "prior", site)
    columns = sampled.reshape(len(sampled), -1)
    low, high = np.quantile(prior, [0.005, 0.995])
    low, high = min(low, columns.min()), max(high, columns.max())
    _histogram(axes, prior.ravel(), (low, high), FAINT, None, 0.45)
    labels = list(candidate.tree["posterior"][site]["environment"].to_numpy()) if columns.shape[1] > 1 else [None]
    for index, label in enumerate(labels):
        _histogram(axes, columns[:, index], None, COLOURS[index % len(COLOURS)], label, 0.6)
    axes.set(xlim=(low, high), ylim=(0, 1.3), yticks=[], xlabel=axis(site_text(name, {}), unit))
    axes.spines["left"].set_visible(False)
    few_ticks(axes, 4)
    axes.set_yticks([])
    if labels != [None]:
        axes.legend(loc="upper right")
    ratio = prior.std() / columns.std(axis=0).max()
    axes.text(0.02, 0.97, f"prior / posterior: {ratio:.3g}", transform=axes.transAxes, va="top", fontsize=8)


def _histogram(
    axes: Axes, values: np.ndarray, span: tuple[float, float] | None, colour: str, label: str | None, alpha: float
) -> None:
    heights, edges = np.histogram(values, bins=30, range=span)
    axes.stairs(heights / max(heights.max(), 1), edges, fill=True, color=colour, alpha=alpha, label=label)
    axes.stairs(heights / max(heights.max(), 1), edges, color=colour, lw=0.8)


def _pairs(figure: SubFigure, candidate: Candidate, names: list[str]) -> None:
    columns = {name: _sampled(candidate, "posterior", name) for name in names}
    panels = figure.subplots(len(names) - 1, len(names) - 1, squeeze=False, sharex="col", sharey="row")
    rng = np.random.default_rng(0)  # only chooses which draws are shown
    num_draws = len(columns[names[0]][0])
    chosen = rng.choice(num_draws, min(_NUM_POINTS, num_draws), replace=False)
    for row, down in enumerate(names[1:]):
        for column, across in enumerate(names[:-1]):
            axes = panels[row][column]
            if column > row:
                axes.set_axis_off()
                continue
            x, y = columns[across][0], columns[down][0]
            axes.plot(x[chosen], y[chosen], ".", ms=2.5, mew=0, color=BLUE, alpha=0.5, rasterized=True)
            correlation = np.corrcoef(x, y)[0, 1] if x.std() > 0 and y.std() > 0 else np.nan
            axes.set_title(f"correlation {correlation:.2f}".replace("-", "−"), fontsize=8, loc="right", pad=2)
            few_ticks(axes, 4, 4)
            axes.ticklabel_format(useOffset=False)
            if row == len(names) - 2:
                axes.set_xlabel(axis(site_text(across, {}), columns[across][1]))
            if column == 0:
                axes.set_ylabel(axis(site_text(down, {}), columns[down][1]))
