"""The second virial coefficient: one contract for all potentials, reference values, scaling, quantum corrections, errors."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads
from scipy.integrate import quad
from scipy.special import gamma, gammaln

from bayesff import potentials as bp
from bayesff.errors import ParameterError, PrecisionError, StateError
from bayesff.observables import JouleThomson, SecondVirial
from bayesff.observables.quadrature import Panels, radial_rule
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

SIGMA = 3.0
B0 = 2 * np.pi * SIGMA**3 / 3 * CUBIC_ANGSTROM_PER_MOLE
KELVIN = 100.0  # one unit of reduced temperature, for a well of this depth
TEMPERATURES = jnp.array([60.0, 120.0, 300.0, 1500.0])
LENNARD_JONES = bp.LennardJones(KELVIN * GAS_CONSTANT, SIGMA)

POTENTIALS = {
    "lennard_jones": LENNARD_JONES,
    "mie": bp.Mie(1.0, 3.4, 16.0, 6.0),
    "mie_broken_exponents": bp.Mie(1.0, 3.4, 10.7, 5.3),
    "morse": bp.Morse(1.0, 3.8, 1.6),
    "buckingham": bp.Buckingham(1.0, 3.8, 14.0),
    "argon": bp.TangToennies.argon(),
    "square_well": bp.SquareWell(1.0, 3.4, 1.5),
    "hard_sphere": bp.HardSphere(3.0),
    "plain_cut": bp.PlainCut(LENNARD_JONES, 7.5),
    "sum_with_core": bp.SquareWell(0.4, 2.9, 1.8) + LENNARD_JONES,
    "repulsive_core": bp.ShiftedCut(LENNARD_JONES, SIGMA * 2 ** (1 / 6)),
}
ALL = pytest.mark.parametrize("name", POTENTIALS)


CLASSICAL = SecondVirial()


@eqx.filter_jit
def predict(potential, temperature, observable=CLASSICAL):
    prediction = observable.predict(potential, {"temperature": temperature})
    return prediction.mean, jnp.sqrt(prediction.covariance.variance)


@eqx.filter_jit
def finely(potential, temperature):
    """The integral on panels so many and so full that their error is rounding."""
    edges = tuple(np.linspace(0.0, 1.0, 13))
    rule = radial_rule(potential.breakpoints(), Panels(edges, edges, edges, num_nodes=32, power=4))
    energy = jax.vmap(jax.vmap(potential.pair_energy))(rule.nodes)
    mayer = jnp.expm1(-energy / (GAS_CONSTANT * temperature[:, None, None]))
    return -2 * jnp.pi * CUBIC_ANGSTROM_PER_MOLE * jnp.sum(mayer * rule.weights, axis=(1, 2))


# --- contract ---------------------------------------------------------------------------------------------------------


@ALL
def test_error_estimate_covers_the_true_error_and_is_small(name):
    potential = POTENTIALS[name]
    mean, error = predict(potential, TEMPERATURES)
    reference = finely(potential, TEMPERATURES)
    scale = np.abs(reference) + B0
    assert np.all(np.abs(mean - reference) <= error + 3e-15 * scale)
    assert np.all(np.abs(mean - reference) < 1e-8 * scale)
    assert np.all(error < 3e-4 * scale)


def relative(potential):
    """The virials as a function of relative changes of the parameters, so that steps of one size suit them all."""
    vector, rebuild = ravel_pytree(potential)
    return lambda change: predict(rebuild(vector * (1 + change)), TEMPERATURES)[0] / B0, jnp.zeros_like(vector)


@pytest.mark.parametrize("name", [name for name in POTENTIALS if name not in ("argon", "lennard_jones")])
def test_derivatives_in_the_parameters(name):
    smooth, at = relative(POTENTIALS[name])
    forward, reverse = jax.jit(lambda x: (jax.jacfwd(smooth)(x), jax.jacrev(smooth)(x)))(at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-10)
    direction, step = jnp.linspace(1.0, 0.5, at.size), 1e-5
    difference = (smooth(step * direction) - smooth(-step * direction)) / (2 * step)
    np.testing.assert_allclose(forward @ direction, difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["mie", "square_well"])
def test_second_derivatives_in_the_parameters(name):
    smooth, at = relative(POTENTIALS[name])
    hessian = jax.jit(jax.hessian(smooth))(at)
    direction, step = jnp.linspace(1.0, 0.5, at.size), 1e-4
    difference = (smooth(step * direction) - 2 * smooth(at) + smooth(-step * direction)) / step**2
    np.testing.assert_allclose(jnp.einsum("tij,i,j->t", hessian, direction, direction), difference, rtol=1e-5)


@pytest.mark.parametrize("name", ["mie", "square_well"])
def test_vmap_over_parameters_equals_a_loop(name):
    potential = POTENTIALS[name]
    factors = jnp.array([0.9, 1.0, 1.1])
    batch = jax.vmap(lambda f: predict(jax.tree.map(lambda leaf: leaf * f, potential), TEMPERATURES)[0])(factors)
    for row, f in zip(batch, factors, strict=True):
        np.testing.assert_allclose(row, predict(jax.tree.map(lambda leaf, f=f: leaf * f, potential), TEMPERATURES)[0], rtol=1e-12)


@pytest.mark.parametrize("name", ["mie", "sum_with_core"])
def test_derivative_in_the_temperature(name):
    potential = POTENTIALS[name]
    value = jax.jit(lambda t: predict(potential, t)[0] / B0)
    slope = jax.jacfwd(value)(TEMPERATURES)
    assert np.all(np.isfinite(slope))
    step = 1e-4 * TEMPERATURES
    difference = (value(TEMPERATURES + step) - value(TEMPERATURES - step)) / (2 * step)
    np.testing.assert_allclose(jnp.diagonal(slope), difference, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize(
    "potential",
    [
        bp.LennardJones(1e-6, 0.5),
        bp.LennardJones(60.0, 8.0),
        bp.Mie(30.0, 5.0, 60.0, 3.5),
        bp.Mie(0.01, 2.0, 7.0, 6.5),
        bp.SquareWell(50.0, 3.0, 4.0),
        bp.Buckingham(3.0, 4.0, 8.5),
        bp.Morse(5.0, 3.0, 0.2),
    ],
)
def test_value_and_gradient_are_finite_at_the_corners_of_priors(potential):
    temperature = jnp.array([5.0, 300.0, 10000.0])
    vector, rebuild = ravel_pytree(potential)
    mean, error = predict(potential, temperature)
    assert np.all(np.isfinite(mean) & np.isfinite(error**2) & (error > 0))
    slope = jax.jit(jax.jacrev(lambda v: predict(rebuild(v), temperature)[0]))(vector)
    assert np.all(np.isfinite(slope))


# --- reference values -------------------------------------------------------------------------------------------------


def lennard_jones_series(reduced_temperature):
    """B2/b0 of Lennard-Jones 12-6 by its Gamma-function series (Hirschfelder, Curtiss, Bird 1954, section 3.6)."""
    j = np.arange(200)
    sign = np.sign(gamma((2 * np.minimum(j, 40) - 1) / 4))
    logarithm = (j + 0.5) * np.log(2.0) - np.log(4.0) - gammaln(j + 1) + gammaln(np.abs(2 * j - 1) / 4)
    terms = -sign * np.exp(logarithm - (2 * j + 1) / 4 * np.log(reduced_temperature))
    # The first term has Gamma(-1/4) = -4 Gamma(3/4); its magnitude is not Gamma(1/4).
    terms[0] = -(2**0.5) / 4 * gamma(-0.25) * reduced_temperature**-0.25
    return np.sum(terms)


def test_lennard_jones_against_the_exact_series():
    reduced = np.array([0.4, 0.5, 0.7, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0])
    mean, _ = predict(LENNARD_JONES, jnp.asarray(KELVIN * reduced))
    exact = np.array([lennard_jones_series(t) for t in reduced])
    # The numbers printed in tables, to their last digit.
    np.testing.assert_allclose(exact[1:8], [-8.720205, -4.710037, -2.538081, -0.627625, -0.115234, 0.243344, 0.460875], atol=6e-7)
    np.testing.assert_allclose(mean / B0, exact, rtol=1e-8)


@pytest.mark.parametrize("width", [1.001, 1.25, 1.5, 2.0, 5.0])
def test_square_well_is_exact(width):
    reduced = np.array([0.3, 0.7, 1.0, 3.0, 20.0])
    mean, error = predict(bp.SquareWell(KELVIN * GAS_CONSTANT, SIGMA, width), jnp.asarray(KELVIN * reduced))
    exact = 1 - (width**3 - 1) * np.expm1(1 / reduced)
    np.testing.assert_allclose(mean / B0, exact, rtol=1e-12)
    assert np.all(error < 1e-11 * (np.abs(mean) + B0))


def test_square_well_derivatives_are_those_of_the_closed_form():
    reduced = 1.3
    epsilon, width = KELVIN * GAS_CONSTANT, 1.6
    slope = jax.jacrev(lambda p: predict(p, jnp.array([KELVIN * reduced]))[0][0])(bp.SquareWell(epsilon, SIGMA, width))
    value = B0 * (1 - (width**3 - 1) * np.expm1(1 / reduced))
    assert float(slope.sigma) == pytest.approx(3 * value / SIGMA, rel=1e-11)
    assert float(slope.width) == pytest.approx(-3 * B0 * width**2 * np.expm1(1 / reduced), rel=1e-11)
    assert float(slope.epsilon) == pytest.approx(-B0 * (width**3 - 1) * np.exp(1 / reduced) / reduced / epsilon, rel=1e-11)


def test_square_well_of_reference():
    mean, _ = predict(bp.SquareWell(KELVIN * GAS_CONSTANT, SIGMA, 1.5), jnp.array([KELVIN]))
    assert float(mean[0] / B0) == pytest.approx(-3.08092, abs=5e-6)


@pytest.mark.parametrize(
    ("repulsive", "boyle", "tolerance"),
    [(12, 3.4179280230, 1e-9), (8, 5.2779, 5e-5), (10, 4.0581, 5e-5), (14, 3.0227, 5e-5), (20, 2.4091, 5e-5)],
)
def test_boyle_temperature_of_mie(repulsive, boyle, tolerance):
    """For 12-6 it is where I_{-3/4}(x) + I_{3/4}(x) = I_{-1/4}(x) + I_{1/4}(x), modified Bessel functions of x = 1/(2 T*)."""
    reduced = jnp.array([boyle - tolerance, boyle + tolerance])
    mean, _ = predict(bp.Mie(KELVIN * GAS_CONSTANT, SIGMA, float(repulsive), 6.0), KELVIN * reduced)
    assert mean[0] < 0 < mean[1]


@pytest.mark.parametrize("name", ["mie_broken_exponents", "argon", "buckingham"])
def test_against_adaptive_quadrature(name):
    potential = POTENTIALS[name]
    energy = jax.jit(lambda r: potential.pair_energy(r))
    temperature = 140.0

    def integrand(r):
        return np.expm1(-float(energy(r)) / (GAS_CONSTANT * temperature)) * r**2

    edges = [0.0, 2.0, 3.0, 4.0, 6.0, 12.0, np.inf]
    total = sum(quad(integrand, a, b, epsabs=1e-11, epsrel=1e-11)[0] for a, b in pairwise(edges))
    mean, _ = predict(potential, jnp.array([temperature]))
    assert float(mean[0]) == pytest.approx(-2 * np.pi * CUBIC_ANGSTROM_PER_MOLE * total, rel=1e-8)


# Ab initio pair potentials; classical, with the first, and with both Wigner-Kirkwood corrections, printed to 0.001 cm^3/mol.
QUANTUM = [
    ("neon", 20.1797, 30.0, (-100.145, -92.247, -93.080)),
    ("neon", 20.1797, 40.0, (-59.093, -55.435, -55.679)),
    ("neon", 20.1797, 100.0, (-4.975, -4.424, -4.433)),
    ("neon", 20.1797, 300.0, (11.466, 11.567, 11.566)),
    ("argon", 39.948, 100.0, (-183.839, -182.359, -182.375)),
    ("argon", 39.948, 150.0, (-86.633, -86.125, -86.127)),
    ("argon", 39.948, 300.0, (-15.299, -15.179, -15.179)),
    ("argon", 39.948, 500.0, (6.957, 7.008, 7.008)),
]


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("gas", ["neon", "argon"])
def test_noble_gases_with_quantum_corrections(gas, order):
    rows = [row for row in QUANTUM if row[0] == gas]
    observable = SecondVirial(quantum_order=order, molar_mass=rows[0][1])
    mean, error = predict(getattr(bp.TangToennies, gas)(), jnp.array([row[2] for row in rows]), observable)
    np.testing.assert_allclose(mean, [row[3][order] for row in rows], atol=1.1e-3)
    assert np.all(error < 1e-3)


def test_second_virial_of_argon_agrees_with_experiment():
    """Ewing and Trusler 1992: values and standard uncertainties at 100 to 500 K."""
    observable = SecondVirial(quantum_order=2, molar_mass=39.948)
    mean, _ = predict(bp.TangToennies.argon(), jnp.array([100.0, 150.0, 300.0, 500.0]), observable)
    measured, uncertainty = np.array([-182.1, -86.0, -15.2, 7.0]), np.array([0.8, 0.2, 0.1, 0.1])
    assert np.all(np.abs(mean - measured) < uncertainty)
    np.testing.assert_allclose(mean, [-182.38, -86.13, -15.18, 7.008], atol=6e-3)


# --- scaling ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 5.0), st.floats(1.0, 8.0), st.floats(0.4, 50.0))
def test_corresponding_states(epsilon, sigma, reduced):
    mean, _ = predict(bp.LennardJones(epsilon, sigma), jnp.array([reduced * epsilon / GAS_CONSTANT]))
    b0 = 2 * np.pi * sigma**3 / 3 * CUBIC_ANGSTROM_PER_MOLE
    exact = lennard_jones_series(reduced)
    assert abs(float(mean[0]) / b0 - exact) < 1e-8 * (abs(exact) + 0.1)


def test_first_correction_falls_with_the_mass_and_the_second_with_its_square():
    temperature = jnp.array([200.0])
    parts = {}
    for mass in (20.0, 40.0):
        b = [predict(LENNARD_JONES, temperature, SecondVirial(quantum_order=k, molar_mass=mass))[0][0] for k in range(3)]
        parts[mass] = (b[1] - b[0], b[2] - b[1])
    assert float(parts[20.0][0] / parts[40.0][0]) == pytest.approx(2.0, rel=1e-9)
    assert float(parts[20.0][1] / parts[40.0][1]) == pytest.approx(4.0, rel=1e-7)


def test_quantum_corrections_are_differentiable():
    observable = SecondVirial(quantum_order=2, molar_mass=4.0026)
    vector, rebuild = ravel_pytree(bp.Mie(0.09, 2.6, 30.0, 6.0))
    smooth = jax.jit(lambda change: predict(rebuild(vector * (1 + change)), TEMPERATURES, observable)[0] / 10)
    check_grads(smooth, (jnp.zeros(4),), order=1, modes=("fwd", "rev"), atol=1e-4, rtol=1e-5, eps=1e-5)


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "potential", "what", "mend"),
    [
        (1, POTENTIALS["square_well"], "energy", "use quantum_order 0"),
        (1, POTENTIALS["hard_sphere"], "energy", "use quantum_order 0"),
        (2, POTENTIALS["plain_cut"], "energy", "use quantum_order 0"),
        (2, bp.ShiftedCut(LENNARD_JONES, 7.5), "force", "use quantum_order 1"),
    ],
)
def test_quantum_correction_of_a_jump_is_refused(order, potential, what, mend):
    observable = SecondVirial(quantum_order=order, molar_mass=40.0)
    with pytest.raises(ParameterError, match=f"{what} is continuous.*{type(potential).__name__} jumps: {mend}"):
        observable.predict(potential, {"temperature": 100.0})


def test_quantum_correction_of_a_jump_claims_no_digit_when_traced():
    """Nothing can be raised while tracing."""
    mean, error = predict(POTENTIALS["square_well"], jnp.array([100.0]), SecondVirial(quantum_order=1, molar_mass=40.0))
    assert float(error[0]) > 100 * abs(float(mean[0]))


def test_quantum_correction_of_continuous_truncations_is_given():
    for order, potential in [(1, bp.ShiftedCut(LENNARD_JONES, 7.5)), (2, bp.SwitchedCut(LENNARD_JONES, 6.0, 7.5))]:
        observable = SecondVirial(quantum_order=order, molar_mass=40.0)
        _, error = predict(potential, jnp.array([100.0]), observable)
        assert float(error[0]) < 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantum_order": 3, "molar_mass": 4.0}, "quantum_order must be 0, 1 or 2, found 3"),
        ({"quantum_order": 1}, "quantum_order 1 needs the mass of the atom: give molar_mass in g/mol"),
        ({"quantum_order": 1, "molar_mass": -4.0}, "molar_mass must be finite and greater than zero, found -4.0 g/mol"),
        ({"quantum_order": 2, "molar_mass": float("nan")}, "molar_mass must be finite"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ParameterError, match=message):
        SecondVirial(**arguments)


def test_state_is_checked():
    with pytest.raises(StateError, match="SecondVirial: the state has no column 'temperature'"):
        SecondVirial().predict(LENNARD_JONES, {"density": 1.0})
    with pytest.raises(StateError, match="temperature must be finite and greater than zero, found -3"):
        SecondVirial().predict(LENNARD_JONES, {"temperature": [100.0, -3.0]})


def test_single_precision_is_refused():
    with jax.enable_x64(False), pytest.raises(PrecisionError, match=r"add jax\.config\.update"):
        SecondVirial().predict(LENNARD_JONES, {"temperature": 100.0})


def test_many_temperatures_are_interpolated_to_rounding():
    """Above some sixty known temperatures the integral is done at fewer of them; traced ones are done one by one."""
    temperature = np.geomspace(75.0, 1223.0, 260)
    observable, lj = SecondVirial(quantum_order=1, molar_mass=39.948), bp.LennardJones(epsilon=0.996, sigma=3.405)
    interpolated = observable.predict(lj, {"temperature": temperature})
    direct = jax.jit(lambda temperature: observable.predict(lj, {"temperature": temperature}))(temperature)
    np.testing.assert_allclose(interpolated.mean, direct.mean, rtol=1e-12, atol=1e-10)
    ratio = np.sqrt(np.asarray(interpolated.covariance.variance / direct.covariance.variance))
    assert ratio.min() > 0.5
    assert ratio.max() < 10

    def slope(temperature):
        return jax.grad(
            lambda sigma: jnp.sum(observable.predict(bp.LennardJones(0.996, sigma), {"temperature": temperature}).mean)
        )

    known = jax.jit(lambda: slope(temperature)(3.405))()
    np.testing.assert_allclose(known, jax.jit(lambda t: slope(t)(3.405))(temperature), rtol=1e-12)


# --- the tail of a truncation -----------------------------------------------------------------------------------------

ARGON_LIKE = bp.LennardJones(0.996, 3.405)
TRUNCATIONS = {
    "plain": lambda tail: bp.PlainCut(ARGON_LIKE, 8.0, tail=tail),
    "shifted": lambda tail: bp.ShiftedCut(ARGON_LIKE, 8.0, tail=tail),
    "force shifted": lambda tail: bp.ForceShiftedCut(ARGON_LIKE, 8.0, tail=tail),
    "switched": lambda tail: bp.SwitchedCut(ARGON_LIKE, 6.5, 8.0, tail=tail),
}


@pytest.mark.parametrize("name", TRUNCATIONS)
def test_a_tail_is_its_energy_in_a_uniform_fluid(name):
    """A/NkT = B2 rho: the tail's energy per particle at a density, divided by both, is its second virial."""
    with_tail, without = (predict(TRUNCATIONS[name](tail), TEMPERATURES)[0] for tail in (True, False))
    per_particle = float(TRUNCATIONS[name](True).tail_energy(0.013))
    expected = CUBIC_ANGSTROM_PER_MOLE * per_particle / (GAS_CONSTANT * TEMPERATURES * 0.013)
    np.testing.assert_allclose(with_tail - without, expected, rtol=1e-11)


