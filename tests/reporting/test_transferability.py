"""The transferability part of the report: sentences and tables from numbers that are known."""

import dataclasses

import numpy as np
import pytest
import xarray

from bayesff import reporting
from bayesff.reporting.assessed import assess
from bayesff.reporting.figures import draw
from bayesff.reporting.figures.values import values_picture
from bayesff.reporting.store import save_posterior
from bayesff.reporting.transfer_tables import (
    combination_rows,
    left_out_comparison_rows,
    refit_rows,
    score_rows,
    tension_rows,
    within_rows,
)
from bayesff.reporting.transferability import (
    answer,
    comparison_finding,
    domain_finding,
    left_out_finding,
    parameter_finding,
    published_findings,
    tension_finding,
    transferability,
)

from .conftest import QUESTION
from .transfer_parts import (
    PICTURES,
    comparison_dataset,
    coverage_dataset,
    domain_dataset,
    parts,
    refits_dataset,
    spread_dataset,
    tension_dataset,
)


def only(trees):
    return assess(trees).first


def test_the_answer_comes_first(with_parts):
    found = answer([only(with_parts())])
    assert found == [
        "Parameters of Lennard-Jones (ε) may not be carried over unchanged: what is in brackets wants another value in another "
        "environment.",
        "The potential alone errs in an environment left out up to 7.4 (Lennard-Jones) times as much as where it was fitted.",
    ]


@pytest.mark.parametrize(
    ("p_within", "expected"),
    [
        ([0.95, 0.97], "Parameters of Lennard-Jones may be carried over."),
        ([0.95, 0.5], "Whether parameters of Lennard-Jones (σ) may be carried over, the data do not decide."),
    ],
)
def test_the_answer_where_no_parameter_must_change(with_parts, p_within, expected):
    spread = spread_dataset().assign(p_within=("parameter", p_within))
    calm = tension_dataset(p_value=0.3, log_ratio=2.0)
    assert answer([only(with_parts(spread=spread, matrix=None, tension=calm))]) == [expected]
    assert answer([only(with_parts(spread=spread, matrix=None, tension=None))]) == [expected]


def test_the_answer_says_that_environments_disagree_though_no_parameter_shows_it(with_parts):
    spread = spread_dataset().assign(p_within=("parameter", [0.95, 0.97]))
    assert answer([only(with_parts(spread=spread, matrix=None))]) == [
        "Parameters of Lennard-Jones may be carried over.",
        "And yet the environments disagree about one vector of parameters of Lennard-Jones (p < 0.001), though no parameter by "
        "itself shows it.",
    ]


def test_parameters_that_carry_over_and_those_that_do_not(with_parts):
    found = parameter_finding(only(with_parts()))
    assert found.judged == "Lennard-Jones: ε does not carry over, σ carries over."
    assert "ε differs by 6.0 % (2.0 to 13 %) between environments, probability 0.04 of less than 2 % (0.40" in found.numbers
    assert "“dimer” wants 128.0 to 132.0 K, all together 117 to 129 K" in found.numbers
    assert "σ differs by 0.10 % (0.010 to 0.40 %) between environments, probability above 0.99" in found.numbers
    assert "cold gas" not in found.numbers


def test_a_parameter_may_stay_undecided(with_parts):
    open_spread = spread_dataset().assign(p_within=("parameter", [0.5, 0.5]), p_outside=0.0 * spread_dataset()["p_outside"])
    found = parameter_finding(only(with_parts(spread=open_spread)))
    assert found.judged == "Lennard-Jones: undecided for ε and σ."
    assert "wants" not in found.numbers


def test_the_spread_of_a_signed_parameter_is_not_relative(with_parts):
    trees = with_parts(spread=spread_dataset().assign(relative=("parameter", [0, 1])))
    trees["lennard_jones"]["prior"]["epsilon"] = trees["lennard_jones"]["prior"]["epsilon"] - 10.0
    said = parameter_finding(only(trees)).numbers
    assert "ε differs by 0.060 K (0.020 to 0.13 K) between environments, probability 0.04 of less than 2 % of the common" in said
    assert "e^(0.31 ε)" in combination_rows(only(trees))[0][1]


def test_published_values_are_told_where_they_belong(with_parts):
    wanted, another, first = published_findings(only(with_parts()))
    assert wanted.judged == "Lennard-Jones, ε by what it is fitted to."
    assert wanted.numbers.startswith("Its 90 % interval is 118.8 to 121.2 K by “cold gas”, 138.6 to 141.4 K by “dimer”, 128.7 to")
    silent = "less than half is taken away by “warm gas” (12 %), too little to decide."
    assert wanted.numbers.endswith(
        f"{silent} Each has its price: the greatest, by “dimer”, makes the potential err 5.0 times as much in “warm gas” as in "
        "“dimer” and the least, by “cold gas”, makes the potential err 30 times as much in “dimer” as in “cold gas”."
    )
    assert published_findings(only(with_parts(matrix=None)))[0].numbers.endswith(silent)
    assert another.judged == "ε = 99.0 ± 2.5 K (<another>) is what none of these data want."
    assert first.judged == "ε = 139 K (a fit) agrees with “dimer” and all data."
    assert first.numbers == "It lies outside the 90 % interval of “cold gas” and all data without discrepancy."
    assert published_findings(only(with_parts(published=None))) == []


