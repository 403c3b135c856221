"""The study of learnt and classical forms: its limits by closed formulae, and words that follow the numbers."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray
from scipy.optimize import least_squares
from scipy.stats import binom, chi2

import bayesff as bff
from bayesff.study import load

from .textbook import TextbookStudy

FORCES = jax.jit(lambda potential, r: jax.vmap(potential.pair_force)(r))


@pytest.fixture(scope="module")
def study():
    return load("learned_or_classical")


@pytest.fixture(scope="module")
def source(study):
    """What the file of the study defines."""
    return sys.modules[f"study_{study.name}"]


def ranges(problem):
    (term,) = problem.terms.values()
    return {
        part.environment.label: bff.potentials.Curve(part.state["separation"], part.values, part.uncertainty)
        for part in term.parts
    }


def error(curve, potential):
    """Root mean square of the residuals over their uncertainty."""
    off = (curve.value - np.asarray(FORCES(potential, jnp.asarray(curve.separation)))) / curve.uncertainty
    return float(np.sqrt(np.mean(off**2)))


def fitted(problem, names, start):
    """The least-squares fit of a form to the training range."""
    curve = ranges(problem)["training range"]

    def residual(values):
        force = FORCES(problem.potential(**dict(zip(names, values, strict=True))), jnp.asarray(curve.separation))
        return (np.asarray(force) - curve.value) / curve.uncertainty

    return problem.potential(**dict(zip(names, least_squares(residual, start).x, strict=True)))


def test_without_a_dip_lennard_jones_is_exact_and_its_index_near_one(source):
    problem = source.problems(0.0, seed=1)["lennard_jones"]
    best = fitted(problem, ("epsilon", "sigma"), [1.1, 3.35])
    curves = ranges(problem)
    assert [float(best.epsilon), float(best.sigma)] == pytest.approx([1.0, 3.4], rel=0.02)
    for label, curve in curves.items():
        number = len(curve.value)
        low, high = np.sqrt(chi2.ppf([0.0005, 0.9995], number) / number)  # of the error of the truth itself
        assert low < error(curve, best) < 1.5 * high, label
        assert 0.4 < error(curve, best) / error(curves["training range"], best) < 2.0


def test_with_the_dip_the_true_form_carries_and_lennard_jones_does_not(study):
    curves = ranges(study.problems["true_form"])
    true = fitted(study.problems["true_form"], ("epsilon", "sigma", "w0"), [1.1, 3.35, -0.1])
    wrong = fitted(study.problems["lennard_jones"], ("epsilon", "sigma"), [1.1, 3.35])
    for label, curve in curves.items():
        assert error(curve, true) < 1.7
        assert error(curve, wrong) > error(curve, true) or label == "far range"
    assert error(curves["training range"], wrong) > 2


def test_the_process_warns_and_the_network_does_not(study):
    """In closed form, the process with its mean as it is: is the count inside the 90 % band one of 90 %, to one in a thousand?"""
    curves = ranges(study.problems["true_form"])
    process = study.problems["gaussian_process"].potential(epsilon=1.0, sigma=3.4, **{f"w{k}": 0.0 for k in range(12)})
    network = study.problems["radial_basis"].potential(**{f"w{k}": 0.0 for k in range(10)})
    elsewhere = [curve for label, curve in curves.items() if label != "training range"]

    @jax.jit
    def predicted():
        learnt = (
            process.condition(forces=curves["training range"]),
            network.regress(forces=curves["training range"], weight_scale=10.0),
        )
        return [[known.force(curve.separation) for curve in elsewhere] for known in learnt]

    for known, warns in zip(predicted(), (True, False), strict=True):
        for curve, (mean, variance) in zip(elsewhere, known, strict=True):
            spread = np.sqrt(np.asarray(variance) + curve.uncertainty**2)
            inside = int(np.sum(np.abs(curve.value - np.asarray(mean)) < 1.645 * spread))
            assert (inside >= binom.ppf(0.001, len(curve.value), 0.9)) == warns


def matrix(share, index):
    rows = ["training range", "near range", "core range", "far range"]
    scores = {
        "rmse_over_uncertainty": (("fitted", "tested"), np.full((1, 4), index)),
        "coverage": (("fitted", "tested", "level"), np.full((1, 4, 1), share)),
        "coverage_high": (("fitted", "tested", "level"), np.full((1, 4, 1), min(share + 0.05, 1.0))),
        "index": (("fitted", "tested", "quantile"), np.tile(index * np.array([0.9, 1.0, 1.2]), (1, 4, 1))),
    }
    coordinates = {"fitted": rows[:1], "tested": rows, "level": [0.9], "quantile": ["q05", "q50", "q95"]}
    return xarray.DataTree.from_dict({"transferability/matrix": xarray.Dataset(scores, coordinates)})


def test_the_words_follow_the_numbers(study):
    (find_them,) = study.findings
    trees = {"lennard_jones": matrix(0.1, 30.0), "mie": matrix(0.9, 1.0), "radial_basis": matrix(0.2, 80.0)}
    for tree in trees.values():
        tree.attrs["parameters"] = '["epsilon", "sigma"]'
    found = {finding.name: finding for finding in find_them(trees)}
    assert "it had not warned" in found["carried_lennard_jones"].text
    assert "it had said how sure it was" in found["carried_mie"].text
    assert found["carried_mie"].values["core_coverage"] == pytest.approx(0.9)
    assert "training range: Mie 1.0, Lennard-Jones 30, Radial basis 80" in found["bias_against_flexibility"].text
    assert "The largest index is that of Radial basis, 80." in found["largest_index"].text
    bare = {"mie": xarray.DataTree.from_dict({"posterior": xarray.Dataset()})}
    assert find_them(bare) == []


class TestLearnedOrClassical(TextbookStudy):
    name = "learned_or_classical"
