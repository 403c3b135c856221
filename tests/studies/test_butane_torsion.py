"""The study `butane_torsion`: butane's torsion in surroundings that add to it."""

import numpy as np
import pytest

from bayesff.units import GAS_CONSTANT, convert

from .textbook import TextbookStudy, module_of


def test_surroundings_that_add_nothing_change_nothing() -> None:
    butane = module_of("butane_torsion")
    true = convert(1.0, "kcal/mol", "kJ/mol") * np.array(list(butane.TRUTH.values()))
    shares, energies = butane.conformers(true, np.zeros(3))
    assert float(shares.sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(shares[1]) == pytest.approx(float(shares[2]), rel=1e-12)
    np.testing.assert_allclose(shares, np.exp(-energies / (GAS_CONSTANT * butane.ROOM)), rtol=1e-12)
    for index, added in enumerate(butane.SURROUNDINGS.values()):
        fields = np.array(list(added.values()))
        off = [float(np.abs(butane.conformers(true, share * fields)[0] - shares).max()) for share in (1e-6, 0.5, 1.0)]
        assert off[0] < 1e-6 < off[1] < off[2], f"surroundings {index}"
    plain, treated = butane.as_in_the_gas(["gas"]), butane.with_surroundings
    same = treated[0].observable.predict(butane.torsion(**butane.TRUTH), plain[0].parts[0].state).mean
    np.testing.assert_allclose(same, plain[0].observable.predict(butane.torsion(**butane.TRUTH), plain[0].parts[0].state).mean)


class TestButaneTorsion(TextbookStudy):
    name = "butane_torsion"
