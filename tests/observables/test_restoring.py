"""The factor that restores an observable, against an independent quadrature and root finder."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

import bayesff.potentials as bp
from bayesff.errors import NumericalError, ParameterError, StateError
from bayesff.observables import DimerEnergy, SecondVirial, restoring_factor, single_factor
from bayesff.units import GAS_CONSTANT

EPSILON, SIGMA = 0.996, 3.405
ARGON = bp.LennardJones(EPSILON, SIGMA)
TEMPERATURES = np.array([90.0, 300.0, 1000.0])
CUTS = {
    "plain_8.5": partial(bp.PlainCut, cutoff=8.5),
    "plain_6": partial(bp.PlainCut, cutoff=6.0),
    "shifted_8.5": partial(bp.ShiftedCut, cutoff=8.5),
    "force_shifted_8.5": partial(bp.ForceShiftedCut, cutoff=8.5),
    "tail_6": partial(bp.PlainCut, cutoff=6.0, tail=True),
}


def energy(r):
    return 4 * EPSILON * ((SIGMA / r) ** 12 - (SIGMA / r) ** 6)


def integral(potential, end, temperature):
    """Minus the integral of the Mayer function, by adaptive quadrature."""

    def mayer(r):
        return -np.expm1(-potential(r) / (GAS_CONSTANT * temperature)) * r**2

    edges = [1e-3, 2.4, SIGMA, 4.0, *((end,) if np.isfinite(end) else (8.0, 30.0, np.inf))]
    return sum(quad(mayer, *part, epsabs=1e-11, epsrel=1e-12, limit=200)[0] for part in pairwise(edges))


def by_hand(name, temperature):
    """The factor by adaptive quadrature and Brent's method, with the treatments written down once more."""
    treatment = CUTS[name]
    cutoff = treatment.keywords["cutoff"]
    slope = 4 * EPSILON * (-12 * (SIGMA / cutoff) ** 12 + 6 * (SIGMA / cutoff) ** 6) / cutoff
    line = {"shifted_8.5": (energy(cutoff), 0.0), "force_shifted_8.5": (energy(cutoff), slope)}.get(name, (0.0, 0.0))
    beyond = 4 * EPSILON * (SIGMA**12 / (9 * cutoff**9) - SIGMA**6 / (3 * cutoff**3)) if name == "tail_6" else 0.0
    target = integral(energy, np.inf, temperature)

    def off(factor):
        treated = integral(lambda r: factor * (energy(r) - line[0] - (r - cutoff) * line[1]), cutoff, temperature)
        return treated + factor * beyond / (GAS_CONSTANT * temperature) - target

    return brentq(off, 0.5, 2.0, xtol=1e-12)


@pytest.mark.parametrize("name", CUTS)
def test_the_factor_of_an_independent_root_finder(name):
    found = restoring_factor(SecondVirial(), ARGON, CUTS[name], {"temperature": TEMPERATURES})
    np.testing.assert_allclose(found, [by_hand(name, temperature) for temperature in TEMPERATURES], rtol=1e-8)


@pytest.mark.parametrize("name", CUTS)
def test_the_factor_restores(name):
    state = {"temperature": TEMPERATURES}
    factors = restoring_factor(SecondVirial(), ARGON, CUTS[name], state)
    for row, factor in enumerate(factors):
        treated = SecondVirial().predict(CUTS[name](ARGON.scale(factor)), state).mean[row]
        assert float(treated) == pytest.approx(float(SecondVirial().predict(ARGON, state).mean[row]), abs=1e-9)


def test_far_cutoffs_need_no_factor():
    """What is left out falls as the inverse cube of the cutoff, and so does the factor's distance from one."""
    cutoffs = (40.0, 80.0, 160.0)

    def factor(cutoff):
        return restoring_factor(SecondVirial(), ARGON, partial(bp.PlainCut, cutoff=cutoff), {"temperature": 300.0})[0]

    off = np.array([factor(cutoff) - 1 for cutoff in cutoffs])
    assert np.all(off > 0)
    np.testing.assert_allclose(off[:-2] / off[1:-1], 8.0, rtol=2e-3)
    assert off[-1] < 2e-5


