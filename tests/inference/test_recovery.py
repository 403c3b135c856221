"""Known parameters of a Lennard-Jones liquid are recovered, many times, from data and references that are simulated anew.

The true parameters are drawn from the prior, so that over all repeats they lie in their posteriors as often as these say. The
references are few and short: their statistical error is larger than the measurement's, and a posterior that drops it is the
negative control.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.stats import binom, chi2

import bayesff.potentials as bp
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.calibration.reach import liquids_of
from bayesff.datasets import DataSet, Environment, Source
from bayesff.ensembles import EnsembleStore
from bayesff.inference import NUTS, Placement
from bayesff.observables import InternalEnergy, Liquid, Pressure

from ..long import long  # noqa: TID252

DENSITY, TEMPERATURE = 0.0180, 200.0
CUT = functools.partial(bp.ShiftedCut, cutoff=8.0)
PRIORS = {
    "epsilon": Prior(dist.LogNormal(0.0, 0.08), "kJ/mol"),
    "sigma": Prior(dist.LogNormal(1.224, 0.015), "angstrom"),
}
UNCERTAINTY = {"internal_energy": 0.004, "pressure": 0.4}  # kJ/mol, MPa
NUM_REPEATS = 20
FALSE_ALARM = 1e-3


def make_liquid(num_frames):
    return Liquid(CUT, molar_mass=39.948, closest=2.3, num_particles=108, num_frames=num_frames, smallest_sample=50.0)


def trusting(kind):
    """Return an observable that takes its references for exact."""

    class Trusting(kind):
        def estimate(self, averages, state):
            found = super().estimate(averages, state)
            return found._replace(factor=0 * found.factor, variance=0 * found.variance)

    return Trusting


def measure(quantity, value, uncertainty):
    return DataSet(
        name=f"made_{quantity}",
        observable=quantity,
        substance="Lennard-Jones spheres",
        environment=Environment("liquid", "liquid"),
        source=Source("simulated"),
        state={"temperature": np.array([TEMPERATURE]), "density": np.array([DENSITY])},
        values=np.array([value]),
        uncertainty=np.array([uncertainty]),
    )


def make_data(random, store, seed):
    """Draw a truth from the prior, simulate it for long, and add the error of a measurement."""
    drawn = [prior.distribution.icdf(random.uniform()) for prior in PRIORS.values()]
    truth = bp.LennardJones(*(float(f"{float(value):.5g}") for value in drawn))
    long_run = make_liquid(500)
    known = long_run.with_ensembles([store.get(long_run.simulation(truth, TEMPERATURE, DENSITY, seed))])
    state = {"temperature": np.array([TEMPERATURE]), "density": np.array([DENSITY])}
    data = []
    for kind in (InternalEnergy, Pressure):
        found, quantity = kind(known).predict(truth, state), kind.quantity
        error = np.hypot(UNCERTAINTY[quantity], float(np.sqrt(found.covariance.variance[0])))
        data.append(measure(quantity, float(found.mean[0]) + UNCERTAINTY[quantity] * random.normal(), error))
    return truth, data


def scores(problem, truth):
    """Return how many standard deviations the posterior's mean is from the truth, along two axes in the logarithms."""
    tree = NUTS(num_warmup=300, num_draws=400, num_chains=2).run(problem, jax.random.key(1))
    draws = np.log([tree["posterior"][name].to_numpy().ravel() for name in PRIORS])
    off = np.log([float(truth.epsilon), float(truth.sigma)]) - draws.mean(axis=1)
    return np.linalg.solve(np.linalg.cholesky(np.cov(draws)), off)


@pytest.fixture(scope="module")
def recovered(tmp_path_factory):
    store, honest, wrong = EnsembleStore(tmp_path_factory.mktemp("ensembles")), [], []
    for repeat in range(NUM_REPEATS):
        truth, data = make_data(np.random.default_rng([5, repeat]), store, 10_000 + repeat)
        liquid, kinds = make_liquid(100), (InternalEnergy, Pressure)
        terms = [Term(one, kind(liquid)) for one, kind in zip(data, kinds, strict=True)]
        problem = CalibrationProblem(bp.LennardJones, PRIORS, terms)
        placed = Placement(required=100.0, max_simulations=12, num_draws=100).place(problem, store, seed=20_000 + repeat)
        assert placed.shortfall == ""
        honest.append(scores(placed.problem, truth))
        (served,) = liquids_of(placed.problem)
        terms = [Term(one, trusting(kind)(served)) for one, kind in zip(data, kinds, strict=True)]
        wrong.append(scores(CalibrationProblem(bp.LennardJones, PRIORS, terms), truth))
    return np.array(honest), np.array(wrong)


@long
def test_the_truth_lies_in_its_posterior_as_often_as_that_says(recovered):
    scored = recovered[0].ravel()
    low, high = chi2.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], scored.size)
    assert low < np.sum(scored**2) < high
    inside = int(np.sum(np.abs(scored) < 1.645))
    assert inside >= binom.ppf(FALSE_ALARM, scored.size, 0.9)


@long
def test_references_that_are_taken_for_exact_are_caught(recovered):
    scored = recovered[1].ravel()
    assert np.sum(scored**2) > chi2.ppf(1 - FALSE_ALARM, scored.size)
    assert np.sum(np.abs(scored) < 1.645) < binom.ppf(FALSE_ALARM, scored.size, 0.9)
