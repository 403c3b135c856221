"""Densities of liquids, and liquid and vapour in equilibrium: against other equations of state, programs and thermodynamics.

One function is compiled for most of it, at three temperatures close to one another: the depth of the well says which state it is.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesff import observables
from bayesff.ensembles import EquationOfState, MieFluid, Virial, VirialGas, saturation
from bayesff.ensembles.polynomials import Normal
from bayesff.errors import StateError
from bayesff.observables import InternalEnergy, Liquid, LiquidDensity, MieLiquid, Pressure
from bayesff.potentials import AxilrodTeller, LennardJones, Mie, PlainCut
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

KINDS = (
    observables.VapourPressure,
    observables.SaturatedLiquidDensity,
    observables.SaturatedVapourDensity,
    observables.EnthalpyOfVaporization,
)
STEP = 0.02
TEMPERATURES = np.array([100.0 - STEP, 100.0, 100.0 + STEP])
SIZE = 3.4


@pytest.fixture(scope="module")
def equation():
    return EquationOfState.learn()


@pytest.fixture(scope="module")
def liquid(equation):
    return MieLiquid(equation, molar_mass=39.948)


def results(liquid, potential):
    known = {}
    return [kind(liquid).predict(potential, {"temperature": TEMPERATURES}, known) for kind in KINDS]


@pytest.fixture(scope="module")
def predicted():
    return eqx.filter_jit(results)


# M. Thol et al., J. Phys. Chem. Ref. Data 45, 023101 (2016), by teqp 0.23.2: temperature, pressure, densities, enthalpy
THOL = (
    (0.70, 1.36687e-3, 0.842651, 1.99194e-3, 6.7559),
    (0.80, 4.63444e-3, 0.799029, 6.08378e-3, 6.4005),
    (0.90, 1.18132e-2, 0.752773, 1.44619e-2, 5.9729),
    (1.00, 2.48852e-2, 0.701821, 2.94520e-2, 5.4327),
    (1.10, 4.59006e-2, 0.642229, 5.47548e-2, 4.7170),
)


def test_lennard_jones_against_a_reference_equation_of_state(liquid, predicted):
    """Pressure and vapour within three errors; density and enthalpy of the liquid within 0.15 and 0.4 %."""
    for temperature, *expected in THOL:
        depth = 100 * GAS_CONSTANT / temperature
        found = predicted(liquid, Mie(depth, SIZE, 12.0, 6.0))
        means, errors = (
            np.array(part) for part in zip(*((one.mean[1], one.covariance.variance[1] ** 0.5) for one in found), strict=True)
        )
        unit = np.array([depth * MPA_PER_INTERNAL_PRESSURE / SIZE**3, SIZE**-3, SIZE**-3, depth])
        off, errors = means / unit - expected, errors / unit
        assert np.all(np.abs(off[[0, 2]]) < 3 * errors[[0, 2]])
        assert np.all(errors[[0, 2]] < 0.035 * np.array(expected)[[0, 2]])
        assert abs(off[1]) < 1.5e-3 * expected[1]
        assert abs(off[3]) < 4e-3 * expected[3]


def test_clausius_and_clapeyron(liquid, predicted):
    """The slope of the vapour pressure is the enthalpy of vaporisation over temperature and change of volume.

    With all that can be added to a pair potential.
    """
    whole = dataclasses.replace(liquid, quantum_order=1, three_body=AxilrodTeller.from_atomic_units(518.3))
    for depth in (0.75, 1.0, 1.15):
        found = predicted(whole, Mie(depth, 3.38, 12.5, 6.0))
        pressure, dense, dilute, enthalpy = (np.asarray(one.mean) for one in found)
        slope = (pressure[2] - pressure[0]) / (2 * STEP)
        volume = (1 / dilute - 1 / dense)[1]
        assert slope == pytest.approx(MPA_PER_INTERNAL_PRESSURE * enthalpy[1] / (100.0 * volume), rel=1e-4)


def test_errors_are_what_the_weights_change(liquid, predicted, equation):
    """Weights moved along the columns of their error, a hundredth of it, move all results as the columns say."""
    argon = Mie(0.98, 3.39, 12.0, 6.0)
    found = predicted(liquid, argon)
    causes = liquid.causes_of_equation()
    assert causes[-1][1] == "fourth virial"
    assert all(one.covariance.factor.shape[1] == len(causes) for one in found)
    for column in (0, 5, 20):
        weights = Normal(equation.weights.mean + 0.01 * equation.weights.factor[:, column], equation.weights.factor)
        moved = predicted(dataclasses.replace(liquid, equation=dataclasses.replace(equation, weights=weights)), argon)
        for before, after in zip(found, moved, strict=True):
            of_column = 0.01 * before.covariance.factor[:, column]
            size = 0.01 * np.sqrt(np.asarray(before.covariance.variance))
            np.testing.assert_allclose(after.mean - before.mean, of_column, atol=0.01 * float(size.max()), rtol=0.02)


def test_derivatives_in_the_potential(liquid, predicted):
    at, shares = jnp.array([0.98, 3.39, 12.3]), (1.0, 100.0, 1e4, 0.3)

    def weighed(parameters, function):
        parts = zip(shares, function(liquid, Mie(*parameters, 6.0)), strict=True)
        return sum(share * jnp.stack([one.mean[1], error(one)[1]]) for share, one in parts)

    slopes = jax.jit(jax.jacrev(lambda parameters: weighed(parameters, results)))(at)
    for index, step in enumerate((1e-4, 1e-4, 1e-3)):
        change = jnp.zeros(3).at[index].set(step)
        numeric = (weighed(at + change, predicted) - weighed(at - change, predicted)) / (2 * step)
        np.testing.assert_allclose(slopes[:, index], numeric, rtol=2e-4)


def error(prediction):
    """Standard errors of a prediction."""
    covariance = prediction.covariance
    return jnp.sqrt(covariance.variance + jnp.sum(covariance.factor**2, axis=1))


def test_errors_of_the_density_have_derivatives_too(equation):
    """Those of a cut potential are large, and a sampler that follows wrong slopes of them takes tiny steps."""
    density = LiquidDensity(MieLiquid(equation, molar_mass=39.948, quantum_order=1, cutoff=8.5))

    def predicted(parameters):
        found = density.predict(LennardJones(*parameters), {"temperature": np.array([110.0]), "pressure": np.array([0.7])})
        return jnp.concatenate([found.mean, error(found)])

    at = jnp.array([1.08, 3.37])
    slopes = jax.jit(jax.jacrev(predicted))(at)
    for index in range(2):
        change = jnp.zeros(2).at[index].set(1e-4)
        numeric = (predicted(at + change) - predicted(at - change)) / 2e-4
        np.testing.assert_allclose(slopes[:, index], numeric, rtol=1e-4)


def test_where_there_is_no_equilibrium(liquid, predicted, equation):
    virials = Virial(*jnp.array([[-350.0], [250.0], [1e-3]])), Virial(*jnp.array([[-2000.0], [0.0], [1.0]]))
    with pytest.raises(StateError, match=r"must be in equilibrium, found no densities for it at 175 K, 1\.48 times the depth"):
        saturation(equation, MieFluid.of(LennardJones(0.98, 3.39)), np.array([175.0]), VirialGas(*virials))
    # Where nothing can be raised the error is as large as the answer, and nothing is NaN.
    for one in predicted(liquid, Mie(0.56, SIZE, 12.0, 6.0)):
        assert np.all(np.isfinite(one.mean))
        assert np.all(np.sqrt(np.asarray(one.covariance.variance)) > 0.3 * np.abs(np.asarray(one.mean)))
    by_simulation = Liquid(lambda one: PlainCut(one, 8.0), molar_mass=39.948, closest=2.4)
    for observable, state in ((observables.VapourPressure, {}), (LiquidDensity, {"pressure": 1.0})):
        with pytest.raises(
            StateError, match="an equation of state, found averages at given densities: give the term a MieLiquid"
        ):
            observable(by_simulation).predict(LennardJones(0.98, 3.39), {"temperature": 100.0} | state)


def test_the_density_at_a_pressure_has_that_pressure(equation):
    temperatures, pressures = np.array([85.0, 100.0, 120.0]), np.array([0.1, 50.0, 3.0])
    liquid = MieLiquid(equation, molar_mass=39.948, quantum_order=1, cutoff=11.0)
    argon = LennardJones(0.98, 3.39)
    found = LiquidDensity(liquid).predict(argon, {"temperature": temperatures, "pressure": pressures})
    back = Pressure(liquid).predict(argon, {"temperature": temperatures, "density": np.asarray(found.mean)})
    np.testing.assert_allclose(back.mean, pressures, atol=1e-6)
    # An error of the density is that of the pressure over the stiffness, of the same causes.
    around = [
        Pressure(liquid).predict(argon, {"temperature": temperatures, "density": np.asarray(found.mean) * (1 + step)}).mean
        for step in (1e-5, -1e-5)
    ]
    stiffness = (around[0] - around[1]) / (2e-5 * found.mean)
    np.testing.assert_allclose(-found.covariance.factor * stiffness[:, None], back.covariance.factor, rtol=1e-5, atol=1e-7)
    assert found.covariance.names == back.covariance.names

    def density(parameters):
        at = {"temperature": temperatures, "pressure": pressures}
        return LiquidDensity(liquid).predict(LennardJones(parameters[0], parameters[1]), at).mean

    at = jnp.array([0.98, 3.39])
    slopes = jax.jit(jax.jacrev(density))(at)
    for index in range(2):
        change = jnp.zeros(2).at[index].set(1e-5)
        numeric = (density(at + change) - density(at - change)) / 2e-5
        np.testing.assert_allclose(slopes[:, index], numeric, rtol=1e-5)


def test_a_cutoff_without_a_tail(equation):
    """What other programs find: the density falls by 0.884/0.951 (LAMMPS) and 0.885/0.951 (Amber), openmm/openmm issue 2593."""
    potential, state = LennardJones(0.8 * 4.184, 4.7), {"temperature": 300.0, "pressure": 0.101325}
    whole, cut = (LiquidDensity(MieLiquid(equation, 72.0, cutoff=cutoff)).predict(potential, state) for cutoff in (None, 12.0))
    ratio = float(cut.mean[0] / whole.mean[0])
    error = float(np.sqrt(cut.covariance.variance[0]) / whole.mean[0])
    assert abs(ratio - 0.884 / 0.951) < error + 0.001 * ratio  # three digits are given
    assert error < 0.004
    # Energy and pressure are less by the tail of a plain cutoff.
    at = {"temperature": np.array([85.0]), "density": np.array([0.021])}
    argon = LennardJones(0.98, 3.39)
    tail = PlainCut(argon, 9.0, tail=True)
    for kind, lost in ((InternalEnergy, tail.tail_energy(0.021)), (Pressure, tail.tail_pressure(0.021))):
        whole, cut = (kind(MieLiquid(equation, 39.948, cutoff=cutoff)).predict(argon, at) for cutoff in (None, 9.0))
        assert float((whole.mean - cut.mean)[0]) == pytest.approx(float(lost), rel=1e-9)
        assert float(cut.covariance.factor[0, -1]) == pytest.approx(-0.03 * float(lost), rel=1e-9)
        assert float(whole.covariance.factor[0, -1]) == 0.0


def test_where_there_is_no_liquid(equation):
    liquid, argon = MieLiquid(equation, molar_mass=39.948), LennardJones(0.98, 3.39)
    with pytest.raises(StateError, match=r"density: there must be a liquid at .* found none at 170 K and 0\.1 MPa, 1\.44 times"):
        LiquidDensity(liquid).predict(argon, {"temperature": np.array([90.0, 170.0]), "pressure": np.array([0.1, 0.1])})
    state = {"temperature": np.array([90.0, 170.0]), "pressure": np.array([0.1, 0.1])}
    found = eqx.filter_jit(lambda depth: LiquidDensity(liquid).predict(LennardJones(depth, 3.39), state))(jnp.asarray(0.98))
    assert np.all(np.isfinite(found.mean))
    errors = np.sqrt(np.asarray(found.covariance.variance)) / np.asarray(found.mean)
    assert errors[0] < 1e-2
    assert errors[1] >= 1.0
