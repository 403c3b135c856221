"""The equation of state of the Mie fluid: against Monte Carlo, thermodynamics, and simulations that it has not seen."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import bayesff.potentials as bp
from bayesff import datasets
from bayesff.ensembles import EquationOfState
from bayesff.ensembles.isotherm import MieFluid
from bayesff.ensembles.mie_fluid import (
    Inserted,
    ReducedState,
    Simulated,
    derivatives,
    load_inserted,
    load_simulated,
    save_inserted,
    save_simulated,
    simulation,
)
from bayesff.ensembles.polynomials import Polynomials, learn
from bayesff.errors import DataError, ParameterError, StateError
from bayesff.observables import InternalEnergy, MieLiquid, PairDistribution, Pressure, StructureFactor
from bayesff.units import GAS_CONSTANT, HBAR_SQUARED_OVER_MASS, MPA_PER_INTERNAL_PRESSURE


@pytest.fixture(scope="module")
def simulated():
    return load_simulated()


@pytest.fixture(scope="module")
def equation(simulated):
    return EquationOfState.learn(simulated)


def reduced(equation, temperature, density, repulsive, quantum=0.0, triple=0.0):
    fluid = MieFluid(*(jnp.asarray(one) for one in (1.0, 1.0, np.log(repulsive), quantum, triple, 0.0, 0.0)))
    return equation.reduced(fluid, jnp.asarray(temperature), jnp.asarray(density))[1:]


def test_polynomials_are_chebyshevs():
    basis = Polynomials((0.0, -1.0, 2.0), (1.0, 1.0, 6.0), 4)
    x = np.array([0.7, -0.2, 5.0])
    one = [np.polynomial.chebyshev.chebvander(u, 4)[0] for u in (0.4, -0.2, 0.5)]
    expected = [one[0][i] * one[1][j] * one[2][k] for i, j, k in basis.exponents]
    np.testing.assert_allclose(basis(jnp.asarray(x)), expected, rtol=1e-12)
    assert len(expected) == 35
    at = jnp.asarray(x)
    np.testing.assert_allclose(basis.derivatives(x[None], (0, 0, 0))[0], expected, rtol=1e-12)
    for orders, slope in (
        ((1, 0, 0), jax.jacfwd(basis)(at)[:, 0]),
        ((0, 1, 1), jax.jacfwd(jax.jacfwd(basis))(at)[:, 1, 2]),
        ((0, 2, 0), jax.jacfwd(jax.jacfwd(basis))(at)[:, 1, 1]),
    ):
        np.testing.assert_allclose(basis.derivatives(x[None], orders)[0], slope, rtol=1e-10, atol=1e-12)


def test_weights_are_recovered_as_surely_as_they_say():
    """Weights drawn from the prior, 200 times: their squared distances are those of standard normal numbers."""
    rng, basis, squares = np.random.default_rng(5), Polynomials((0.0,) * 3, (1.0,) * 3, 3), []
    degrees = basis.exponents.sum(axis=1)
    rows = np.asarray(jax.vmap(basis)(jnp.asarray(rng.uniform(size=(60, 3)))))
    for _ in range(200):
        weights = 2.0 * 0.5**degrees * rng.normal(size=len(degrees))
        covariance = np.diag(rng.uniform(0.01, 0.05, 60) ** 2)
        values = rows @ weights + np.sqrt(np.diag(covariance)) * rng.normal(size=60)
        found, _ = learn(rows, values, covariance, degrees)
        off = np.linalg.solve(found.factor, found.mean - weights)
        squares.append(off @ off)
    low, high = stats.chi2.ppf([5e-4, 1 - 5e-4], 200 * len(degrees))
    # The size of the errors is learnt, and not below the stated one: too cautious by a few per cent at most.
    assert 0.85 * low < sum(squares) < high


def test_simulations_that_were_left_out_lie_where_they_are_expected(simulated):
    """In twelve parts; the squared distance of energy and compressibility, false alarm 1 in 1000 for the sum.

    The triple-dipole sums, averages of 30 frames, are judged by how well they are met: 0.16 % off in the median and 4 % at worst,
    in a corner of the states; more than they say (140 of 72), because few frames do not tell how slowly a dilute fluid moves.
    """
    distances, of_triplets = [], []
    for part in range(12):
        out = np.arange(len(simulated.states)) % 12 == part
        equation = EquationOfState.learn(Simulated(*(column[~out] for column in simulated)))
        finite, _ = equation.of_finite_number(simulated.states[out])
        for state, means, covariance, of_number in zip(*(column[out] for column in simulated), finite, strict=True):
            found = reduced(equation, *state)
            off = np.array([float(mean) for mean, _ in found]) + of_number[:2] - means[:2]
            factor = np.array([causes for _, causes in found])
            distances.append(off @ np.linalg.solve(factor @ factor.T + covariance[:2, :2], off))
            basis = equation.triplets.polynomials(jnp.array([1 / state[0], state[1], np.log(state[2])]))
            of_triplets.append(abs(float(basis @ equation.triplets.weights.mean) - np.log(means[4])))
    assert np.median(of_triplets) < 0.003
    assert max(of_triplets) < 0.05
    assert np.sum(distances) < stats.chi2.ppf(1 - 1e-3, 2 * len(distances))
    assert np.sum(distances) > stats.chi2.ppf(1e-3, 2 * len(distances))


def test_monte_carlo_of_others(equation):
    """NIST's simulations of the Lennard-Jones liquid at a reduced temperature of 0.85, rows that were seen in a second source."""
    for name, index in (("nist_lennard_jones_energy", 0), ("nist_lennard_jones_pressure", 1)):
        data = datasets.load(name)
        for temperature, density, value, error in zip(
            data.state["reduced_temperature"], data.state["reduced_density"], data.values, data.uncertainty, strict=True
        ):
            if density < 0.7:
                continue
            mean, causes = reduced(equation, temperature, density, 12.0)[index]
            scale, ideal = (temperature, 0.0) if index == 0 else (density * temperature, density * temperature)
            own = float(jnp.linalg.norm(causes)) * scale
            assert abs(ideal + scale * float(mean) - value) < 3.5 * np.hypot(own, error), (name, density)


