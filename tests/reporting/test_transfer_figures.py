"""The figures of the transferability part of the report."""

import itertools

import pytest
import xarray

from bayesff.reporting.assessed import assess
from bayesff.reporting.figures import draw
from bayesff.reporting.figures.style import style
from bayesff.reporting.figures.transfer import transfer_pictures

from .transfer_parts import PICTURES, parts


@pytest.fixture(scope="module")
def pictures(plain_trees):
    trees = {name: plain_trees[name].copy() for name in ("lennard_jones", "mie")}
    trees |= {"third_form": plain_trees["mie"].copy()}
    for tree in trees.values():
        tree["transferability"] = xarray.DataTree.from_dict(parts())
    drawn = draw(assess(trees))
    with style():
        for name in PICTURES:
            drawn[name].figure.canvas.draw()
    return drawn


def test_all_figures_are_drawn_within_their_bounds(pictures):
    assert set(pictures) >= PICTURES
    for name in PICTURES:
        figure = pictures[name].figure
        box, (width, height) = figure.get_tightbbox(figure.canvas.get_renderer()), figure.get_size_inches()
        assert box.x0 > -0.02, name
        assert box.y0 > -0.02, name
        assert box.x1 < width + 0.02, name
        assert box.y1 < height + 0.02, name
        assert len(pictures[name].caption) > 100


def test_labels_of_the_figures_do_not_overlap(pictures):
    for name in PICTURES:
        renderer = pictures[name].figure.canvas.get_renderer()
        for axes in pictures[name].figure.axes:
            for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
                low, high = sorted(axis.get_view_interval())
                shown = [
                    label.get_window_extent(renderer)
                    for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False)
                    if label.get_visible() and label.get_text() and label.get_rotation() == 0 and low <= place <= high
                ]
                assert not any(one.overlaps(other) for one, other in itertools.pairwise(shown)), name


def test_matrices_of_more_than_three_candidates_stand_in_rows(with_parts):
    first, other = with_parts(comparison=None).values()
    with style():
        found = transfer_pictures(assess({"a": first, "b": other, "c": first.copy(), "d": other.copy()}))
    (figure,) = (picture.figure for picture in found if picture.name == "transfer_matrix")
    titled = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    places = {name: axes.get_subplotspec() for name, axes in titled.items()}
    assert {name: (place.rowspan.start, place.colspan.start) for name, place in places.items()} == {
        "A": (0, 0),
        "B": (0, 1),
        "C": (1, 0),
        "D": (1, 1),
    }
    assert [bool(axes.get_ylabel()) for axes in titled.values()] == [True, False, True, False]
