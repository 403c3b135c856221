"""Data and fit, with what is left over underneath."""

import itertools
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bayesff import assessment, quantities
from bayesff.quantities import Quantity
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.figures.style import BLUE, DATA, FAINT, MARKERS, ORANGE, Picture, logarithmic, new_figure
from bayesff.reporting.wording import axis, candidate_text

_BEYOND = "_beyond the axis"

_CURVE = 20
"""Distinct data from which on their predictions are drawn as a curve where a curve is known at the data only."""


@dataclass(frozen=True)
class _Curve:
    """Draws of the prediction along a state variable: of the potential alone, and with the discrepancy."""

    where: np.ndarray
    environment: np.ndarray
    alone: np.ndarray
    whole: np.ndarray

    @property
    def has_discrepancy(self) -> bool:
        return not np.allclose(self.alone, self.whole)


def fit_pictures(assessed: Assessed) -> list[Picture]:
    """Return one picture for each term: every candidate that has it beside the others."""
    names = dict.fromkeys(name for candidate in assessed.candidates.values() for name in candidate.terms)
    return [_picture(assessed, name) for name in names]


def _picture(assessed: Assessed, term: str) -> Picture:
    shown = [candidate for candidate in assessed.candidates.values() if term in candidate.terms]
    contents = shown[0].terms[term]
    curve_exists = _is_curve(contents) and all("predictions" in one.tree and term in one.tree["predictions"] for one in shown)
    figure = new_figure(10, 5.4 if len(contents.values) > 1 else 3.6)
    panels = figure.subplots(2, len(shown), sharex=True, squeeze=False, height_ratios=(1.25, 1))
    for index, candidate in enumerate(shown):
        top, bottom = panels[0][index], panels[1][index]
        top.set_title(candidate_text(candidate.name), loc="left", fontweight="bold")
        if curve_exists:
            _draw_curve(top, bottom, candidate, term)
        else:
            _draw_points(top, bottom, candidate, term)
        if index:
            top.sharey(panels[0][0])
    panels[0][0].set_ylabel(axis(f"${contents.quantity.symbol}$", contents.quantity.unit))
    panels[1][0].set_ylabel(axis("residual", contents.quantity.unit))
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    along = quantities.get(_along(contents)).label if contents.state else "the data"
    bands = "Dark bands hold 50 %, light bands 90 % of the posterior;" if curve_exists else "Bars hold 90 % of the posterior;"
    caption = (
        f"{contents.quantity.label[:1].upper()}{contents.quantity.label[1:]} along {along}. Above, data and prediction; below, "
        f"both with the posterior mean of the potential alone taken away. {bands} error bars of the data are one "
        "stated standard deviation, before a learnt noise scale or a laboratory's bias."
    )
    if any(line.get_label() == _BEYOND for axes in panels[1] for line in axes.lines):
        caption += " Triangles mark data beyond the axis."
    if any(axes.get_yscale() == "symlog" for axes in panels[1]):
        caption += " The lower axis is linear about zero and logarithmic further out."
    return Picture(f"fit_{term}", f"Data and fit: {contents.quantity.label}", caption, figure)


def _is_curve(contents: assessment.Contents) -> bool:
    """Return whether predictions can be joined to a curve: over one state, or over many values of the only one that varies."""
    if len(contents.state) == 1:
        return True
    varying = [column for column in contents.state.values() if len(np.unique(column)) > 1]
    return len(varying) == 1 and len(np.unique(varying[0])) >= _CURVE


def _along(contents: assessment.Contents) -> str:
    """Return the state column that varies most: the horizontal axis."""
    return max(contents.state, key=lambda name: len(np.unique(contents.state[name])))


def _curve(candidate: Candidate, term: str) -> _Curve:
    tree = candidate.tree
    fixed = tree["predictions_constant_data"]
    where = fixed[f"{term}_{_along(candidate.terms[term])}"].to_numpy()
    order = np.argsort(where, kind="stable")
    return _Curve(
        where=where[order],
        environment=fixed[f"{term}_environment"].to_numpy().astype(str)[order],
        alone=assessment.draws(tree, "predictions", f"{term}_mean")[:, order],
        whole=assessment.draws(tree, "predictions", term)[:, order],
    )


def _draw_curve(top: Axes, bottom: Axes, candidate: Candidate, term: str) -> None:
    contents, curve = candidate.terms[term], _curve(candidate, term)
    column = _along(contents)
    where = contents.state[column]
    _horizontal(bottom, quantities.get(column), np.concatenate([where, curve.where]))
    centre = curve.alone.mean(axis=0)
    reach = 0.0
    for index, environment in enumerate(dict.fromkeys(curve.environment)):
        rows = curve.environment == environment
        x = curve.where[rows]
        for axes, base in ((top, 0.0), (bottom, centre[rows])):
            if curve.has_discrepancy:
                _band(axes, x, curve.whole[:, rows] - base, ORANGE, "potential and discrepancy" if not index else None)
            _band(axes, x, curve.alone[:, rows] - base, BLUE, "potential alone" if not index else None)
        reach = max(reach, float(np.max(np.abs(np.quantile(curve.whole[:, rows] - centre[rows], [0.05, 0.95], axis=0)))))
    residual = _term_rows(candidate, term, "residual_potential")
    _data(top, where, contents.values, contents, label=True)
    _residuals(bottom, where, residual, contents, reach)
    _environment_labels(bottom, where, contents.environment)


