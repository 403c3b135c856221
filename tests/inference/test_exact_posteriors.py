"""Every method of inference against a posterior and an evidence that are known.

Each statistical comparison is of a score that is standard normal (or Student-t) if the method is right, with the bound of a
two-sided false-alarm probability of 1e-4; there are 23 of them in this file, so that a right package fails it with probability
0.0023 once, and never again, since the keys are fixed.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.inference import NUTS, SMC, SVI, Laplace, Target

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
def trees():
    found = {}

    def tree_of(name):
        if name not in found:
            calls = []
            tree = METHODS[name].run(make_problem(), jax.random.key(1), lambda *call: calls.append(call))
            found[name] = (tree, calls)
        return found[name]

    return tree_of


def gaussian_draws(tree):
    posterior = tree["posterior"].to_dataset()
    return [np.log(posterior["amplitude"].to_numpy()), posterior["slope"].to_numpy()]


def score_of_mean(draws, mean):
    """The error of a mean over draws (chain, draw), in units of its Monte Carlo standard error."""
    size = array_stats.ess(draws, chain_axis=0, draw_axis=1, method="mean")
    return (draws.mean() - mean) / (draws.std() / np.sqrt(float(size)))


@pytest.mark.parametrize("name", METHODS)
def test_moments_are_those_of_the_exact_posterior(trees, name):
    tree, _ = trees(name)
    sd = np.sqrt(np.diag(EXACT.covariance))
    first, second = ((draws - mean) / s for draws, mean, s in zip(gaussian_draws(tree), EXACT.mean, sd, strict=True))
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
def test_the_run_is_called_converged(trees, name):
    tree, calls = trees(name)
    assert int(tree["diagnostics"]["converged"]) == 1, tree["diagnostics"].attrs["reasons"]
    assert tree.attrs["method"] == name
    assert calls[-1] == ("predictions", 3, 3)
    assert all(0 <= done <= total for _, done, total in calls)


def test_laplace_is_exact_for_a_gaussian(trees):
    attributes = trees("Laplace")[0].attrs
    # The search for the mode stops when less than 1e-6 of log density is to be gained.
    assert attributes["log_z"] == pytest.approx(EXACT.log_z, abs=2e-6)
    assert attributes["log_z_importance"] == pytest.approx(EXACT.log_z, abs=2e-6)
    assert attributes["pareto_k"] < 0.7
    assert "Gaussian" in attributes["approximate"]


def test_evidence_of_smc(trees):
    attributes = trees("SMC")[0].attrs
    score = (attributes["log_z"] - EXACT.log_z) / attributes["log_z_sd"]
    assert abs(score) < stats.t.isf(FALSE_ALARM / 2, 15)
    assert 0 < attributes["log_z_sd"] < 0.1
    populations = np.array(json.loads(attributes["log_z_populations"]))
    assert attributes["log_z"] == pytest.approx(np.log(np.mean(np.exp(populations))), abs=1e-12)
    assert attributes["num_temperatures"] == sum(stage == "tempering" for stage, *_ in trees("SMC")[1]) - 1
    assert 0.3 < attributes["min_acceptance"] <= 1


def test_bound_and_importance_evidence_of_svi(trees):
    attributes = trees("SVI")[0].attrs
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