@pytest.mark.parametrize(("quantum", "triple"), [(0.0, 0.0), (2e-4, 0.0), (0.0, 0.07)])
def test_energy_and_pressure_are_derivatives_of_one_function(equation, quantum, triple):
    """Maxwell's relation, with corrections whose strengths do not depend on the state."""

    fluid = MieFluid(*(jnp.asarray(one) for one in (1.0, 1.0, np.log(13.0), quantum, triple, 0.0, 0.0)))

    def at(logarithms):
        found = equation.reduced(fluid, jnp.exp(-logarithms[0]), jnp.exp(logarithms[1]))
        return jnp.stack([one.mean for one in found]), jnp.stack([one.causes for one in found])

    here = jnp.log(jnp.array([1.1, 0.8]))
    (_, energy, excess), (_, of_energy, of_excess) = at(here)
    slopes, of_causes = jax.jacfwd(at)(here)
    np.testing.assert_allclose(slopes[0], [energy, excess], rtol=1e-9)
    np.testing.assert_allclose(of_causes[0, :, 0], of_energy, atol=1e-9)
    np.testing.assert_allclose(of_causes[0, :, 1], of_excess, atol=1e-9)
    slopes, of_causes = slopes[1:], of_causes[1:]
    assert float(slopes[0, 1]) == pytest.approx(float(slopes[1, 0]), rel=1e-9)
    classical = equation.weights.factor.shape[1]
    np.testing.assert_allclose(of_causes[0, :classical, 1], of_causes[1, :classical, 0], atol=1e-9)


def test_a_reference_equation_of_state(equation):
    """That of M. Thol et al., J. Phys. Chem. Ref. Data 45, 023101 (2016), by teqp 0.23.2."""
    for temperature, density, energy, pressure in ((0.85, 0.82, -5.79547, 0.55114), (0.85, 0.86, -6.03017, 1.26430)):
        (u, of_u), (z, of_z) = reduced(equation, temperature, density, 12.0)
        assert abs(temperature * float(u) - energy) < 4 * temperature * float(jnp.linalg.norm(of_u))
        ideal = density * temperature
        assert abs(ideal * (1 + float(z)) - pressure) < 3 * ideal * float(jnp.linalg.norm(of_z))


def test_a_fixed_number_of_particles(equation):
    """What is added to f is ln(chi)/2N, by differences of the pressure."""
    of_derivatives, of_insertion = equation.of_finite_number(np.array([[0.85, 0.82, 12.0], [1.5, 0.42, 12.0]]))
    twice, _ = equation.of_finite_number(np.array([[0.85, 0.82, 12.0], [1.5, 0.42, 12.0]]), 512)
    np.testing.assert_allclose(of_derivatives, 2 * twice, rtol=1e-12)

    def stiffness(density):
        step = 1e-3
        pressures = [at * (1 + float(reduced(equation, 0.85, at, 12.0)[1].mean)) for at in (density + step, density - step)]
        return (pressures[0] - pressures[1]) / (2 * step)

    slope = (np.log(stiffness(0.825)) - np.log(stiffness(0.815))) / np.log(0.825 / 0.815)
    assert of_derivatives[0, 1] == pytest.approx(-slope / 512, rel=0.01)
    assert of_insertion[0] == pytest.approx((-slope + stiffness(0.82) - 1) / 512, rel=0.01)


