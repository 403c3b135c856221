"""The search for a mode, where there is more than one."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import bayesff as bff
from bayesff.calibration import CalibrationProblem, GaussianNoise, GroupBias, Prior, Term
from bayesff.inference import NUTS, SMC, Target, find_mode
from bayesff.inference.mode import compile_energies
from bayesff.inference.posterior import assemble
from bayesff.potentials import PairPotential
from bayesff.potentials.base import parameter

from .linear_gaussian import LineHeight, make_data


@functools.cache
def methane():
    """Lennard-Jones, which misses methane's cold gas by 9 cm^3/mol, with biases of laboratories and no discrepancy."""
    virial = Term(
        bff.datasets.load("methane_second_virial").where(quality="ok"),
        bff.observables.SecondVirial(quantum_order=1, molar_mass=16.043),
        noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
        effects=[GroupBias("laboratory", scale=Prior(dist.HalfNormal(2.0), "cm^3/mol"))],
    )
    priors = {"epsilon": Prior(dist.LogNormal(4.98, 0.25), "K"), "sigma": Prior(dist.LogNormal(1.316, 0.05), "angstrom")}
    target = Target(CalibrationProblem(bff.potentials.LennardJones, priors, [virial]))
    return target, compile_energies(target)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_a_misfit_may_be_put_into_either_of_two_errors(seed):
    """The noise of every datum holds it at a log density of -461.7, the biases of laboratories at -356.7."""
    target, energies = methane()
    mode = find_mode(target, jax.random.key(seed), energies)
    assert bool(mode.converged)
    assert float(mode.log_density) == pytest.approx(-356.667, abs=0.01)
    sizes = jnp.exp(mode.location[target.sizes])
    assert float(sizes.max()) == pytest.approx(10.6, abs=0.1)


class Charged(PairPotential):
    charge: Any = parameter("e")

    def pair_energy(self, r: Any) -> Any:
        return self.charge**2 / r


def charged(prior: dist.Distribution) -> Target:
    """A charge of which the data know the square: 1.0 with an uncertainty of some 0.02, so that both signs meet them."""
    energies = make_data()
    data = energies.with_uncertainty(np.full(energies.num_data, 0.01)).with_values(1 / energies.state["separation"])
    return Target(CalibrationProblem(Charged, {"charge": Prior(prior, "e")}, [Term(data, LineHeight())]))


@pytest.mark.parametrize("mean", [0.0, -0.6])
def test_another_mode_is_found_with_its_share(mean):
    """The prior alone tells the signs apart: with unit width their odds are exp(2 mean charge)."""
    mode = find_mode(charged(dist.Normal(mean, 1.0)), jax.random.key(1))
    assert float(mode.share) == pytest.approx(1 / (1 + np.exp(2 * abs(mean))), abs=0.005)
    np.testing.assert_allclose(sorted([float(mode.location[0]), float(mode.other[0])]), [-1.0, 1.0], atol=0.01)
    assert "another mode holds some" in mode.reasons[0]


@pytest.mark.parametrize("prior", [dist.LogNormal(0.0, 1.0), dist.Normal(-3.0, 1.0)], ids=["one sign", "a likely sign"])
def test_no_mode_is_invented(prior):
    """Of the second prior the odds are exp(-6), a quarter of the share that counts."""
    mode = find_mode(charged(prior), jax.random.key(1))
    assert (float(mode.share), mode.reasons) == (0.0, [])
    np.testing.assert_array_equal(mode.other, mode.location)


@pytest.mark.slow
def test_a_run_whose_chains_stay_in_two_modes_has_not_converged_and_says_why():
    target = charged(dist.Normal(-0.6, 1.0))
    method = NUTS(num_warmup=200, num_draws=600)
    tree = assemble(target, method.sample(target, jax.random.key(1)), jax.random.key(2))
    assert not int(tree["diagnostics"]["converged"])
    assert "another mode holds some 23 % of the posterior: SMC weighs both" in tree["diagnostics"].attrs["reasons"]
    signs = np.sign(tree["posterior"]["charge"].to_numpy())
    np.testing.assert_array_equal(signs, np.broadcast_to([[-1], [1], [-1], [1]], signs.shape))
    weighed = assemble(target, SMC(num_particles=2000).sample(target, jax.random.key(1)), jax.random.key(2))
    assert int(weighed["diagnostics"]["converged"])
    assert float((weighed["posterior"]["charge"] > 0).mean()) == pytest.approx(1 / (1 + np.exp(1.2)), abs=0.03)
