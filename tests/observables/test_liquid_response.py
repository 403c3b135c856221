"""Compressibility, heat capacity and chemical potential of a liquid."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesff.ensembles import EquationOfState, IntegralEquation, PercusYevick
from bayesff.errors import StateError
from bayesff.observables import (
    ChemicalPotential,
    HeatCapacity,
    IntegralEquationLiquid,
    InternalEnergy,
    LiquidCompressibility,
    MieLiquid,
    Pressure,
    SecondVirial,
)
from bayesff.potentials import AxilrodTeller, LennardJones, Mie
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

REDUCED = LennardJones(1.0, 1.0)  # kJ/mol, angstrom: temperatures and densities in its units follow
ARGON = Mie(epsilon=1.01, sigma=3.39, repulsive=12.6, attractive=6.0)


@pytest.fixture(scope="module")
def equation():
    return EquationOfState.learn()


@pytest.fixture(scope="module")
def liquid(equation):
    return MieLiquid(equation, 39.948, quantum_order=1, three_body=AxilrodTeller.from_atomic_units(518.3))


def at(temperature, density):
    return {"temperature": np.atleast_1d(temperature), "density": np.atleast_1d(density)}


def spread(prediction):
    return np.sqrt(np.asarray(prediction.covariance.variance))


# T*, rho*, kappa*, Cv/Nk and mu/epsilon beyond the ideal gas: M. Thol et al., J. Phys. Chem. Ref. Data 45, 023101 (2016), by
# teqp 0.23.2.
THOL = [
    (0.70, 0.85, 0.07391, 1.16600, -4.1332),
    (0.85, 0.82, 0.08092, 0.98733, -3.2150),
    (1.00, 0.75, 0.13493, 0.76302, -3.0334),
    (1.20, 0.60, 0.62221, 0.51638, -2.9019),
]


@pytest.mark.parametrize("row", THOL, ids=[f"T*={row[0]:.2f}" for row in THOL])
def test_a_reference_equation_of_state(equation, row):
    temperature, density, *expected = row
    plain, state = MieLiquid(equation, 39.948), at(temperature / GAS_CONSTANT, density)
    units = 1 / MPA_PER_INTERNAL_PRESSURE, 1000 * GAS_CONSTANT, 1.0
    for observable, value, unit in zip((LiquidCompressibility, HeatCapacity, ChemicalPotential), expected, units, strict=True):
        found = observable(plain).predict(REDUCED, state)
        assert abs(float(found.mean[0]) - unit * value) < 3 * spread(found)[0]
        assert spread(found)[0] < 0.03 * abs(unit * value)


def test_they_are_derivatives_of_pressure_and_energy(liquid):
    temperatures, densities, step = np.array([90.0, 120.0]), np.array([0.0208, 0.0175]), 1e-4
    state = at(temperatures, densities)
    up, down = (Pressure(liquid).predict(ARGON, at(temperatures, densities * (1 + sign * step))) for sign in (1, -1))
    slope = (np.asarray(up.mean) - np.asarray(down.mean)) / (2 * step)
    compressibility = LiquidCompressibility(liquid).predict(ARGON, state)
    np.testing.assert_allclose(compressibility.mean, 1 / slope, rtol=1e-5)
    errors = (np.asarray(up.covariance.factor) - np.asarray(down.covariance.factor)) / (2 * step)
    np.testing.assert_allclose(compressibility.covariance.factor, -errors / slope[:, None] ** 2, atol=1e-6 / slope.min())
    up, down = (InternalEnergy(liquid).predict(ARGON, at(temperatures + sign * 0.01, densities)) for sign in (1, -1))
    slope = 1000 * (np.asarray(up.mean) - np.asarray(down.mean)) / 0.02
    capacity = HeatCapacity(liquid).predict(ARGON, state)
    np.testing.assert_allclose(capacity.mean, slope, rtol=1e-5)
    errors = 1000 * (np.asarray(up.covariance.factor) - np.asarray(down.covariance.factor)) / 0.02
    np.testing.assert_allclose(capacity.covariance.factor, errors, atol=1e-5 * slope.max())


def test_chemical_potential_and_pressure_obey_gibbs_and_duhem(liquid):
    """Along an isotherm, d(mu)/d(ln rho) is dp/d(rho), of which the ideal gas has kT."""
    density, step = 0.0200, 1e-4
    up, down = (float(ChemicalPotential(liquid).predict(ARGON, at(100.0, density * (1 + s * step))).mean[0]) for s in (1, -1))
    modulus = 1 / float(LiquidCompressibility(liquid).predict(ARGON, at(100.0, density)).mean[0])
    expected = modulus / (density * MPA_PER_INTERNAL_PRESSURE) - GAS_CONSTANT * 100.0
    assert (up - down) / (2 * step) == pytest.approx(expected, rel=1e-5)


def test_a_dilute_gas(equation):
    """To first order in the density the chemical potential is 2 B2 rho kT; the compressibility is an integral equation's."""
    temperature, density = 1.5 / GAS_CONSTANT, 0.03
    virial = float(SecondVirial().predict(REDUCED, {"temperature": jnp.array([temperature])}).mean[0]) / CUBIC_ANGSTROM_PER_MOLE
    plain, state = MieLiquid(equation, 39.948), at(temperature, density)
    found = ChemicalPotential(plain).predict(REDUCED, state)
    third = 0.05 * abs(2 * virial * density * 1.5)
    assert abs(float(found.mean[0]) - 2 * virial * density * 1.5) < third + 3 * spread(found)[0]
    closure = IntegralEquationLiquid(IntegralEquation(PercusYevick()), 39.948)
    learnt, solved = (LiquidCompressibility(one).predict(REDUCED, state) for one in (plain, closure))
    assert abs(float((learnt.mean - solved.mean)[0])) < 3 * spread(learnt)[0] + 0.01 * float(solved.mean[0])


def test_derivatives_in_the_parameters(liquid):
    state = at(np.array([90.0, 120.0]), np.array([0.0208, 0.0175]))

    def every(parameters):
        potential = Mie(parameters[0], parameters[1], parameters[2], 6.0)
        kinds = (LiquidCompressibility, HeatCapacity, ChemicalPotential)
        return jnp.concatenate([jnp.log(jnp.abs(kind(liquid).predict(potential, state).mean)) for kind in kinds])

    centre = jnp.array([1.01, 3.39, 12.6])
    found = jax.jacrev(every)(centre)
    for index, step in enumerate((1e-4, 1e-5, 1e-3)):
        move = jnp.zeros(3).at[index].set(step)
        np.testing.assert_allclose(found[:, index], (every(centre + move) - every(centre - move)) / (2 * step), rtol=1e-4)


def test_a_fluid_that_would_separate_is_refused(liquid):
    with pytest.raises(StateError, match="must be stable, found a pressure that does not rise with the density at 90 K"):
        LiquidCompressibility(liquid).predict(ARGON, at(90.0, 0.010))
    found = eqx.filter_jit(lambda potential: LiquidCompressibility(liquid).predict(potential, at(90.0, 0.010)))(ARGON)
    assert spread(found)[0] >= float(found.mean[0]) > 0


def test_what_a_liquid_does_not_know_is_said(equation):
    closure = IntegralEquationLiquid(IntegralEquation(PercusYevick()), 39.948)
    for observable, name in ((HeatCapacity, "heat capacity"), (ChemicalPotential, "chemical potential")):
        with pytest.raises(StateError, match=f"{name}: .* found an integral equation: give the term a MieLiquid"):
            observable(closure).predict(ARGON, at(160.0, 0.0196))