def test_a_value_that_was_published_for_several_candidates_is_shown_once(with_parts):
    picture = values_picture(list(assess(with_parts()).candidates.values()))
    notes = [text.get_text() for axes in picture.figure.axes for text in axes.texts]
    assert [note for note in notes if "a fit" in note] == ["139 K: a fit"]


@pytest.mark.parametrize(
    ("p_value", "log_ratio", "expected"),
    [
        (0.00002, -4.9, "Lennard-Jones: the environments disagree."),
        (0.34, 4.9, "Lennard-Jones: one parameter vector serves all environments."),
        (0.034, 4.9, "Lennard-Jones: the environments disagree, though the evidence prefers one vector for all."),
        (
            0.001,
            0.03,
            "Lennard-Jones: the environments disagree, though the evidence decides nothing.",
        ),
        (np.nan, -1.0, "Lennard-Jones: the evidence prefers a vector for each of them."),
    ],
)
def test_tension(with_parts, p_value, log_ratio, expected):
    candidate = only(with_parts(tension=tension_dataset(p_value, log_ratio)))
    assert tension_finding(candidate).judged == expected
    assert "nan" not in tension_finding(candidate).numbers


def test_the_numbers_of_the_tension(with_parts):
    trees = with_parts()
    assert tension_finding(only(trees)).numbers == "p < 0.001, log R = −4.9, suspiciousness −14.94 ± 0.11."
    assert tension_rows(assess(trees))[0] == ["Lennard-Jones", "−4.9", "−14.94 ± 0.11", "11.5 ± 1.0", "< 0.001"]


def test_left_out_environments_with_and_without_discrepancy(with_parts):
    found = left_out_finding(only(with_parts()))
    assert found.judged == (
        "Lennard-Jones: the 90 % intervals of left-out environments hold 96 %, where calibrated ones would hold 61 to 100 %; "
        "without discrepancy and pooling 0 %, where calibrated ones would hold 84 to 97 % "
        "(too narrow at 50 %, 80 %, 90 % and 95 %)."
    )
    assert "largest in “dimer”, 7.4 times (3.7 to 11)" in found.numbers
    assert "smallest in “cold gas”, 0.80 times (0.40 to 1.2)" in found.numbers
    assert "without pooling 100 %" in left_out_finding(only(with_parts(left_out_bare=None))).judged
    wide = coverage_dataset()
    wide["p_as_high"] = xarray.where(wide["level"] == 0.8, 0.01, wide["p_as_high"])
    expected = "hold 96 %, where calibrated ones would hold 61 to 100 % (too wide at 80 %)"
    assert expected in left_out_finding(only(with_parts(left_out_coverage=wide))).judged
    wide["p_as_low"] = xarray.where(wide["level"] == 0.5, 0.01, wide["p_as_low"])
    expected = "61 to 100 % (too narrow at 50 %; too wide at 80 %)"
    assert expected in left_out_finding(only(with_parts(left_out_coverage=wide))).judged


def test_the_domain_is_a_range_of_the_state(with_parts):
    found = domain_finding(only(with_parts()))
    assert "second virial coefficient (within 3 cm³/mol) 100 to 145 K" in found.numbers
    assert "(within 5 %) at 0 of 1 states" in found.numbers
    everywhere = domain_dataset()
    everywhere["second_virial"][:] = 0.97
    assert "everywhere from 100 to 600 K" in domain_finding(only(with_parts(domain=everywhere))).numbers
    assert "nowhere" in domain_finding(only(with_parts(domain=everywhere * 0.5))).numbers


def test_the_domain_of_environments_that_overlap_is_told_for_each(with_parts):
    mixed = domain_dataset()
    mixed["second_virial_temperature"] = ("second_virial_grid", np.tile(np.linspace(100.0, 200.0, 10), 2))
    mixed["second_virial"][3] = np.where(np.arange(20) < 15, 0.95, 0.3)
    found = domain_finding(only(with_parts(domain=mixed))).numbers
    assert "everywhere in “cold gas” and in “warm gas” 100 to 144 K" in found


