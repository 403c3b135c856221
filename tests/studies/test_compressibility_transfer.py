"""The study `compressibility_transfer`: the compressibility of a gas, carried to other states."""

import numpy as np

from .textbook import TextbookStudy, module_of


def test_right_parameters_have_the_right_compressibility_and_wrong_ones_in_a_thin_gas() -> None:
    gas = module_of("compressibility_transfer")
    temperature, density = np.array([160.0, 300.0, 500.0]), np.full(3, 0.0025)
    np.testing.assert_allclose(gas.errors(*gas.TRUTH.values(), temperature, density), 0.0, atol=1e-14)
    for parameters in gas.CANDIDATES.values():
        assert np.abs(gas.errors(*parameters, temperature, np.full(3, 1e-8))).max() < 1e-5
        assert np.abs(gas.errors(*parameters, temperature, density)).max() > 1e-4


class TestCompressibilityTransfer(TextbookStudy):
    name = "compressibility_transfer"
