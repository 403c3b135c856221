"""Posteriors are as wide as they should be: rank uniformity, with negative controls that must fail.

Each problem gives one p-value a scalar; a false alarm on any of them has a probability of 1e-3 a test by Bonferroni's rule. The
keys are fixed. The data are energies of pairs, which cost nothing: what is tested is the error models and the sampler.
"""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

from bayesff.assessment.simulation_based_calibration import simulate_ranks, uniformity
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, PartialPooling, Prior, Term
from bayesff.datasets import DataSet, Environment, Source
from bayesff.observables import DimerEnergy
from bayesff.potentials import LennardJones

from ..long import LONG  # noqa: TID252

FALSE_ALARM = 1e-3
NUM_REPLICATIONS = 200 if LONG else 100
PRIORS = {
    "epsilon": Prior(dist.LogNormal(np.log(120.0), 0.05), "K"),
    "sigma": Prior(dist.LogNormal(np.log(3.4), 0.02), "angstrom"),
}


def part(label, low, high, uncertainty=0.02):
    return DataSet(
        name="simulated",
        observable="dimer_energy",
        substance="pairs of Lennard-Jones particles",
        environment=Environment(label, "model"),
        source=Source("simulated"),
        state={"separation": np.linspace(low, high, 6)},
        values=np.zeros(6),
        uncertainty=np.full(6, uncertainty),
        groups={"laboratory": np.array(["a", "b", "c"] * 2)},
    )


def complete(uncertainty=0.02):
    noise = GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.3)))
    term = Term([part("wall", 3.4, 4.2, uncertainty), part("well", 3.7, 5.0, uncertainty)], DimerEnergy(), noise=noise)
    return CalibrationProblem(LennardJones, PRIORS, [term])


def partial():
    term = Term([part("wall", 3.4, 4.2), part("well", 3.7, 5.0), part("inside", 3.5, 4.5)], DimerEnergy())
    return CalibrationProblem(LennardJones, PRIORS, [term], PartialPooling(Prior(dist.HalfNormal(0.03))))


def with_bias():
    bias = GroupBias("laboratory", Prior(dist.HalfNormal(0.04), "kJ/mol"))
    term = Term([part("wall", 3.4, 4.2), part("well", 3.7, 5.0)], DimerEnergy(), effects=[bias])
    return CalibrationProblem(LennardJones, PRIORS, [term])


def with_discrepancy():
    size, length = Prior(dist.HalfNormal(0.06), "kJ/mol"), Prior(dist.LogNormal(-0.5, 0.3), "angstrom")
    discrepancy = Discrepancy("separation", size, length, logarithmic=False, num_nodes=5)
    term = Term([part("wall", 3.4, 4.2), part("well", 3.7, 5.0)], DimerEnergy(), effects=[discrepancy])
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
        CalibrationProblem(LennardJones, PRIORS, [Term(part("wall", 3.4, 4.2, uncertainty), DimerEnergy())])
        for uncertainty in (0.04, 0.02)
    )
    ranks = simulate_ranks(trusting, jax.random.key(22), NUM_REPLICATIONS, generator=noisy)
    assert float(ranks["p_value"].min()) < FALSE_ALARM


def test_uniformity_accepts_uniform_ranks_and_rejects_others():
    rng = np.random.default_rng(3)
    assert uniformity(rng.integers(0, 51, 500), 50) > FALSE_ALARM
    assert uniformity(rng.binomial(50, 0.5, 500), 50) < 1e-10
