"""The study `lennard_jones_recovery` gives back what was put in, from simulations of another program."""

import jax
import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.stats import chi2

from bayesff.ensembles import HypernettedChain, IntegralEquation, PercusYevick
from bayesff.inference import Laplace
from bayesff.observables import IntegralEquationLiquid
from bayesff.potentials import LennardJones
from bayesff.study import load
from bayesff.units import convert

TRUTH = {"epsilon": convert(120.0, "K", "kJ/mol"), "sigma": 3.4, "repulsive": 12.0}
FALSE_ALARM = 1e-3


@pytest.mark.parametrize("candidate", ["lennard_jones", "mie"])
def test_the_parameters_that_were_put_in_lie_in_their_posterior(candidate):
    problem = load("lennard_jones_recovery").problems[candidate]
    posterior = Laplace(num_draws=1000).run(problem, jax.random.key(1))["posterior"]
    draws = np.log([posterior[name].to_numpy().ravel() for name in problem.priors])
    off = np.linalg.solve(
        np.linalg.cholesky(np.cov(draws)), np.log([TRUTH[name] for name in problem.priors]) - draws.mean(axis=1)
    )
    assert np.sum(off**2) < chi2.ppf(1 - FALSE_ALARM, len(off))
    # Known to half a percent and a tenth of a percent, so that this is no wide interval that holds everything.
    assert draws[0].std() < 0.01
    assert draws[1].std() < 0.001


@pytest.mark.parametrize("closure", [PercusYevick(), HypernettedChain()], ids=["percus_yevick", "hypernetted_chain"])
def test_what_a_tail_beyond_three_diameters_misses_is_what_the_study_counts_as_its_error(closure):
    """Energy and virial of the pairs beyond three diameters, less those of a uniform fluid, in units of well and diameter."""
    liquid, r = IntegralEquationLiquid(IntegralEquation(closure), molar_mass=39.948), np.linspace(3.0, 8.0, 2001)
    potential = LennardJones(TRUTH["epsilon"], TRUTH["sigma"])
    reduced = np.array([0.78, 0.90])
    known = liquid.averages_at(potential, np.full(2, 0.85 * 120.0), reduced / 3.4**3)
    energy, virial = 4 * (r**-12 - r**-6), 4 * (12 * r**-12 - 6 * r**-6)
    off = []
    for density, averages in zip(reduced, known, strict=True):
        around = np.asarray(averages.pair_distribution(3.4 * r).mean) - 1
        of_energy = 2 * np.pi * density * simpson(around * energy * r**2, x=r)
        off.append([of_energy, 2 * np.pi / 3 * density**2 * simpson(around * virial * r**2, x=r)])
    sizes = np.abs(off)
    assert np.all((sizes > [0.0003, 0.0006]) & (sizes < [0.0015, 0.0027]))
