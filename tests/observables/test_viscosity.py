"""The viscosity of the dilute gas."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesff.errors import ParameterError, StateError
from bayesff.observables import DiluteViscosity
from bayesff.potentials import LennardJones, TangToennies
from bayesff.units import GAS_CONSTANT

# T [K], viscosity [uPa s] of the ab initio potentials of argon (Vogel et al. 2010, doi:10.1080/00268976.2010.507557) and neon
# (Bich et al. 2008, doi:10.1080/00268970801964207), by an independent quadrature over impact parameters to 0.02 %.
ARGON = ((120.0, 9.71), (200.0, 15.8552), (298.15, 22.5514), (400.0, 28.6094), (600.0, 38.7693))
NEON = ((120.0, 16.5122), (200.0, 24.0532), (298.15, 31.6789), (500.0, 44.7948), (1000.0, 71.1126))
TEMPERATURE = jnp.array([100.0, 150.0, 200.0, 400.0, 1000.0])


@eqx.filter_jit
def _predict(observable, potential, temperature):
    prediction = observable.predict(potential, {"temperature": temperature})
    return prediction.mean, jnp.sqrt(prediction.covariance.variance)


@pytest.mark.parametrize(
    ("potential", "molar_mass", "table"),
    [(TangToennies.argon(), 39.948, ARGON), (TangToennies.neon(), 20.1797, NEON)],
    ids=["argon", "neon"],
)
def test_noble_gases(potential, molar_mass, table):
    temperature, expected = np.array(table).T
    mean, error = _predict(DiluteViscosity(molar_mass=molar_mass), potential, jnp.asarray(temperature))
    np.testing.assert_allclose(mean, expected, rtol=2e-4)
    assert np.all((error > 0) & (error < 2e-4 * mean))


def test_lennard_jones_against_the_rigid_sphere_formula():
    # eta = 26.6958 sqrt(M T)/(sigma^2 omega), Reid, Prausnitz, Poling (1987) eq. 9-3.9 in uP, to its digits and without f.
    potential = LennardJones(epsilon=GAS_CONSTANT * 100.0, sigma=3.4)
    mean, _ = _predict(DiluteViscosity(molar_mass=40.0), potential, TEMPERATURE)
    mean, factor = mean[jnp.array([0, 2])], np.array([1.000009, 1.00133])
    expected = 2.66958 * np.sqrt(40.0 * np.array([100.0, 200.0])) / (3.4**2 * np.array([1.59317, 1.17579])) * factor
    np.testing.assert_allclose(mean, expected, rtol=2e-5)


def test_the_error_estimate_is_honest():
    temperature = TEMPERATURE
    potential = LennardJones(epsilon=1.0, sigma=3.4)
    best, remaining = _predict(DiluteViscosity(39.948, resolution=48), potential, temperature)
    assert np.all(remaining < 1e-7 * best)
    for resolution in (12, 24):
        mean, error = _predict(DiluteViscosity(39.948, resolution=resolution), potential, temperature)
        assert np.all(np.abs(mean - best) <= error)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 3.0), st.floats(0.5, 2.0), st.floats(1.0, 200.0))
def test_corresponding_states(energy, length, molar_mass):
    """Scale the well with the temperature and the length: the viscosity goes as sqrt(M T)/sigma^2."""
    temperature = TEMPERATURE
    mean, _ = _predict(DiluteViscosity(39.948), LennardJones(epsilon=1.0, sigma=3.4), temperature)
    scaled = LennardJones(epsilon=energy, sigma=3.4 * length)
    other, _ = _predict(DiluteViscosity(molar_mass), scaled, energy * temperature)
    np.testing.assert_allclose(other, mean * np.sqrt(energy * molar_mass / 39.948) / length**2, rtol=1e-9)


def test_gradients_agree_in_both_modes_and_with_the_scaling_law():
    def value(logarithms):
        epsilon, sigma = jnp.exp(logarithms)
        potential = LennardJones(epsilon=epsilon, sigma=sigma)
        return DiluteViscosity(39.948).predict(potential, {"temperature": TEMPERATURE}).mean

    at = jnp.log(jnp.array([1.0, 3.4]))
    mean, forward = jax.jit(lambda x: (value(x), jax.jacfwd(value)(x)))(at)
    np.testing.assert_allclose(jax.jit(jax.jacrev(value))(at), forward, rtol=1e-9)
    np.testing.assert_allclose(forward[:, 1], -2 * mean, rtol=1e-9)
    step = 1e-3
    up, down = (_predict(DiluteViscosity(39.948), LennardJones(jnp.exp(x), 3.4), TEMPERATURE)[0] for x in (step, -step))
    np.testing.assert_allclose(forward[:, 0], (up - down) / (2 * step), rtol=1e-4)


def test_batches_of_parameters():
    epsilon = jnp.array([0.9, 1.0])

    def mean(e):
        return DiluteViscosity(39.948).predict(LennardJones(epsilon=e, sigma=3.4), {"temperature": TEMPERATURE}).mean

    batch = jax.jit(jax.vmap(mean))(epsilon)
    assert batch.shape == (2, 5)
    alone, _ = _predict(DiluteViscosity(39.948), LennardJones(epsilon=1.0, sigma=3.4), TEMPERATURE)
    np.testing.assert_allclose(batch[1], alone, rtol=1e-10)


def test_messages():
    with pytest.raises(ParameterError, match=r"molar_mass must be finite and greater than zero, found -1\.0 g/mol"):
        DiluteViscosity(molar_mass=-1.0)
    with pytest.raises(StateError, match="temperature must be finite and greater than zero"):
        DiluteViscosity(39.948).predict(LennardJones(epsilon=1.0, sigma=3.4), {"temperature": jnp.array([0.0])})
