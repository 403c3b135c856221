"""The figures: labelled with units, without labels that overlap, and without a trace in matplotlib's state."""

import itertools
import sys

import matplotlib
import numpy as np
import pytest

from bayesff import quantities
from bayesff.reporting.assessed import assess
from bayesff.reporting.figures import draw
from bayesff.reporting.figures.fit import _horizontal
from bayesff.reporting.figures.style import new_figure, style
from bayesff.reporting.wording import ticks


@pytest.fixture(scope="module")
def pictures(trees):
    drawn = draw(assess(trees))
    with style():
        for picture in drawn.values():
            picture.figure.canvas.draw()
    return drawn


def panels(figure):
    return [axes for axes in figure.axes if axes.axison]


def test_nothing_global_is_changed(pictures):
    assert matplotlib.rcParams["axes.spines.top"]
    assert "matplotlib.pyplot" not in sys.modules


def test_quantities_with_a_unit_show_it(pictures):
    labels = {axes.get_xlabel() for picture in pictures.values() for axes in panels(picture.figure)}
    labels |= {axes.get_ylabel() for picture in pictures.values() for axes in panels(picture.figure)}
    for expected in ("temperature $T$ [K]", "$B_2$ [cm³/mol]", "residual [cm³/mol]", "ε [K]", "σ [Å]"):
        assert expected in labels
    assert "bias in the second virial coefficient [cm³/mol]" in labels


def test_the_labels_of_an_axis_do_not_overlap(pictures):
    for name, picture in pictures.items():
        renderer = picture.figure.canvas.get_renderer()
        for axes in panels(picture.figure):
            for axis, side in ((axes.xaxis, "x"), (axes.yaxis, "y")):
                shown = [label for label in axis.get_ticklabels() if label.get_visible() and label.get_text()]
                inside = [
                    label.get_window_extent(renderer)
                    for label, place in zip(shown, axis.get_ticklocs(), strict=False)
                    if min(axis.get_view_interval()) <= place <= max(axis.get_view_interval())
                ]
                for one, other in itertools.pairwise(inside):
                    assert not one.overlaps(other), f"{name}: labels of the {side} axis overlap"


def test_a_picture_lies_within_its_figure(pictures):
    for name, picture in pictures.items():
        renderer = picture.figure.canvas.get_renderer()
        box = picture.figure.get_tightbbox(renderer)
        width, height = picture.figure.get_size_inches()
        assert box.x0 > -0.02, name
        assert box.y0 > -0.02, name
        assert box.x1 < width + 0.02, name
        assert box.y1 < height + 0.02, name


@pytest.mark.parametrize(("low", "high"), [(90, 700), (75, 1200), (0.4, 30), (3.3, 8.0), (1e-3, 1e4), (100, 130)])
def test_ticks_of_a_logarithmic_axis_are_few_round_and_apart(low, high):
    found = ticks(low, high)
    assert 1 <= len(found) <= 9
    assert (found >= 0.99 * low).all()
    assert (found <= 1.01 * high).all()
    assert all(float(f"{tick:.1e}") == pytest.approx(tick) for tick in found)


def test_what_is_counted_has_a_linear_axis_with_whole_numbers_and_a_wide_range_of_temperatures_does_not():
    with style():
        conformations, temperatures = new_figure(8, 3).subplots(1, 2)
        _horizontal(conformations, quantities.get("conformation"), np.arange(1.0, 12.0))
        _horizontal(temperatures, quantities.get("temperature"), np.array([75.0, 150.0, 300.0, 1000.0]))
    assert (conformations.get_xscale(), temperatures.get_xscale()) == ("linear", "log")
    marks = conformations.get_xticks()
    assert len(marks) > 4
    assert all(marks == marks.round())
