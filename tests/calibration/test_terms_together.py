"""Terms whose numerical errors have causes in common: energy and pressure of one liquid err together."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import log_density
from scipy import stats

import bayesff.potentials as bp
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.calibration.error_models import StudentTNoise
from bayesff.calibration.reach import log_reach
from bayesff.datasets import DataSet, Environment, Source
from bayesff.inference import Target
from bayesff.observables import InternalEnergy, Liquid, Pressure, SecondVirial

STATES = {"temperature": np.array([120.0, 130.0]), "density": np.array([0.019, 0.019])}
PRIORS = {
    "epsilon": Prior(dist.LogNormal(0.0, 0.02), "kJ/mol"),
    "sigma": Prior(dist.LogNormal(np.log(3.4), 0.002), "angstrom"),
}
SCALE = {"internal_energy": 0.01, "pressure": 0.5, "second_virial": 1.0}
PLACE = {"epsilon": jnp.asarray(1.003), "sigma": jnp.asarray(3.399)}


def measured(quantity, values, rows=slice(None)):
    state = {name: column[rows] for name, column in STATES.items()}
    if quantity == "second_virial":
        state.pop("density")
    uncertainty = np.full(len(values), SCALE[quantity])
    environment = Environment("fluid", "liquid")
    return DataSet(f"made_{quantity}", quantity, "argon", environment, Source("made"), state, np.array(values), uncertainty)


@pytest.fixture(scope="module")
def liquid():
    treatment = functools.partial(bp.PlainCut, cutoff=8.0, tail=True)
    bare = Liquid(treatment, 39.948, closest=2.3, num_particles=108, num_frames=60, num_replicas=2, smallest_sample=5.0)
    return bare.with_ensembles([bare.simulation(bp.LennardJones(1.0, 3.4), 125.0, 0.019, seed=3).run()])


def make_problem(liquid, **pressure):
    terms = [
        Term(measured("internal_energy", [-5.2, -5.0]), InternalEnergy(liquid)),
        Term(measured("second_virial", [-200.0, -180.0]), SecondVirial()),
        Term(measured("pressure", [0.0, 12.0]), Pressure(liquid), **pressure),
    ]
    return CalibrationProblem(bp.LennardJones, PRIORS, terms)


@pytest.fixture(scope="module")
def problem(liquid):
    return make_problem(liquid)


def test_energy_and_pressure_of_a_liquid_are_one_vector(problem, liquid):
    """Their density is that of one normal distribution, with the errors of the frames and of their finite number in common."""
    assert problem.together == (("internal_energy", "pressure"), ("second_virial",))
    potential = bp.LennardJones(**PLACE)
    energy, pressure = (kind(liquid).predict(potential, STATES) for kind in (InternalEnergy, Pressure))
    factor = np.concatenate([energy.covariance.factor, pressure.covariance.factor])
    alone = np.concatenate([energy.covariance.diagonal, pressure.covariance.diagonal])
    covariance = factor @ factor.T + np.diag(alone + np.repeat([0.01, 0.5], 2) ** 2)
    frames, finite = factor[:, :-1] @ factor[:, :-1].T, factor[:, -1]
    assert frames[0, 2] / np.sqrt(frames[0, 0] * frames[2, 2]) > 0.5
    assert np.all(finite != 0)
    means = np.concatenate([energy.mean, pressure.mean])
    virial = stats.norm(SecondVirial().predict(potential, {"temperature": STATES["temperature"]}).mean, 1.0)
    expected = stats.multivariate_normal(means, covariance).logpdf([-5.2, -5.0, 0.0, 12.0])
    expected += virial.logpdf([-200.0, -180.0]).sum() + float(log_reach(problem, PLACE))
    assert float(log_density(problem, (), {}, PLACE)[0]) == pytest.approx(
        expected + sum(float(prior.distribution.log_prob(PLACE[name])) for name, prior in PRIORS.items()), abs=1e-6
    )
    target = Target(problem)
    z = jnp.array([jnp.log(PLACE[name]) for name in sorted(PRIORS)])
    assert float(target.log_parts(z)[1]) == pytest.approx(expected, abs=1e-6)


def test_errors_that_are_taken_for_independent_give_another_density(problem):
    target = Target(problem)
    latents = target.latents(jnp.array([0.003, jnp.log(3.399)]))
    (joint, _) = problem.likelihoods(latents, problem.predictions(latents))
    values = joint.values(target.observed)
    apart = sum(float(joint.likelihood[rows].log_density(values[rows])) for rows in joint.rows.values())
    assert abs(apart - float(joint.likelihood.log_density(values))) > 0.1


def test_data_are_sampled_with_their_common_errors(problem):
    """Prior predictive data, each term given those before it, scatter as the whole vector does."""
    from numpyro.infer import Predictive

    fixed = Predictive(problem, {name: jnp.full(4000, value) for name, value in PLACE.items()})
    drawn = fixed(jax.random.key(2), observed={})
    residual = np.concatenate([drawn["internal_energy"], drawn["pressure"]], axis=1)
    latents = Target(problem).latents(jnp.array([jnp.log(PLACE[name]) for name in sorted(PRIORS)]))
    likelihood = problem.likelihoods(latents, problem.predictions(latents))[0].likelihood
    expected = np.asarray(likelihood.covariance.matrix)
    scale = np.sqrt(np.diag(expected))
    assert np.abs((residual.mean(axis=0) - likelihood.mean) / scale).max() < 4.5 / np.sqrt(4000)
    found = np.cov(residual.T) / np.outer(scale, scale)
    np.testing.assert_allclose(found, expected / np.outer(scale, scale), atol=4.5 * np.sqrt(2 / 4000))


def test_a_student_t_error_counts_as_independent(liquid):
    assert make_problem(liquid, noise=StudentTNoise()).together == (("internal_energy",), ("second_virial",), ("pressure",))
