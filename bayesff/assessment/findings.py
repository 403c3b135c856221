"""What a study finds: answers in words, computed from its posteriors, with their numbers and a picture.

A study asks one question. Scores and the transfer assessment are the same for every study; what its own question needs beside
them (a factor that restores a virial coefficient, the population of a conformer) is a function of the posteriors that returns
`Finding` objects. They are shown at the top of the report, and their numbers stand in ``metrics.json``.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import xarray

from bayesff.errors import StudyError

Column = Sequence[Any] | np.ndarray
"""Numbers along a line."""


@dataclass(frozen=True)
class Line:
    """A line of a `Chart`, or points.

    Parameters
    ----------
    label
        What it is, for the legend.
    x, y
        Where it runs; labels (``"gas"``, ``"liquid"``) in the place of ``x`` stand side by side, and so do the points of
        several lines over one of them.
    low, high
        A band about it, or the error bars of points.
    points
        Whether markers are drawn in place of a line.
    """

    label: str
    x: Column
    y: Column
    low: Column | None = None
    high: Column | None = None
    points: bool = False


@dataclass(frozen=True)
class Chart:
    """A picture of a finding: lines over one quantity.

    Parameters
    ----------
    title, caption
        What it shows, and how to read it.
    x_label, y_label
        The quantities on the axes, with their units.
    lines
        What is drawn.
    logarithmic_x
        Whether the horizontal axis is logarithmic.
    """

    title: str
    caption: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    logarithmic_x: bool = False


@dataclass(frozen=True)
class Finding:
    """One answer of a study.

    Parameters
    ----------
    name
        A plain word, unique in the study: its key in ``metrics.json`` and the name of its picture.
    text
        The answer, in a sentence or two with their numbers.
    values
        The numbers, by name.
    chart
        A picture of it.

    Raises
    ------
    StudyError
        If the name is no plain word, a number is not finite, a line of the chart has columns of different lengths, or labels
        are mixed with numbers or with a logarithmic axis.

    Examples
    --------
    >>> from bayesff.assessment import Finding
    >>> Finding("trimer_error", "The trimers are off by 12.0 kJ/mol.", {"rms": 12.0}).values["rms"]
    12.0
    """

    name: str
    text: str
    values: Mapping[str, float | int] = field(default_factory=dict)
    chart: Chart | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise StudyError(f"finding {self.name!r}: the name must be a plain word: write it with letters, digits and '_'")
        for key, value in self.values.items():
            if not math.isfinite(value):
                raise StudyError(
                    f"finding {self.name!r}: {key} must be a finite number, found {value}: leave out what cannot be computed"
                )
        if self.chart is None:
            return
        labelled = {isinstance(place, str) for line in self.chart.lines for place in line.x}
        if len(labelled) > 1:
            raise StudyError(f"finding {self.name!r}: its lines must run over numbers or over labels, found both: give one kind")
        if True in labelled and self.chart.logarithmic_x:
            raise StudyError(f"finding {self.name!r}: labels have no logarithm, found logarithmic_x with them: leave it out")
        for line in self.chart.lines:
            columns = [column for column in (line.x, line.y, line.low, line.high) if column is not None]
            if len({len(column) for column in columns}) > 1:
                found = ", ".join(str(len(column)) for column in columns)
                raise StudyError(
                    f"finding {self.name!r}: the columns of the line {line.label!r} must be of one length, found {found}"
                )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain numbers and words, which `from_json` takes."""
        return json.loads(json.dumps(asdict(self), default=lambda value: np.asarray(value).tolist()))

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Finding":
        """Return what `to_json` wrote down."""
        chart = found["chart"]
        if chart is not None:
            chart = Chart(**{**chart, "lines": tuple(Line(**line) for line in chart["lines"])})
        return cls(found["name"], found["text"], dict(found["values"]), chart)


Finder = Callable[[Mapping[str, xarray.DataTree]], Iterable[Finding]]
"""Takes the posterior tree of every candidate by name and returns findings."""


def find_all(finders: Sequence[Finder], trees: Mapping[str, xarray.DataTree]) -> list[Finding]:
    """Return what functions find in the posteriors of a study.

    Raises
    ------
    StudyError
        If two findings have one name.
    """
    found = [finding for finder in finders for finding in finder(trees)]
    names = [finding.name for finding in found]
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"two findings are called {name!r}: rename one of them")
    return found


def transferability(tree: xarray.DataTree, name: str) -> xarray.Dataset | None:
    """Return a part of a candidate's transfer assessment, see `assess_transfer`; None where there is none."""
    if "transferability" not in tree.children or name not in tree["transferability"].children:
        return None
    return tree["transferability"][name].to_dataset()
