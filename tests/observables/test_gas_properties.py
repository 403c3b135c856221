"""Compressibility and Joule-Thomson coefficient against what they are by definition, and their messages."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesff import potentials as bp
from bayesff.errors import ParameterError, StateError
from bayesff.observables import IsothermalCompressibility, JouleThomson, SecondVirial, ThirdVirial
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

ARGON = bp.LennardJones(epsilon=0.996, sigma=3.405)
QUANTUM = SecondVirial(quantum_order=1, molar_mass=39.948)


@eqx.filter_jit
def predict(observable, potential, state):
    prediction = observable.predict(potential, state)
    return prediction.mean, jnp.sqrt(prediction.covariance.variance)


def test_compressibility_is_that_of_the_pressure():
    """kappa_T = 1/(rho dp/drho) with p = rho R T (1 + B2 rho)."""
    temperature, density = jnp.array([200.0, 300.0, 300.0]), jnp.array([1e-4, 2e-4, 1e-3])
    state = {"temperature": temperature, "density": density}
    mean, error = predict(IsothermalCompressibility(QUANTUM), ARGON, state)
    virial, virial_error = predict(QUANTUM, ARGON, {"temperature": temperature})

    def pressure(rho):
        ideal = rho * GAS_CONSTANT * temperature * MPA_PER_INTERNAL_PRESSURE
        return ideal * (1 + virial * rho / CUBIC_ANGSTROM_PER_MOLE)

    slope = jax.jvp(pressure, (density,), (jnp.ones(3),))[1]
    np.testing.assert_allclose(mean, 1 / (density * slope), rtol=1e-12)
    bracket = 1 + 2 * virial * density / CUBIC_ANGSTROM_PER_MOLE
    np.testing.assert_allclose(error, mean * 2 * density / CUBIC_ANGSTROM_PER_MOLE * virial_error / bracket, rtol=1e-9)


def test_ideal_gas_limit():
    """At 273.15 K and 2.6868e-5 / angstrom^3 (Loschmidt's constant at 0.101325 MPa) kappa_T is the inverse of the pressure."""
    state = {"temperature": jnp.array([273.15]), "density": jnp.array([2.686780111e-5])}
    mean, _ = predict(IsothermalCompressibility(), bp.LennardJones(1e-9, 0.1), state)
    assert float(mean[0]) == pytest.approx(1 / 0.101325, rel=1e-6)


def test_beyond_the_spinodal_is_a_state_error_that_names_the_state():
    with pytest.raises(StateError, match=r"at temperature 150 K and density 0.02 1/angstrom\^3.*must be at least 0.01, found -4"):
        IsothermalCompressibility().predict(ARGON, {"temperature": [300.0, 150.0], "density": [1e-4, 0.02]})


def test_beyond_the_spinodal_stays_finite_and_smooth_when_traced():
    density = jnp.linspace(1e-4, 0.02, 400)
    mean, error = predict(IsothermalCompressibility(), ARGON, {"temperature": jnp.full(400, 150.0), "density": density})
    assert np.all(np.isfinite(mean) & (mean > 0) & np.isfinite(error))
    ideal = 1 / (density[-1] * GAS_CONSTANT * 150.0 * MPA_PER_INTERNAL_PRESSURE)
    assert mean[-1] > 1e4 * ideal  # no measurement is near: such a state is rejected

    def at(epsilon):
        state = {"temperature": jnp.array([150.0]), "density": jnp.array([3.5e-3])}
        return predict(IsothermalCompressibility(), bp.LennardJones(epsilon, 3.4), state)[0][0]

    slope = jax.jit(jax.grad(at))
    for epsilon in (0.8, 1.0, 1.5, 4.0):
        difference = (at(epsilon + 1e-6) - at(epsilon - 1e-6)) / 2e-6
        assert float(slope(epsilon)) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.parametrize("second_virial", [SecondVirial(), QUANTUM], ids=["classical", "quantum"])
def test_joule_thomson_by_differences(second_virial):
    temperature = jnp.array([150.0, 300.0, 900.0])
    mean, error = predict(JouleThomson(second_virial), ARGON, {"temperature": temperature})

    def virial(t):
        return predict(second_virial, ARGON, {"temperature": t})[0]

    step = 1e-3 * temperature
    slope = (virial(temperature + step) - virial(temperature - step)) / (2 * step)
    np.testing.assert_allclose(mean, (temperature * slope - virial(temperature)) / (2500 * GAS_CONSTANT), rtol=2e-5)
    assert np.all((error < 1e-4 * np.abs(mean)) & (error > 0))


def test_joule_thomson_of_a_square_well_is_exact():
    """T dB/dT = b0 (l^3 - 1) x e^x with x = 1/T*."""
    epsilon, sigma, width, x = 1.2, 3.1, 1.7, 0.8
    b0 = 2 * np.pi * sigma**3 / 3 * CUBIC_ANGSTROM_PER_MOLE
    state = {"temperature": jnp.array([epsilon / (GAS_CONSTANT * x)])}
    mean, _ = predict(JouleThomson(heat_capacity=29.1), bp.SquareWell(epsilon, sigma, width), state)
    slope_part = b0 * (width**3 - 1) * x * np.exp(x)
    exact = (slope_part - b0 * (1 - (width**3 - 1) * np.expm1(x))) / 29.1
    assert float(mean[0]) == pytest.approx(exact, rel=1e-12)


def test_joule_thomson_changes_sign_at_the_inversion_temperature():
    """Lennard-Jones 12-6: the zero-density inversion temperature is T* = 6.4309, where d(B2/T)/dT is zero."""
    sigma, kelvin = 3.0, 100.0
    mean, _ = predict(
        JouleThomson(), bp.LennardJones(kelvin * GAS_CONSTANT, sigma), {"temperature": kelvin * jnp.array([6.4, 6.46])}
    )
    assert mean[0] > 0 > mean[1]


def test_gradients_are_finite_where_the_core_is_hard():
    def total(potential):
        state = {"temperature": jnp.array([100.0, 300.0])}
        return jnp.sum(predict(JouleThomson(), potential, state)[0])

    slope = jax.jit(jax.grad(total))(bp.SquareWell(1.0, 3.0, 1.5))
    assert all(np.isfinite(leaf) and leaf != 0 for leaf in jax.tree.leaves(slope))


def test_arguments_are_checked():
    with pytest.raises(ParameterError, match=r"heat_capacity must be finite and greater than zero, found -1\.0 J/mol/K"):
        JouleThomson(heat_capacity=-1.0)
    with pytest.raises(ParameterError, match="smallest_bracket must lie between zero and one, found 0"):
        IsothermalCompressibility(smallest_bracket=0.0)
    with pytest.raises(StateError, match="IsothermalCompressibility: the state has no column 'density'"):
        IsothermalCompressibility().predict(ARGON, {"temperature": 300.0})


def test_the_third_virial_adds_its_term_to_the_compressibility():
    argon, state = ARGON, {"temperature": jnp.array([250.0]), "density": jnp.array([2e-3])}
    with_third = IsothermalCompressibility(third_virial=ThirdVirial())
    second = float(SecondVirial().predict(argon, state).mean[0])
    third = float(ThirdVirial().predict(argon, state).mean[0])
    molar = 2e-3 / 6.02214076e23 * 1e24  # mol/cm^3
    expected = 1 / (molar * 8.31446261815324 * 250.0 * (1 + 2 * second * molar + 3 * third * molar**2))
    found = with_third.predict(argon, state)
    assert float(found.mean[0]) == pytest.approx(expected, rel=1e-12)
    assert float(found.covariance.variance[0]) > 0
    thin = {"temperature": jnp.array([250.0]), "density": jnp.array([1e-7])}
    plain = float(IsothermalCompressibility().predict(argon, thin).mean[0])
    assert float(with_third.predict(argon, thin).mean[0]) == pytest.approx(plain, rel=1e-10)
    with pytest.raises(StateError, match=r"series after B3 is beyond its spinodal, 1 \+ 2 B2 density \+ 3 B3 density\^2 must be"):
        with_third.predict(argon, {"temperature": jnp.array([90.0]), "density": jnp.array([3e-3])})
