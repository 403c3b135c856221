"""The transferability part of the report: sentences and tables from numbers that are known, and its figures."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import xarray

from bayesff import reporting
from bayesff.reporting.assessed import assess
from bayesff.reporting.figures import draw
from bayesff.reporting.figures.style import style
from bayesff.reporting.figures.transfer import transfer_pictures
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

from .conftest import QUESTION, candidates

LABELS = ["cold gas", "warm gas", "dimer"]
LEVELS = [0.5, 0.8, 0.9, 0.95]
VARIANTS = ["shared", "pooled", "separate", "bare"]
PICTURES = {"transfer_matrix", "spread", "values", "left_out_second_virial", "left_out_coverage", "domain", "identifiability"}


def refits_dataset(reasons=("", "", ""), notes=()):
    converged = [int(not reason) for reason in reasons]
    made = xarray.Dataset(
        {
            "log_z": ("refit", [10.04, 20.0, -30.0]),
            "log_z_sd": ("refit", [0.02, 0.5, 0.01]),
            "converged": ("refit", converged),
            "largest_rhat": ("refit", [1.001, 1.002, 1.003]),
            "fewest_effective": ("refit", [500.2, 600.0, 700.0]),
            "reasons": ("refit", list(reasons)),
        },
        coords={"variant": ("refit", ["shared", "pooled", "bare"]), "fitted": ("refit", ["cold gas + <dimer>"] * 3)},
    )
    tolerances = {"second_virial": [3.0, "cm^3/mol"], "well_depth": [0.05, ""]}
    return made.assign_attrs(notes=json.dumps(list(notes)), spread_tolerance=0.02, tolerances=json.dumps(tolerances))


def spread_dataset():
    """Sigma carries over; epsilon does not, since the dimer wants another."""
    return xarray.Dataset(
        {
            "q05": ("parameter", [0.02, 0.0001]),
            "q50": ("parameter", [0.06, 0.001]),
            "q95": ("parameter", [0.13, 0.004]),
            "p_within": ("parameter", [0.04, 0.997]),
            "prior_p_within": ("parameter", [0.4, 0.4]),
            "relative": ("parameter", [1, 1]),
            "common": ("parameter", [123.0, 3.4]),
            "common_q05": ("parameter", [117.0, 3.39]),
            "common_q95": ("parameter", [129.0, 3.41]),
            "value": (("parameter", "environment"), [[120.0, 121.0, 130.0], [3.4, 3.4, 3.4]]),
            "value_q05": (("parameter", "environment"), [[118.0, 119.0, 128.0], [3.39, 3.39, 3.39]]),
            "value_q95": (("parameter", "environment"), [[122.0, 123.0, 132.0], [3.41, 3.41, 3.41]]),
            "p_outside": (("parameter", "environment"), [[0.3, 0.2, 0.97], [0.0, 0.0, 0.0]]),
        },
        coords={"parameter": ["epsilon", "sigma"], "unit": ("parameter", ["K", "angstrom"]), "environment": LABELS},
    )


def scores_dataset(share):
    columns = {"num_data": [12, 12, 1], "rmse_over_uncertainty": [2.0, 3.0, 17.26]}
    columns |= {"rmse_over_uncertainty_q05": [1.0, 1.0, 2.6], "rmse_over_uncertainty_q95": [4.0, 5.0, 149.2]}
    columns |= {"crps_over_uncertainty": [0.6, 0.7, 6.51], "skill": [0.9, 0.8, -0.304]}
    columns |= {"pit_q05": [0.1, 0.2, 0.9], "pit_q50": [0.5, 0.6, 0.9], "pit_q95": [0.9, 0.8, 0.9]}
    columns |= {"joint_log_predictive_density": [-10.04, -20.0, -170.02], "joint_log_predictive_density_sd": [0.02, 0.5, 0.01]}
    shares = np.full((3, 4), share)
    made = {name: ("environment", column) for name, column in columns.items()}
    made |= {
        f"coverage{rest}": (("environment", "level"), shares + shift)
        for rest, shift in (("", 0), ("_low", -0.1), ("_high", 0.05))
    }
    return xarray.Dataset(made, coords={"environment": LABELS, "level": LEVELS})


def left_out_data_dataset():
    pit = np.stack([np.append(np.linspace(0.1, 0.9, 24), 0.999), np.full(25, 0.3), np.full(25, 1.0)])
    environment = ["cold gas"] * 12 + ["warm gas"] * 12 + ["dimer"]
    labels = {"term": ("datum", ["second_virial"] * 24 + ["well_depth"]), "environment": ("datum", environment)}
    return xarray.Dataset({"pit": (("variant", "datum"), pit)}, coords={"variant": ["pooled", "shared", "bare"]} | labels)


def coverage_dataset():
    """At 90 % the pooled variant holds 24 of 25 data, as calibrated ones may; the bare one none, whose zero must be told too."""
    columns = {"coverage": [0.96, 1.0, 0.0], "expected_q05": [0.61, 0.7, 0.84], "expected_q50": [0.96, 0.95, 0.92]}
    columns |= {"expected_q95": [1.0, 1.0, 0.97], "p_as_low": [0.5, 1.0, 0.0], "p_as_high": [0.51, 0.3, 1.0]}
    made = {
        name: (("variant", "environment", "level"), np.broadcast_to(np.reshape(column, (3, 1, 1)), (3, 4, 4)))
        for name, column in columns.items()
    }
    named = {"variant": ["pooled", "shared", "bare"], "environment": [*LABELS, "all environments"], "level": LEVELS}
    return xarray.Dataset(made, coords=named)


def grid(number=10):
    temperature = np.concatenate([np.geomspace(100.0, 230.0, number), np.geomspace(250.0, 600.0, number)])
    return {
        "second_virial_temperature": ("second_virial_grid", temperature),
        "second_virial_environment": ("second_virial_grid", np.repeat(LABELS[:2], number)),
        "well_depth_environment": ("well_depth_grid", ["dimer"]),
    }


def curves_dataset():
    middle = 1.0 + 2.0 * np.log(grid()["second_virial_temperature"][1] / 250.0)
    width = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None]
    made = np.stack([middle + scale * width for scale in (1.0, 0.5, 0.1)])
    depth = np.broadcast_to(np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[None, :, None], (3, 5, 1))
    columns = {"second_virial": (("variant", "quantile", "second_virial_grid"), made)}
    columns |= {"well_depth": (("variant", "quantile", "well_depth_grid"), depth)}
    named = {"variant": ["pooled", "shared", "bare"], "quantile": [0.05, 0.25, 0.5, 0.75, 0.95]}
    return xarray.Dataset(columns, coords=named | grid())


def matrix_dataset():
    middle = np.array([[1.0, 2.0, 30.0], [0.5, 1.0, 8.0], [4.0, 5.0, 1.0], [0.8, 1.1, 7.36]])
    index = np.stack([0.5 * middle, middle, 1.5 * middle], axis=-1)
    coords = {"fitted": [*LABELS, "all others"], "tested": LABELS, "quantile": ["q05", "q50", "q95"]}
    return xarray.Dataset({"index": (("fitted", "tested", "quantile"), index)}, coords=coords)


def within_dataset():
    joint = np.array([[0.95, 0.5, 0.004], [0.4, 0.95, 0.1], [0.1, 0.1, 0.99], [0.7, 0.6, 0.2]])
    single = np.stack([joint, np.where(np.arange(3) == 0, 0.98, np.nan) * np.ones((4, 1))], axis=-1)
    made = {"p_within": (("fitted", "tested"), joint), "p_within_of": (("fitted", "tested", "term"), single)}
    made |= {"p_within_everywhere": ("fitted", [0.001, 0.2, 0.3, np.nan])}
    coords = {"fitted": [*LABELS, "all others"], "tested": LABELS, "term": ["second_virial", "well_depth"]}
    return xarray.Dataset(made, coords=coords)


def domain_dataset():
    """All others: above 0.9 from 100 K to the fifth state, and nowhere in the well depth."""
    chance = np.tile(np.linspace(0.9, 0.2, 20), (4, 1))
    chance[3] = np.where(np.arange(20) < 5, 0.95, 0.3)
    columns = {"second_virial": (("fitted", "second_virial_grid"), chance)}
    columns |= {"well_depth": (("fitted", "well_depth_grid"), np.full((4, 1), 0.2))}
    return xarray.Dataset(columns, coords={"fitted": [*LABELS, "all others"]} | grid())


def tension_dataset(p_value=0.00002, log_ratio=-4.9):
    made = {"log_ratio": log_ratio, "log_ratio_sd": 0.03, "suspiciousness": -14.94, "suspiciousness_sd": 0.11}
    return xarray.Dataset(made | {"dimension": 11.5, "dimension_sd": 1.0, "p_value": p_value})


def identifiability_dataset():
    power = np.tile(np.array([[0.31, 0.95], [0.9987, -0.05]]), (2, 1, 1))
    made = {"eigenvalue": [[1e4, 100.0], [400.0, 0.0]], "eigenvalue_q05": [[2500.0, 25.0], [100.0, 0.0]]}
    made |= {"eigenvalue_q95": [[4e4, 400.0], [1600.0, 0.0]], "contraction": [[0.999, 0.5], [0.6, -0.02]]}
    columns = {name: (("fitted", "combination"), values) for name, values in made.items()}
    columns |= {"power": (("fitted", "combination", "parameter"), power)}
    coords = {"fitted": ["all data", "dimer"], "combination": [1, 2], "parameter": ["epsilon", "sigma"]}
    return xarray.Dataset(columns, coords=coords)


FITS = [*LABELS, "all data", "all data without discrepancy"]


def values_dataset():
    """The warm gas fixes nothing; the dimer wants another epsilon than the cold gas."""
    middle = np.array([[120.0, 3.4], [125.0, 3.5], [140.0, 3.4], [130.0, 3.4], [131.0, 3.4]])
    columns = {key: (("fitted", "parameter"), middle * factor) for key, factor in (("q05", 0.99), ("q50", 1.0), ("q95", 1.01))}
    columns |= {"contraction": (("fitted", "parameter"), np.array([0.9, 0.12, 0.99, 0.99, 0.995])[:, None] * np.ones(2))}
    columns |= {f"prior_{key}": ("parameter", [value, 3.4]) for key, value in (("q05", 90.0), ("q50", 125.0), ("q95", 170.0))}
    return xarray.Dataset(columns, coords={"fitted": FITS, "parameter": ["epsilon", "sigma"], "unit": ("parameter", ["K", "Å"])})


def published_dataset():
    tail = np.array([[0.001, 0.6, 0.5, 0.2, 0.01], [0.0, 0.5, 0.0, 0.0, 0.0]])
    contraction = np.tile(values_dataset()["contraction"].sel(parameter="epsilon").to_numpy(), (2, 1))
    made = {"tail": (("publication", "fitted"), tail), "contraction": (("publication", "fitted"), contraction)}
    made |= {"value": ("publication", [139.0, 99.0]), "sd": ("publication", [0.0, 2.5])}
    texts = {"parameter": ["epsilon"] * 2, "unit": ["K"] * 2, "label": ["a fit", "<another>"], "source": ["one", "two"]}
    return xarray.Dataset(made, coords={"fitted": FITS} | {name: ("publication", column) for name, column in texts.items()})


def comparison_dataset(difference=-12.3):
    made = {"left_out_density": [-10.04, -22.3], "left_out_density_sd": [0.02, 0.3], "difference": [0.0, difference]}
    made |= {"difference_se": [0.0, 2.1], "weight": [0.97, 0.03]}
    columns = {name: ("candidate", values) for name, values in made.items()}
    evidence = np.array([[1.0, 2.0, 3.0, np.nan]] * 2)
    columns |= {"log_z": (("candidate", "variant"), evidence), "log_z_sd": (("candidate", "variant"), 0.02 + 0 * evidence)}
    return xarray.Dataset(columns, coords={"candidate": ["mie", "lennard_jones"], "variant": VARIANTS})


def parts():
    made = {"refits": refits_dataset(), "spread": spread_dataset(), "left_out_data": left_out_data_dataset()}
    made["left_out_coverage"] = coverage_dataset()
    made |= {f"left_out_{name}": scores_dataset(share) for name, share in (("pooled", 0.9), ("shared", 0.5), ("bare", 0.1))}
    made |= {"left_out_curves": curves_dataset(), "matrix": matrix_dataset(), "within": within_dataset()}
    made |= {"values": values_dataset(), "published": published_dataset()}
    return made | {"domain": domain_dataset(), "tension": tension_dataset(), "identifiability": identifiability_dataset()}


@pytest.fixture(scope="module")
def plain_trees():
    made = candidates(num_draws=400)
    for tree in made.values():
        for name in ("epsilon", "sigma"):
            tree["prior"][name] = abs(tree["prior"][name])
    return made


@pytest.fixture
def with_parts(plain_trees):
    def make(names=("lennard_jones", "mie"), **changes):
        """Return a run whose candidates have all parts but those changed; None leaves a part out."""
        trees = {name: plain_trees[name].copy() for name in names}
        for index, tree in enumerate(trees.values()):
            made = parts() | ({"comparison": comparison_dataset()} if index == 0 and len(trees) > 1 else {})
            kept = {name: dataset for name, dataset in (made | changes).items() if dataset is not None}
            tree["transferability"] = xarray.DataTree.from_dict(kept)
        return trees

    return make


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
