"""Conformers against closed forms, adaptive quadrature and published populations."""

import jax
import numpy as np
import pytest
from scipy.integrate import quad

import bayesff.observables as bo
import bayesff.potentials as bp
from bayesff.errors import ParameterError, StateError
from bayesff.units import GAS_CONSTANT

KCAL = 4.184
OPLS = bp.OPLSTorsion(1.522 * KCAL, -0.315 * KCAL, 3.207 * KCAL)
SKEWED = bp.FourierTorsion([1.0, -2.0, 0.3, 4.0], [0.0, 0.7, 0.0, -0.2])
STATE = {"temperature": np.array([150.0, 298.15, 1000.0])}


def by_quadrature(torsion, basin, temperature):
    """Partition function and mean energy of a conformer."""

    def energy(phi):
        a, b = (np.asarray(part) for part in torsion.fourier())
        n = np.arange(len(a))
        return float(a @ np.cos(n * phi) + b @ np.sin(n * phi))

    first, last = np.deg2rad(basin)
    kt = GAS_CONSTANT * temperature
    whole = quad(lambda phi: np.exp(-energy(phi) / kt), first, last, epsabs=0, epsrel=1e-11)[0]
    return whole, quad(lambda phi: energy(phi) * np.exp(-energy(phi) / kt), first, last, epsabs=0, epsrel=1e-11)[0] / whole


@pytest.mark.parametrize("torsion", [OPLS, SKEWED], ids=["opls", "skewed"])
@pytest.mark.parametrize("basin", [bo.GAUCHE_PLUS, bo.GAUCHE_MINUS, (-60.0, 60.0)])
def test_populations_free_energies_and_enthalpies(torsion, basin):
    found = {
        kind: kind(basin).predict(torsion, STATE)
        for kind in (bo.ConformerPopulation, bo.ConformerFreeEnergy, bo.ConformerEnthalpy)
    }
    for row, temperature in enumerate(STATE["temperature"]):
        (inside, mean), (trans, base) = (by_quadrature(torsion, one, temperature) for one in (basin, bo.TRANS))
        whole, _ = by_quadrature(torsion, (0.0, 360.0), temperature)
        wanted = (inside / whole, -GAS_CONSTANT * temperature * np.log(inside / trans), mean - base)
        for prediction, value in zip(found.values(), wanted, strict=True):
            error = float(np.sqrt(prediction.covariance.diagonal[row]))
            assert error < 1e-7 * max(abs(value), 1.0)
            assert float(prediction.mean[row]) == pytest.approx(value, abs=error + 1e-9)


def test_the_conformers_of_a_symmetric_torsion_share_the_turn():
    shares = [bo.ConformerPopulation(basin).predict(OPLS, STATE).mean for basin in (bo.TRANS, bo.GAUCHE_PLUS, bo.GAUCHE_MINUS)]
    np.testing.assert_allclose(sum(shares), 1.0, atol=1e-12)
    np.testing.assert_allclose(shares[1], shares[2], atol=1e-12)
    np.testing.assert_array_equal(bo.ConformerPopulation((0.0, 360.0)).predict(OPLS, STATE).mean, 1.0)
    against_all = bo.ConformerFreeEnergy(bo.TRANS, (0.0, 360.0)).predict(OPLS, STATE).mean
    np.testing.assert_allclose(against_all, -GAS_CONSTANT * STATE["temperature"] * np.log(shares[0]), atol=1e-10)


def test_without_a_potential_the_widths_decide():
    free = bp.OPLSTorsion(0.0, 0.0, 0.0)
    np.testing.assert_allclose(bo.ConformerPopulation((-45.0, 45.0)).predict(free, STATE).mean, 0.25, atol=1e-14)
    np.testing.assert_allclose(bo.ConformerEnthalpy(bo.GAUCHE_PLUS).predict(free, STATE).mean, 0.0, atol=1e-14)


def test_the_enthalpy_is_the_slope_of_the_free_energy():
    def reduced(beta):
        return (
            bo.ConformerFreeEnergy(bo.GAUCHE_PLUS).evaluate(OPLS, {"temperature": 1 / (GAS_CONSTANT * beta[None])})[0][0] * beta
        )

    for temperature in STATE["temperature"]:
        slope = jax.grad(reduced)(jax.numpy.asarray(1 / (GAS_CONSTANT * temperature)))
        enthalpy = bo.ConformerEnthalpy(bo.GAUCHE_PLUS).predict(OPLS, {"temperature": np.array([temperature])}).mean[0]
        assert float(enthalpy) == pytest.approx(float(slope), rel=1e-9)


def test_derivatives_in_the_coefficients():
    """That of the free energy is the difference of the mean derivatives of the energy."""
    for kind in (bo.ConformerPopulation, bo.ConformerFreeEnergy, bo.ConformerEnthalpy):

        def value(v1, kind=kind):
            return kind(bo.GAUCHE_PLUS).evaluate(bp.OPLSTorsion(v1, OPLS.v2, OPLS.v3), {"temperature": jax.numpy.array([250.0])})[
                0
            ][0]

        step = 1e-4
        difference = (value(OPLS.v1 + step) - value(OPLS.v1 - step)) / (2 * step)
        assert float(jax.grad(value)(OPLS.v1)) == pytest.approx(float(difference), rel=1e-6)
        assert float(jax.jacfwd(value)(OPLS.v1)) == pytest.approx(float(difference), rel=1e-6)


def test_the_energy_is_taken_from_a_reference():
    state = {"torsion_angle": np.array([0.0, 63.8, 180.0])}
    np.testing.assert_allclose(bo.TorsionEnergy().predict(OPLS, state).mean / KCAL, [4.729, 0.875, 0.0], atol=1e-3)
    shifted = bo.TorsionEnergy(reference=0.0).predict(OPLS, state)
    np.testing.assert_allclose(shifted.mean / KCAL, [0.0, 0.875 - 4.729, -4.729], atol=1.1e-3)
    assert float(shifted.covariance.diagonal.max()) < 1e-24


@pytest.mark.parametrize("basin", [(240.0, 120.0), (0.0, 361.0), (60.0, 60.0)])
def test_a_conformer_is_a_range(basin):
    with pytest.raises(ParameterError, match="from one angle to a larger one, by 360 degrees at most, found"):
        bo.ConformerPopulation(basin)
    with pytest.raises(ParameterError, match="ConformerEnthalpy"):
        bo.ConformerEnthalpy(bo.TRANS, basin)


def test_the_state_is_checked():
    with pytest.raises(StateError, match="temperature must be finite and greater than zero"):
        bo.ConformerEnthalpy(bo.TRANS).predict(OPLS, {"temperature": np.array([-1.0])})
    with pytest.raises(StateError, match="no column 'torsion_angle'"):
        bo.TorsionEnergy().predict(OPLS, {"temperature": np.array([1.0])})
