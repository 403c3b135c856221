"""The verdict: what is not converged is called so, with the reason."""

import numpy as np
import pytest
import xarray
from arviz_base import from_dict

from bayesff.inference import diagnose
from bayesff.inference.laplace import pareto_k


def make_tree(draws=None, **statistics):
    random = np.random.default_rng(1)
    draws = random.normal(size=(4, 1000)) if draws is None else draws
    groups = {"posterior": {"epsilon": draws, "bias": random.normal(size=(*draws.shape, 2))}}
    given = {"diverging": np.zeros(draws.shape, bool), "energy": random.normal(size=draws.shape)} | statistics
    return from_dict(groups | {"sample_stats": given}, coords={"laboratory": ["A", "B"]}, dims={"bias": ["laboratory"]})


def verdict(tree, attributes=None):
    found = diagnose(tree, {"method": "test"} if attributes is None else attributes)
    return int(found["converged"]), found.attrs["reasons"]


def test_independent_draws_are_converged():
    found = diagnose(make_tree(), {"method": "test"})
    assert int(found["converged"]) == 1
    assert found.attrs == {"reasons": "", "method": "test"}
    assert list(found["scalar"].values) == ["epsilon", "bias[A]", "bias[B]"]
    assert float(found["rhat"].max()) < 1.01
    # Of 4000 independent draws nearly all count; the error of the mean is 1/sqrt(4000) = 0.0158 within its own error.
    assert float(found["ess_bulk"].min()) > 3000
    np.testing.assert_allclose(found["mcse_mean"], 0.0158, rtol=0.15)
    assert (int(found["num_divergences"]), float(found["ebfmi"]) > 1.5) == (0, True)


def test_a_chain_that_lies_elsewhere():
    draws = np.random.default_rng(2).normal(size=(4, 1000))
    draws[3] += 1.5
    converged, reasons = verdict(make_tree(draws))
    assert converged == 0
    assert "R-hat of epsilon is 1." in reasons
    assert "(must be below 1.01)" in reasons


def test_chains_that_move_too_slowly():
    steps = np.random.default_rng(3).normal(size=(4, 1000))
    draws = np.zeros_like(steps)
    for i in range(1, 1000):
        draws[:, i] = 0.99 * draws[:, i - 1] + np.sqrt(1 - 0.99**2) * steps[:, i]
    converged, reasons = verdict(make_tree(draws))
    assert converged == 0
    assert "bulk effective sample size of epsilon is" in reasons
    assert "tail effective sample size of epsilon is" in reasons


def test_divergences():
    diverging = np.zeros((4, 1000), bool)
    diverging[1, [5, 7]] = True
    assert verdict(make_tree(diverging=diverging)) == (0, "2 draws diverged (none may)")


@pytest.mark.parametrize("energy", [np.cumsum(np.random.default_rng(4).normal(size=(4, 1000)), axis=1), np.ones((4, 1000))])
def test_energy_that_is_hardly_explored(energy):
    converged, reasons = verdict(make_tree(energy=energy))
    assert converged == 0
    assert reasons.startswith("E-BFMI is ")


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_draws_without_a_spread_are_not_converged(value):
    converged, reasons = verdict(make_tree(np.full((4, 1000), value)))
    assert converged == 0
    assert "epsilon" in reasons


def test_a_method_that_judges_itself():
    tree = xarray.DataTree.from_dict({"posterior": make_tree()["posterior"].to_dataset()})
    attributes = {"method": "Laplace", "converged": 0, "reason": "the Pareto k is 0.91"}
    assert verdict(tree, attributes) == (0, "the Pareto k is 0.91")
    assert verdict(tree, attributes | {"converged": 1}) == (1, "")


def test_populations_of_smc_are_judged_as_chains():
    draws = np.random.default_rng(2).normal(size=(4, 1000))
    draws[3] += 1.5
    whole = make_tree(draws)
    statistics = xarray.Dataset({"acceptance_rate": (("chain", "draw"), np.full((4, 1000), 0.9))})
    tree = xarray.DataTree.from_dict({"posterior": whole["posterior"].to_dataset(), "sample_stats": statistics})
    converged, reasons = verdict(tree, {"method": "SMC", "converged": 1})
    assert (converged, "R-hat of epsilon" in reasons) == (0, True)


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_pareto_shape_of_weights_with_a_pareto_tail(shape):
    """The estimate's standard deviation is about (1 + k)/sqrt(tail), with 3 sqrt(n) weights in the tail; four of them."""
    weights = np.random.default_rng(5).pareto(1 / shape, 20_000) + 1
    tail = 3 * np.sqrt(20_000)
    assert pareto_k(np.log(weights)) == pytest.approx(shape, abs=4 * (1 + shape) / np.sqrt(tail))


def test_pareto_shape_without_a_tail_or_without_weights():
    assert pareto_k(np.zeros(100)) == -np.inf
    assert pareto_k(np.full(100, -np.inf)) == np.inf
    assert pareto_k(np.array([0.0, 1.0])) == np.inf
