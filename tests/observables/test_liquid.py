"""Observables of a liquid, on reference simulations of argon-like spheres at 110 K."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bayesff.potentials as bp
from bayesff.ensembles import IntegralEquation, PercusYevick, finite_number, pair_distances
from bayesff.errors import InsufficientSamplesError, ParameterError, StateError
from bayesff.observables import (
    IntegralEquationLiquid,
    InternalEnergy,
    Liquid,
    PairDistribution,
    Pressure,
    SecondVirial,
    StructureFactor,
)
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

DENSITY, TEMPERATURE = 0.0190, 110.0
CUT = functools.partial(bp.PlainCut, cutoff=8.0, tail=True)
STATE = {"temperature": jnp.array([TEMPERATURE]), "density": jnp.array([DENSITY])}


def argon(epsilon=0.98, sigma=3.41):
    return bp.LennardJones(epsilon=epsilon, sigma=sigma)


@pytest.fixture(scope="module")
def simulated():
    empty = Liquid(CUT, molar_mass=39.948, closest=2.4, num_particles=108, num_frames=150, smallest_sample=30.0)
    return empty.simulation(argon(), TEMPERATURE, DENSITY, seed=1)


@pytest.fixture(scope="module")
def liquid(simulated):
    empty = Liquid(CUT, molar_mass=39.948, closest=2.4, num_particles=108, num_frames=150, smallest_sample=30.0)
    return empty.with_ensembles([simulated.run()])


def curve(separation):
    return {"separation": jnp.asarray(separation)} | {n: jnp.full(len(separation), float(v[0])) for n, v in STATE.items()}


def waves(wavevector):
    return {"wavevector": jnp.asarray(wavevector)} | {n: jnp.full(len(wavevector), float(v[0])) for n, v in STATE.items()}


def test_energy_and_pressure_are_those_of_an_infinite_number_of_particles(liquid):
    (references,) = liquid.references
    box = references.averages(CUT(argon()), TEMPERATURE, liquid.smallest_sample)
    found = liquid.averages(argon(), TEMPERATURE, DENSITY)
    added = finite_number(references, TEMPERATURE)
    assert -2.0 < added.pressure < -0.5  # MPa; the box has 108 particles
    for corrected, plain, size in (
        (found.energy(), box.energy(), added.energy),
        (found.pressure(), box.pressure(), added.pressure),
    ):
        assert float((corrected.mean - plain.mean)[0]) == pytest.approx(-size, rel=1e-6)
        assert float(corrected.factor[0, -1]) == pytest.approx(added.doubt * size)
        np.testing.assert_allclose(corrected.factor[:, :-1], plain.factor)


def test_beyond_the_equation_of_state_a_finite_number_is_all_doubt(liquid):
    outside = dataclasses.replace(liquid.references[0], density=1.2 / 3.41**3)
    assert (finite_number(outside, TEMPERATURE).doubt, finite_number(liquid.references[0], TEMPERATURE).doubt) == (1.0, 0.25)


def test_energy_and_pressure_follow_from_the_pair_distribution(liquid):
    """The energy and virial equations of the box, as integrals over its g(r)."""
    box = liquid.references[0].averages(CUT(argon()), TEMPERATURE)
    r = np.linspace(2.45, 7.9999, 1200)
    g = np.asarray(PairDistribution(liquid).predict(argon(), curve(r)).mean)
    potential = CUT(argon())
    u, force = (np.asarray(jax.vmap(f)(jnp.asarray(r))) for f in (argon().pair_energy, argon().pair_force))
    energy = 2 * np.pi * DENSITY * np.trapezoid(r**2 * g * u, r) + float(potential.tail_energy(DENSITY))
    assert float(box.energy().mean[0]) == pytest.approx(energy, rel=1e-3)
    virial = 2 * np.pi / 3 * DENSITY**2 * np.trapezoid(r**3 * g * force, r)
    pressure = (DENSITY * GAS_CONSTANT * TEMPERATURE + virial) * MPA_PER_INTERNAL_PRESSURE + float(
        potential.tail_pressure(DENSITY)
    )
    assert float(box.pressure().mean[0]) == pytest.approx(pressure, abs=0.3)


def test_the_pair_distribution_is_that_of_the_frames(simulated, liquid):
    """Against a histogram of distances in the same frames; narrow bins away from the steep rise."""
    start = simulated.fluid.lattice(jax.random.key(5), 4)
    grid = simulated.grid
    frames = []
    for step in range(40):
        made = simulated.fluid.simulate(start, jax.random.key(step), 1, 40, grid)
        start = made.last
        frames += [start.positions] if step >= 10 else []
    distances = np.concatenate([np.asarray(pair_distances(one, simulated.fluid.length)) for many in frames for one in many])
    edges = np.arange(3.0, 8.6, 0.2)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    histogram = np.histogram(distances, edges)[0] / (len(frames) * 4) / (0.5 * 108 * DENSITY * shells)
    fine = np.linspace(3.0, 8.6, 28 * 20 + 1)
    g = np.asarray(PairDistribution(liquid).predict(argon(), curve(fine)).mean)
    averaged = np.array(
        [
            np.average(0.5 * (g[i : i + 20] + g[i + 1 : i + 21]), weights=fine[i : i + 20] ** 2)
            for i in range(0, 20 * (len(edges) - 1), 20)
        ]
    )
    np.testing.assert_allclose(averaged, histogram, atol=0.06)
    assert np.max(averaged) == pytest.approx(2.6, abs=0.2)


def test_the_structure_factor_is_that_of_the_wave_vectors_of_the_box(simulated, liquid):
    """Against the Fourier transform of the particles' positions, which knows nothing of pairs."""
    ensemble = Liquid.simulation(liquid, argon(), TEMPERATURE, DENSITY, seed=2)
    fluid, length, grid = ensemble.fluid, ensemble.fluid.length, ensemble.grid
    start = fluid.simulate(fluid.lattice(jax.random.key(6), 4), jax.random.key(7), 20, 50, grid).last
    number = np.array([n for n in np.ndindex(15, 15, 8) if n[2] > 0 or (n[1] > 7)]) - [7, 7, 0]
    squares = np.sum(number**2, axis=1)
    number, squares = number[(squares > 0) & (squares <= 49)], squares[(squares > 0) & (squares <= 49)]
    frames = []
    for step in range(60):
        start = fluid.simulate(start, jax.random.key(100 + step), 1, 60, grid).last
        phases = np.exp(2j * np.pi / length * np.einsum("bpx,nx->bpn", np.asarray(start.positions, float), number))
        frames.append(np.abs(phases.sum(axis=1)) ** 2 / fluid.num_particles)
    shells = np.unique(squares)
    direct = np.stack([np.stack(frames)[..., squares == shell].mean(axis=-1) for shell in shells], axis=-1).reshape(240, -1)
    found = StructureFactor(liquid).predict(argon(), waves(2 * np.pi / length * np.sqrt(shells)))
    error = np.sqrt(direct.var(axis=0) / (240 / 2) + np.asarray(found.covariance.variance))
    scores = (np.asarray(found.mean) - direct.mean(axis=0)) / error
    assert np.abs(scores).max() < 4.5
    assert np.mean(scores**2) < 2.0
    assert direct.mean(axis=0).max() > 1.8  # the first peak is among them
    # As if there were nothing beyond half the box, the smallest wave vectors are far off.
    far = liquid.references[0].long_range
    alone = dataclasses.replace(far, offset=0 * far.offset, response=0 * far.response, closure=0 * far.closure)
    references = dataclasses.replace(liquid.references[0], long_range=alone)
    cut = StructureFactor(dataclasses.replace(liquid, references=(references,))).predict(
        argon(), waves(2 * np.pi / length * np.sqrt(shells))
    )
    assert np.mean(((np.asarray(cut.mean) - direct.mean(axis=0)) / error) ** 2) > 20


