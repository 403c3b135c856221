"""The study `square_well_joint`: a square well fitted to structure and thermodynamics."""

import numpy as np
import pytest

from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, convert

from .textbook import TextbookStudy, module_of


def test_the_target_of_the_square_well_is_the_closed_form() -> None:
    joint = module_of("square_well_joint")
    epsilon, sigma, width = convert(joint.TRUTH["epsilon"], "K", "kJ/mol"), joint.TRUTH["sigma"], joint.TRUTH["width"]
    _, virial = joint.predict(np.array([[epsilon, sigma, width]]))[0]
    kt = GAS_CONSTANT * joint.TARGET["temperature"]
    exact = 2 * np.pi / 3 * CUBIC_ANGSTROM_PER_MOLE * sigma**3 * (1 - (width**3 - 1) * np.expm1(epsilon / kt))
    assert float(virial) == pytest.approx(exact, rel=1e-10)


class TestSquareWellJoint(TextbookStudy):
    name = "square_well_joint"
