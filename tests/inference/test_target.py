"""The density in unconstrained coordinates against NumPyro's own, and the problem as the NumPyro model that it is."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from arviz_stats.base import array_stats
from jax.flatten_util import ravel_pytree
from numpyro import infer
from numpyro.infer.util import log_density

from bayesff.calibration import CalibrationProblem, GaussianNoise, PartialPooling, Prior, StudentTNoise, Term
from bayesff.inference import Target

from .linear_gaussian import UNCERTAINTY, Line, LineHeight, exact, make_data, make_problem

PARTS = [make_data(rows=slice(0, 3), label="near"), make_data(rows=slice(3, 6), label="far")]


@pytest.fixture(scope="module")
def target():
    """Bounded, positive and real supports, a vector site and a deterministic one."""
    priors = {
        "amplitude": Prior(dist.Uniform(0.5, 4.0)),
        "slope": Prior(dist.Normal(-60.0, 50.0), "K/angstrom"),
    }
    pooling = {"amplitude": PartialPooling(Prior(dist.HalfNormal(0.3)))}
    noise = StudentTNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5)))
    return Target(CalibrationProblem(Line, priors, [Term(PARTS, LineHeight(), noise)], pooling))


def test_log_density_is_numpyros_and_the_jacobian(target):
    others = {"line_height": jnp.linspace(-1.0, 1.0, 6)}

    @jax.jit
    def expected(z):
        constrained = target.constrain(z)
        # The Jacobian of the whole map, not site by site as the package has it.
        jacobian = jnp.linalg.slogdet(jax.jacfwd(lambda z: ravel_pytree(target.constrain(z))[0])(z))[1]
        given = [log_density(target.problem, arguments, {}, constrained)[0] for arguments in ((), (others,))]
        return jnp.stack(given) + jacobian

    found = jax.jit(lambda z: jnp.stack([target.log_density(z), target.log_density(z, others)]))
    for seed in range(3):
        z = jax.random.normal(jax.random.key(seed), (target.size,))
        np.testing.assert_allclose(found(z), expected(z), rtol=1e-12)
        assert float(sum(target.log_parts(z))) == pytest.approx(float(found(z)[0]), abs=1e-10)


def test_derivatives_agree_forward_reverse_and_by_differences(target):
    z = 0.3 * jax.random.normal(jax.random.key(5), (target.size,))
    reverse = jax.jit(jax.grad(target.log_density))(z)
    step, density = 1e-5, jax.jit(target.log_density)
    for axis, one in enumerate(np.eye(target.size)):
        differences = (density(z + step * one) - density(z - step * one)) / (2 * step)
        assert float(differences) == pytest.approx(float(reverse[axis]), rel=1e-6, abs=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(target.log_density))(z), reverse, rtol=1e-10)


def test_sites_have_their_supports_and_prior_draws_their_distribution(target):
    draws = target.sample_prior(jax.random.key(3), 4000)
    sites = jax.vmap(target.constrain)(draws)
    assert draws.shape == (4000, target.size)
    assert set(sites) == {
        "amplitude",
        "slope",
        "tau_amplitude",
        "amplitude_offset",
        "line_height_noise_scale",
        "line_height_degrees_of_freedom",
    }
    assert sites["amplitude_offset"].shape == (4000, 2)
    assert 0.5 < float(sites["amplitude"].min()) < 0.6
    assert 3.9 < float(sites["amplitude"].max()) < 4.0
    # 60 K/angstrom times the gas constant; the standard error of the mean is 50 K R / sqrt(4000), of which four.
    assert float(sites["slope"].mean()) == pytest.approx(-60 * 8.31446261815324e-3, abs=4 * 50 * 8.314e-3 / np.sqrt(4000))
    assert float(sites["tau_amplitude"].min()) > 0


def test_names_of_coordinates(target):
    names = target.scalar_names()
    assert len(names) == target.size
    assert names[0] == "amplitude"
    assert {"amplitude_offset[0]", "amplitude_offset[1]", "slope"} <= set(names)


def test_numpyros_own_nuts_runs_on_the_problem():
    """Without any of the package's inference; its posterior is the closed form."""
    mcmc = infer.MCMC(infer.NUTS(make_problem()), num_warmup=300, num_samples=2000, progress_bar=False)
    mcmc.run(jax.random.key(2))
    expected = exact(np.diag(UNCERTAINTY**2))
    slope = np.asarray(mcmc.get_samples()["slope"])
    size = float(array_stats.ess(slope[None], chain_axis=0, draw_axis=1, method="mean"))
    # A normal score with a two-sided false-alarm probability of 1e-4.
    assert abs(slope.mean() - expected.mean[1]) < 3.89 * slope.std() / np.sqrt(size)


def test_numpyros_predictive_draws_from_the_prior():
    drawn = infer.Predictive(make_problem(noise=GaussianNoise()), num_samples=50)(jax.random.key(3), {})
    assert drawn["line_height"].shape == (50, 6)
    assert drawn["amplitude"].shape == (50,)
    assert len(np.unique(np.asarray(drawn["line_height"])[:, 0])) == 50
