"""The third virial coefficient: hard sphere, square well, Lennard-Jones and argon; the Axilrod-Teller energy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from bayesff import potentials as bp
from bayesff.errors import ParameterError
from bayesff.observables import ThirdVirial
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

SIGMA, KELVIN = 3.0, 100.0
B0 = 2 * np.pi * SIGMA**3 / 3 * CUBIC_ANGSTROM_PER_MOLE
LENNARD_JONES = bp.LennardJones(KELVIN * GAS_CONSTANT, SIGMA)
ARGON_C9 = bp.AxilrodTeller.from_atomic_units(518.3)


PAIRS_ONLY = ThirdVirial()


@eqx.filter_jit
def predict(potential, temperature, observable=PAIRS_ONLY):
    prediction = observable.predict(potential, {"temperature": temperature})
    return prediction.mean, jnp.sqrt(prediction.covariance.variance)


def test_hard_sphere_is_five_eighths():
    mean, error = predict(bp.HardSphere(SIGMA), jnp.array([50.0, 300.0]))
    np.testing.assert_allclose(mean / B0**2, 0.625, atol=1e-6)
    assert np.all(np.abs(mean / B0**2 - 0.625) <= error / B0**2)
    assert np.all(error / B0**2 < 1e-5)


@pytest.mark.parametrize("width", [1.25, 1.5, 2.0])
def test_square_well_against_its_closed_form(width):
    """T. Kihara, Rev. Mod. Phys. 25, 831 (1953), doi:10.1103/RevModPhys.25.831, for a width of two diameters at most."""
    reduced = np.array([0.8, 1.0, 2.0, 10.0])
    mean, error = predict(bp.SquareWell(KELVIN * GAS_CONSTANT, SIGMA, width), jnp.asarray(KELVIN * reduced))
    x, l2, l3, l4, l6 = np.expm1(1 / reduced), width**2, width**3, width**4, width**6
    exact = (
        5
        - (l6 - 18 * l4 + 32 * l3 - 15) * x
        - (2 * l6 - 36 * l4 + 32 * l3 + 18 * l2 - 16) * x**2
        - (6 * l6 - 18 * l4 + 18 * l2 - 6) * x**3
    ) / 8
    assert np.all(np.abs(mean / B0**2 - exact) <= error / B0**2)
    np.testing.assert_allclose(mean / B0**2, exact, rtol=5e-5, atol=3e-5)
    assert np.all(error / B0**2 < 1e-3 * (np.abs(exact) + 1))


def test_lennard_jones_reference_values():
    """Tabulated B3/b0^2 (J. O. Hirschfelder, C. F. Curtiss, R. B. Bird 1954, recomputed to six digits)."""
    reduced = np.array([0.5, 0.7, 1.0, 1.2, 2.0, 5.0, 10.0, 100.0])
    exact = np.array([-40.164042, -3.37673, 0.42968, 0.592426, 0.437069, 0.315057, 0.286068, 0.142535])
    mean, error = predict(LENNARD_JONES, jnp.asarray(KELVIN * reduced))
    np.testing.assert_allclose(mean / B0**2, exact, rtol=5e-5, atol=1e-6)
    assert np.all(np.abs(mean / B0**2 - exact) <= error / B0**2 + 5e-7)
    assert np.all(error / B0**2 < 2e-3 * np.abs(exact))


def test_argon_pair_and_triple_dipole():
    """Ab initio pair potential, C9 of 518.3 atomic units; printed to 0.1 cm^6/mol^2.

    The printed three-body part was cut off at some 20 angstrom and is 0.3 to 0.5 per cent low; an independent integration over
    two distances and an angle to 200 angstrom gives 184.2 at 300 K.
    """
    temperature = jnp.array([170.0, 200.0, 300.0, 500.0, 700.0])
    pair, pair_error = predict(bp.TangToennies.argon(), temperature)
    total, total_error = predict(bp.TangToennies.argon(), temperature, ThirdVirial(ARGON_C9))
    np.testing.assert_allclose(pair, [1358.5, 1196.6, 862.7, 715.8, 681.8], atol=0.06)
    np.testing.assert_allclose(total, [1871.4, 1563.3, 1046.1, 808.1, 744.5], rtol=1e-3)
    assert float(total[2] - pair[2]) == pytest.approx(184.2055, abs=1e-3)
    assert np.all(pair_error < 1e-3 * pair)
    assert np.all(total_error < 2e-3 * total)


def test_three_body_part_is_linear_in_a_weak_term():
    temperature = jnp.array([150.0, 400.0])
    pair, _ = predict(LENNARD_JONES, temperature)
    weak = [predict(LENNARD_JONES, temperature, ThirdVirial(bp.AxilrodTeller(c9)))[0] - pair for c9 in (1.0, 2.0)]
    np.testing.assert_allclose(weak[1], 2 * weak[0], rtol=1e-3)
    none, _ = predict(LENNARD_JONES, temperature, ThirdVirial(bp.AxilrodTeller(0.0)))
    np.testing.assert_allclose(none, pair, rtol=1e-14)


def test_scaling_with_length_and_energy():
    reduced = jnp.array([0.8, 2.0])
    small, _ = predict(
        bp.LennardJones(0.3, 2.2), reduced * 0.3 / GAS_CONSTANT, ThirdVirial(bp.AxilrodTeller(0.07 * 0.3 * 2.2**9))
    )
    large, _ = predict(
        bp.LennardJones(1.7, 4.4), reduced * 1.7 / GAS_CONSTANT, ThirdVirial(bp.AxilrodTeller(0.07 * 1.7 * 4.4**9))
    )
    np.testing.assert_allclose(large, 2.0**6 * small, rtol=1e-11)


@pytest.mark.parametrize("potential", [bp.Mie(1.0, 3.4, 14.0, 6.0), bp.SquareWell(1.0, 3.0, 1.6)], ids=["mie", "square_well"])
def test_derivatives(potential):
    temperature = jnp.array([120.0, 400.0])
    vector, rebuild = ravel_pytree((potential, ARGON_C9))

    @jax.jit
    def smooth(change):
        pair, triple = rebuild(vector * (1 + change))
        return predict(pair, temperature, ThirdVirial(triple))[0] / 1000

    at = jnp.zeros_like(vector)
    forward, reverse = jax.jit(lambda x: (jax.jacfwd(smooth)(x), jax.jacrev(smooth)(x)))(at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-9)
    direction, step = jnp.linspace(1.0, 0.5, at.size), 1e-4
    difference = (smooth(step * direction) - smooth(-step * direction)) / (2 * step)
    np.testing.assert_allclose(forward @ direction, difference, rtol=2e-5, atol=1e-6)
    batch = jax.vmap(smooth)(jnp.stack([at, at + 0.01]))
    np.testing.assert_allclose(batch[1], smooth(at + 0.01), rtol=1e-11)


# --- Axilrod-Teller ---------------------------------------------------------------------------------------------------


def test_energy_of_known_triangles():
    triple = bp.AxilrodTeller(5.0)
    assert float(triple.triplet_energy(2.0, 2.0, 2.0)) == pytest.approx(5.0 * (1 + 3 / 8) / 2.0**9)
    assert float(triple.triplet_energy(2.0, 3.0, 5.0)) == pytest.approx(5.0 * -2 / 30.0**3)  # in a row
    assert float(triple.triplet_energy(3.0, 4.0, 5.0)) == pytest.approx(5.0 / 60.0**3)  # right angle
    sides = [triple.triplet_energy(*order) for order in [(3.0, 3.5, 4.5), (4.5, 3.0, 3.5), (3.5, 4.5, 3.0)]]
    np.testing.assert_allclose(sides, sides[0], rtol=1e-14)


def test_atomic_units_of_argon():
    """518.3 hartree bohr^9 is 73.5e-84 erg cm^9, 532561 K angstrom^9."""
    assert float(ARGON_C9.c9 / GAS_CONSTANT) == pytest.approx(532561, rel=2e-6)
    assert bp.AxilrodTeller.parameter_units() == {"c9": "kJ/mol*angstrom^9"}


def test_strength_must_be_finite():
    with pytest.raises(ParameterError, match="AxilrodTeller: c9 must be finite"):
        bp.AxilrodTeller(float("inf"))
