"""The pictures of what a study finds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from bayesff.assessment import Chart, Finding, Line
from bayesff.reporting.figures.style import COLOURS, DATA, MARKERS, Picture, logarithmic, new_figure


def finding_pictures(findings: Sequence[Finding]) -> list[Picture]:
    """Return a picture for each finding that has a chart, ``finding_<name>``."""
    return [_picture(finding.name, finding.chart) for finding in findings if finding.chart is not None]


def _picture(name: str, chart: Chart) -> Picture:
    figure = new_figure(10, 4.2)
    axes = figure.subplots()
    labels = list(dict.fromkeys(label for line in chart.lines for label in line.x if isinstance(label, str)))
    for index, line in enumerate(chart.lines):
        # Points over the same labels stand beside one another.
        beside = 0.5 * ((index + 0.5) / len(chart.lines) - 0.5) if line.points else 0.0
        x = [labels.index(label) + beside for label in line.x] if labels else line.x
        _draw(axes, line, np.asarray(x, dtype=float), COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)])
    if labels:
        axes.set_xticks(range(len(labels)), labels)
    if chart.logarithmic_x:
        every = np.concatenate([np.asarray(line.x, dtype=float) for line in chart.lines])
        logarithmic(axes, float(every.min()), float(every.max()))
    low, high = axes.get_ylim()
    if low < 0 < high:
        axes.axhline(0.0, color=DATA, lw=0.7)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    if len(chart.lines) > 1:
        figure.legend(loc="outside lower center", ncols=min(len(chart.lines), 4))
    return Picture(f"finding_{name}", chart.title, chart.caption, figure)


def _draw(axes: Axes, line: Line, x: np.ndarray, colour: str, marker: str) -> None:
    y = np.asarray(line.y, dtype=float)
    low, high = (y if side is None else np.asarray(side, dtype=float) for side in (line.low, line.high))
    if line.points:
        spread = None if line.low is None and line.high is None else np.stack([y - low, high - y])
        size, alpha = (3.0, 0.5) if len(x) > 60 else (5.0, 1.0)
        axes.errorbar(x, y, spread, fmt=marker, color=colour, label=line.label, ms=size, alpha=alpha)
        return
    if line.low is not None or line.high is not None:
        axes.fill_between(x, low, high, color=colour, alpha=0.22, lw=0)
    axes.plot(x, y, color=colour, label=line.label, zorder=3)
