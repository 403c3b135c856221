"""Posteriors are as wide as they should be: rank uniformity, with negative controls that must fail.

Each problem gives one p-value a scalar; a false alarm on any of them has a probability of 1e-3 a test by Bonferroni's rule. The
keys are fixed.
"""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

from bayesff.assessment.simulation_based_calibration import simulate_ranks, uniformity
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, PartialPooling, Prior, Term
from bayesff.datasets import DataSet, Environment, Source
from bayesff.observables import SecondVirial
from bayesff.potentials import LennardJones

from ..long import LONG  # noqa: TID252

FALSE_ALARM = 1e-3
NUM_REPLICATIONS = 100 if LONG else 50
PRIORS = {
    "epsilon": Prior(dist.LogNormal(np.log(120.0), 0.05), "K"),
    "sigma": Prior(dist.LogNormal(np.log(3.4), 0.02), "angstrom"),
}


def part(label, low, high, uncertainty=1.0):
    temperature = np.linspace(low, high, 6)
    return DataSet(
        name="simulated",
        observable="second_virial",
        substance="a Lennard-Jones gas",
        environment=Environment(label, "gas"),
        source=Source("simulated"),
        state={"temperature": temperature},
        values=np.zeros(6),
        uncertainty=np.full(6, uncertainty),
        groups={"laboratory": np.array(["a", "b", "c"] * 2)},
    )


def complete(uncertainty=1.0):
    noise = GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.3)))
    term = Term([part("cold", 120, 220, uncertainty), part("warm", 250, 500, uncertainty)], SecondVirial(), noise=noise)
    return CalibrationProblem(LennardJones, PRIORS, [term])


def partial():
    term = Term([part("cold", 120, 220), part("warm", 250, 500), part("hot", 600, 900)], SecondVirial())
    return CalibrationProblem(LennardJones, PRIORS, [term], PartialPooling(Prior(dist.HalfNormal(0.03))))


def with_bias():
    bias = GroupBias("laboratory", Prior(dist.HalfNormal(2.0), "cm^3/mol"))
    term = Term([part("cold", 120, 220), part("warm", 250, 500)], SecondVirial(), effects=[bias])
    return CalibrationProblem(LennardJones, PRIORS, [term])


def with_discrepancy():
    discrepancy = Discrepancy(
        "temperature", Prior(dist.HalfNormal(3.0), "cm^3/mol"), Prior(dist.LogNormal(-0.5, 0.3)), num_nodes=5
    )
    term = Term([part("cold", 120, 220), part("warm", 250, 500)], SecondVirial(), effects=[discrepancy])
    return CalibrationProblem(LennardJones, PRIORS, [term])


@pytest.mark.slow
@pytest.mark.parametrize("make", [complete, partial, with_bias, with_discrepancy])
def test_the_ranks_of_the_truth_are_uniform(make):
    ranks = simulate_ranks(make(), jax.random.key(20), NUM_REPLICATIONS)
    p_values = ranks["p_value"].to_numpy()
    assert p_values.min() > FALSE_ALARM / len(p_values), ranks["p_value"].to_series()


@pytest.mark.slow
def test_a_posterior_of_half_the_width_is_caught():
    ranks = simulate_ranks(complete(), jax.random.key(21), NUM_REPLICATIONS, shrink=0.5)
    assert float(ranks["p_value"].sel(scalar="epsilon")) < FALSE_ALARM


@pytest.mark.slow
def test_a_wrong_noise_scale_is_caught():
    noisy, trusting = (
        CalibrationProblem(LennardJones, PRIORS, [Term(part("cold", 120, 220, uncertainty), SecondVirial())])
        for uncertainty in (2.0, 1.0)
    )
    ranks = simulate_ranks(trusting, jax.random.key(22), NUM_REPLICATIONS, generator=noisy)
    assert float(ranks["p_value"].min()) < FALSE_ALARM


def test_uniformity_accepts_uniform_ranks_and_rejects_others():
    rng = np.random.default_rng(3)
    assert uniformity(rng.integers(0, 51, 500), 50) > FALSE_ALARM
    assert uniformity(rng.binomial(50, 0.5, 500), 50) < 1e-10