def test_chemical_potentials_by_insertion_agree_with_one_another(equation):
    """Each against the equation without it, false alarm 1 in 1000 for all together, and the reference equation of state."""
    simulated, inserted = load_simulated(), load_inserted()
    squares = []
    for out in range(0, len(inserted.means), 3):
        kept = np.arange(len(inserted.means)) != out
        without = EquationOfState.learn(simulated, Inserted(*(column[kept] for column in inserted)), degrees=(6,))
        temperature, density, repulsive = inserted.states[out]
        fluid = MieFluid(*(jnp.asarray(one) for one in (1.0, 1.0, np.log(repulsive), 0.0, 0.0, 0.0, 0.0)))
        free, _, excess = without.reduced(fluid, jnp.asarray(temperature), jnp.asarray(density))
        off = float(free.mean + excess.mean) + without.of_finite_number(inserted.states)[1][out] - inserted.means[out]
        squares.append(off**2 / (float(jnp.sum((free.causes + excess.causes) ** 2)) + inserted.variances[out]))
    assert sum(squares) < stats.chi2.ppf(1 - 1e-3, len(squares))
    thol = -1.33033  # J. Phys. Chem. Ref. Data 45, 023101 (2016), by teqp 0.23.2
    assert abs(inserted.means[0] - thol) < 3 * np.sqrt(inserted.variances[0])


def test_errors_grow_outside_of_what_was_simulated(equation):
    inside, outside = (np.linalg.norm(reduced(equation, 0.9, density, 12.0)[1][1]) for density in (0.8, 1.1))
    assert outside > 10 * inside


def test_derivatives_of_a_simulation():
    """Energy and compressibility are those of the frames; the slope in the exponent is that of the energy."""
    short = dataclasses.replace(simulation(ReducedState(1.2, 0.6, 11.0), 3), num_frames=30, num_warm=20)
    ensemble = short.run()
    means, covariance = derivatives(ensemble)
    counts, grid = np.asarray(ensemble.pair_counts, float), ensemble.grid
    mie = ensemble.potential.potential
    inside = counts.mean(axis=0) @ np.asarray(jax.vmap(mie.pair_energy)(jnp.asarray(grid.nodes)))
    tail = float(bp.PlainCut(mie, 10.2, tail=True).tail_energy(ensemble.density))
    thermal = GAS_CONSTANT * ensemble.temperature
    assert means[0] == pytest.approx((inside / 256 + tail) / thermal, rel=1e-6)

    def energy(repulsive):
        changed = bp.Mie(mie.epsilon, mie.sigma, repulsive, 6.0)
        beyond = bp.PlainCut(changed, 10.2, tail=True).tail_energy(ensemble.density)
        return float(counts.mean(axis=0) @ jax.vmap(changed.pair_energy)(jnp.asarray(grid.nodes)) / 256 + beyond) / thermal

    assert means[2] == pytest.approx((energy(11.01) - energy(10.99)) / 0.02, rel=1e-4)
    # What Feynman and Hibbs add to a pair is its Laplacian; of r^-n it is n (n - 1) r^(-n-2), beyond the cutoff as well.
    effective = bp.FeynmanHibbs(mie, 40.0, ensemble.temperature)
    added = jax.vmap(lambda r: effective.pair_energy(r) - mie.pair_energy(r))(jnp.asarray(grid.nodes))
    per_laplacian = HBAR_SQUARED_OVER_MASS / (12 * 40.0 * thermal)
    size = float(mie.pair_energy(10.2)) / ((3.4 / 10.2) ** 11 - (3.4 / 10.2) ** 6)
    beyond = 2 * np.pi * ensemble.density * 10.2 * size * (11 * (3.4 / 10.2) ** 11 - 6 * (3.4 / 10.2) ** 6)
    laplacian = counts.mean(axis=0) @ np.asarray(added) / 256 / per_laplacian + beyond
    assert means[3] == pytest.approx(laplacian * 3.4**2, rel=1e-4)
    assert np.all(np.linalg.eigvalsh(covariance) > 0)
    assert 0.001 < np.sqrt(covariance[0, 0]) < 0.05


