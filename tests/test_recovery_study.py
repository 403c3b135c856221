"""The study `lennard_jones_recovery` gives back what was put in, from simulations of another program."""

from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.stats import chi2

from bayesff.inference import Laplace
from bayesff.study import load
from bayesff.units import convert

TRUTH = {"epsilon": convert(120.0, "K", "kJ/mol"), "sigma": 3.4, "repulsive": 12.0}
FALSE_ALARM = 1e-3


@pytest.mark.parametrize("candidate", ["lennard_jones", "mie"])
def test_the_parameters_that_were_put_in_lie_in_their_posterior(candidate):
    problem = load(Path(__file__).parents[1] / "models" / "lennard_jones_recovery.py").problems[candidate]
    posterior = Laplace(num_draws=1000).run(problem, jax.random.key(1))["posterior"]
    draws = np.log([posterior[name].to_numpy().ravel() for name in problem.priors])
    off = np.linalg.solve(
        np.linalg.cholesky(np.cov(draws)), np.log([TRUTH[name] for name in problem.priors]) - draws.mean(axis=1)
    )
    assert np.sum(off**2) < chi2.ppf(1 - FALSE_ALARM, len(off))
    # Known to half a percent and a tenth of a percent, so that this is no wide interval that holds everything.
    assert draws[0].std() < 0.01
    assert draws[1].std() < 0.001
