"""The structure factor of the Mie fluid: simulations that it has not seen, scaling, quantum particles, errors that say so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import bayesff.potentials as bp
from bayesff.ensembles import MieFluid, MieStructure
from bayesff.ensembles.mie_fluid import DIAMETER, ReducedState, simulation
from bayesff.ensembles.mie_structure import (
    WAVE_NUMBERS,
    SimulatedStructure,
    load_structure,
    save_structure,
    structure_factors,
)
from bayesff.errors import DataError, ParameterError, StateError
from bayesff.observables import InternalEnergy, Pressure, ScatteringLiquid, StructureFactor
from bayesff.units import GAS_CONSTANT

from ..long import long  # noqa: TID252

MOLAR_MASS = 39.948
TEMPERATURE, DENSITY = 85.0, 0.02125


@pytest.fixture(scope="module")
def simulated():
    return load_structure()


@pytest.fixture(scope="module")
def structure(simulated):
    return MieStructure.learn(simulated)


def at(wavevector, temperature=TEMPERATURE, density=DENSITY):
    wavevector = np.asarray(wavevector, float)
    return {
        "temperature": np.full(len(wavevector), temperature),
        "density": np.full(len(wavevector), density),
        "wavevector": wavevector,
    }


def reduced(structure, state):
    """Return mean and standard error at all wave numbers of a state in units of depth and diameter."""
    fluid = MieFluid.of(bp.Mie(1.0, 1.0, state[2], 6.0))
    found = structure.structure_factor(fluid, jnp.asarray(state[0]), float(state[1]), WAVE_NUMBERS)
    return np.asarray(found.mean), np.sqrt(np.sum(np.asarray(found.factor) ** 2, axis=1) + np.asarray(found.variance))


def test_simulations_that_were_left_out_lie_where_they_are_expected(simulated):
    dense = simulated.states[:, 1] > 0.55
    states, means, errors = (part[dense] for part in simulated)
    scores, off = [], []
    for fold in range(4):
        left = np.arange(len(states)) % 4 == fold
        learnt = MieStructure.learn(SimulatedStructure(states[~left], means[~left], errors[~left]))
        for state, mean, error in zip(states[left], means[left], errors[left], strict=True):
            expected, doubt = reduced(learnt, state)
            off.append(expected - mean)
            scores.append((expected - mean) / np.hypot(error, doubt))
    # Wave numbers of a simulation err together, and its own errors are a little smaller than those of an amplitude: the widening.
    of_each = np.sqrt(np.mean(np.square(scores), axis=1))
    assert 0.4 < np.sqrt(np.mean(of_each**2)) < 1.0
    assert of_each.max() < 2.5
    assert np.sqrt(np.mean(np.square(off))) < 0.012


@long
def test_a_new_simulation_lies_where_it_is_expected(structure):
    """At a state and with an exponent that nothing was learnt at."""
    state = ReducedState(0.75, 0.81, 12.7)
    mean, error = structure_factors(simulation(state, 77).run(), DIAMETER)
    expected, doubt = reduced(structure, state)
    score = (expected - mean) / np.hypot(error, doubt)
    assert np.sqrt(np.mean(score**2)) < 1.6  # of some twelve independent amplitudes: a false alarm in 1e-4
    assert np.sqrt(np.mean((expected - mean) ** 2)) < 0.02
    assert error.max() > 0.01


def test_only_the_reduced_state_matters(structure):
    small, large = bp.Mie(1.0, 3.4, 13.0, 6.0), bp.Mie(2.0, 4.1, 13.0, 6.0)
    q = np.array([0.5, 1.9, 2.4, 5.0, 7.0])
    first = StructureFactor(ScatteringLiquid(structure, MOLAR_MASS)).predict(small, at(q))
    ratio = 4.1 / 3.4
    there = at(q / ratio, 2 * TEMPERATURE, DENSITY / ratio**3)
    second = StructureFactor(ScatteringLiquid(structure, 4.0)).predict(large, there)
    np.testing.assert_allclose(first.mean, second.mean, rtol=1e-10)
    np.testing.assert_allclose(first.covariance.factor, second.covariance.factor, rtol=1e-8, atol=1e-14)
    lennard_jones = StructureFactor(ScatteringLiquid(structure, MOLAR_MASS)).predict(bp.LennardJones(1.0, 3.4), at(q))
    assert not np.allclose(lennard_jones.mean, first.mean, atol=1e-3)


def test_derivatives_are_those_of_differences(structure):
    observable, q = (
        StructureFactor(ScatteringLiquid(structure, MOLAR_MASS, quantum_order=1)),
        np.array([0.6, 1.83, 2.0, 3.3, 6.1]),
    )

    def mean(parameters):
        return observable.predict(bp.Mie(parameters[0], parameters[1], parameters[2], 6.0), at(q)).mean

    place, step = jnp.array([1.0, 3.4, 13.0]), 1e-5
    slopes = jax.jacfwd(mean)(place)
    for column, one in enumerate(jnp.eye(3)):
        np.testing.assert_allclose(
            slopes[:, column], (mean(place + step * one) - mean(place - step * one)) / (2 * step), rtol=1e-5, atol=1e-7
        )
    np.testing.assert_allclose(jax.jacrev(mean)(place), slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("repulsive", [9.0, 12.0, 18.0])
def test_quantum_particles_are_larger_and_have_a_shallower_well(structure, repulsive):
    """The zero and the lowest energy of the Feynman-Hibbs potential, to first order."""
    mie = bp.Mie(0.996, 3.405, repulsive, 6.0)
    effective = bp.FeynmanHibbs(mie, MOLAR_MASS, TEMPERATURE)
    zero = optimize.brentq(lambda r: float(effective.pair_energy(r)), 3.3, 3.6)
    lowest = optimize.minimize_scalar(lambda r: float(effective.pair_energy(r)), bounds=(3.6, 4.2), method="bounded").fun
    q = np.array([1.5, 1.9, 2.0, 2.3, 4.0])
    quantum, classical = (ScatteringLiquid(structure, MOLAR_MASS, order) for order in (1, 0))
    found = StructureFactor(quantum).predict(mie, at(q)).mean - StructureFactor(classical).predict(mie, at(q)).mean
    changed = StructureFactor(classical).predict(bp.Mie(-lowest, zero, repulsive, 6.0), at(q)).mean
    expected = changed - StructureFactor(classical).predict(mie, at(q)).mean
    np.testing.assert_allclose(found, expected, atol=0.03 * float(np.abs(expected).max()))
    assert float(np.abs(expected).max()) > 0.005


def test_errors_of_two_states_are_one_cause_a_component(structure):
    q = np.array([1.5, 2.0, 2.4])
    state = {name: np.concatenate([at(q)[name], at(q, 100.0, 0.0205)[name]]) for name in at(q)}
    found = StructureFactor(ScatteringLiquid(structure, MOLAR_MASS)).predict(bp.LennardJones(0.996, 3.405), state).covariance
    assert found.factor.shape == (6, structure.num_causes)
    dense = found.factor @ found.factor.T
    assert dense[1, 4] / np.sqrt(dense[1, 1] * dense[4, 4]) > 0.8


def test_short_and_long_waves(structure):
    observable, potential = StructureFactor(ScatteringLiquid(structure, MOLAR_MASS)), bp.LennardJones(0.996, 3.405)
    found = observable.predict(potential, at([12.0]))
    assert float(found.mean[0]) == 1.0
    assert float(found.covariance.variance[0]) == pytest.approx(1e-4)
    with pytest.raises(StateError, match=r"at least 1 over the diameter, here 0\.294 1/angstrom, found 0\.1: leave it out"):
        observable.predict(potential, at([0.1, 2.0]))
    traced = jax.jit(lambda sigma: observable.predict(bp.LennardJones(0.996, sigma), at([0.1])).covariance.variance)
    assert float(traced(3.405)[0]) == pytest.approx(1.0)


@pytest.mark.parametrize(("kind", "said"), [(InternalEnergy, "internal energy"), (Pressure, "pressure")])
def test_what_it_does_not_know_it_says(structure, kind, said):
    state = {name: at([2.0])[name] for name in ("temperature", "density")}
    with pytest.raises(
        StateError, match=f"{said}: it must follow from .*, found its structure factor: give the term a Liquid or"
    ):
        kind(ScatteringLiquid(structure, MOLAR_MASS)).predict(bp.LennardJones(0.996, 3.405), state)


def test_the_table_is_read_as_it_was_written(simulated, tmp_path):
    save_structure(simulated, path := tmp_path / "structure.csv", ("a comment",))
    again = load_structure(path)
    for one, other in zip(simulated, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"must have 317 columns of numbers, .* make it again by data/mie_fluid/simulate\.py"):
        load_structure(path)
    with pytest.raises(ParameterError, match="more than 12 simulations of dense fluids with finite numbers are needed, found 5"):
        MieStructure.learn(SimulatedStructure(*(part[:5] for part in simulated)))


def test_another_form_is_refused(structure):
    with pytest.raises(ParameterError, match="must be Lennard-Jones or Mie, found TangToennies"):
        StructureFactor(ScatteringLiquid(structure, MOLAR_MASS)).predict(bp.TangToennies.argon(), at([2.0]))
    with pytest.raises(ParameterError, match="ScatteringLiquid: quantum_order must be 0 or 1, found 2"):
        ScatteringLiquid(structure, MOLAR_MASS, quantum_order=2)


def test_thermal_energy_and_depth_enter_by_their_ratio(structure):
    mean, _ = reduced(structure, (0.8, 0.8, 12.0))
    potential = bp.LennardJones(TEMPERATURE * GAS_CONSTANT / 0.8, (0.8 / DENSITY) ** (1 / 3))
    q = WAVE_NUMBERS / float(potential.sigma)
    found = StructureFactor(ScatteringLiquid(structure, MOLAR_MASS)).predict(potential, at(q * (1 + 1e-12)))
    np.testing.assert_allclose(found.mean[:-1], mean[:-1], rtol=1e-8)