def test_a_liquid_by_its_equation(equation):
    liquid = MieLiquid(equation, molar_mass=39.948)
    states = {"temperature": np.array([85.0, 120.0]), "density": np.array([0.0212, 0.0175])}
    energy, pressure = (kind(liquid).predict(bp.LennardJones(0.985, 3.39), states) for kind in (InternalEnergy, Pressure))
    for row in range(2):
        thermal = GAS_CONSTANT * states["temperature"][row]
        (u, _), (z, _) = reduced(equation, thermal / 0.985, states["density"][row] * 3.39**3, 12.0)
        ideal = states["density"][row] * thermal * MPA_PER_INTERNAL_PRESSURE
        assert float(energy.mean[row]) == pytest.approx(thermal * float(u), rel=1e-9)
        assert float(pressure.mean[row]) == pytest.approx(ideal * (1 + float(z)), rel=1e-9)
    assert energy.covariance.names == pressure.covariance.names
    assert len(set(energy.covariance.names)) == equation.num_causes
    same = InternalEnergy(liquid).predict(bp.Mie(0.985, 3.39, 12.0, 6.0), states)
    np.testing.assert_allclose(same.mean, energy.mean, rtol=1e-9)
    slopes = jax.jacfwd(lambda s: Pressure(liquid).predict(bp.LennardJones(0.985, s), states).mean)(jnp.asarray(3.39))
    numeric = [Pressure(liquid).predict(bp.LennardJones(0.985, 3.39 + step), states).mean for step in (1e-4, -1e-4)]
    np.testing.assert_allclose(slopes, (numeric[0] - numeric[1]) / 2e-4, rtol=1e-4)


def test_quantum_corrections_of_liquid_argon(equation):
    """As by reweighting: 0.060 kJ/mol and 4.0 MPa at 85 K."""
    states = {"temperature": np.array([85.0]), "density": np.array([0.02125])}
    classical, quantum = (MieLiquid(equation, molar_mass=39.948, quantum_order=order) for order in (0, 1))
    argon = bp.LennardJones(0.984, 3.39)
    more = [
        float((kind(quantum).predict(argon, states).mean - kind(classical).predict(argon, states).mean)[0])
        for kind in (InternalEnergy, Pressure)
    ]
    assert more[0] == pytest.approx(0.060, abs=0.004)
    assert more[1] == pytest.approx(4.0, abs=0.5)


def test_three_body_forces_in_liquid_argon(equation):
    """First order: what is added is linear in their strength, repels, and is what the mean triple-dipole sum gives."""
    states = {"temperature": np.array([85.0]), "density": np.array([0.02125])}
    argon, strength = bp.LennardJones(0.984, 3.39), bp.AxilrodTeller.from_atomic_units(518.3)
    without, once, twice = (
        [
            float(kind(MieLiquid(equation, 39.948, three_body=term)).predict(argon, states).mean[0])
            for kind in (InternalEnergy, Pressure)
        ]
        for term in (None, strength, bp.AxilrodTeller(2 * strength.c9))
    )
    for at in range(2):
        assert once[at] > without[at]
        assert twice[at] - without[at] == pytest.approx(2 * (once[at] - without[at]), rel=1e-9)
    assert 0.04 < (once[0] - without[0]) / -without[0] < 0.08


def test_what_an_equation_cannot_answer(equation, simulated, tmp_path):
    liquid = MieLiquid(equation, molar_mass=39.948)
    state = {"temperature": np.array([85.0]), "density": np.array([0.0212])}
    argon = bp.LennardJones(0.985, 3.39)
    with pytest.raises(StateError, match=r"structure factor: .* found an equation of state: give the term a Liquid"):
        StructureFactor(liquid).predict(argon, state | {"wavevector": np.array([2.0])})
    with pytest.raises(StateError, match=r"pair distribution function: .* found an equation of state: give the term a Liquid"):
        PairDistribution(liquid).predict(argon, state | {"separation": np.array([4.0])})
    with pytest.raises(ParameterError, match="must be Lennard-Jones or Mie, found Buckingham"):
        InternalEnergy(liquid).predict(bp.Buckingham(1.0, 3.8, 14.0), state)
    with pytest.raises(ParameterError, match="attractive exponent must be 6, found 7"):
        InternalEnergy(liquid).predict(bp.Mie(1.0, 3.4, 12.0, 7.0), state)
    with pytest.raises(ParameterError, match="MieLiquid: quantum_order must be 0 or 1, found 2"):
        MieLiquid(equation, molar_mass=39.948, quantum_order=2)
    with pytest.raises(ParameterError, match="MieLiquid: cutoff must be greater than zero, found 0 angstrom"):
        MieLiquid(equation, molar_mass=39.948, cutoff=0.0)
    with pytest.raises(ParameterError, match="at least four simulations with finite numbers are needed, found 3"):
        EquationOfState.learn(Simulated(*(column[:3] for column in simulated)))
    path = tmp_path / "simulations.csv"
    save_simulated(simulated, path, ["made up"])
    again = load_simulated(path)
    for before, after in zip(simulated, again, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-6)
    path.write_text(path.read_text().replace("temperature", "temperature", 1)[:400] + "x")
    with pytest.raises(DataError, match="a table of simulations must have 23 columns of numbers"):
        load_simulated(path)
    save_inserted(load_inserted(), path, ["made up"])
    for before, after in zip(load_inserted(), load_inserted(path), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-6)
    path.write_text("temperature\n1.5\n")
    with pytest.raises(DataError, match="a table of simulations must have 5 columns of numbers"):
        load_inserted(path)