def test_a_structure_factor_needs_a_fluid_of_one_phase(liquid):
    references = dataclasses.replace(liquid.references[0], long_range=None)
    split = dataclasses.replace(liquid, references=(references,))
    with pytest.raises(StateError, match="no solution for 108 particles"):
        StructureFactor(split).predict(argon(), waves([1.0]))


def test_errors_of_a_curve_are_correlated_and_shrink_with_the_frames(simulated, liquid):
    found = PairDistribution(liquid).predict(argon(), curve(np.linspace(3.2, 8.0, 60)))
    errors = np.sqrt(np.asarray(found.covariance.variance))
    assert np.all((errors > 1e-4) & (errors < 0.05))
    correlation = np.asarray(found.covariance.matrix) / np.outer(errors, errors)
    assert np.abs(correlation[np.triu_indices(60, 1)]).max() > 0.5


def test_states_in_any_order(liquid):
    several = {"temperature": jnp.array([112.0, 110.0, 112.0]), "density": jnp.full(3, DENSITY)}
    found = InternalEnergy(liquid).predict(argon(), several)
    assert float(found.mean[0]) == float(found.mean[2]) > float(found.mean[1])
    shared = np.asarray(found.covariance.factor @ found.covariance.factor.T)
    assert shared[0, 2] == pytest.approx(shared[0, 0], rel=1e-9)
    assert 0.8 < shared[0, 1] / np.sqrt(shared[0, 0] * shared[1, 1]) < 1
    np.testing.assert_allclose(found[np.array([1])].mean, InternalEnergy(liquid).predict(argon(), STATE).mean, rtol=1e-9)


