"""Transferability: who predicts whom, what varies between environments, where predictions hold, what the data fix."""

import math
from dataclasses import replace

import numpy as np
import xarray
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bayesff import assessment, quantities
from bayesff.assessment.transfer.predictions import OTHERS
from bayesff.assessment.transfer.tolerances import DOMAIN
from bayesff.reporting.assessed import Assessed, Candidate
from bayesff.reporting.figures.fit import _environment_labels, _horizontal
from bayesff.reporting.figures.layout import MOST_ACROSS, candidate_legend, down, offset, parameter_panels
from bayesff.reporting.figures.left_out import coverage_picture, left_out_pictures, panel_groups
from bayesff.reporting.figures.style import (
    COLOURS,
    DATA,
    FAINT,
    MARKERS,
    Picture,
    logarithmic,
    new_figure,
)
from bayesff.reporting.figures.values import values_picture
from bayesff.reporting.transferability import (
    assessed_candidates,
    rows_of,
    spread_text,
    tolerance_text,
)
from bayesff.reporting.wording import candidate_text, chance_text, enumerate_words, significant

_GAP = 0.35


def transfer_pictures(assessed: Assessed) -> list[Picture]:
    """Return the pictures of a transfer assessment; none where there is none, and not those whose numbers are missing.

    Candidates with the same environments share their pictures; those of the first ones bear the plain names, later ones end in
    ``_of_`` and the name of their first candidate.
    """
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in assessed_candidates(assessed):
        groups.setdefault(tuple(assessment.environments(candidate.tree)), []).append(candidate)
    found: list[Picture] = []
    for shown in groups.values():
        suffix = f"_of_{shown[0].name}" if found else ""
        of = f": {enumerate_words([candidate_text(one.name) for one in shown])}" if len(groups) > 1 else ""
        found += [replace(one, name=f"{one.name}{suffix}", title=f"{one.title}{of}") for one in _pictures(shown)]
    return found


def _pictures(shown: list[Candidate]) -> list[Picture]:
    made = [
        _matrix_picture(shown),
        _spread_picture(shown),
        values_picture(shown),
        *left_out_pictures(shown),
        coverage_picture(shown),
    ]
    made += [_domain_picture(shown), _identifiability_picture(shown)]
    return [picture for picture in made if picture is not None]


def _with(candidates: list[Candidate], name: str) -> list[Candidate]:
    return [candidate for candidate in candidates if name in candidate.transfer]


def _matrix_picture(candidates: list[Candidate]) -> Picture | None:
    shown = _with(candidates, "matrix")
    if not shown:
        return None
    index = [candidate.transfer["matrix"]["index"].sel(quantile="q50") for candidate in shown]
    logarithms = np.abs(np.log(np.concatenate([one.to_numpy().ravel() for one in index])))
    reach = float(np.clip(np.exp(np.nanmax(logarithms)), 2.0, 10.0))
    norm = LogNorm(1 / reach, reach)
    rows = max(one.sizes["fitted"] for one in index)
    lines = math.ceil(len(shown) / MOST_ACROSS)
    across = math.ceil(len(shown) / lines)
    figure = new_figure(10, lines * (1.5 + 0.42 * rows))
    panels = list(figure.subplots(lines, across, squeeze=False).flat)
    for unused in panels[len(shown) :]:
        unused.set_axis_off()
    for place, (axes, candidate, one) in enumerate(zip(panels, shown, index, strict=False)):
        _heat(axes, one, norm)
        axes.set_title(candidate_text(candidate.name), loc="left", fontweight="bold")
        if place % across:
            axes.set_yticklabels([])
        else:
            axes.set_ylabel("fitted to")
    bar = figure.colorbar(ScalarMappable(norm, colormaps["RdBu_r"]), ax=panels, extend="both", shrink=0.85 / lines, pad=0.02)
    marks = [mark for mark in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if 0.99 / reach <= mark <= 1.01 * reach]
    bar.ax.yaxis.set_major_locator(FixedLocator(marks))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.set_label("transferability index")
    caption = (
        "How many times larger the error of the potential is in the environment tested (column) than in those fitted (row): "
        "median over the posterior of the ratio of root-mean-square residuals, each over its stated uncertainty. Near 1 (white) "
        "the parameters carry over; red is worse than where they were fitted, blue better, as happens where the data fitted "
        "disagree with one another. Grey: tested on the data that were fitted. The lowest row, set apart, is fitted to "
        f"{OTHERS} than the one tested."
    )
    return Picture("transfer_matrix", "Transfer from environment to environment", caption, figure)


