"""Parameters by the data they are fitted to, beside the values that others have published."""

import numpy as np
import xarray
from matplotlib.axes import Axes

from bayesff.assessment.transfer.values import DECIDING
from bayesff.reporting.assessed import Candidate
from bayesff.reporting.figures.layout import MOST_ACROSS, candidate_legend, offset, parameter_panels
from bayesff.reporting.figures.style import COLOURS, DATA, FAINT, MARKERS, Picture, new_figure
from bayesff.reporting.transferability import rows_of
from bayesff.reporting.wording import significant, with_unit

_PRIOR = "prior"


def values_picture(candidates: list[Candidate]) -> Picture | None:
    """Return the value of every parameter by the data fitted; None where there are no such refits."""
    shown = [candidate for candidate in candidates if "values" in candidate.transfer]
    panels: dict[tuple[str, str], list[tuple[Candidate, xarray.Dataset]]] = {}
    for candidate in shown:
        for row in rows_of(candidate.transfer["values"], "parameter"):
            panels.setdefault((str(row["parameter"].item()), str(row["unit"].item())), []).append((candidate, row))
    if not panels:
        return None
    lines = int(np.ceil(len(panels) / MOST_ACROSS))
    labels = [_PRIOR, *(str(one) for one in shown[0].transfer["values"]["fitted"].to_numpy())]
    most = max(len(rows) for rows in panels.values())
    notes = max((len(_published(rows)) for rows in panels.values()), default=0)
    figure = new_figure(10, lines * (0.9 + 0.16 * notes + len(labels) * (0.14 + 0.13 * most)) + 0.3)

    def fill(axes: Axes, unit: str, rows: list[tuple[Candidate, xarray.Dataset]]) -> None:
        for candidate, row in rows:
            _column(axes, row, shown.index(candidate), len(shown))
        _lines(axes, _published(rows), unit)

    parameter_panels(figure, panels, labels, fill)
    candidate_legend(figure, shown)
    caption = (
        "What one vector of parameters is when it is fitted to each environment alone, to all data, and to all data without "
        "discrepancy: median and central 90 % interval, with that of the prior above. Open: the data take less than half of the "
        "prior's variance away, so that they want no value of their own."
    )
    if notes:
        caption += " Dotted: published values."
    return Picture("values", "Parameters by the data fitted", caption, figure)


def _column(axes: Axes, row: xarray.Dataset, index: int, number: int) -> None:
    colour, marker, shift = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], offset(index, number)
    low, middle, high = (float(row[f"prior_{key}"]) for key in ("q05", "q50", "q95"))
    axes.errorbar(
        [middle], [shift], xerr=[[middle - low], [high - middle]], fmt=marker, ms=4, mfc="white", color=colour, alpha=0.5
    )
    for place, fit in enumerate(rows_of(row, "fitted")):
        low, middle, high = (float(fit[key]) for key in ("q05", "q50", "q95"))
        fill = colour if float(fit["contraction"]) >= DECIDING else "white"
        error = [[middle - low], [high - middle]]
        axes.errorbar([middle], [1 + place + shift], xerr=error, fmt=marker, ms=5, mfc=fill, color=colour)


def _published(rows: list[tuple[Candidate, xarray.Dataset]]) -> list[xarray.Dataset]:
    """Return the published values of the parameter that is in a panel, smallest first; those of several candidates once."""
    found = {}
    for candidate, row in rows:
        table = candidate.transfer.get("published")
        for one in () if table is None else rows_of(table, "publication"):
            if str(one["parameter"].item()) == str(row["parameter"].item()):
                found[float(one["value"]), str(one["label"].item())] = one
    return [found[key] for key in sorted(found)]


def _lines(axes: Axes, published: list[xarray.Dataset], unit: str) -> None:
    for line, one in enumerate(published):
        axes.axvline(float(one["value"]), color=DATA, lw=0.9, ls=":")
        if float(one["sd"]) > 0:
            axes.axvspan(
                float(one["value"]) - float(one["sd"]), float(one["value"]) + float(one["sd"]), color=FAINT, alpha=0.25, lw=0
            )
        text = f"{with_unit(significant(float(one['value']), 3), unit)}: {one['label'].item()}"
        place = {"xytext": (0, 4 + 11 * (len(published) - 1 - line)), "textcoords": "offset points", "xycoords": "axes fraction"}
        axes.annotate(text, (0, 1), fontsize=7.5, va="bottom", color=DATA, **place)
