"""What a study finds reaches the page, the metrics and the posterior's file, and comes back from there."""

import json

import numpy as np
import pytest
import xarray

from bayesff import reporting
from bayesff.assessment import Chart, Finding, Line, display, find_all, transferability
from bayesff.errors import StudyError
from bayesff.reporting.figures.findings import finding_pictures

CHART = Chart(
    "Depth over temperature",
    "Line and band: the posterior.",
    "temperature [K]",
    "depth [K]",
    [
        Line("model", np.array([100.0, 200.0]), np.array([1.0, 2.0]), np.array([0.5, 1.5]), np.array([1.5, 2.5])),
        Line("data", [100.0, 200.0], [1.1, 1.9], points=True),
    ],
)
FOUND = [
    Finding("depth", "The depth <is> 120.0 ± 0.5 K.", {"depth": 120.0}, CHART),
    Finding("plain", "Nothing else is said.", {"share": np.float64(0.25)}),
]


def test_findings_stand_on_the_page_in_the_metrics_and_in_the_posterior(trees, tmp_path):
    run = reporting.write_run("argon_test", "Is it so?", trees, tmp_path / "out", seed=1, findings=FOUND)
    page = run.report.read_text(encoding="utf-8")
    assert "The depth &lt;is&gt; 120.0\u00a0±\u00a00.5 K." in page
    assert "Depth over temperature" in page
    assert (run.folder / "figures" / "finding_depth.svg").is_file()
    assert not (run.folder / "figures" / "finding_plain.svg").exists()
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["findings"]
    assert metrics == {
        "depth": {"text": "The depth <is> 120.0 ± 0.5 K.", "values": {"depth": 120.0}},
        "plain": {"text": "Nothing else is said.", "values": {"share": 0.25}},
    }
    assert run.answers == [finding.text for finding in FOUND]
    again = reporting.rebuild_report(run.folder)
    assert again.answers == run.answers
    assert "Depth over temperature" in again.report.read_text(encoding="utf-8")


def test_a_finding_comes_back_from_json_as_it_was():
    back = Finding.from_json(json.loads(json.dumps(FOUND[0].to_json())))
    assert (back.name, back.text, back.values) == ("depth", FOUND[0].text, {"depth": 120.0})
    assert [(line.label, list(line.x), list(line.y), line.points) for line in back.chart.lines] == [
        ("model", [100.0, 200.0], [1.0, 2.0], False),
        ("data", [100.0, 200.0], [1.1, 1.9], True),
    ]
    assert list(back.chart.lines[0].low) == [0.5, 1.5]
    labelled = Finding("one", "It is so.", {}, Chart("a", "b", "c", "d", [Line("phases", np.array(["gas", "liquid"]), [1, 2])]))
    (line,) = Finding.from_json(json.loads(json.dumps(labelled.to_json()))).chart.lines
    assert list(line.x) == ["gas", "liquid"]


def test_findings_are_checked():
    with pytest.raises(StudyError, match="finding 'two words': the name must be a plain word"):
        Finding("two words", "It is so.")
    with pytest.raises(StudyError, match="finding 'one': share must be a finite number, found nan: leave out what cannot"):
        Finding("one", "It is so.", {"share": float("nan")})
    with pytest.raises(StudyError, match="the columns of the line 'data' must be of one length, found 2, 1"):
        Finding("one", "It is so.", {}, Chart("a", "b", "c", "d", [Line("data", [1.0, 2.0], [1.0])]))
    labels, numbers = Line("phases", np.array(["gas", "liquid"]), [1.0, 2.0]), Line("data", [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(StudyError, match="its lines must run over numbers or over labels, found both"):
        Finding("one", "It is so.", {}, Chart("a", "b", "c", "d", [labels, numbers]))
    with pytest.raises(StudyError, match="labels have no logarithm, found logarithmic_x"):
        Finding("one", "It is so.", {}, Chart("a", "b", "c", "d", [labels], logarithmic_x=True))
    with pytest.raises(StudyError, match="two findings are called 'depth': rename one of them"):
        find_all([lambda trees: FOUND[:1], lambda trees: FOUND[:1]], {})


def test_recovery_says_which_true_parameters_lie_in_their_intervals(trees):
    tree = trees["mie"]
    name = json.loads(tree.attrs["parameters"])[0]
    factor, _ = display(tree["posterior"][name])  # truths are in the unit of the prior
    low, high = (factor * float(tree["posterior"][name].quantile(q)) for q in (0.05, 0.95))
    (inside,) = reporting.recovered(trees, {"mie": {name: 0.5 * (low + high)}})
    (outside,) = reporting.recovered(trees, {"mie": {name: high + (high - low)}})
    assert inside.name == outside.name == "recovery_mie"
    assert "Inside the 90 % intervals: " in inside.text
    assert "Outside" not in inside.text
    assert "Outside them, as one in ten is by chance: " in outside.text
    assert inside.values[f"{name}_q05"] == pytest.approx(low)
    assert inside.values[f"{name}_q95"] == pytest.approx(high)


def test_parts_of_a_transfer_assessment_are_found_where_there_is_one(trees):
    assert transferability(trees["mie"], "matrix") is None
    tree = trees["mie"].copy()
    tree["transferability"] = xarray.DataTree.from_dict({"matrix": xarray.Dataset({"index": 2.0})})
    assert float(transferability(tree, "matrix")["index"]) == 2.0
    assert transferability(tree, "spread") is None


def test_points_over_the_same_labels_stand_beside_one_another():
    lines = [
        Line(label, ["gas", "liquid"], [height, height], [0.0, 0.0], [2.0, 2.0], points=True)
        for label, height in (("a", 1.0), ("b", 1.5))
    ]
    (picture,) = finding_pictures([Finding("one", "It is so.", chart=Chart("Title", "Caption.", "phase", "depth [K]", lines))])
    (axes,) = (axes for axes in picture.figure.axes if axes.get_xlabel() == "phase")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["gas", "liquid"]
    places = [container.lines[0].get_xdata() for container in axes.containers]
    np.testing.assert_allclose(places, [[-0.125, 0.875], [0.125, 1.125]])
