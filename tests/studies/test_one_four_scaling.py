"""The study `one_four_scaling`: its conformations, what it says of the linear systems, and the factors that it finds again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray
from numpyro.infer.util import log_density
from scipy.optimize import minimize
from scipy.stats import chi2

import bayesff.potentials as bp
from bayesff.study import load

from .textbook import TextbookStudy

FALSE_ALARM = 1e-3
STUDY = load("one_four_scaling")
SOLVABILITY, ENERGIES = STUDY.findings


def molecule(term):
    return term.observable.observable.conformations


def test_no_two_atoms_of_a_conformation_are_too_near():
    for problem in STUDY.problems.values():
        assert all(molecule(term).closest().min() > 1.8 for term in problem.terms.values())


def test_the_data_are_energies_under_opls_and_the_model_has_amber():
    """Of butane by hand: the sums of the 1-4 pairs and of those beyond, with the factors of either."""
    term = STUDY.problems["opls"].terms["opls_butane"]
    butane = molecule(term)
    plain = np.array([bp.opls_alkanes().parts(butane.topology, positions) for positions in butane.positions[:4]])
    data, model = (plain @ weights for weights in ([0.5, 0.5, 1, 1], [1 / 1.2, 0.5, 1, 1]))
    made = term.observable.predict(bp.opls_alkanes(), term.points(term.environments).state).mean
    np.testing.assert_allclose(made[:3], model[1:] - model[0], atol=1e-9)
    assert np.all(np.abs(term.values[:3] - (data[1:] - data[0])) < 4 * term.uncertainty[:3])


def test_what_it_says_of_the_linear_systems_is_what_linear_algebra_says():
    (finding,) = SOLVABILITY({})
    values = finding.values
    assert values["ratio"] == pytest.approx(0.6)
    for name, bonds, number in (("butane", bp.chain_bonds(4), 4), ("cyclohexane", bp.CYCLOHEXANE_BONDS, 6)):
        for kind, build in (("united_atoms", bp.united_atoms), ("all_atoms", bp.all_atoms)):
            system = bp.FactorSystem.of_one_four(build(number, bonds), 0.6)
            assert values[f"{name}_{kind}_rank"] == np.linalg.matrix_rank(system.matrix)
            solution = np.linalg.lstsq(system.matrix, system.logarithms, rcond=None)[0]
            left = np.sqrt(np.mean((system.matrix @ solution - system.logarithms) ** 2))
            assert values[f"{name}_{kind}_residual"] == pytest.approx(left, abs=1e-12)
    exact, not_exact = finding.text.split("They do not for")
    assert "would solve 14 of 14 systems" in exact
    assert all(f"{name} (united atoms" in exact for name in ("butane", "pentane", "cyclohexane"))
    assert all(f"{name} (united atoms" in not_exact for name in ("hexane", "decalin"))
    assert "propane (all atoms" in exact
    assert all(f"{name} (all atoms" in not_exact for name in ("butane", "pentane", "hexane", "cyclohexane", "decalin"))


def test_known_factors_are_found_again():
    """Where the density of the logarithms is highest, with the curvature there for a covariance."""
    problem, truth = STUDY.problems["known"], STUDY.truths["known"]

    @jax.jit
    @jax.value_and_grad
    def minus_log_density(x):
        return -log_density(problem, (), {}, dict(zip(truth, jnp.exp(x), strict=True)))[0] - jnp.sum(x)

    found = minimize(minus_log_density, np.zeros(len(truth)), jac=True, method="BFGS", options={"gtol": 1e-3})
    hessian = jax.jacfwd(lambda x: minus_log_density(x)[1])(found.x)
    off = np.log(list(truth.values())) - found.x
    assert off @ hessian @ off < chi2.ppf(1 - FALSE_ALARM, len(off))
    assert np.all(np.sqrt(np.diag(np.linalg.inv(hessian))) < [0.1, 0.1, 0.005, 0.005])


def invented_tree(problem):
    """A posterior of four factors about one, with its predictions, and a transfer assessment with numbers of its own."""
    random, names = np.random.default_rng(5), list(problem.priors)
    factors = 1 + 0.05 * random.standard_normal((1, 40, len(names)))
    predicted = {}
    for name, term in problem.terms.items():
        predicted[f"{name}_mean"] = (("chain", "draw", name), term.values + random.standard_normal((1, 40, len(term.values))))
    sizes = np.arange(1.0, 10.0).reshape(3, 3)
    labels = {"fitted": list(problem.environments), "tested": list(problem.environments)}
    pairs, errors = ("fitted", "tested"), {f"rmse_over_uncertainty{part}": sizes for part in ("", "_q05", "_q95")}
    matrix = xarray.Dataset({key: (pairs, value) for key, value in errors.items()}, coords=labels)
    matrix["index"] = ((*pairs, "quantile"), sizes[..., None])
    values = xarray.Dataset(
        {"q50": (("fitted", "parameter"), np.ones((3, 4)))}, coords={"fitted": labels["fitted"], "parameter": names}
    )
    return xarray.DataTree.from_dict(
        {
            "posterior": xarray.Dataset({name: (("chain", "draw"), factors[..., k]) for k, name in enumerate(names)}),
            "posterior_predictive": xarray.Dataset(predicted),
            "transferability/matrix": matrix.assign_coords(quantile=["q50"]),
            "transferability/within": xarray.Dataset({"p_within": (pairs, sizes / 10)}, coords=labels),
            "transferability/values": values,
        }
    )


def test_words_follow_the_posterior():
    problem = STUDY.problems["opls"]
    tree = invented_tree(problem)
    shared, *carried = ENERGIES({"opls": tree})
    for label in problem.environments:
        term = problem.terms[f"opls_{label}"]
        predicted = tree["posterior_predictive"][f"opls_{label}_mean"].to_numpy()[0]
        middle = np.median(np.sqrt(np.mean((predicted - term.values) ** 2, axis=1)))
        assert shared.values[f"{label}_q50"] == pytest.approx(middle)
        assert f"{label} {middle:.2f} (" in shared.text
    assert [finding.name for finding in carried] == [f"learnt_on_{label}" for label in problem.environments]
    first = carried[0]
    assert first.values["cyclohexane_error"] == pytest.approx(0.2)
    assert first.values["decalin_p_within"] == pytest.approx(0.3)
    bare = {label: shared.values[f"{label}_bare"] for label in problem.environments}
    for finding in carried:
        worse = [label for label in bare if finding.values[f"{label}_error"] > bare[label]]
        assert f"; {' and '.join(worse) or 'no molecule'} would be better off without factors" in finding.text
    # Factors of one leave pentane with the whole difference of the two conventions.
    pentane = next(iter(carried)).values["pentane_error"]
    assert pentane == pytest.approx(first.values["pentane_bare"])
    del tree["transferability"]
    assert [finding.name for finding in ENERGIES({"opls": tree})] == ["shared_factors"]


class TestOneFourScaling(TextbookStudy):
    name = "one_four_scaling"
