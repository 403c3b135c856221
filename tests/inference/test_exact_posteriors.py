"""Every method of inference against a posterior and an evidence that are known.

Each statistical comparison is of a score that is standard normal (or Student-t) if the method is right, with the bound of a
two-sided false-alarm probability of 1e-4; there are 24 of them in this file, so that a right package fails it with probability
0.0024 once, and never again, since the keys are fixed.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from arviz_base import from_dict
from arviz_stats.base import array_stats
from scipy import stats

from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.inference import NUTS, SMC, SVI, Laplace, Target, diagnose

from .linear_gaussian import SEPARATION, UNCERTAINTY, VALUES, Line, LineHeight, exact, make_data, make_problem

FALSE_ALARM = 1e-4
NORMAL_BOUND = stats.norm.isf(FALSE_ALARM / 2)
METHODS = {
    "NUTS": NUTS(num_warmup=300, num_draws=1000),
    "SMC": SMC(num_particles=250, num_populations=16),
    "Laplace": Laplace(),
    "SVI": SVI(),
}
EXACT = exact(np.diag(UNCERTAINTY**2))


@pytest.fixture(scope="module")
def samples():
    target, found = Target(make_problem()), {}

    def sample_of(name):
        if name not in found:
            calls = []
            found[name] = METHODS[name].sample(target, jax.random.key(1), lambda *call: calls.append(call)), calls
        return found[name]

    return sample_of


def score_of_mean(draws, mean):
    """The error of a mean over draws (chain, draw), in units of its Monte Carlo standard error."""
    size = array_stats.ess(draws, chain_axis=0, draw_axis=1, method="mean")
    return (draws.mean() - mean) / (draws.std() / np.sqrt(float(size)))


@pytest.mark.parametrize("name", METHODS)
def test_moments_are_those_of_the_exact_posterior(samples, name):
    sample, _ = samples(name)
    sd = np.sqrt(np.diag(EXACT.covariance))
    # The unconstrained coordinates are the logarithm of the amplitude and the slope.
    first, second = np.moveaxis((np.asarray(sample.draws) - EXACT.mean) / sd, -1, 0)
    correlation = EXACT.covariance[0, 1] / sd.prod()
    scores = {
        "mean of log amplitude": score_of_mean(first, 0.0),
        "mean of slope": score_of_mean(second, 0.0),
        "variance of log amplitude": score_of_mean(first**2, 1.0),
        "variance of slope": score_of_mean(second**2, 1.0),
        "correlation": score_of_mean(first * second, correlation),
    }
    assert all(abs(score) < NORMAL_BOUND for score in scores.values()), scores


@pytest.mark.parametrize("name", METHODS)
def test_the_run_is_called_converged(samples, name):
    sample, calls = samples(name)
    posterior = {"log_amplitude": np.asarray(sample.draws[..., 0]), "slope": np.asarray(sample.draws[..., 1])}
    statistics = {name: np.asarray(value) for name, value in sample.statistics.items()}
    found = diagnose(from_dict({"posterior": posterior, "sample_stats": statistics}), sample.attributes)
    assert int(found["converged"]) == 1, found.attrs["reasons"]
    assert found.attrs["method"] == name
    assert calls[-1][1] == calls[-1][2]
    assert all(0 <= done <= total for _, done, total in calls)


def test_a_whole_run_ends_in_a_tree():
    calls = []
    tree = METHODS["Laplace"].run(make_problem(), jax.random.key(1), lambda *call: calls.append(call))
    assert calls[-1] == ("predictions", 4500, 4500)
    assert tree["posterior"]["slope"].shape == (4, 1000)
    slope = tree["posterior"]["slope"].to_numpy()
    assert abs(score_of_mean((slope - EXACT.mean[1]) / np.sqrt(EXACT.covariance[1, 1]), 0.0)) < NORMAL_BOUND
    assert tree.attrs["log_z"] == pytest.approx(EXACT.log_z, abs=2e-6)
    assert int(tree["diagnostics"]["converged"]) == 1
    # The package's predictions are those of the draws: a line.
    heights = np.log(tree["posterior"]["amplitude"].to_numpy())[..., None] + slope[..., None] * SEPARATION
    np.testing.assert_allclose(tree["posterior_predictive"]["line_height_mean"], heights, atol=1e-12)
    expected = stats.norm(heights, UNCERTAINTY).logpdf(VALUES)
    np.testing.assert_allclose(tree["log_likelihood"]["line_height"], expected, atol=1e-10)


def test_laplace_is_exact_for_a_gaussian(samples):
    attributes = samples("Laplace")[0].attributes
    # The search for the mode stops when less than 1e-6 of log density is to be gained.
    assert attributes["log_z"] == pytest.approx(EXACT.log_z, abs=2e-6)
    assert attributes["log_z_importance"] == pytest.approx(EXACT.log_z, abs=2e-6)
    assert attributes["pareto_k"] < 0.7
    assert "Gaussian" in attributes["approximate"]


def test_evidence_of_smc(samples):
    attributes = samples("SMC")[0].attributes
    score = (attributes["log_z"] - EXACT.log_z) / attributes["log_z_sd"]
    assert abs(score) < stats.t.isf(FALSE_ALARM / 2, 15)
    assert 0 < attributes["log_z_sd"] < 0.1
    populations = np.array(json.loads(attributes["log_z_populations"]))
    assert attributes["log_z"] == pytest.approx(np.log(np.mean(np.exp(populations))), abs=1e-12)
    assert attributes["num_temperatures"] == len(samples("SMC")[1]) - 1
    assert 0.3 < attributes["min_acceptance"] <= 1


def test_bound_and_importance_evidence_of_svi(samples):
    attributes = samples("SVI")[0].attributes
    score = (attributes["log_z_importance"] - EXACT.log_z) / attributes["log_z_importance_sd"]
    assert abs(score) < NORMAL_BOUND
    # The bound of a Gaussian family on a Gaussian posterior is the evidence itself; what is missing is the last step's noise.
    assert EXACT.log_z - 0.01 < attributes["elbo"] < EXACT.log_z + 0.01


AMPLITUDES, SLOPES = (1.7, 2.6), (-0.3, -0.2)


@pytest.fixture(scope="module")
def box():
    """A posterior that is nearly its prior, uniform in a box: far from Gaussian in unconstrained coordinates."""
    priors = {"amplitude": Prior(dist.Uniform(*AMPLITUDES)), "slope": Prior(dist.Uniform(*SLOPES), "kJ/mol/angstrom")}
    return Target(CalibrationProblem(Line, priors, [Term(make_data(), LineHeight())]))


def test_evidence_of_smc_with_bounded_priors(box):
    """The evidence is the likelihood's mean over the box: by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    amplitude = np.interp(nodes, [-1, 1], AMPLITUDES)[:, None, None]
    slope = np.interp(nodes, [-1, 1], SLOPES)[None, :, None]
    likelihood = np.exp(stats.norm(np.log(amplitude) + slope * SEPARATION, UNCERTAINTY).logpdf(VALUES).sum(axis=-1))
    sample = SMC(num_particles=250, num_populations=16).sample(box, jax.random.key(1))
    score = (sample.attributes["log_z"] - np.log(weights @ likelihood @ weights / 4)) / sample.attributes["log_z_sd"]
    assert abs(score) < stats.t.isf(FALSE_ALARM / 2, 15)
    assert sample.attributes["converged"] == 1


