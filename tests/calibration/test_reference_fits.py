"""With measurement error only and flat priors, the posterior is the weighted least-squares fit of argon's second virials.

The fits are made here by scipy, which shares nothing with the sampler but the observable; means must agree within 0.2 standard
deviations and widths within 10 %. The values quoted beside them are those of a fit made before the package existed, with another
quadrature, to the digits given.
"""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.optimize import least_squares

from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.datasets import load
from bayesff.inference import NUTS
from bayesff.observables import SecondVirial
from bayesff.potentials import LennardJones
from bayesff.units import GAS_CONSTANT

from ..long import LONG  # noqa: TID252

# name: (selection, epsilon/k [K], its sd, sigma [angstrom], its sd), each with one unit of its last digit as tolerance
QUOTED = {
    "all": (118.85, 0.07, 3.460, 0.001),
    "T >= 250 K": (119.94, 0.08, 3.388, 0.003),
    "Michels": (118.8, 0.8, 3.438, 0.017),
    "Gilgen": (116.8, 0.4, 3.486, 0.007),
}
LAST_DIGIT = {"all": (0.01, 0.001), "T >= 250 K": (0.01, 0.001), "Michels": (0.1, 0.001), "Gilgen": (0.1, 0.001)}


def select(name):
    data = load("argon_second_virial").where(quality="ok")
    if name == "T >= 250 K":
        return data.where(data.state["temperature"] >= 250.0)
    if name in ("Michels", "Gilgen"):
        return data.where(np.char.startswith(data.groups["laboratory"].astype(str), name))
    return data


def fit(data):
    """Return mean and standard deviation of (epsilon/k, sigma) by weighted least squares."""
    observable, states = SecondVirial(), data.state
    predict = jax.jit(lambda p: observable.predict(LennardJones(GAS_CONSTANT * p[0], p[1]), states).mean)
    result = least_squares(
        lambda p: (data.values - np.asarray(predict(p))) / data.uncertainty, [119.0, 3.4], x_scale=[1.0, 0.01], xtol=1e-14
    )
    return result.x, np.sqrt(np.diag(np.linalg.inv(result.jac.T @ result.jac)))


@pytest.mark.parametrize("name", QUOTED if LONG else ["all", "T >= 250 K"])
def test_the_posterior_is_the_weighted_least_squares_fit(name):
    data = select(name)
    mean, sd = fit(data)
    priors = {
        "epsilon": Prior(dist.Uniform(80.0, 160.0), "K"),
        "sigma": Prior(dist.Uniform(3.0, 4.0), "angstrom"),
    }
    problem = CalibrationProblem(LennardJones, priors, [Term(data, SecondVirial())])
    tree = NUTS(num_warmup=300, num_draws=1000, num_chains=4).run(problem, jax.random.key(4))
    assert int(tree["diagnostics"]["converged"]), tree["diagnostics"].attrs["reasons"]
    draws = np.stack([tree["posterior"]["epsilon"].to_numpy() / GAS_CONSTANT, tree["posterior"]["sigma"].to_numpy()]).reshape(
        2, -1
    )
    assert np.all(np.abs(draws.mean(axis=1) - mean) < 0.2 * sd)
    assert np.all(np.abs(draws.std(axis=1) / sd - 1) < 0.1)


@pytest.mark.parametrize("name", QUOTED)
def test_the_fit_agrees_with_the_quoted_digits(name):
    mean, sd = fit(select(name))
    epsilon, epsilon_sd, sigma, sigma_sd = QUOTED[name]
    epsilon_digit, sigma_digit = LAST_DIGIT[name]
    assert abs(mean[0] - epsilon) < epsilon_digit
    assert abs(mean[1] - sigma) < sigma_digit
    assert abs(sd[0] - epsilon_sd) < epsilon_digit
    assert abs(sd[1] - sigma_sd) < sigma_digit