def test_derivatives_in_the_parameters(liquid):
    """Forward, backward, and against differences."""
    wanted = [
        (InternalEnergy(liquid), STATE),
        (Pressure(liquid), STATE),
        (PairDistribution(liquid), curve([3.7, 5.0])),
        (StructureFactor(liquid), waves([1.0, 2.0])),
    ]

    @jax.jit
    def predicted(parameters):
        potential = argon(parameters[0], parameters[1])
        return jnp.concatenate([observable.predict(potential, state).mean for observable, state in wanted])

    place = jnp.array([0.98, 3.41])
    forward, backward = jax.jit(jax.jacfwd(predicted))(place), jax.jit(jax.jacrev(predicted))(place)
    np.testing.assert_allclose(forward, backward, rtol=1e-3, atol=1e-3 * np.abs(forward).max())
    for index, step in enumerate((2e-4, 2e-4)):
        move = step * jnp.eye(2)[index]
        numeric = (predicted(place + move) - predicted(place - move)) / (2 * step)
        np.testing.assert_allclose(forward[:, index], numeric, rtol=0.03, atol=0.03)


def test_quantum_corrections_are_those_of_the_gas():
    """The classical second virial of the effective potential is Wigner and Kirkwood's, to the second order that it leaves out."""
    for temperature, apart in ((85.0, 0.03), (300.0, 5e-4)):
        state = {"temperature": jnp.array([temperature])}
        effective = bp.FeynmanHibbs(argon(), 39.948, temperature)
        found, classical = (float(SecondVirial().predict(one, state).mean[0]) for one in (effective, argon()))
        first = float(SecondVirial(quantum_order=1, molar_mass=39.948).predict(argon(), state).mean[0])
        assert found == pytest.approx(first, abs=apart)
        assert abs(found - classical) > 50 * apart


def test_quantum_corrections_of_a_liquid(liquid):
    """First-order perturbation theory: F1 is the mean of the correction, and U1 = F1 - T dF1/dT, kinetic part included."""
    quantum = dataclasses.replace(liquid, quantum_order=1)
    r = np.linspace(2.45, 7.9999, 1200)

    def free_energy(temperature):
        state = curve(r) | {"temperature": jnp.full(len(r), temperature)}
        g = np.asarray(PairDistribution(liquid).predict(argon(), state).mean)
        effective = bp.FeynmanHibbs(argon(), 39.948, temperature)
        change = jax.vmap(lambda x: effective.pair_energy(x) - argon().pair_energy(x))(jnp.asarray(r))
        return 2 * np.pi * DENSITY * np.trapezoid(r**2 * g * np.asarray(change), r)

    slope = (free_energy(TEMPERATURE + 2) - free_energy(TEMPERATURE - 2)) / 4
    expected = free_energy(TEMPERATURE) - TEMPERATURE * slope
    assert 0.02 < expected < 0.1
    energies = [float(InternalEnergy(one).predict(argon(), STATE).mean[0]) for one in (liquid, quantum)]
    assert energies[1] - energies[0] == pytest.approx(expected, rel=0.15)
    raised = [float(Pressure(one).predict(argon(), STATE).mean[0]) for one in (liquid, quantum)]
    assert 1.0 < raised[1] - raised[0] < 6.0
    with pytest.raises(ParameterError, match="quantum_order must be 0 or 1, found 2"):
        dataclasses.replace(liquid, quantum_order=2)