def test_nothing_to_restore_is_a_factor_of_one():
    factor = restoring_factor(SecondVirial(), ARGON, lambda full: full, {"temperature": TEMPERATURES})
    np.testing.assert_allclose(factor, 1.0, atol=1e-12)
    # A cut changes no energy inside it, and a treatment that takes a tenth of it away needs 1/0.9.
    energies = restoring_factor(DimerEnergy(), ARGON, partial(bp.PlainCut, cutoff=9.0), {"separation": np.array([3.0, 4.0])})
    np.testing.assert_allclose(energies, 1.0, atol=1e-12)
    np.testing.assert_allclose(
        restoring_factor(DimerEnergy(), ARGON, lambda full: 0.9 * full, {"separation": np.array([3.0, 4.0])}), 1 / 0.9
    )


def test_derivatives_in_parameters_and_state():
    @jax.jit
    def factor(epsilon, sigma, temperature):
        return restoring_factor(SecondVirial(), bp.LennardJones(epsilon, sigma), CUTS["plain_6"], {"temperature": temperature})

    at = (EPSILON, SIGMA, jnp.array([100.0, 400.0]))
    check_grads(factor, at, order=1, modes=("fwd", "rev"), eps=1e-4)
    draws = jnp.array([0.95, 1.0, 1.05])
    many = jax.vmap(lambda epsilon: factor(epsilon, SIGMA, at[2]))(draws)
    np.testing.assert_allclose(many, [factor(epsilon, SIGMA, at[2]) for epsilon in draws], rtol=1e-11)


def test_the_best_single_factor_is_that_of_an_independent_minimiser():
    state = {"temperature": np.geomspace(90.0, 900.0, 7)}
    full = np.asarray(SecondVirial().predict(ARGON, state).mean)

    def missed(factor):
        return np.asarray(SecondVirial().predict(CUTS["plain_6"](ARGON.scale(factor)), state).mean) - full

    found = minimize_scalar(lambda factor: np.sum(missed(factor) ** 2), bracket=(1.0, 1.3), options={"xtol": 1e-10})
    factor, left = single_factor(SecondVirial(), ARGON, CUTS["plain_6"], state)
    assert float(factor) == pytest.approx(found.x, rel=1e-6)
    np.testing.assert_allclose(left, missed(float(factor)), atol=1e-9)
    # With one state it is the factor that restores, and nothing is left.
    one, nothing = single_factor(SecondVirial(), ARGON, CUTS["plain_6"], {"temperature": 300.0})
    assert float(one) == pytest.approx(by_hand("plain_6", 300.0), rel=1e-8)
    np.testing.assert_allclose(nothing, 0.0, atol=1e-6)


def test_the_best_single_factor_has_derivatives():
    @jax.jit
    def factor(epsilon):
        return single_factor(SecondVirial(), bp.LennardJones(epsilon, SIGMA), CUTS["plain_6"], {"temperature": TEMPERATURES})[0]

    check_grads(factor, (EPSILON,), order=1, modes=("fwd", "rev"), eps=1e-4, rtol=1e-4)


def test_without_a_root_it_is_an_error_and_while_tracing_a_bound():
    repulsion = partial(bp.ShiftedCut, cutoff=SIGMA * 2 ** (1 / 6))
    with pytest.raises(
        NumericalError, match=r"between the factors 0.5 and 2 .* must pass .* at temperature 100: widen the bounds"
    ):
        restoring_factor(SecondVirial(), ARGON, repulsion, {"temperature": np.array([100.0])})

    def traced(epsilon):
        potential = bp.LennardJones(epsilon, SIGMA)
        return restoring_factor(SecondVirial(), potential, repulsion, {"temperature": np.array([100.0])})[0]

    value, slope = jax.jit(jax.value_and_grad(traced))(EPSILON)
    assert float(value) in (0.5, 2.0)
    assert float(slope) == 0.0


def test_wrong_input_is_named():
    for bounds in ((2.0, 0.5), (0.0, 2.0), (1.0, np.inf)):
        with pytest.raises(ParameterError, match="bounds must ascend from above zero, found"):
            restoring_factor(SecondVirial(), ARGON, CUTS["plain_6"], {"temperature": 300.0}, bounds=bounds)
    with pytest.raises(StateError, match="temperature must be finite and greater than zero"):
        restoring_factor(SecondVirial(), ARGON, CUTS["plain_6"], {"temperature": -1.0})