def test_terms_of_one_quantity_are_told_apart_by_their_environments(with_parts):
    candidate = only(with_parts(domain=domain_dataset().drop_vars("well_depth")))
    again = dataclasses.replace(candidate, terms=dict.fromkeys(candidate.terms, candidate.terms["second_virial"]))
    assert "second virial coefficient in “cold gas” and “warm gas” (within 3 cm³/mol) 100" in domain_finding(again).numbers


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(-12.3, "Mie predicts left-out environments best."), (-1.5, "Mie predicts left-out environments best, by a margin that")],
)
def test_which_candidate_predicts_environments_best(with_parts, difference, expected):
    trees = with_parts()
    trees["lennard_jones"]["transferability/comparison"] = xarray.DataTree(comparison_dataset(difference))
    found = comparison_finding(assess(trees))
    assert found.judged.startswith(expected)
    assert "exceeds that of Lennard-Jones by" in found.numbers
    assert "± 2.1 (standard error between environments)" in found.numbers


def test_tables_have_no_false_precision(with_parts):
    candidate = only(with_parts())
    dimer = ["dimer", "1", "90 (10)", "90 (10)", "90 (10)", "90 (10)", "6.5 (6.5)", "−0.30 (−0.30)", "17, 2.6 to 150 (17)"]
    assert score_rows(candidate)[2] == [*dimer, "−170.0 (−170.0)"]
    assert score_rows(candidate)[1][-1] == "−20.00 ± 0.50 (−20.00 ± 0.50)"
    assert within_rows(candidate)[0] == [
        "cold gas",
        "0.95 (second virial coefficient 0.95, depth of the dimer well 0.98)",
        "0.50",
        "< 0.01",
        "< 0.01",
    ]
    assert within_rows(candidate)[3][-1] == "–"
    assert combination_rows(candidate)[0] == ["all data", "σ^0.95 ε^0.31", "1.0 %", "0.50 to 2.0 %", "> 99 %"]
    assert combination_rows(candidate)[1] == ["all data", "ε", "10 %", "5.0 to 20 %", "50 %"]
    assert combination_rows(candidate)[3][2:4] == ["not at all", "–"]
    assert refit_rows(candidate)[1] == ["pooled", "cold gas + <dimer>", "20.00 ± 0.50", "yes", "1.002", "600"]


def test_the_comparison_as_a_table(with_parts):
    rows = left_out_comparison_rows(assess(with_parts()))
    assert rows[0] == ["Mie", "−10.0", "best", "0.97", "1.0", "2.0", "3.0", "–"]
    assert rows[1][:4] == ["Lennard-Jones", "−22.30 ± 0.30", "−12.3 ± 2.1", "0.03"]


def test_refits_that_did_not_converge_are_named(with_parts):
    found = transferability(assess(with_parts(refits=refits_dataset(("", "R-hat 1.2", "")))))
    assert found.num_refits == 6
    assert found.failed[0] == "Lennard-Jones, 1 of 3 refits did not converge: pooled, fitted to cold gas + <dimer>."
    assert transferability(assess(with_parts())).failed == []


def test_one_environment_has_notes_only(with_parts):
    missing = dict.fromkeys(set(parts()) - {"refits", "identifiability"})
    trees = with_parts(names=("mie",), refits=refits_dataset(notes=["There is one environment."]), **missing)
    found = transferability(assess(trees))
    assert found.topics == []
    assert found.notes == ["There is one environment."]
    assert PICTURES & set(draw(assess(trees))) == {"identifiability"}


@pytest.mark.parametrize("missing", sorted(set(parts())))
def test_any_part_may_be_missing(with_parts, missing):
    assessed = assess(with_parts(names=("mie",), **{missing: None}))
    assert transferability(assessed) is not None
    for rows in (score_rows, within_rows, combination_rows, refit_rows):
        assert isinstance(rows(assessed.first), list)


def test_without_an_assessment_there_is_nothing(plain_trees, written):
    assert transferability(assess(plain_trees)) is None
    assert not PICTURES & set(draw(assess(plain_trees)))
    assert "transferability" not in (written.folder / "report.html").read_text().lower()


def test_the_section_comes_after_the_verdict_and_is_escaped(with_parts, tmp_path):
    refits = refits_dataset(("R-hat <b>1.2</b>", "", ""), notes=["“<i>dimer</i>” has 1 datum."])
    save_posterior(with_parts(refits=refits), tmp_path / "posterior.nc", study="transfer", question=QUESTION)
    page = reporting.rebuild_report(tmp_path).report.read_text()
    assert 'href="#transferability"' in page
    assert page.index('id="verdict"') < page.index('id="transferability"') < page.index('id="fit"')
    assert page.index("refits converged: do not rely") < page.index("does not carry over")
    assert "<i>dimer</i>" not in page
    assert "<b>1.2</b>" not in page
    assert "cold gas + &lt;dimer&gt;" in page
    for name in PICTURES:
        assert (tmp_path / "figures" / f"{name}.svg").is_file()