def test_far_from_the_references_an_average_is_refused_and_its_error_grows(liquid):
    far = argon(0.98, 3.60)
    with pytest.raises(InsufficientSamplesError, match="at least 30 effective frames are needed at 110 K and"):
        InternalEnergy(liquid).predict(far, STATE)
    traced = jax.jit(lambda sigma: InternalEnergy(liquid).predict(argon(0.98, sigma), STATE).covariance.variance)
    near_error, far_error = (float(jnp.sqrt(traced(sigma)[0])) for sigma in (3.41, 3.60))
    assert near_error < 0.02
    assert far_error > 0.5


def test_what_a_liquid_cannot_answer(liquid):
    empty = Liquid(CUT, molar_mass=39.948, closest=2.4)
    with pytest.raises(StateError, match=r"at the density 0\.019 1/angstrom\^3, found none at all: place some there"):
        InternalEnergy(empty).predict(argon(), STATE)
    with pytest.raises(StateError, match=r"at the density 0\.02 1/angstrom\^3, found 0\.019: place some there"):
        InternalEnergy(liquid).predict(argon(), STATE | {"density": jnp.array([0.020])})
    with pytest.raises(ParameterError, match=r"pairs are counted between 2\.4 and 8\.92\d* angstrom, found a separation of 12"):
        PairDistribution(liquid).predict(argon(), curve([12.0]))
    with pytest.raises(ParameterError, match="one set of references for each density"):
        Liquid(CUT, molar_mass=39.948, closest=2.4, references=liquid.references * 2)
    with pytest.raises(StateError, match="temperature and density must be numbers"):
        jax.jit(lambda state: InternalEnergy(liquid).predict(argon(), state).mean)(STATE)


def test_a_liquid_by_an_integral_equation():
    """What the equation gives at each state, with errors that all states share; any potential is taken."""
    equation = IntegralEquation(PercusYevick(), 0.03, 512)
    liquid = IntegralEquationLiquid(equation, molar_mass=39.948, quantum_order=1)
    potential = bp.Buckingham(1.0, 3.8, 14.0)
    states = {"temperature": np.array([150.0, 170.0, 170.0]), "density": np.array([0.012, 0.016, 0.012])}
    known = {}
    energy, pressure = (kind(liquid).predict(potential, states, known) for kind in (InternalEnergy, Pressure))
    curve = {name: np.repeat(column[1], 3) for name, column in states.items()}
    structure = StructureFactor(liquid).predict(potential, curve | {"wavevector": np.array([0.5, 1.9, 4.0])}, known)
    pairs = PairDistribution(liquid).predict(potential, curve | {"separation": np.array([2.0, 3.8, 9.0])}, known)
    alone = equation.averages(jax.tree_util.Partial(bp.FeynmanHibbs, potential, 39.948), 170.0, 0.016)
    assert float(energy.mean[1]) == pytest.approx(float(alone.energy().mean[0]), rel=1e-7)
    assert float(pressure.mean[1]) == pytest.approx(float(alone.pressure().mean[0]), rel=1e-7)
    assert energy.covariance.names == pressure.covariance.names == structure.covariance.names
    assert [name[1] for name in energy.covariance.names] == ["spacing", "range"]
    assert float(structure.mean[1]) > 1.5 > 0.5 > float(structure.mean[0]) > 0
    assert float(pairs.mean[0]) < 1e-6
    assert float(pairs.mean[1]) > 2.0
    with pytest.raises(StateError, match=r"no solution with PercusYevick at 90 K and 0\.008 1/angstrom\^3"):
        InternalEnergy(liquid).predict(potential, {"temperature": np.array([170.0, 90.0]), "density": np.array([0.012, 0.008])})
    with pytest.raises(ParameterError, match="IntegralEquationLiquid: quantum_order must be 0 or 1, found 3"):
        IntegralEquationLiquid(equation, molar_mass=39.948, quantum_order=3)
