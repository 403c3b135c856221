"""How all figures look, and how they are written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bayesff.reporting.wording import ticks

# Okabe and Ito's colours, which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, ORANGE, GREEN = COLOURS[:3]
DATA, FAINT = "#333333", "#9a9a9a"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "axes.unicode_minus": True,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "bayesff",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Picture:
    """A figure with its name (of the file), what it shows in a few words, and how to read it."""

    name: str
    title: str
    caption: str
    figure: Figure


def style() -> Any:
    """Return a context in which figures are drawn and written in this style; outside it matplotlib is as it was."""
    return matplotlib.rc_context(cast(Any, STYLE))


def new_figure(width: float | int, height: float | int) -> Figure:
    """Return an empty figure of this size [inch], which keeps labels from overlapping, without touching pyplot's state."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.05))
    FigureCanvasAgg(figure)
    return figure


def write(picture: Picture, folder: Path) -> None:
    """Write a figure as SVG and as PNG."""
    with style():
        # The layout takes longer than the writing: it is worked out once for both files.
        picture.figure.draw_without_rendering()
        picture.figure.set_layout_engine("none")
        picture.figure.savefig(folder / f"{picture.name}.svg", metadata={"Date": None})
        picture.figure.savefig(folder / f"{picture.name}.png")


def logarithmic(axes: Axes, low: float | int, high: float | int) -> None:
    """Make the horizontal axis logarithmic with round, readable ticks."""
    axes.set_xscale("log")
    axes.set_xlim(low / (high / low) ** 0.03, high * (high / low) ** 0.03)
    axes.xaxis.set_major_locator(FixedLocator(ticks(low, high).tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def few_ticks(axes: Axes, horizontal: int = 5, vertical: int = 5) -> None:
    """Keep the number of ticks small enough for the labels to stand apart."""
    axes.xaxis.set_major_locator(MaxNLocator(horizontal, min_n_ticks=2))
    axes.yaxis.set_major_locator(MaxNLocator(vertical, min_n_ticks=2))