def _heat(axes: Axes, index: xarray.DataArray, norm: LogNorm) -> None:
    fitted, tested = ([str(label) for label in index[dim].to_numpy()] for dim in ("fitted", "tested"))
    heights = [row + (_GAP if label == OTHERS else 0.0) for row, label in enumerate(fitted)]
    for height, label in zip(heights, fitted, strict=True):
        for column, other in enumerate(tested):
            value = float(index.sel(fitted=label, tested=other))
            far = np.isfinite(value) and abs(norm(value) - 0.5) > 0.32
            own, known = label == other, np.isfinite(value)
            colour = "#d4d4d4" if own else colormaps["RdBu_r"](norm(value)) if known else "white"
            axes.fill_between([column - 0.5, column + 0.5], height - 0.5, height + 0.5, color=colour, lw=0)
            text, ink = ("1" if own else significant(value)), ("#707070" if own else "white" if far else "#111111")
            axes.text(column, height, text, ha="center", va="center", fontsize=8, color=ink)
    longest = max(len(label) for label in tested)
    turned = longest * len(tested) > 20
    axes.set_xticks(range(len(tested)), tested, rotation=40 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(heights, fitted)
    axes.set(xlim=(-0.5, len(tested) - 0.5), ylim=(heights[-1] + 0.5, -0.5), xlabel="tested on")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _spread_picture(candidates: list[Candidate]) -> Picture | None:
    found: dict[tuple[str, str], list[tuple[Candidate, xarray.Dataset]]] = {}
    for candidate in _with(candidates, "spread"):
        for row in rows_of(candidate.transfer["spread"], "parameter"):
            found.setdefault((str(row["parameter"].item()), str(row["unit"].item())), []).append((candidate, row))
    if not found:
        return None
    lines, most = math.ceil(len(found) / MOST_ACROSS), max(len(rows) for rows in found.values())
    labels = [str(label) for label in next(iter(found.values()))[0][1]["environment"].to_numpy()]
    figure = new_figure(10, lines * (0.8 + 0.17 * most + len(labels) * (0.14 + 0.15 * most)))
    parameter_panels(figure, found, labels, lambda axes, _, rows: _parameter(axes, rows, candidates))
    candidate_legend(figure, candidates)
    caption = (
        "The value of each parameter in every environment, with its central 90 % interval, by the model in which parameters "
        "may differ between environments; line and band: the value common to all, with the same interval. Above: the spread τ "
        "between environments (5 % to 95 %), and the probability P that it is below the tolerance."
    )
    return Picture("spread", "Parameters by environment", caption, figure)


def _parameter(axes: Axes, rows: list[tuple[Candidate, xarray.Dataset]], candidates: list[Candidate]) -> None:
    for line, (candidate, row) in enumerate(reversed(rows)):
        index = candidates.index(candidate)
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        value, low, high = (row[name].to_numpy() for name in ("value", "value_q05", "value_q95"))
        where = np.arange(len(value)) + offset(index, len(candidates))
        axes.axvspan(float(row["common_q05"]), float(row["common_q95"]), color=colour, alpha=0.13, lw=0)
        axes.axvline(float(row["common"]), color=colour, lw=0.8, alpha=0.7)
        axes.errorbar(value, where, xerr=np.stack([value - low, high - value]), fmt=marker, ms=5, color=colour, ls="none")
        spread = spread_text(row)
        text = f"τ = {spread}, P {chance_text(float(row['p_within']))}"
        place = {"xytext": (0, 4 + 11 * line), "textcoords": "offset points", "xycoords": "axes fraction"}
        axes.annotate(text, (0, 1), fontsize=7.5, va="bottom", color=colour if len(candidates) > 1 else DATA, **place)


def _domain_picture(candidates: list[Candidate]) -> Picture | None:
    shown = _with(candidates, "domain")
    terms = [
        name
        for name, term in (shown[0].terms.items() if shown else ())
        if len(term.quantity.states) == 1 and all(name in one.transfer["domain"] for one in shown)
    ]
    if not terms:
        return None
    lines = [(term, labels) for term in terms for labels in panel_groups(*_domain_grid(shown[0], term))]
    figure = new_figure(10, 0.9 + sum(1.6 if len(labels) == 1 else 2.2 for _, labels in lines))
    panels = figure.subplots(len(lines), len(shown), squeeze=False, sharey=True)
    for line, (term, labels) in enumerate(lines):
        for column, candidate in enumerate(shown):
            _domain(panels[line][column], candidate, term, labels)
        symbol = shown[0].terms[term].quantity.symbol
        panels[line][0].set_ylabel(f"P(${symbol}$ within\n{tolerance_text(shown[0], term)})")
    for axes, candidate in zip(panels[0], shown, strict=True):
        axes.set_title(f"{candidate_text(candidate.name)}\n", loc="left", fontweight="bold")
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6))
    caption = (
        "The probability that a simulation with parameters from elsewhere is within tolerance of the truth, state by state. "
        f"Black: fitted to {OTHERS} than the environment of the state; colours: fitted to one environment, dotted in that "
        f"environment itself. The domain is where a line runs above {DOMAIN:g}."
    )
    return Picture("domain", "Domain of transferability", caption, figure)


