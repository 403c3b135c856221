"""Numbers as a person writes them."""

import math

import pytest

from bayesff.reporting import wording


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (119.94321, 0.08271, "119.943 ± 0.083"),
        (3.4, 0.0996, "3.40 ± 0.10"),
        (-347.2, 29.4, "−347 ± 29"),
        (12345.6, 234.0, "12350 ± 230"),
        (1.5, 0.0, "1.500 ± 0.000"),
        (3.0, 4e-16, "3.000 ± 0.000"),
        (-0.0004, 0.12, "0.00 ± 0.12"),
        (2.0, math.nan, "2.000 ± –"),
    ],
)
def test_the_spread_has_two_significant_digits(value, spread, text):
    assert wording.plus_minus(value, spread) == text


@pytest.mark.parametrize(
    ("value", "text"), [(9.87, "9.9"), (0.0996, "0.10"), (123.0, "120"), (1.5e-7, "1.5e−7"), (0.0, "0"), (math.nan, "–")]
)
def test_significant_digits(value, text):
    assert wording.significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.47, "= 0.47"), (0.994, "> 0.99"), (1.0, "> 0.99"), (0.004, "< 0.01"), (math.nan, "= –")]
)
def test_a_probability_claims_no_more_than_draws_know(value, text):
    assert wording.chance_text(value) == text


def test_units_are_readable():
    assert wording.unit_text("cm^3/mol") == "cm³/mol"
    assert wording.unit_text("uPa*s") == "µPa s"
    assert wording.unit_text("1/angstrom^3") == "1/Å³"
    assert wording.axis("well depth", "") == "well depth"
    assert wording.axis("S(q)", "dimensionless") == "S(q)"
    assert wording.with_unit("0.05", "dimensionless") == "0.05"


@pytest.mark.parametrize(
    ("name", "text"),
    [("mie", "Mie"), ("lennard_jones", "Lennard-Jones"), ("mie_three_body", "Mie three-body"), ("square_well", "Square well")],
)
def test_candidates_have_names_of_people_and_hyphens(name, text):
    assert wording.candidate_text(name) == text


@pytest.mark.parametrize(
    ("scalar", "text"),
    [
        ("epsilon", "ε"),
        ("epsilon_environment[cold gas]", "ε, cold gas"),
        ("tau_sigma", "spread of σ between environments (τ)"),
        ("virial_noise_scale", "second virial coefficient: noise scale"),
        ("virial_cold_discrepancy_scale[gas]", "the cold ones: discrepancy scale, gas"),
    ],
)
def test_sites_have_names_in_words(scalar, text):
    assert wording.site_text(scalar, {"virial": "second virial coefficient", "virial_cold": "the cold ones"}) == text


def test_lists_read_as_sentences():
    assert wording.enumerate_words(["a"]) == "a"
    assert wording.enumerate_words(["a", "b", "c"]) == "a, b and c"
    assert wording.count(1, "datum", "data") == "1 datum"
