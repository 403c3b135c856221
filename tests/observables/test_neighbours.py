"""The nearest neighbour of a particle in a dilute gas, against closed forms and an independent quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad, solve_ivp
from scipy.special import gamma, gammaincc

from bayesff.observables import NearestNeighbourDistance
from bayesff.potentials import HardSphere, LennardJones, Mie, SquareWell
from bayesff.units import GAS_CONSTANT

STATES = {"temperature": jnp.array([100.0, 150.0, 300.0, 600.0]), "density": jnp.array([1e-4, 1e-3, 5e-3, 2e-3])}


def predicted(potential, state=None):
    found = NearestNeighbourDistance().predict(potential, STATES if state is None else state)
    return np.asarray(found.mean), np.sqrt(np.asarray(found.covariance.variance))


def incomplete(c, x3):
    """The integral of exp(-c r^3) from x on."""
    return gamma(1 / 3) * gammaincc(1 / 3, c * x3) / (3 * c ** (1 / 3))


@pytest.mark.parametrize("density", [1e-6, 1e-4, 1e-2])
def test_hard_spheres_have_the_closed_form(density):
    c, sigma = 4 * np.pi * density / 3, 3.4
    mean, error = predicted(HardSphere(sigma=sigma), {"temperature": 300.0, "density": density})
    exact = sigma + np.exp(c * sigma**3) * incomplete(c, sigma**3)
    assert mean[0] == pytest.approx(exact, rel=1e-12)
    assert abs(mean[0] - exact) <= error[0] < 1e-8 * exact


def test_square_wells_have_the_closed_form():
    well = SquareWell(epsilon=0.8, sigma=3.0, width=1.6)
    mean, error = predicted(well)
    for place, (temperature, density) in enumerate(zip(*map(np.asarray, STATES.values()), strict=True)):
        c = 4 * np.pi * density / 3
        deep = c * np.exp(0.8 / (GAS_CONSTANT * temperature))
        inside = deep * (4.8**3 - 27.0)
        exact = 3.0 + np.exp(deep * 27.0) * (incomplete(deep, 27.0) - incomplete(deep, 4.8**3))
        exact += np.exp(-inside + c * 4.8**3) * incomplete(c, 4.8**3)
        assert mean[place] == pytest.approx(exact, rel=1e-10)
        assert abs(mean[place] - exact) <= error[place] + 1e-12 * exact


def test_a_smooth_potential_agrees_with_a_differential_equation():
    argon = LennardJones(epsilon=0.996, sigma=3.405)
    mean, error = predicted(argon)
    energy = jax.jit(lambda r: argon.pair_energy(r))
    for place, (temperature, density) in enumerate(zip(*map(np.asarray, STATES.values()), strict=True)):

        def slope(r, y, temperature=temperature, density=density):
            boltzmann = np.exp(-min(float(energy(r)) / (GAS_CONSTANT * temperature), 700.0))
            return [4 * np.pi * density * r**2 * boltzmann, np.exp(-y[0])]

        end = (1e3 + 3 * 40 / (4 * np.pi * density)) ** (1 / 3)
        far = solve_ivp(slope, (0.5, end), [0.0, 0.5], rtol=1e-9, atol=1e-11, max_step=0.2).y[1, -1]
        assert mean[place] == pytest.approx(far, rel=1e-7)
        assert error[place] < 1e-6 * mean[place]


def test_an_ideal_gas_is_the_limit_of_no_well_and_no_core():
    mean, _ = predicted(SquareWell(epsilon=1e-9, sigma=1e-3, width=1.5), {"temperature": 300.0, "density": 1e-3})
    assert mean[0] == pytest.approx(gamma(4 / 3) * (4 * np.pi * 1e-3 / 3) ** (-1 / 3), rel=1e-9)


def test_a_deeper_well_draws_the_neighbour_in():
    shallow, _ = predicted(LennardJones(0.8, 3.4))
    deep, _ = predicted(LennardJones(1.2, 3.4))
    assert np.all(deep < shallow)


@pytest.mark.parametrize("kind", [SquareWell, Mie])
def test_derivatives_are_those_of_the_value_edges_included(kind):
    values = {SquareWell: (0.8, 3.0, 1.6), Mie: (1.0, 3.4, 12.0, 6.0)}[kind]

    def mean(*parameters):
        return NearestNeighbourDistance().predict(kind(*parameters), STATES).mean

    check_grads(mean, values, order=1, modes=("fwd", "rev"), rtol=1e-5)


def test_the_quadrature_of_the_core_is_good_at_any_temperature():
    soft = Mie(epsilon=0.3, sigma=3.4, repulsive=8.0, attractive=6.0)
    mean, error = predicted(soft, {"temperature": jnp.array([50.0, 2000.0]), "density": jnp.array([1e-3, 1e-3])})

    def outer(r, temperature):
        inner = quad(lambda s: s**2 * np.exp(-float(soft.pair_energy(s)) / (GAS_CONSTANT * temperature)), 1.0, r, limit=200)[0]
        return np.exp(-4 * np.pi * 1e-3 * inner)

    exact = 1.0 + quad(outer, 1.0, 25.0, args=(2000.0,), limit=100, epsrel=1e-8)[0]
    assert mean[1] == pytest.approx(exact, rel=1e-6)
    assert np.all(error < 1e-6 * mean)
