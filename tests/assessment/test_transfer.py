"""Transferability: closed forms, and synthetic studies whose environments share their parameters, or do not."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray
from scipy.stats import binom, chi2, multivariate_normal, norm

import bayesff as bff
from bayesff.assessment import Published, Tolerance, Transfer
from bayesff.assessment.transfer import Refit, Refitter, assess_transfer, compare_left_out, intervals, notes, plan, standard_error
from bayesff.assessment.transfer.identifiability import logarithms
from bayesff.assessment.transfer.predictions import OTHERS
from bayesff.assessment.transfer.spread import spread
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.datasets import Environment, synthesise
from bayesff.errors import StudyError, UnitError
from bayesff.inference import NUTS

from ..inference.linear_gaussian import (  # noqa: TID252
    DESIGN,
    PRIOR_MEAN,
    PRIOR_SD,
    PRIORS,
    UNCERTAINTY,
    VALUES,
    Line,
    LineHeight,
    make_data,
)
from ..long import LONG  # noqa: TID252

SLOPE = "kJ/mol/angstrom"
PUBLISHED = [Published("slope", 0.1, "exact", "a book", SLOPE), Published("slope", 0.1, "measured", "a paper", SLOPE, sd=0.3)]
QUICK = Transfer(sampler=NUTS(num_warmup=150, num_draws=250, max_draws=1500))


# -- closed forms ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line():
    parts = [make_data(rows=slice(0, 3), label="near"), make_data(rows=slice(3, 6), label="far")]
    problem = CalibrationProblem(Line, PRIORS, [Term(parts, LineHeight())])
    long = Transfer(sampler=NUTS(num_warmup=300, num_draws=2000), tolerances={"line_height": Tolerance(0.2, "kJ/mol")})
    fits = dict(Refitter(problem, long).run(plan(problem), jax.random.key(1)))
    return fits, assess_transfer(fits, long, PUBLISHED)


def moments(rows):
    """Closed forms for the data in some rows: evidence, mean log likelihood, effective dimension."""
    design, values, precision = DESIGN[rows], VALUES[rows], np.diag(UNCERTAINTY[rows] ** -2.0)
    information = design.T @ precision @ design
    covariance = np.linalg.inv(information + np.diag(PRIOR_SD**-2.0))
    mean = covariance @ (PRIOR_MEAN / PRIOR_SD**2 + design.T @ precision @ values)
    residual = values - design @ mean
    slope = design.T @ precision @ residual
    at_mean = multivariate_normal(design @ mean, np.diag(UNCERTAINTY[rows] ** 2)).logpdf(values)
    product = information @ covariance
    variance = 0.5 * np.trace(product @ product) + slope @ covariance @ slope
    marginal = np.diag(UNCERTAINTY[rows] ** 2) + design @ np.diag(PRIOR_SD**2) @ design.T
    log_z = multivariate_normal(design @ PRIOR_MEAN, marginal).logpdf(values)
    return log_z, at_mean - 0.5 * np.trace(product), 2 * variance


def test_tension_has_its_closed_form(line):
    found = line[1]["tension"]
    whole, near, far = moments(slice(0, 6)), moments(slice(0, 3)), moments(slice(3, 6))
    ratio, suspiciousness, dimension = (a - b - c for a, b, c in zip(whole, near, far, strict=True))
    assert float(found["log_ratio"]) == pytest.approx(ratio, abs=4 * float(found["log_ratio_sd"]))
    assert float(found["suspiciousness"]) == pytest.approx(suspiciousness, abs=4 * float(found["suspiciousness_sd"]))
    assert float(found["dimension"]) == pytest.approx(-dimension, abs=4 * float(found["dimension_sd"]))
    assert float(found["log_ratio_sd"]) < 0.02
    assert float(found["suspiciousness_sd"]) < 0.06
    expected = chi2.sf(float(found["dimension"] - 2 * found["suspiciousness"]), float(found["dimension"]))
    assert float(found["p_value"]) == pytest.approx(expected)


def test_the_joint_density_of_what_was_left_out_has_its_closed_form(line):
    found = line[1]["left_out_shared"]
    whole = moments(slice(0, 6))[0]
    for label, others in (("near", slice(3, 6)), ("far", slice(0, 3))):
        row = found.sel(environment=label)
        expected = whole - moments(others)[0]
        error = float(row["joint_log_predictive_density_sd"])
        assert float(row["joint_log_predictive_density"]) == pytest.approx(expected, abs=4 * error)
        assert error < 0.02


def test_the_information_has_its_closed_form(line):
    found = line[1]["identifiability"].sel(fitted="all data")
    expected = np.linalg.eigvalsh(DESIGN.T @ np.diag(UNCERTAINTY**-2.0) @ DESIGN)[::-1]
    np.testing.assert_allclose(found["eigenvalue"], expected, rtol=1e-4)
    assert np.all(found["contraction"] > 0)
    assert np.all(found["contraction"] < 1)


def test_predictions_of_what_was_left_out_have_their_closed_form(line):
    tree = line[0][Refit("shared", ("far",))]
    rows, design = slice(3, 6), DESIGN[:3]
    precision = np.diag(UNCERTAINTY[rows] ** -2.0)
    covariance = np.linalg.inv(DESIGN[rows].T @ precision @ DESIGN[rows] + np.diag(PRIOR_SD**-2.0))
    mean = covariance @ (PRIOR_MEAN / PRIOR_SD**2 + DESIGN[rows].T @ precision @ VALUES[rows])
    spread = np.sqrt(np.diag(design @ covariance @ design.T) + UNCERTAINTY[:3] ** 2)
    drawn = tree["posterior_predictive"]["line_height"].to_numpy().reshape(-1, 6)[:, :3]
    np.testing.assert_allclose(drawn.mean(axis=0), design @ mean, atol=5 * spread.max() / np.sqrt(len(drawn)))
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.15)
    transforms = norm(design @ mean, spread).cdf(VALUES[:3])
    scores = line[1]["left_out_shared"].sel(environment="near")
    for name, level in {"pit_q05": 0.05, "pit_q50": 0.5, "pit_q95": 0.95}.items():
        assert float(scores[name]) == pytest.approx(np.quantile(transforms, level), abs=5 * 0.5 / np.sqrt(len(drawn)))


def exact(rows, index):
    """Return mean and standard deviation of a parameter by the data in some rows."""
    precision = np.diag(UNCERTAINTY[rows] ** -2.0)
    covariance = np.linalg.inv(DESIGN[rows].T @ precision @ DESIGN[rows] + np.diag(PRIOR_SD**-2.0))
    mean = covariance @ (PRIOR_MEAN / PRIOR_SD**2 + DESIGN[rows].T @ precision @ VALUES[rows])
    return mean[index], np.sqrt(covariance[index, index])


@pytest.mark.parametrize("index", [0, 1], ids=["amplitude", "slope"])
@pytest.mark.parametrize(
    ("fitted", "rows"), [("near", slice(0, 3)), ("far", slice(3, 6)), ("all data", slice(0, 6))], ids=["near", "far", "all"]
)
def test_values_by_the_data_fitted_have_their_closed_form(line, fitted, rows, index):
    mean, sd = exact(rows, index)
    found = line[1]["values"].sel(fitted=fitted, parameter=["amplitude", "slope"][index])
    inverse = np.log if index == 0 else float  # the amplitude is log-normal
    for name, level in {"q05": 0.05, "q50": 0.5, "q95": 0.95}.items():
        assert inverse(float(found[name])) == pytest.approx(norm(mean, sd).ppf(level), abs=0.1 * sd)
        before = norm(PRIOR_MEAN[index], PRIOR_SD[index])
        assert inverse(float(found[f"prior_{name}"])) == pytest.approx(before.ppf(level), abs=0.3 * PRIOR_SD[index])
    assert 1 - float(found["contraction"]) == pytest.approx((sd / PRIOR_SD[index]) ** 2, rel=0.25)


@pytest.mark.parametrize(("publication", "error"), [(0, 0.0), (1, 0.3)])
def test_how_far_out_a_published_value_lies_has_its_closed_form(line, publication, error):
    for fitted, rows in {"near": slice(0, 3), "far": slice(3, 6), "all data": slice(0, 6)}.items():
        mean, sd = exact(rows, 1)
        expected = 2 * norm.sf(abs(0.1 - mean) / np.hypot(sd, error))
        found = line[1]["published"].isel(publication=publication).sel(fitted=fitted)
        assert float(found["tail"]) == pytest.approx(expected, abs=0.05)


# -- synthetic studies -------------------------------------------------------------------------------------------------

SEPARATIONS = {
    "wall": np.linspace(3.2, 5.0, 8),
    "well": np.linspace(3.3, 6.0, 8),
    "inside": np.linspace(3.25, 4.5, 8),
    "shifted": np.linspace(3.3, 5.5, 8),
}
NUM_SEEDS = 12 if LONG else 6
TRUTH = 0.996  # kJ/mol


def make_synthetic(shift, seed):
    """Energies of dimers in four environments, in the last of which the well is deeper by a factor."""
    parts = []
    for index, (label, separation) in enumerate(SEPARATIONS.items()):
        depth = TRUTH * (1 + shift) if label == "shifted" else TRUTH
        potential = bff.potentials.LennardJones(depth, 3.405)
        random, state = np.random.default_rng([seed, index]), {"separation": separation}
        where = Environment(label, "model")
        energy = bff.observables.DimerEnergy()
        parts.append(synthesise(energy, potential, state, 0.01, random, name=label, environment=where))
    return parts


@pytest.fixture(scope="module")
def refitter():
    priors = {"epsilon": Prior(dist.LogNormal(4.8, 0.2), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
    term = Term(make_synthetic(0.0, 0), bff.observables.DimerEnergy())
    problem = CalibrationProblem(bff.potentials.LennardJones, priors, [term])
    return Refitter(problem, QUICK), plan(problem)


def assess_many(refitter, shift, wanted):
    engine, refits = refitter
    refits, found = [refit for refit in refits if wanted(refit)], []
    for seed in range(NUM_SEEDS):
        values = np.concatenate([part.values for part in make_synthetic(shift, seed)])
        fits = dict(engine.run(refits, jax.random.key(seed), observed={"dimer_energy": jnp.asarray(values)}))
        found.append(assess_transfer(fits, QUICK))
    return found


@pytest.fixture(scope="module")
def sharing(refitter):
    return assess_many(refitter, 0.0, lambda refit: len(refit.fitted) > 1)


@pytest.fixture(scope="module")
def shifted(refitter):
    unshifted = tuple(label for label in SEPARATIONS if label != "shifted")
    return assess_many(refitter, 0.1, lambda refit: len(refit.fitted) == 4 or refit == Refit("shared", unshifted))


def test_shared_parameters_show_no_spread(sharing):
    for found in sharing:
        spread = found["spread"]
        assert np.all(spread["p_within"] > 0.9)
        assert np.all(spread["p_within"] > spread["prior_p_within"])
        assert np.all(spread["q05"] < 0.005)


def test_shared_parameters_show_no_tension(sharing):
    # Uniform p-values: the smallest of 12 is below 1e-4 with probability 0.0012, and all are below the other limit with 0.001.
    values = np.array([float(found["tension"]["p_value"]) for found in sharing])
    assert values.min() > 1e-4
    assert values.max() > 0.001 ** (1 / NUM_SEEDS)
    dimension = np.mean([float(found["tension"]["dimension"]) for found in sharing])
    assert dimension == pytest.approx(6.0, abs=0.5)  # two parameters in three environments more
    assert all(float(found["tension"]["log_ratio"]) > 0 for found in sharing)


def test_predictions_of_shared_parameters_are_as_good_as_the_fit(sharing):
    index = np.stack([found["matrix"]["index"].sel(fitted=OTHERS, quantile="q50").to_numpy() for found in sharing])
    # With the truth itself the logarithm of an index of 8 data has a standard deviation of 0.25.
    assert np.median(index) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("variant", ["pooled", "shared"])
def test_coverage_of_shared_parameters_is_nominal(sharing, variant):
    inside = sum(
        round(float(found[f"left_out_{variant}"]["coverage"].sel(level=0.9, environment=label)) * 8)
        for found in sharing
        for label in SEPARATIONS
    )
    number = 8 * len(SEPARATIONS) * NUM_SEEDS
    # Data of one environment share its parameters: a design effect of 3 widens the binomial. False alarm 0.001 on each side.
    low, high = (binom.ppf(edge, number // 3, 0.9) / (number // 3) for edge in (0.001, 0.999))
    assert inside / number > low
    if variant == "shared":  # partial pooling may be wider: it does not know that the spread is zero
        assert inside / number < high


def test_a_shift_is_found_in_its_parameter_with_its_size(shifted):
    for found in shifted:
        spread = found["spread"]
        assert float(spread["p_within"].sel(parameter="sigma")) > 0.9
        assert float(spread["q05"].sel(parameter="epsilon")) > 0.01
        assert float(spread["p_within"].sel(parameter="epsilon")) < 0.6
        values = spread["value"].sel(parameter="epsilon")
        others = values.sel(environment=["wall", "well", "inside"]).mean()
        assert float(values.sel(environment="shifted") / others) == pytest.approx(1.1, abs=0.025)
        assert float(spread["value_q05"].sel(parameter="epsilon", environment="shifted")) > float(others)


def test_the_size_of_a_shift_is_not_biased(shifted):
    ratios = []
    for found in shifted:
        values = found["spread"]["value"].sel(parameter="epsilon")
        ratios.append(float(values.sel(environment="shifted") / values.sel(environment=["wall", "well", "inside"]).mean()))
    assert np.mean(ratios) == pytest.approx(1.1, abs=4 * np.std(ratios, ddof=1) / np.sqrt(NUM_SEEDS) + 0.001)


def test_a_shift_makes_tension_and_a_large_index(shifted):
    for found in shifted:
        assert float(found["tension"]["p_value"]) < 1e-10
        assert float(found["tension"]["suspiciousness"]) < -20
        assert float(found["tension"]["log_ratio"]) < 0
        index = found["matrix"]["index"]
        assert float(index.sel(fitted=OTHERS, tested="shifted", quantile="q05")) > 3
        assert float(found["left_out_shared"]["coverage"].sel(level=0.9, environment="shifted")) < 0.7


# -- what cannot be computed, and wrong input --------------------------------------------------------------------------


def test_one_environment_says_what_it_lacks():
    problem = CalibrationProblem(Line, PRIORS, [Term(make_data(), LineHeight())])
    assert plan(problem) == [Refit("shared", ("everywhere",))]
    fits = dict(Refitter(problem, QUICK).run(plan(problem), jax.random.key(1)))
    found = assess_transfer(fits, QUICK)
    assert set(found) == {"refits", "identifiability", "values"}
    (note,) = json.loads(found["refits"].attrs["notes"])
    assert "one environment, “everywhere”" in note
    assert compare_left_out({"line": fits, "other": fits}) is None


def test_few_data_and_other_observables_are_named(line):
    parts = [make_data(rows=slice(0, 1), label="point"), make_data(rows=slice(1, 6), label="rest")]
    problem = CalibrationProblem(Line, PRIORS, [Term(parts, LineHeight())])
    fits = dict(Refitter(problem, QUICK).run([Refit("shared", ("point", "rest"))], jax.random.key(1)))
    (few,) = notes(next(iter(fits.values())))
    assert "“point” has 1 datum for 2 parameters" in few
    assert notes(next(iter(line[0].values()))) == []


def test_a_tolerance_is_greater_than_zero():
    with pytest.raises(StudyError, match=r"Tolerance: it must be greater than zero, found 0"):
        Tolerance(0.0)
    with pytest.raises(StudyError, match=r"spread_tolerance: it must be greater than zero, found -1"):
        Transfer(spread_tolerance=-1.0)


def test_tolerances_belong_to_terms_and_have_their_units():
    problem = CalibrationProblem(Line, PRIORS, [Term(make_data(), LineHeight())])
    with pytest.raises(StudyError, match=r"tolerances: 'height' must be the name of a term, found line_height"):
        Transfer(tolerances={"height": Tolerance(0.1)}).check({"line": problem})
    with pytest.raises(UnitError):
        Transfer(tolerances={"line_height": Tolerance(0.1, "K/mol")}).check({"line": problem})
    with pytest.raises(StudyError, match=r"spread: 'depth' must be a parameter, found amplitude, slope"):
        Transfer(spread={"depth": Prior(dist.HalfNormal(0.1))}).check({"line": problem})


def test_a_diameter_varies_less_than_a_depth_and_what_has_either_sign_not_at_all():
    priors = {"epsilon": Prior(dist.LogNormal(4.8, 0.2), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
    term = Term(make_synthetic(0.0, 0), bff.observables.DimerEnergy())
    problem = CalibrationProblem(bff.potentials.LennardJones, priors, [term])
    spreads: Any = {name: Transfer().spread_of(problem, name) for name in priors}
    assert {name: float(spread.distribution.scale) for name, spread in spreads.items()} == {"epsilon": 0.1, "sigma": 0.02}
    wide = Prior(dist.HalfNormal(0.3))
    assert Transfer(spread=wide).spread_of(problem, "sigma") is wide
    assert Transfer(spread={"epsilon": wide}).spread_of(problem, "sigma") is None
    line = CalibrationProblem(Line, PRIORS, [Term(make_data(), LineHeight())])
    assert Transfer().spread_of(line, "slope") is None


def test_published_values_are_those_of_a_candidates_parameters():
    problem = CalibrationProblem(Line, PRIORS, [Term(make_data(), LineHeight())])
    with pytest.raises(StudyError, match=r"published: 'lime' must be a candidate, found line"):
        Transfer(published={"lime": PUBLISHED}).check({"line": problem})
    with pytest.raises(StudyError, match=r"published: 'depth' must be a parameter of line, found amplitude, slope"):
        Transfer(published={"line": [Published("depth", 1.0, "x", "y")]}).check({"line": problem})
    with pytest.raises(UnitError):
        Transfer(published={"line": [Published("slope", 1.0, "x", "y", unit="K")]}).check({"line": problem})
    with pytest.raises(StudyError, match=r"Published slope: sd must be zero or more, found -1"):
        Published("slope", 1.0, "x", "y", sd=-1.0)


def test_a_signed_parameter_is_no_logarithm_even_where_all_its_draws_are_positive():
    groups = {"prior": np.array([[-1.0, 0.0, 2.0]]), "posterior": np.array([[1.0, 1.5, 2.0]])}
    parts = {name: xarray.Dataset({"slope": (("chain", "draw"), values)}) for name, values in groups.items()}
    tree = xarray.DataTree.from_dict(parts)
    np.testing.assert_array_equal(logarithms(tree, "posterior", ["slope"])[:, 0], groups["posterior"][0])
    tree["prior"]["slope"] = np.exp(tree["prior"]["slope"])
    np.testing.assert_allclose(logarithms(tree, "posterior", ["slope"])[:, 0], np.log(groups["posterior"][0]))


def test_no_number_of_draws_makes_a_probability_certain():
    found = standard_error(np.array([0.0, 0.5, 1.0]), 400)
    np.testing.assert_allclose(found[[0, 2]], 0.00176, rtol=0.01)
    assert found[1] == pytest.approx(0.025)


def test_ranges_are_those_above_the_threshold():
    state = np.array([3.0, 1.0, 2.0, 4.0, 5.0])
    assert intervals(np.array([0.95, 0.2, 0.91, 0.9, 0.99]), state) == [(2.0, 3.0), (5.0, 5.0)]
    assert intervals(np.zeros(5), state) == []


def test_the_spread_of_a_signed_parameter_has_its_unit_and_is_judged_by_its_common_value():
    """Two draws with a spread of 1 and 3 kJ/mol about a common value of -20 kJ/mol, shown in kcal/mol: 5 and 15 % of it."""
    dims = ("chain", "draw")
    own = (("chain", "draw", "environment"), np.array([[[-21.0, -19.0], [-20.5, -25.0]]]), {"units": "kJ/mol"})
    common = (dims, np.array([[-20.0, -20.0]]), {"units": "kJ/mol", "display_units": "kcal/mol"})
    tau = (dims, np.array([[1.0, 3.0]]), {"units": "kJ/mol"})
    posterior = xarray.Dataset({"v1": common, "tau_v1": tau, "v1_environment": own})
    tree = xarray.DataTree.from_dict({"posterior": posterior, "prior": posterior})
    tree.attrs = {"parameters": '["v1"]', "environments": '["gas", "liquid"]'}
    found = spread({Refit("pooled", ("gas", "liquid")): tree}, Transfer(spread_tolerance=0.1)).sel(parameter="v1")
    assert (str(found["unit"].item()), int(found["relative"])) == ("kcal/mol", 0)
    assert float(found["mean"]) == pytest.approx(2.0 / 4.184)
    assert float(found["p_within"]) == float(found["prior_p_within"]) == 0.5
    assert float(found["common"]) == pytest.approx(-20.0 / 4.184)
    np.testing.assert_allclose(found["p_outside"], [0.0, 0.5])
