"""The study `argon_gp_pair`: argon's pair potential without a form."""

from pathlib import Path

import numpy as np
import xarray

from ..long import long  # noqa: TID252
from .textbook import TextbookStudy, check_run, module_of


def test_errors_with_a_common_cause_keep_their_size_and_the_well_of_a_parabola_is_its_vertex() -> None:
    argon = module_of("argon_gp_pair")
    for term in (argon.viscosity, argon.dimer):
        (data,) = term.parts
        np.testing.assert_allclose(np.sqrt(np.diag(data.covariance)), data.standard_deviation, rtol=1e-12)
        correlation = data.covariance / np.outer(data.standard_deviation, data.standard_deviation)
        # The whole set is uncertain by most of what one datum is; independent errors would leave a root of the number of it.
        assert np.sqrt(correlation.mean()) > 1.5 / np.sqrt(data.num_data)
        assert np.linalg.eigvalsh(correlation)[0] > 0.99 * argon.OWN**2
    where, depth = argon.vertex(np.stack([40.0 * (argon.FINE - 3.7619) ** 2 - 143.1, (argon.FINE - 4.0) ** 2 - 1.0]))
    np.testing.assert_allclose(where, [3.7619, 4.0], rtol=1e-9)
    np.testing.assert_allclose(depth, [143.1, 1.0], rtol=1e-9)


def test_nothing_learnt_leaves_the_band_as_wide_as_the_prior_which_holds_argon() -> None:
    argon = module_of("argon_gp_pair")
    weights = np.random.default_rng(1).normal(size=(1, 4000, argon.NUM_WEIGHTS))
    prior = xarray.Dataset({f"w{k}": (("chain", "draw"), weights[..., k]) for k in range(argon.NUM_WEIGHTS)})
    tree = xarray.DataTree.from_dict({"posterior": prior})
    drawn, ratio = argon.learnt(tree, argon.separation)
    np.testing.assert_allclose(ratio, 1.0, atol=0.05)
    deviations = (argon.energy - drawn.mean(axis=0)) / drawn.std(axis=0)
    assert np.abs(deviations).max() < 1.0  # krypton's curve is argon's within the tenth that the prior allows


class TestArgonGpPair(TextbookStudy):
    name = "argon_gp_pair"
    test_true_parameters_lie_in_their_intervals_as_often_as_these_say = None  # there is no truth but the ab initio curve

    @long
    def test_it_runs_and_converges(self, tmp_path: Path) -> None:
        check_run(self.name, tmp_path)  # three and a half minutes on two cores