@pytest.mark.slow
def test_smc_that_stops_on_the_way_says_so():
    sample = SMC(num_particles=50, num_populations=2, max_temperatures=1).sample(Target(make_problem()), jax.random.key(1))
    assert sample.attributes["converged"] == 0
    assert "of the likelihood after 1 temperatures (must reach 1)" in sample.attributes["reason"]


def test_laplace_that_is_far_from_the_posterior_says_so():
    """Half of the prior lies in a peak and half in a plain ten times as wide; the data say little, and the mode sees the peak."""
    peak_and_plain = dist.MixtureSameFamily(dist.Categorical(probs=jnp.full(2, 0.5)), dist.Normal(-0.25, jnp.array([1e-3, 1e-2])))
    priors = {"amplitude": Prior(dist.LogNormal(0.7, 1e-3)), "slope": Prior(peak_and_plain, "kJ/mol/angstrom")}
    target = Target(CalibrationProblem(Line, priors, [Term(make_data(), LineHeight())]))
    attributes = Laplace(num_draws=4000).sample(target, jax.random.key(1)).attributes
    assert attributes["pareto_k"] > 0.7
    assert attributes["converged"] == 0
    assert "the Pareto k of the importance weights is" in attributes["reason"]
    assert "sample it with NUTS or SMC" in attributes["reason"]


@pytest.mark.slow
def test_svi_that_is_cut_short_says_so():
    """Forty steps of one draw each: the bound is not known well enough to say that it has stopped rising."""
    attributes = SVI(num_steps=40, num_samples=1, learning_rate=1.0).sample(Target(make_problem()), jax.random.key(1)).attributes
    assert attributes["converged"] == 0
    assert "take more steps" in attributes["reason"]
