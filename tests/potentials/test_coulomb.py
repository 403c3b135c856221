"""Coulomb energies against closed forms, OpenMM and one another, and what they are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import bayesff.potentials as bp
from bayesff.errors import ParameterError
from bayesff.observables import JouleThomson, PairForce, SecondVirial, ThirdVirial, collision_integral
from bayesff.units import COULOMB_CONSTANT

RADII = np.array([0.5, 2.0, 2.8, 5.0, 9.0, 30.0])
WATER = bp.SigmoidalCoulomb(charge_product=-1.0, bulk=78.4, slope=0.356)
LENNARD_JONES = bp.LennardJones(epsilon=0.996, sigma=3.405)


def energies(potential, radii=RADII):
    return np.asarray(jax.vmap(potential.pair_energy)(jnp.asarray(radii)))


def forces(potential, radii=RADII):
    return np.asarray(PairForce().predict(potential, {"separation": radii}).mean)


def permittivity(r, bulk, slope):
    """The formula once more, in extended precision, and its derivative."""
    x = np.asarray(r, np.longdouble) * slope
    return bulk - (bulk - 1) / 2 * (x**2 + 2 * x + 2) * np.exp(-x), (bulk - 1) / 2 * slope * x**2 * np.exp(-x)


def test_openmm_has_the_same_coulomb_energy_and_force():
    openmm = pytest.importorskip("openmm")
    system, force = openmm.System(), openmm.NonbondedForce()
    for charge in (0.7, -0.4):
        system.addParticle(1.0)
        force.addParticle(charge, 1.0, 0.0)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    ions = bp.Coulomb(charge_product=-0.28)
    for r in RADII:
        context.setPositions([(0, 0, 0), (0, 0, r / 10)])
        state = context.getState(energy=True, forces=True)
        # Its constant has nine digits.
        assert float(ions.pair_energy(r)) == pytest.approx(state.getPotentialEnergy()._value, rel=1e-8)
        assert float(ions.pair_force(r)) == pytest.approx(state.getForces(asNumpy=True)._value[1, 2] / 10, rel=1e-8)


def test_a_uniform_dielectric_divides_by_its_permittivity():
    np.testing.assert_allclose(energies(bp.Coulomb(0.6)), COULOMB_CONSTANT * 0.6 / RADII, rtol=1e-15)
    np.testing.assert_allclose(energies(bp.Coulomb(0.6, permittivity=78.4)), energies(bp.Coulomb(0.6)) / 78.4, rtol=1e-15)
    # Charges scaled by lambda are a dielectric of 1/lambda^2.
    np.testing.assert_allclose(energies(bp.Coulomb(0.6 * 0.75**2)), energies(bp.Coulomb(0.6, 0.75**-2)), rtol=1e-15)


@pytest.mark.parametrize("slope", [0.1, 0.356, 3.0])
def test_a_bulk_of_one_is_a_vacuum_exactly(slope):
    empty, vacuum = bp.SigmoidalCoulomb(-0.9, bulk=1.0, slope=slope), bp.Coulomb(-0.9)
    np.testing.assert_array_equal(energies(empty), energies(vacuum))
    np.testing.assert_array_equal(forces(empty), forces(vacuum))


def test_the_permittivity_rises_from_one_at_contact_to_that_of_the_bulk():
    at = np.asarray(jax.vmap(WATER.permittivity_at)(jnp.linspace(0.0, 60.0, 400)))
    assert at[0] == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(at) > 0)
    assert at[-1] == pytest.approx(78.4, rel=1e-5)
    near = 1e-2
    assert float(WATER.permittivity_at(near)) - 1 == pytest.approx(77.4 * (0.356 * near) ** 3 / 6, rel=5e-3)
    np.testing.assert_allclose(energies(WATER, [1e-3]), energies(bp.Coulomb(-1.0), [1e-3]), rtol=1e-8)
    np.testing.assert_allclose(energies(WATER, [200.0]), energies(bp.Coulomb(-1.0, 78.4), [200.0]), rtol=1e-12)


@pytest.mark.parametrize("bulk", [1.0, 2.0, 78.4])
def test_energy_and_force_follow_the_formula(bulk):
    ions = bp.SigmoidalCoulomb(-0.7, bulk=bulk, slope=0.25)
    value, rise = permittivity(RADII, bulk, 0.25)
    np.testing.assert_allclose(energies(ions), np.asarray(-0.7 * COULOMB_CONSTANT / (value * RADII), float), rtol=1e-13)
    by_hand = -0.7 * COULOMB_CONSTANT / (value * RADII) * (1 / RADII + rise / value)
    np.testing.assert_allclose(forces(ions), np.asarray(by_hand, float), rtol=1e-13)


def test_the_error_of_a_force_is_its_rounding():
    prediction = PairForce().predict(WATER, {"separation": RADII})
    (value, rise), r = permittivity(RADII, 78.4, 0.356), RADII.astype(np.longdouble)
    by_hand = -COULOMB_CONSTANT / (value * r) * (1 / r + rise / value)
    error = np.sqrt(np.asarray(prediction.covariance.variance))
    assert np.all(np.abs(np.asarray(np.asarray(prediction.mean, np.longdouble) - by_hand, float)) <= error)
    assert np.all((error > 0) & (error < 1e-13 * np.abs(prediction.mean)))


@pytest.mark.parametrize(("bulk", "slope"), [(1.0, 0.01), (1.0, 5.0), (2.0, 0.2), (200.0, 0.01), (200.0, 5.0)])
def test_derivatives_are_finite_at_the_corners_of_a_prior(bulk, slope):
    state = {"separation": jnp.array([0.1, 2.0, 12.0, 100.0])}

    @jax.jit
    def force(charge_product, bulk, slope):
        return PairForce().predict(bp.SigmoidalCoulomb(charge_product, bulk, slope), state).mean / COULOMB_CONSTANT

    check_grads(force, (-1.0, bulk * 1.001, slope), order=1, modes=("fwd", "rev"), eps=1e-6, rtol=1e-5, atol=1e-5)
    assert np.all(np.isfinite(jax.jacrev(force, argnums=(0, 1, 2))(-1.0, bulk, slope)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda ions: SecondVirial().predict(ions, {"temperature": 300.0}),
        lambda ions: JouleThomson().predict(ions, {"temperature": 300.0}),
        lambda ions: ThirdVirial().predict(ions, {"temperature": 300.0}),
        lambda ions: collision_integral(ions, jnp.array([300.0]), 2, 2),
        lambda ions: ions.energy_beyond(9.0),
        lambda ions: bp.PlainCut(ions, cutoff=9.0, tail=True).tail_energy(0.02),
        lambda ions: jax.jit(lambda one: SecondVirial().predict(one, {"temperature": 300.0}).mean)(ions),
    ],
    ids=["second virial", "Joule-Thomson", "third virial", "collisions", "beyond", "tail", "traced"],
)
@pytest.mark.parametrize("ions", [WATER, LENNARD_JONES + bp.Coulomb(0.5), 0.5 * bp.Coulomb(1.0)], ids=["alone", "sum", "scaled"])
def test_what_has_no_value_is_refused(ask, ions):
    with pytest.raises(ParameterError, match=r"must fall faster than the inverse cube .* does not, .*: cut it, with ShiftedCut"):
        ask(ions)


def test_what_is_cut_has_a_second_virial():
    cut = bp.ShiftedCut(LENNARD_JONES + bp.Coulomb(0.01), cutoff=9.0)
    assert np.isfinite(SecondVirial().predict(cut, {"temperature": 300.0}).mean[0])


def test_a_bulk_below_one_is_refused():
    with pytest.raises(ParameterError, match=r"SigmoidalCoulomb: bulk must be 1 or more, found 0\.5"):
        bp.SigmoidalCoulomb(1.0, bulk=0.5, slope=0.2)
    with pytest.raises(ParameterError, match=r"Coulomb: permittivity must be greater than zero, found 0\.0"):
        bp.Coulomb(1.0, permittivity=0.0)
