"""How the parts of a figure are laid out: panels a parameter, rows with labels, the legend of the candidates."""

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayesff.reporting.assessed import Candidate
from bayesff.reporting.figures.style import COLOURS, MARKERS, few_ticks
from bayesff.reporting.wording import axis, candidate_text, site_text

MOST_ACROSS = 3
"""Panels side by side at most."""


def parameter_panels(
    figure: Figure, panels: Mapping[tuple[str, str], Any], labels: list[str], fill: Callable[[Axes, str, Any], None]
) -> None:
    """Give each parameter a panel whose rows bear labels, and let ``fill(axes, unit, rows)`` draw it.

    Parameters
    ----------
    figure
        The figure.
    panels
        What is drawn, by the parameter's name and unit.
    labels
        Labels of the rows, from above.
    fill
        Draws one panel.
    """
    across = min(len(panels), MOST_ACROSS)
    drawn = figure.subplots(-(-len(panels) // across), across, squeeze=False).ravel()
    for axes in drawn[len(panels) :]:
        axes.set_axis_off()
    for place, (axes, ((name, unit), rows)) in enumerate(zip(drawn, panels.items(), strict=False)):
        fill(axes, unit, rows)
        down(axes, labels, place % across == 0)
        axes.set_xlabel(axis(site_text(name, {}), unit))
        few_ticks_across(axes)


def offset(index: int, number: int, width: float = 0.5) -> float:
    """Return how far a marker is moved from its row, so that markers of one row stand apart."""
    return 0.0 if number == 1 else width * (index / (number - 1) - 0.5)


def down(axes: Axes, labels: list[str], first: bool = True) -> None:
    """Let the vertical axis hold labels, from above."""
    axes.set_yticks(range(len(labels)), labels if first else [""] * len(labels))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def few_ticks_across(axes: Axes) -> None:
    """Keep few ticks on the horizontal axis, and those of the vertical one as they are."""
    places, labels = axes.get_yticks(), [label.get_text() for label in axes.get_yticklabels()]
    few_ticks(axes, 4)
    axes.set_yticks(places, labels)
    axes.ticklabel_format(axis="x", useOffset=False)


def candidate_legend(figure: Figure, candidates: list[Candidate]) -> None:
    """Say below a figure which colour and marker is which candidate; nothing where there is one only."""
    if len(candidates) < 2:
        return
    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], label=candidate_text(candidate.name))
        for i, candidate in enumerate(candidates)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
