"""Liquid and vapour in equilibrium: against another equation of state, thermodynamics, and what errors change."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesff import observables
from bayesff.ensembles import EquationOfState
from bayesff.ensembles.equation_of_state import Normal
from bayesff.errors import StateError
from bayesff.observables import Liquid, MieLiquid
from bayesff.potentials import AxilrodTeller, LennardJones, Mie, PlainCut
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

KINDS = (
    observables.VapourPressure,
    observables.SaturatedLiquidDensity,
    observables.SaturatedVapourDensity,
    observables.EnthalpyOfVaporization,
)


@pytest.fixture(scope="module")
def equation():
    return EquationOfState.learn()


@pytest.fixture(scope="module")
def liquid(equation):
    return MieLiquid(equation, molar_mass=39.948)


def predicted(liquid, potential, temperatures):
    known = {}
    return [kind(liquid).predict(potential, {"temperature": np.asarray(temperatures)}, known) for kind in KINDS]


# M. Thol et al., J. Phys. Chem. Ref. Data 45, 023101 (2016), by teqp 0.23.2: temperature, pressure, densities, enthalpy
THOL = np.array(
    [
        [0.70, 1.36687e-3, 0.842651, 1.99194e-3, 6.7556],
        [0.80, 4.63444e-3, 0.799029, 6.08378e-3, 6.4003],
        [0.90, 1.18132e-2, 0.752773, 1.44619e-2, 5.9731],
        [1.00, 2.48852e-2, 0.701821, 2.94520e-2, 5.4327],
        [1.10, 4.59006e-2, 0.642229, 5.47548e-2, 4.7172],
    ]
)


def test_lennard_jones_against_a_reference_equation_of_state(liquid):
    """Pressure and vapour within three errors; density and enthalpy of the liquid within what the reference is good for."""
    depth, size = 100 * GAS_CONSTANT, 3.4
    pressure, dense, dilute, enthalpy = predicted(liquid, LennardJones(depth, size), 100 * THOL[:, 0])
    unit = depth * MPA_PER_INTERNAL_PRESSURE / size**3
    for found, expected in ((pressure, THOL[:, 1] * unit), (dilute, THOL[:, 3] / size**3)):
        assert np.all(np.abs(found.mean - expected) < 3 * np.sqrt(found.covariance.variance))
        assert np.all(np.sqrt(found.covariance.variance) < 0.035 * expected)
    np.testing.assert_allclose(dense.mean * size**3, THOL[:, 2], rtol=1.5e-3)
    np.testing.assert_allclose(enthalpy.mean / depth, THOL[:, 4], rtol=4e-3)


@pytest.mark.parametrize("three_body", [None, AxilrodTeller.from_atomic_units(518.3)])
def test_clausius_and_clapeyron(equation, three_body):
    """The slope of the vapour pressure is the enthalpy of vaporisation over temperature and change of volume."""
    liquid = MieLiquid(equation, molar_mass=39.948, quantum_order=1, three_body=three_body)
    middle, step = np.array([90.0, 110.0, 125.0]), 0.02
    around = np.sort(np.concatenate([middle - step, middle, middle + step]))
    pressure, dense, dilute, enthalpy = (np.asarray(one.mean) for one in predicted(liquid, Mie(1.0, 3.38, 12.5, 6.0), around))
    slope = (pressure[2::3] - pressure[::3]) / (2 * step)
    volume = (1 / dilute - 1 / dense)[1::3]
    np.testing.assert_allclose(slope, MPA_PER_INTERNAL_PRESSURE * enthalpy[1::3] / (middle * volume), rtol=1e-4)


def test_errors_are_what_the_weights_change(liquid, equation):
    """Weights moved along the columns of their error, a hundredth of it, move all results as the columns say."""
    argon, temperatures = LennardJones(0.98, 3.39), np.array([85.0, 110.0])
    found = predicted(liquid, argon, temperatures)
    assert len({one.covariance.names for one in found}) == 1
    assert found[0].covariance.names[-1][1] == "fourth virial"
    for column in (0, 5, 20):
        weights = Normal(equation.weights.mean + 0.01 * equation.weights.factor[:, column], equation.weights.factor)
        moved = predicted(MieLiquid(dataclasses.replace(equation, weights=weights), 39.948), argon, temperatures)
        for before, after in zip(found, moved, strict=True):
            of_column = 0.01 * before.covariance.factor[:, column]
            size = 0.01 * np.sqrt(np.asarray(before.covariance.variance))
            np.testing.assert_allclose(after.mean - before.mean, of_column, atol=0.01 * float(size.max()), rtol=0.02)


def test_derivatives_in_the_potential(liquid):
    temperatures = np.array([90.0, 120.0])
    at = jnp.array([0.98, 3.39, 12.3])

    def results(parameters):
        potential = Mie(*parameters, 6.0)
        return jnp.stack([one.mean for one in predicted(liquid, potential, temperatures)])

    slopes = jax.jit(jax.jacrev(results))(at)
    compiled = jax.jit(results)
    for index, step in enumerate((1e-4, 1e-4, 1e-3)):
        change = jnp.zeros(3).at[index].set(step)
        numeric = (compiled(at + change) - compiled(at - change)) / (2 * step)
        np.testing.assert_allclose(slopes[:, :, index], numeric, rtol=2e-4, atol=1e-9)  # the enthalpy knows no diameter


def test_where_there_is_no_equilibrium(liquid):
    argon = LennardJones(0.98, 3.39)
    with pytest.raises(StateError, match=r"must be in equilibrium, found no densities for it at 175 K, 1\.48 times the depth"):
        predicted(liquid, argon, [100.0, 175.0])
    # Where nothing can be raised the error is as large as the answer, and nothing is NaN.
    shape = eqx.filter_jit(lambda depth: predicted(liquid, LennardJones(depth, 3.39), [100.0, 175.0]))(jnp.asarray(0.98))
    for one in shape:
        assert np.all(np.isfinite(one.mean))
        errors = np.sqrt(np.asarray(one.covariance.variance)) / np.abs(np.asarray(one.mean))
        assert errors[0] < 0.05
        assert errors[1] > 0.3
    by_simulation = Liquid(lambda one: PlainCut(one, 8.0), molar_mass=39.948, closest=2.4)
    with pytest.raises(StateError, match="need an equation of state, found reference simulations"):
        observables.VapourPressure(by_simulation).predict(argon, {"temperature": 100.0})
