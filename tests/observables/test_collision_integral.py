"""Collision integrals against tables, exact relations and themselves at high resolution."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.observables.collisions import collision_integral, collision_integrals
from bayesff.potentials import (
    ForceShiftedCut,
    HardSphere,
    LennardJones,
    Mie,
    Morse,
    PlainCut,
    SquareWell,
)
from bayesff.potentials.base import PairPotential, parameter
from bayesff.units import GAS_CONSTANT

ORDERS = ((1, 1), (2, 2), (2, 3), (2, 4))
TEMPERATURE = jnp.array([100.0, 180.0, 300.0, 600.0, 1000.0])


class InversePower(PairPotential):
    """A purely repulsive potential, for which the dependence on the temperature is a power."""

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)
    exponent: Float[Array, ""] = parameter("", positive=True)

    def pair_energy(self, r):
        return self.epsilon * (3.0 / jnp.asarray(r)) ** self.exponent

    def breakpoints(self):
        return (jnp.asarray(3.0),)


class Staircase(PairPotential):
    """A step that no class of the package announces."""

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)

    def pair_energy(self, r):
        r = jnp.asarray(r)
        return (3.0 / r) ** 12 - jnp.where(r < 4.0, self.epsilon, 0.0)

    def breakpoints(self):
        return (jnp.asarray(3.0), jnp.asarray(4.0))


LJ = LennardJones(epsilon=1.0, sigma=3.4)
SMOOTH = {
    "lennard-jones": LJ,
    "mie 20-6": Mie(epsilon=1.2, sigma=3.3, repulsive=20.0, attractive=6.0),
    "sum": LennardJones(epsilon=0.5, sigma=3.4) + Morse(well_depth=0.5, distance=3.8, steepness=1.7),
    "repulsive": InversePower(epsilon=1.0, exponent=12.0),
}


@eqx.filter_jit
def _integrals(potential, temperature, resolution=24):
    return collision_integrals(potential, temperature, ORDERS, resolution=resolution)


@eqx.filter_jit
def _slopes(potential, temperature):
    def values(t):
        return collision_integrals(potential, t, ORDERS, resolution=24, with_error=False)[0]

    return jax.jvp(values, (temperature,), (temperature,))


# Reduced temperature, omega(2,2)* of Kim and Monroe (2014) in the form of their correlation, good to 0.005 %.
KIM_MONROE = (
    (0.3, 2.84363),
    (0.5, 2.28520),
    (0.7, 1.92264),
    (1.0, 1.59315),
    (1.5, 1.31520),
    (2.0, 1.17580),
    (3.0, 1.03884),
    (5.0, 0.92681),
    (30.0, 0.70077),
    (100.0, 0.58514),
)

# Reduced temperature, omega(1,1)*, omega(2,2)*, omega(2,3)*: an independent quadrature over impact parameters, good to 0.005 %.
INDEPENDENT = (
    (0.5, 2.06625, 2.28520, 2.00699),
    (1.0, 1.43979, 1.59317, 1.38932),
    (2.0, 1.07540, 1.17579, 1.07214),
    (5.0, 0.84281, 0.92681, 0.88232),
    (30.0, 0.62347, 0.70079, 0.67507),
)


@pytest.mark.parametrize("rows", [slice(0, 5), slice(5, 10)], ids=["cold", "hot"])
def test_reduced_lennard_jones_integrals_are_those_of_kim_and_monroe(rows):
    reduced, expected = np.array(KIM_MONROE[rows]).T
    values, _ = _integrals(LJ, jnp.asarray(reduced) / GAS_CONSTANT)
    np.testing.assert_allclose(values[1] / LJ.sigma**2, expected, rtol=5e-5, atol=5e-6)


def test_three_orders_of_the_lennard_jones_integrals():
    reduced, *expected = np.array(INDEPENDENT).T
    values, _ = _integrals(LJ, jnp.asarray(reduced) / GAS_CONSTANT, 48)
    np.testing.assert_allclose(values[:3] / LJ.sigma**2, np.stack(expected), rtol=5e-5)


@pytest.mark.parametrize("exponent", [6.0, 12.0, 50.0])
def test_inverse_powers_scale_with_the_temperature_exactly(exponent):
    values, _ = _integrals(InversePower(epsilon=1.0, exponent=exponent), TEMPERATURE, 48)
    np.testing.assert_allclose(values[2] / values[1], (4 - 2 / exponent) / 4, rtol=1e-8)
    np.testing.assert_allclose(values[1] / values[1][0], (TEMPERATURE / TEMPERATURE[0]) ** (-2 / exponent), rtol=1e-8)


def test_a_steep_repulsion_is_nearly_a_rigid_sphere():
    values, errors = _integrals(InversePower(epsilon=1.0, exponent=200.0), TEMPERATURE, 48)
    np.testing.assert_allclose(values / 9.0, 1.0, atol=0.03)
    assert np.all(errors < 1e-4 * values)


@pytest.mark.parametrize("name", ["lennard-jones", "repulsive"])
def test_temperature_derivative_is_the_next_order(name):
    values, slopes = _slopes(SMOOTH[name], TEMPERATURE)
    for order in (1, 2):
        exact = (ORDERS[order][1] + 2) * (values[order + 1] - values[order])
        np.testing.assert_allclose(slopes[order], exact, atol=3e-4 * np.abs(values[order]).max())


@pytest.mark.parametrize("name", [*SMOOTH, "force-shifted", "barely bound"])
def test_the_error_estimate_is_honest(name):
    others = {
        "force-shifted": ForceShiftedCut(LJ, 8.5),
        "barely bound": LennardJones(epsilon=0.02, sigma=3.4),
    }
    potential = {**SMOOTH, **others}[name]
    values, errors = _integrals(potential, TEMPERATURE)
    best, remaining = _integrals(potential, TEMPERATURE, 48)
    assert np.all(np.abs(values - best) <= errors + remaining)
    assert np.all(errors <= 3e-3 * values)
    if name in ("lennard-jones", "mie 20-6", "sum"):
        assert np.all(errors[:3] <= 2e-4 * values[:3])


@pytest.mark.slow
def test_parameters_scale_exactly_in_both_modes_and_to_second_order():
    def value(logarithms):
        epsilon, sigma = jnp.exp(logarithms)
        potential = LennardJones(epsilon=epsilon, sigma=sigma)
        return collision_integrals(potential, jnp.array([200.0]), ((2, 2), (2, 3), (2, 4)), with_error=False)[0][:, 0]

    at = jnp.log(jnp.array([1.0, 3.4]))
    omega = jax.jit(value)(at)
    first = 4 * (omega[1] - omega[0])
    second = 4 * (5 * (omega[2] - omega[1]) - 4 * (omega[1] - omega[0]))
    expected = jnp.array([-first, 2 * omega[0]])
    np.testing.assert_allclose(jax.jit(jax.grad(lambda x: value(x)[0]))(at), expected, rtol=5e-5)
    hessian = jax.jit(jax.hessian(lambda x: value(x)[0]))(at)
    np.testing.assert_allclose(hessian, [[second, -2 * first], [-2 * first, 4 * omega[0]]], rtol=1e-3)


@pytest.mark.slow
def test_gradients_of_a_mie_potential():
    def value(parameters):
        return collision_integrals(Mie(*parameters), jnp.array([120.0, 900.0]), ((2, 2),), with_error=False)[0][0]

    check_grads(
        jax.jit(value), (jnp.array([1.1, 3.4, 14.0, 6.5]),), order=1, modes=["fwd", "rev"], eps=1e-4, rtol=2e-4, atol=2e-4
    )


def test_batches_and_scalars():
    epsilon = jnp.array([0.05, 1.0, 10.0])

    def value(epsilon, temperature):
        return collision_integral(LennardJones(epsilon=epsilon, sigma=3.4), temperature, 2, 2)

    together = jax.jit(jax.vmap(jax.value_and_grad(value), in_axes=(0, None)))(epsilon, jnp.asarray(300.0))
    alone = jax.jit(jax.value_and_grad(value))(epsilon[1], jnp.asarray(300.0))
    assert together[0].shape == (3,)
    assert np.all(np.isfinite(together[1]))
    np.testing.assert_allclose([together[0][1], together[1][1]], alone, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.02, 8.0),
    st.floats(2.0, 6.0),
    st.floats(8.0, 40.0),
    st.floats(3.5, 7.5),
)
def test_finite_everywhere_in_a_wide_prior(epsilon, sigma, repulsive, attractive):
    values, errors = _integrals(Mie(epsilon, sigma, repulsive, attractive), TEMPERATURE)
    assert np.all(np.isfinite(values) & (values > 0) & np.isfinite(errors) & (errors > 0))
    assert np.all(np.diff(values[1]) < 0)


def test_steps_and_bad_orders_are_refused_in_words():
    well = SquareWell(epsilon=1.0, sigma=3.0, width=1.5)
    for potential, found in (
        (well, "SquareWell has a step"),
        (HardSphere(sigma=3.0), "HardSphere has a step"),
        (LJ + PlainCut(LJ, 9.0), "PlainCut has a step"),
        (Staircase(epsilon=1.0), "Staircase at 4 angstrom has a step"),
    ):
        with pytest.raises(ParameterError, match=found):
            collision_integral(potential, 300.0, 2, 2)
    with pytest.raises(ParameterError, match="SquareWell has a step: use a smooth form"):
        jax.jit(lambda epsilon: collision_integral(SquareWell(epsilon, 3.0, 1.5), 300.0, 2, 2))(1.0)
    with pytest.raises(ParameterError, match=r"start at 1, found \(0, 2\)"):
        collision_integral(LJ, 300.0, 0, 2)
    with pytest.raises(ParameterError, match="resolution must be at least 8, found 4"):
        collision_integral(LJ, 300.0, 2, 2, resolution=4)