def _draw_points(top: Axes, bottom: Axes, candidate: Candidate, term: str) -> None:
    """Draw a term whose prediction is known at the data only."""
    contents = candidate.terms[term]
    if contents.state:
        column = _along(contents)
        where = contents.state[column]
        _horizontal(bottom, quantities.get(column), where)
    else:
        where = np.arange(1.0, contents.num_data + 1)
        bottom.set_xlim(0.5, contents.num_data + 0.5)
        bottom.set_xlabel("datum")
        bottom.set_xticks(where if contents.num_data < 10 else np.linspace(1, contents.num_data, 5).round())
    alone = assessment.draws(candidate.tree, "posterior_predictive", f"{term}_mean")
    centre, low, high = alone.mean(axis=0), *np.quantile(alone, [0.05, 0.95], axis=0)
    # Beside the data, but nearer to them than to their neighbours: the points of a curve must not look shifted.
    apart = np.diff(np.unique(where))
    nudge = min([0.02 * np.ptp(bottom.get_xlim()), *0.3 * apart]) if bottom.get_xscale() == "linear" else 0.0
    for axes, base in ((top, 0.0), (bottom, centre)):
        spread = np.stack([centre - low, high - centre])
        axes.errorbar(where + nudge, centre - base, spread, fmt="_", color=BLUE, lw=3, label="potential alone, 90 %")
    _data(top, where, contents.values, contents, label=True)
    _residuals(bottom, where, contents.values - centre, contents, float(np.max(high - low)))


def _band(axes: Axes, x: np.ndarray, draws: np.ndarray, colour: str, label: str | None) -> None:
    for low, high, alpha in ((0.05, 0.95, 0.22), (0.25, 0.75, 0.45)):
        lower, upper = np.quantile(draws, [low, high], axis=0)
        axes.fill_between(x, lower, upper, color=colour, alpha=alpha, lw=0)
    axes.plot(x, np.median(draws, axis=0), color=colour, label=label)


def _horizontal(axes: Axes, quantity: Quantity, where: np.ndarray) -> None:
    axes.set_xlabel(axis(f"{quantity.label} ${quantity.symbol}$", quantity.unit))
    low, high, apart = where.min(), where.max(), np.diff(np.unique(where))
    evenly = len(apart) >= _CURVE and np.ptp(apart) < 0.1 * apart.mean()
    counted = not quantity.unit and bool(np.all(where == np.round(where)))
    if counted:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if low > 0 and high / low > 4 and not (evenly or counted):
        logarithmic(axes, low, high)
    else:
        margin = 0.04 * (high - low) or 1.0
        axes.set_xlim(low - margin, high + margin)


def _data(axes: Axes, where: np.ndarray, values: np.ndarray, contents: assessment.Contents, label: bool) -> None:
    for index, environment in enumerate(dict.fromkeys(contents.environment)):
        rows = contents.environment == environment
        axes.errorbar(
            where[rows],
            values[rows],
            contents.uncertainty[rows],
            fmt=MARKERS[index % len(MARKERS)],
            ms=3,
            mfc="none",
            mew=0.7,
            lw=0.7,
            color=DATA,
            alpha=0.75,
            label=f"data, {environment}" if label else None,
        )


def _residuals(axes: Axes, where: np.ndarray, residual: np.ndarray, contents: assessment.Contents, reach: float) -> None:
    """Draw the residuals; a few far ones become triangles at the edge, so that the others can be seen."""
    limit = 1.15 * max(float(np.quantile(np.abs(residual) + contents.uncertainty, 0.98)), reach, 1e-300)
    typical = float(np.median(np.abs(residual) + contents.uncertainty))
    if limit > 20 * typical:
        _symmetric_logarithmic(axes, typical, limit)
    beyond = np.abs(residual) > limit
    inside = np.where(beyond, np.nan, residual)
    _data(axes, where, inside, contents, label=False)
    for sign, marker in ((1, "^"), (-1, "v")):
        rows = beyond & (np.sign(residual) == sign)
        if rows.any():
            axes.plot(where[rows], np.full(rows.sum(), sign * 0.97 * limit), marker, ms=5, color=DATA, ls="none", label=_BEYOND)
    axes.axhline(0.0, color=FAINT, lw=0.7, zorder=0)
    axes.set_ylim(-limit, limit)


def _symmetric_logarithmic(axes: Axes, typical: float, limit: float) -> None:
    """Make the vertical axis linear about zero and logarithmic beyond, where a few residuals dwarf the others."""
    linear = 10.0 ** np.floor(np.log10(2 * typical))
    axes.set_yscale("symlog", linthresh=linear, linscale=1.0)
    marks = [mark for power in range(8) for mark in (linear * 10**power, 3 * linear * 10**power) if mark < limit]
    axes.yaxis.set_major_locator(FixedLocator([*(-mark for mark in reversed(marks)), 0.0, *marks]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


def _environment_labels(axes: Axes, where: np.ndarray, environment: np.ndarray) -> None:
    """Name the environments above the residuals, where they follow one another along the axis."""
    spans = {name: (where[environment == name].min(), where[environment == name].max()) for name in dict.fromkeys(environment)}
    ordered = sorted(spans.items(), key=lambda item: item[1])
    if len(ordered) < 2 or any(before[1][1] > after[1][0] for before, after in itertools.pairwise(ordered)):
        return
    middle = (lambda a, b: (a * b) ** 0.5) if axes.get_xscale() == "log" else (lambda a, b: (a + b) / 2)
    for before, after in itertools.pairwise(ordered):
        axes.axvline(middle(before[1][1], after[1][0]), color=FAINT, lw=0.8, ls=":")
    for name, (low, high) in ordered:
        axes.text(
            middle(low, high),
            1.01,
            name,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=7.5,
            color="#555555",
        )


def _term_rows(candidate: Candidate, term: str, variable: str) -> np.ndarray:
    table = candidate.table
    return table[variable].to_numpy()[table["term"].to_numpy() == term]
