"""Data that are NaN are left out: as if they had never been measured."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, Likelihood, Prior, StudentTNoise, Term
from bayesff.covariance import Covariance
from bayesff.inference import NUTS, Target

from .linear_gaussian import PRIORS, VALUES, Line, LineHeight, exact, make_data, make_problem

KEPT = np.array([True, True, False, True, False, True])
BIAS = GroupBias("laboratory", Prior(dist.HalfNormal(0.5), "kJ/mol"))
NOISE = GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.3)))


def without(kept):
    return jnp.where(jnp.asarray(kept), jnp.asarray(VALUES), jnp.nan)


@pytest.fixture(scope="module")
def correlated():
    random = np.random.default_rng(1)
    diagonal, factor = random.uniform(0.1, 0.4, 6), random.standard_normal((6, 4))
    return Likelihood(jnp.asarray(0.3 * random.standard_normal(6)), Covariance(jnp.asarray(diagonal), jnp.asarray(factor)))


def test_the_density_is_that_of_the_others(correlated):
    mean, matrix = np.asarray(correlated.mean), np.asarray(correlated.covariance.matrix)
    expected = dist.MultivariateNormal(mean[KEPT], matrix[np.ix_(KEPT, KEPT)]).log_prob(VALUES[KEPT])
    assert float(correlated.log_density(without(KEPT))) == pytest.approx(float(expected), rel=1e-12)
    gradient = jax.grad(lambda shift: Likelihood(correlated.mean + shift, correlated.covariance).log_density(without(KEPT)))(0.0)
    assert np.isfinite(gradient)


@pytest.mark.parametrize("noise", [GaussianNoise(), StudentTNoise()], ids=["gaussian", "student"])
def test_the_posterior_density_is_that_of_a_smaller_problem(noise):
    whole = Target(make_problem(noise=noise))
    data = make_data()
    part = Target(CalibrationProblem(Line, PRIORS, [Term(data.take(np.flatnonzero(KEPT)), LineHeight(), noise)]))
    for z in np.asarray(whole.sample_prior(jax.random.key(1), 3)):
        found = whole.log_density(jnp.asarray(z), {"line_height": without(KEPT)})
        assert float(found) == pytest.approx(float(part.log_density(jnp.asarray(z))), rel=1e-12)


def test_what_is_left_out_is_predicted_from_the_others(correlated):
    mean, matrix = np.asarray(correlated.mean), np.asarray(correlated.covariance.matrix)
    found = correlated.left_out(without(KEPT))
    for index in range(6):
        others = KEPT & (np.arange(6) != index)
        gain = matrix[index, others] @ np.linalg.inv(matrix[np.ix_(others, others)])
        assert float(found.mean[index]) == pytest.approx(mean[index] + gain @ (VALUES - mean)[others], rel=1e-9)
        variance = matrix[index, index] - gain @ matrix[others, index]
        assert float(found.variance[index]) == pytest.approx(variance, rel=1e-9)


def test_causes_are_known_from_the_others(correlated):
    factor, diagonal = np.asarray(correlated.covariance.factor)[KEPT], np.asarray(correlated.covariance.diagonal)[KEPT]
    precision = np.eye(4) + factor.T @ (factor / diagonal[:, None])
    expected = np.linalg.solve(precision, factor.T @ ((VALUES - np.asarray(correlated.mean))[KEPT] / diagonal))
    drawn = jax.vmap(lambda key: correlated.sample_causes(key, without(KEPT)))(jax.random.split(jax.random.key(1), 4000))
    error = np.sqrt(np.diag(np.linalg.inv(precision)) / 4000)
    assert np.all(np.abs(np.mean(drawn, axis=0) - expected) < 4.5 * error)
    np.testing.assert_allclose(np.cov(np.asarray(drawn).T), np.linalg.inv(precision), atol=0.06)


def test_refits_side_by_side_have_the_posteriors_of_their_data():
    problem = make_problem()
    parts = [np.full(6, True), KEPT, ~KEPT]
    observed = {"line_height": jnp.stack([without(kept) for kept in parts])}
    samples = NUTS(num_warmup=200, num_draws=500).sample_several(Target(problem), observed, jax.random.key(3))
    for kept, sample in zip(parts, samples, strict=True):
        uncertainty = np.where(kept, problem.terms["line_height"].uncertainty, 1e3)
        expected = exact(np.diag(uncertainty**2))
        draws = np.asarray(sample.draws).reshape(-1, 2)
        np.testing.assert_allclose(draws.mean(axis=0), expected.mean, atol=5 * np.sqrt(np.diag(expected.covariance).max() / 1000))
        np.testing.assert_allclose(draws.std(axis=0), np.sqrt(np.diag(expected.covariance)), rtol=0.12)


def test_nuts_goes_on_until_it_has_settled():
    target = Target(make_problem(noise=NOISE, effects=[BIAS]))
    few = NUTS(num_warmup=150, num_draws=60, max_draws=600)
    (sample,) = few.sample_several(target, {"line_height": jnp.asarray(VALUES)[None]}, jax.random.key(1))
    (short,) = NUTS(num_warmup=150, num_draws=60).sample_several(
        target, {"line_height": jnp.asarray(VALUES)[None]}, jax.random.key(1)
    )
    assert short.draws.shape[1] == 60
    assert 120 <= sample.draws.shape[1] <= 600
    assert sample.draws.shape[1] % 60 == 0
    np.testing.assert_array_equal(sample.draws[:, :60], short.draws)


def test_nuts_goes_on_until_what_is_reported_has_settled():
    target, observed = Target(make_problem()), {"line_height": jnp.asarray(VALUES)[None]}
    sampler, seen = NUTS(num_warmup=200, num_draws=500, max_draws=2000), []

    def drifting(draws):
        seen.append(draws.shape)
        drift = np.linspace(0.0, 3.0 if draws.shape[2] < 1500 else 0.0, draws.shape[2])
        return np.asarray(draws) + drift[:, None]

    (alone,) = sampler.sample_several(target, observed, jax.random.key(1))
    (sample,) = sampler.sample_several(target, observed, jax.random.key(1), reported=drifting)
    assert alone.draws.shape[1] == 500
    assert seen == [(1, 4, 500, 2), (1, 4, 1000, 2), (1, 4, 1500, 2)]
    assert sample.draws.shape[1] == 1500


def test_a_discrepancy_without_data_is_drawn_from_its_prior():
    smooth = Discrepancy("separation", Prior(dist.LogNormal(-1.0, 0.3), "kJ/mol"), Prior(dist.LogNormal(0.0, 0.3)), num_nodes=4)
    parts = [make_data(rows=slice(0, 3), label="near"), make_data(rows=slice(3, 6), label="far")]
    problem = CalibrationProblem(Line, PRIORS, [Term(parts, LineHeight(), effects=[smooth])])
    observed = {"line_height": without(np.arange(6) < 3)[None]}
    (sample,) = NUTS(num_warmup=200, num_draws=500).sample_several(Target(problem), observed, jax.random.key(2))
    sites = jax.vmap(Target(problem).constrain)(sample.draws.reshape(-1, sample.draws.shape[-1]))
    far = np.log(np.asarray(sites["line_height_discrepancy_scale"])[:, 1])
    assert far.mean() == pytest.approx(-1.0, abs=0.05)
    assert far.std() == pytest.approx(0.3, rel=0.1)