@pytest.mark.parametrize("cutoff", [6.0, 8.0, 10.0])
def test_what_a_tail_leaves_out_is_of_second_order(cutoff):
    tailed, temperatures = bp.PlainCut(ARGON_LIKE, cutoff, tail=True), np.array([90.0, 300.0])
    (full, error), (cut, other) = predict(ARGON_LIKE, temperatures), predict(tailed, temperatures)
    for row, temperature in enumerate(temperatures):
        squared = quad(lambda r: float(ARGON_LIKE.pair_energy(r)) ** 2 * r**2, cutoff, np.inf, epsabs=0, epsrel=1e-9)[0]
        expected = -np.pi * CUBIC_ANGSTROM_PER_MOLE * squared / (GAS_CONSTANT * temperature) ** 2
        # What is left is of third order, or the numerical error.
        third = abs(float(ARGON_LIKE.pair_energy(cutoff))) / (GAS_CONSTANT * temperature)
        assert float(error[row] + other[row]) < 0.01 * abs(expected)
        assert float(full[row] - cut[row]) == pytest.approx(expected, rel=third, abs=float(error[row] + other[row]))


def test_a_tail_is_kept_by_sums_and_multiples_and_has_derivatives():
    tailed = bp.PlainCut(ARGON_LIKE, 8.0, tail=True)
    rest = bp.ShiftedCut(bp.Morse(0.1, 4.0, 1.5), 8.0)
    added = predict(tailed + rest, TEMPERATURES)[0] - predict(bp.PlainCut(ARGON_LIKE, 8.0) + rest, TEMPERATURES)[0]
    alone = predict(tailed, TEMPERATURES)[0] - predict(bp.PlainCut(ARGON_LIKE, 8.0), TEMPERATURES)[0]
    np.testing.assert_allclose(added, alone, rtol=1e-11)
    halved = predict(0.5 * tailed, TEMPERATURES)[0] - predict(0.5 * bp.PlainCut(ARGON_LIKE, 8.0), TEMPERATURES)[0]
    np.testing.assert_allclose(halved, 0.5 * alone, rtol=1e-10)

    def value(epsilon, sigma):
        return predict(bp.PlainCut(bp.LennardJones(epsilon, sigma), 8.0, tail=True), TEMPERATURES)[0] / B0

    check_grads(value, (0.996, 3.405), order=1, modes=("fwd", "rev"), eps=1e-5)


def test_the_tail_reaches_the_joule_thomson_coefficient():
    tailed, temperature = bp.PlainCut(ARGON_LIKE, 8.0, tail=True), jnp.array([250.0])
    slope = jax.jacfwd(lambda t: predict(tailed, t)[0])(temperature)[0, 0]
    expected = (temperature[0] * slope - predict(tailed, temperature)[0][0]) / (2.5e3 * GAS_CONSTANT)
    assert float(JouleThomson().predict(tailed, {"temperature": temperature}).mean[0]) == pytest.approx(float(expected), rel=1e-9)


def test_many_temperatures_of_a_tail_are_interpolated():
    tailed, many = bp.PlainCut(ARGON_LIKE, 8.0, tail=True), np.geomspace(80.0, 400.0, 100)
    one_by_one = [float(predict(tailed, jnp.array([t]))[0][0]) for t in many[::33]]
    np.testing.assert_allclose(CLASSICAL.predict(tailed, {"temperature": many}).mean[::33], one_by_one, rtol=1e-10)
