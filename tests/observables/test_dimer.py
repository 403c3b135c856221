"""Energy, depth and distance of a dimer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from bayesff import quantities
from bayesff.errors import NumericalError
from bayesff.observables import DimerEnergy, DimerWell, WellDepth, WellDistance
from bayesff.potentials import LennardJones, Mie, Morse, SquareWell, TangToennies
from bayesff.potentials.base import PairPotential, parameter
from bayesff.units import GAS_CONSTANT


class Repulsion(PairPotential):
    """A potential without a well."""

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)

    def pair_energy(self, r):
        return self.epsilon * (3.0 / jnp.asarray(r)) ** 12

    def breakpoints(self):
        return (jnp.asarray(3.0),)


# Depth over k_B [K] and distance [angstrom], as published with the potentials (see TangToennies).
NOBLE = {
    "neon": (TangToennies.neon(), 42.1525, 3.08946, 5e-5, 5e-6),
    "argon": (TangToennies.argon(), 143.123, 3.76182, 5e-4, 5e-6),
    "krypton": (TangToennies.krypton(), 200.8753, 4.01580, 5e-5, 5e-6),
    "xenon": (TangToennies.xenon(), 279.98, 4.37798, 5e-3, 5e-6),
}


def test_energy_is_the_pair_energy_with_its_rounding():
    potential, r = LennardJones(epsilon=1.0, sigma=3.4), jnp.array([3.0, 3.4, 3.8, 12.0])
    prediction = DimerEnergy().predict(potential, {"separation": r})
    attraction = (3.4 / np.asarray(r, np.longdouble)) ** 6
    exact = 4 * attraction * (attraction - 1)
    error = np.sqrt(prediction.covariance.variance)
    assert np.all(np.abs(np.asarray(np.asarray(prediction.mean, np.longdouble) - exact, float)) <= error)
    assert np.all((error > 0) & (error < 1e-12))


@pytest.mark.parametrize("name", NOBLE)
def test_wells_of_the_noble_gases(name):
    potential, depth, distance, depth_digits, distance_digits = NOBLE[name]
    np.testing.assert_allclose(WellDepth().predict(potential, {}).mean / GAS_CONSTANT, depth, atol=1.1 * depth_digits)
    np.testing.assert_allclose(WellDistance().predict(potential, {}).mean, distance, atol=1.1 * distance_digits)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 10.0), st.floats(1.5, 6.0), st.floats(8.0, 40.0), st.floats(3.5, 7.5))
def test_mie_wells_are_exact_within_the_reported_error(epsilon, sigma, repulsive, attractive):
    potential = Mie(epsilon, sigma, repulsive, attractive)
    depth, distance = WellDepth().predict(potential, {}), WellDistance().predict(potential, {})
    exact = sigma * (repulsive / attractive) ** (1 / (repulsive - attractive))
    assert abs(float(depth.mean[0]) - epsilon) <= 3 * np.sqrt(float(depth.covariance.variance[0]))
    assert abs(float(distance.mean[0]) - exact) <= 3 * np.sqrt(float(distance.covariance.variance[0]))


@pytest.mark.slow
def test_implicit_derivatives_to_second_order():
    def well(parameters):
        depth, distance, _ = DimerWell.locate(Mie(*parameters))
        return jnp.stack([depth, distance])

    def closed(parameters):
        epsilon, sigma, n, m = parameters
        return jnp.stack([epsilon, sigma * (n / m) ** (1 / (n - m))])

    at = jnp.array([1.1, 3.4, 14.0, 6.5])
    np.testing.assert_allclose(jax.jit(jax.jacfwd(well))(at), jax.jacfwd(closed)(at), atol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.jacrev(well))(at), jax.jacfwd(closed)(at), atol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.hessian(well))(at), jax.hessian(closed)(at), atol=1e-10)


def test_one_datum_whatever_the_state_and_in_batches():
    assert quantities.get("well_depth").states == ()
    morse = Morse(well_depth=1.0, distance=3.8, steepness=1.7)
    assert WellDepth().predict(morse, {}).mean.shape == (1,)
    assert WellDistance().predict(morse, {"temperature": jnp.array([100.0, 200.0])}).mean.shape == (1,)
    distances = jax.jit(jax.vmap(lambda r: WellDistance().predict(Morse(1.0, r, 1.7), {}).mean))(jnp.array([3.5, 3.8]))
    np.testing.assert_allclose(distances, [[3.5], [3.8]], rtol=1e-13)


def test_no_well_is_an_error_for_numbers():
    with pytest.raises(NumericalError, match=r"Repulsion has no smooth minimum below zero .* use a potential with a well"):
        WellDepth().predict(Repulsion(epsilon=1.0), {})
    with pytest.raises(NumericalError, match="SquareWell has no smooth minimum"):
        WellDistance().predict(SquareWell(epsilon=1.0, sigma=3.0, width=1.5), {})


def test_no_well_is_finite_and_far_away_under_tracing():
    def both(epsilon):
        potential = Repulsion(epsilon=epsilon)
        depth, distance = WellDepth().predict(potential, {}), WellDistance().predict(potential, {})
        return depth.mean[0], distance.mean[0], depth.covariance.variance[0], distance.covariance.variance[0]

    depth, distance, depth_variance, distance_variance = jax.jit(both)(1.0)
    assert depth == 0.0
    assert depth_variance > 0
    assert distance == pytest.approx(60.0)
    assert np.sqrt(distance_variance) == pytest.approx(60.0 * (1 - (0.9 / 20) ** (1 / 255)), rel=1e-9)
    gradients = jax.jit(jax.jacrev(both))(1.0)
    assert all(np.isfinite(gradient) for gradient in gradients)