def _domain_grid(candidate: Candidate, term: str) -> tuple[np.ndarray, np.ndarray]:
    domain, (column,) = candidate.transfer["domain"], candidate.terms[term].quantity.states
    return domain[f"{term}_{column}"].to_numpy(), domain[f"{term}_environment"].to_numpy().astype(str)


def _domain(axes: Axes, candidate: Candidate, term: str, labels: list[str]) -> None:
    domain, (state, where) = candidate.transfer["domain"], _domain_grid(candidate, term)
    shown = np.isin(where, labels)
    _horizontal(axes, quantities.get(candidate.terms[term].quantity.states[0]), state[shown])
    for index, row in enumerate(str(one) for one in domain["fitted"].to_numpy()):
        colour, width = (DATA, 2.0) if row == OTHERS else (COLOURS[index % (len(COLOURS) - 1)], 1.0)
        chance = domain[term].sel(fitted=row).to_numpy()
        for label in labels:
            rows = where == label
            axes.plot(state[rows], chance[rows], ":" if label == row else "-", color=colour, lw=width)
        axes.plot([], [], color=colour, lw=width, label=f"fitted to {row}")
    axes.axhline(DOMAIN, color=FAINT, lw=0.8, ls="--")
    axes.set_ylim(-0.03, 1.03)
    _environment_labels(axes, state[shown], where[shown])
    if len(labels) == 1 and len(set(where)) > 1:
        axes.set_title(f"tested on {labels[0]}", loc="right", fontsize=8)


def _identifiability_picture(candidates: list[Candidate]) -> Picture | None:
    shown = _with(candidates, "identifiability")
    if not shown:
        return None
    rows = max(one.transfer["identifiability"].sizes["fitted"] for one in shown)
    figure = new_figure(10, 1.5 + 0.34 * rows)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    ends: list[float] = []
    for place, (axes, candidate) in enumerate(zip(panels, shown, strict=True)):
        ends += _combinations(axes, candidate.transfer["identifiability"])
        down(axes, [str(one) for one in candidate.transfer["identifiability"]["fitted"].to_numpy()], place == 0)
        axes.set_title(candidate_text(candidate.name), loc="left", fontweight="bold")
        axes.set_xlabel("standard deviation from the data alone [%]")
    for axes in panels if ends else ():
        logarithmic(axes, min(ends), max(ends))
    most = max(one.transfer["identifiability"].sizes["combination"] for one in shown)
    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], ls="none", label=f"combination {i + 1}")
        for i in range(most)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=most)
    caption = (
        "How well the data alone fix each combination of the parameters (the table below says which), best fixed first: the "
        "relative standard deviation from the Fisher information, with the central 90 % interval over the sizes of the "
        "errors; further left is better. Open: the data take less than half of the prior's variance away, so that the prior "
        "decides."
    )
    return Picture("identifiability", "What the data fix", caption, figure)


def _combinations(axes: Axes, found: xarray.Dataset) -> list[float]:
    """Draw the standard deviations, and return their ends."""
    ends = []
    for line in range(found.sizes["fitted"]):
        for index, row in enumerate(rows_of(found.isel(fitted=line), "combination")):
            values = [float(row[name]) for name in ("eigenvalue", "eigenvalue_q95", "eigenvalue_q05")]
            if not min(values) > 0:
                continue
            middle, low, high = (100 / np.sqrt(value) for value in values)
            colour, filled = COLOURS[index % len(COLOURS)], float(row["contraction"]) >= 0.5
            where = line + offset(index, found.sizes["combination"], 0.4)
            axes.errorbar(
                [middle],
                [where],
                xerr=[[max(middle - low, 0)], [max(high - middle, 0)]],
                fmt=MARKERS[index % len(MARKERS)],
                ms=5,
                mfc=colour if filled else "white",
                color=colour,
            )
            ends += [low, middle, high]
    return ends
