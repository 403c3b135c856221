"""The study `polarization_trimer` against closed forms and another optimiser."""

import sys

import numpy as np
import pytest
from scipy.optimize import least_squares

from bayesff.study import load
from bayesff.units import COULOMB_CONSTANT

from .textbook import TextbookStudy

STUDY = load("polarization_trimer")
MODULE = sys.modules["study_polarization_trimer"]


def test_without_polarisability_charges_are_not_scaled_and_nothing_is_off():
    factor, errors = MODULE.by_least_squares(0.0)
    assert float(factor) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(errors, 0.0, atol=1e-9)


def test_the_factor_of_weakly_polarisable_pairs_is_that_of_first_order():
    """To first order the pair gains -(a+b)/(2 r^4), damped, and the factor is 1 + sum(gain / r) / 2 sum(1 / r^2)."""
    share, r = 1e-4, MODULE.separation["separation"]
    anion, cation = (share * value for value in MODULE.TRUTH.values())
    # The damping of so small a volume, 1 - exp(-0.39 r^3 / sqrt(a b)), is one.
    expected = 0.5 * np.sum((anion + cation) / (2 * r**4) / r) / np.sum(1 / r**2)
    assert float(MODULE.by_least_squares(share)[0]) - 1 == pytest.approx(expected, rel=2e-3)


def test_the_factor_and_the_errors_by_another_optimiser():
    def energies(scale):
        return np.stack([term.observable.predict(MODULE.scaled_charges(scale), MODULE.separation).mean for term in terms])

    terms = STUDY.problems["scaled_charges"].terms.values()
    true = np.stack([term.observable.predict(MODULE.polarisable(**MODULE.TRUTH), MODULE.separation).mean for term in terms])
    found = least_squares(lambda x: energies(x[0])[0] - true[0], [1.0], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    factor, errors = MODULE.by_least_squares(1.0)
    assert float(factor) == pytest.approx(found.x[0], rel=1e-7)
    np.testing.assert_allclose(errors, np.sqrt(np.mean((energies(found.x[0]) - true) ** 2, axis=1)), rtol=1e-6)


def test_scaled_charges_in_closed_form():
    """Three in a row have -3/2 of a pair's Coulomb energy, beside the repulsions."""
    terms, r = STUDY.problems["scaled_charges"].terms, MODULE.separation["separation"]
    for name, factor in (("pair", -1.0), ("row", -1.5), ("corner", -2 + 0.5**0.5)):
        gained = [
            np.asarray(terms[name].observable.predict(MODULE.scaled_charges(s), MODULE.separation).mean) for s in (1.0, 2.0)
        ]
        np.testing.assert_allclose(gained[1] - gained[0], 3 * factor * COULOMB_CONSTANT / r, rtol=1e-12)


class TestPolarizationTrimer(TextbookStudy):
    name = "polarization_trimer"
