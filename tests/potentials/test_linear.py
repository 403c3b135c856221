"""Potentials that are linear in their weights, against dense formulae, quadrature and draws from their own prior."""

import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad
from scipy.stats import binom

import bayesff.potentials as bp
from bayesff.errors import DataError, ParameterError
from bayesff.observables import SecondVirial
from bayesff.potentials.gaussian_process import WIDEST_SPACING

LENNARD_JONES = bp.LennardJones(epsilon=1.0, sigma=3.4)
KERNEL = {"strength": 0.3, "length": 3.4, "correlation": 0.15, "inner": 2.6, "cutoff": 11.0}
WEIGHTS = jnp.array([0.5, -0.8, 1.1, 0.3, -0.6, 0.9, -1.2, 0.4, 0.2, -0.7, 1.0, 0.1])
PROCESS = bp.GaussianProcessPair(LENNARD_JONES, WEIGHTS, **KERNEL)
NETWORK = bp.RadialBasisPair(LENNARD_JONES, WEIGHTS[:5], centres=(3.2, 3.8, 4.4, 5.0, 5.6), width=0.5)
BOTH = pytest.mark.parametrize("potential", [PROCESS, NETWORK], ids=["process", "network"])

energies_of = jax.jit(lambda potential, r: jax.vmap(potential.pair_energy)(r))
forces_of = jax.jit(lambda potential, r: jax.vmap(potential.pair_force)(r))


def kernel_of(potential, x, y):
    """The kernel of the process that the nodes hold, written out with matrices, as a function of two separations."""
    nodes = jnp.linspace(math.log(potential.inner), math.log(potential.cutoff), len(potential.weights))

    def gaussian(a, b):
        return jnp.exp(-0.5 * ((a - b) / potential.correlation) ** 2)

    def amplitude(r):
        rho = potential.length**6 / (r**6 + (0.75 * potential.inner) ** 6)
        return potential.strength * (rho + rho**2) * (1 - (r / potential.cutoff) ** 2) ** 3

    left, right = gaussian(jnp.log(x), nodes), gaussian(jnp.log(y), nodes)
    return amplitude(x) * amplitude(y) * left @ jnp.linalg.solve(gaussian(nodes[:, None], nodes), right)


@BOTH
def test_the_energy_is_the_mean_and_the_weighted_basis(potential):
    r = jnp.linspace(1.0, 14.0, 60)
    by_basis = energies_of(potential.mean, r) + jax.vmap(potential.basis)(r) @ potential.weights
    np.testing.assert_allclose(energies_of(potential, r), by_basis, rtol=1e-11, atol=1e-13)


@BOTH
def test_derivatives_in_the_weights_and_the_separation(potential):
    @jax.jit
    def energy(weights, r):
        return potential.with_weights(weights).pair_energy(r)

    check_grads(energy, (potential.weights, jnp.asarray(3.7)), order=2, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5)


def test_every_corner_of_the_prior_is_finite():
    radii = jnp.array([1e-300, 1e-6, 0.1, 1.0, 2.6, 3.4, 6.0, 11.0 - 1e-12, 11.0, 12.0, 1e6])
    for size in (-8.0, 8.0):
        for extreme in (jnp.full(12, size), size * jnp.array([1.0, -1.0] * 6)):
            slopes = jax.vmap(jax.grad(lambda w, r: PROCESS.with_weights(w).pair_energy(r), argnums=(0, 1)), (None, 0))
            assert np.all(np.isfinite(energies_of(PROCESS.with_weights(extreme), radii[1:])))
            assert all(np.all(np.isfinite(slope)) for slope in slopes(extreme, radii[1:]))


def test_beyond_the_cutoff_and_deep_in_the_core_the_process_is_its_mean():
    outside, inside = jnp.array([11.0, 11.5, 40.0]), jnp.array([0.3, 0.5])
    np.testing.assert_array_equal(energies_of(PROCESS, outside), energies_of(LENNARD_JONES, outside))
    np.testing.assert_allclose(energies_of(PROCESS, inside), energies_of(LENNARD_JONES, inside), rtol=1e-6)
    assert float(PROCESS.energy_beyond(11.0)) == pytest.approx(float(LENNARD_JONES.energy_beyond(11.0)), rel=1e-13)
    alone = bp.GaussianProcessPair(None, WEIGHTS, **KERNEL)
    slope = jax.grad(alone.pair_energy)
    for order, function in enumerate([alone.pair_energy, slope, jax.grad(slope)]):  # each is continuous at the cutoff
        at, inside = jnp.asarray(11.0 - 1e-4), jnp.asarray(11.0 - 1e-1)
        assert abs(float(function(at))) < 2 * 1e-3 ** (3 - order) * abs(float(function(inside))) + 1e-18
    third = (3.4**2 * 11.0) ** (1 / 3)
    assert [float(radius) for radius in PROCESS.breakpoints()] == pytest.approx([3.4, third, 11.0], rel=1e-14)


def test_second_virials_of_cold_gases_have_many_digits():
    # With the well and the tail in one segment the reported error was 1 cm^3/mol at 75 K, and its change with the weights, which
    # no gradient sees, made a sampler take steps a hundred times too small.
    wide = bp.GaussianProcessPair(LENNARD_JONES, jnp.asarray([0.6, -0.9] * 8), **KERNEL | {"cutoff": 20.0})
    prediction = SecondVirial().predict(wide, {"temperature": [75.0, 100.0, 300.0]})
    assert np.all(np.sqrt(np.asarray(prediction.covariance.diagonal)) < 1e-4 * np.abs(np.asarray(prediction.mean)))


@BOTH
@pytest.mark.parametrize("radius", [3.0, 5.0, 10.5, 20.0])
def test_the_tail_is_an_integral(potential, radius):
    def process(r):
        return r**2 * float(potential.basis(r) @ potential.weights)

    added = quad(process, radius, max(radius, 11.0), epsabs=1e-11, epsrel=1e-11, limit=200)[0]
    found = float(potential.energy_beyond(radius)) - float(LENNARD_JONES.energy_beyond(radius))
    assert found == pytest.approx(added, rel=1e-8, abs=1e-9)


def test_the_prior_variance_between_nodes_is_nearly_that_of_the_process():
    number = 12
    widest = math.log(11.0 / 2.6) / (number - 1) / (WIDEST_SPACING - 1e-9)
    for correlation, share in ((widest, 0.95), (widest * WIDEST_SPACING, 0.98)):
        process = bp.GaussianProcessPair(None, jnp.zeros(number), **(KERNEL | {"correlation": correlation}))
        r = jnp.linspace(2.6, 10.9, 300)
        held = jnp.sum(jax.vmap(process.basis)(r) ** 2, axis=1) / jax.vmap(process.amplitude)(r) ** 2
        assert share < float(held.min()) <= float(held.max()) < 1 + 1e-9


ENERGIES = bp.Curve(np.array([2.9, 3.3, 3.7, 4.2, 5.5]), np.array([7.0, 0.6, -0.95, -0.7, -0.2]), np.full(5, 0.02))
FORCES = bp.Curve(np.array([3.0, 3.6, 4.0, 4.8]), np.array([60.0, 2.5, -0.8, -0.6]), np.array([0.5, 0.1, 0.05, 0.05]))


@pytest.mark.parametrize("kinds", ["energies", "forces", "both"])
def test_the_process_given_data_is_the_dense_regression_with_the_kernel_between_them(kinds):
    """Matrices between all data, a solve, no weights: the other side of Woodbury's identity; forces are slopes of the kernel."""
    given = {"energies": ENERGIES, "forces": FORCES}
    given = given if kinds == "both" else {kinds: given[kinds]}

    def kernel(x, y):
        return kernel_of(PROCESS, x, y)

    slope = jax.grad(kernel, argnums=1)
    functions = {  # covariance of the energy at the first point, or the force, with that at the second
        ("energies", "energies"): kernel,
        ("energies", "forces"): lambda x, y: -slope(x, y),
        ("forces", "energies"): lambda x, y: -slope(y, x),
        ("forces", "forces"): jax.grad(slope, argnums=0),
    }

    def matrix(one, left, other, right):
        return jax.vmap(lambda x: jax.vmap(lambda y: functions[one, other](x, y))(right))(left)

    mean = {"energies": energies_of, "forces": forces_of}
    probe = jnp.array([2.7, 3.0, 3.5, 4.4, 6.0, 9.0])

    @jax.jit
    def dense(given):
        between = jnp.block([[matrix(a, x.separation, b, y.separation) for b, y in given.items()] for a, x in given.items()])
        noise = jnp.concatenate([curve.uncertainty for curve in given.values()])
        off = jnp.concatenate([curve.value - mean[a](LENNARD_JONES, curve.separation) for a, curve in given.items()])
        inverse, made = jnp.linalg.inv(between + jnp.diag(noise**2)), []
        for kind in mean:
            across = jnp.concatenate([matrix(kind, probe, b, y.separation) for b, y in given.items()], axis=1)
            own = jnp.diag(matrix(kind, probe, kind, probe))
            made.append(
                (mean[kind](LENNARD_JONES, probe) + across @ inverse @ off, own - jnp.sum((across @ inverse) * across, 1), own)
            )
        return made

    @jax.jit
    def by_weights(given):
        known = PROCESS.condition(**given)
        return known.energy(probe), known.force(probe)

    given = jax.tree.map(jnp.asarray, given)
    for (found, variance), (expected, left, own) in zip(by_weights(given), dense(given), strict=True):
        np.testing.assert_allclose(found / jnp.sqrt(own), expected / jnp.sqrt(own), atol=1e-8)
        np.testing.assert_allclose(variance / own, left / own, atol=1e-8)


def test_predictions_of_truths_from_the_prior_are_covered_as_often_as_they_claim():
    """One probe a truth, so that the cases are independent; 0.1 % at either side of the binomial distribution."""
    random, number = np.random.default_rng(20), 400
    separation = jnp.linspace(2.8, 7.0, 7)
    uncertainty = 0.05 * jax.vmap(PROCESS.amplitude)(separation)

    @jax.jit
    @jax.vmap
    def standardised(weights, noise, probe):
        truth = PROCESS.with_weights(weights)
        value = jax.vmap(truth.pair_energy)(separation) + uncertainty * noise
        mean, variance = PROCESS.condition(energies=bp.Curve(separation, value, uncertainty)).energy(probe)
        return (mean[0] - truth.pair_energy(probe)) / jnp.sqrt(variance[0])

    off = standardised(random.normal(size=(number, 12)), random.normal(size=(number, 7)), random.uniform(2.7, 9.0, number))
    for level, z in ((0.5, 0.6744897501960817), (0.9, 1.6448536269514722)):
        assert binom.ppf(0.001, number, level) <= int(jnp.sum(jnp.abs(off) < z)) <= binom.ppf(0.999, number, level)


def test_a_kernel_matrix_close_to_singular_gets_a_jitter_and_says_so():
    assert PROCESS.jitter == 0.0
    crowded = bp.GaussianProcessPair(LENNARD_JONES, jnp.ones(12), **(KERNEL | {"correlation": 1.0}))
    with pytest.warns(UserWarning, match=r"12 nodes with the correlation length 1.0 .* was added to its diagonal: take fewer"):
        assert 0 < crowded.jitter < 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.all(np.isfinite(energies_of(crowded, jnp.linspace(0.1, 12.0, 50))))
        r = jnp.linspace(2.6, 10.9, 60)
        held = jnp.sum(jax.vmap(crowded.basis)(r) ** 2, axis=1) / jax.vmap(crowded.amplitude)(r) ** 2
        np.testing.assert_allclose(held, 1.0, atol=1e-5)


def test_the_network_is_the_least_squares_solution():
    separation, regress = np.linspace(3.0, 5.8, 12), jax.jit(lambda **given: NETWORK.regress(**given))
    truth = energies_of(NETWORK, jnp.asarray(separation))
    known = regress(energies=bp.Curve(separation, truth, 0.01))
    np.testing.assert_allclose(known.potential.weights, NETWORK.weights, atol=1e-9)
    noisy = np.asarray(truth) + 0.1 * np.random.default_rng(3).standard_normal(12)
    design = np.exp(-0.5 * ((separation[:, None] - np.array(NETWORK.centres)) / 0.5) ** 2)
    target = noisy - np.asarray(energies_of(LENNARD_JONES, jnp.asarray(separation)))
    free = regress(energies=bp.Curve(separation, noisy, 0.1))
    np.testing.assert_allclose(free.potential.weights, np.linalg.lstsq(design, target, rcond=None)[0], atol=1e-9)
    np.testing.assert_allclose(free.covariance, 0.01 * np.linalg.inv(design.T @ design), rtol=1e-7)
    ridge = jax.jit(lambda: NETWORK.regress(energies=bp.Curve(separation, noisy, 0.1), weight_scale=0.5))().potential.weights
    np.testing.assert_allclose(ridge, np.linalg.solve(design.T @ design + 0.04 * np.eye(5), design.T @ target), atol=1e-9)
    slopes = bp.Curve(separation, forces_of(NETWORK, jnp.asarray(separation)), 0.01)
    np.testing.assert_allclose(regress(forces=slopes).potential.weights, NETWORK.weights, atol=1e-9)


def test_a_factory_takes_weights_and_parameters_of_the_mean():
    make = bp.GaussianProcessPair.factory(12, bp.LennardJones, **KERNEL)
    made = make(epsilon=1.0, sigma=3.4, **dict(zip(make.weight_names, WEIGHTS, strict=True)))
    np.testing.assert_allclose(energies_of(made, jnp.array([3.0, 4.0])), energies_of(PROCESS, jnp.array([3.0, 4.0])), rtol=1e-14)
    fixed = bp.GaussianProcessPair.factory(12, LENNARD_JONES, **KERNEL)
    with pytest.raises(ParameterError, match="every weight must be given, found none called 'w1' of 12: add its prior"):
        fixed(w0=1.0)
    with pytest.raises(ParameterError, match="the mean is fixed and takes no parameters, found 'epsilon': give what makes"):
        fixed(epsilon=1.0, **dict(zip(fixed.weight_names, WEIGHTS, strict=True)))


@pytest.mark.parametrize(
    ("changes", "number", "message"),
    [
        ({"strength": 0.0}, 12, "strength must be finite and greater than zero, found 0.0"),
        ({"cutoff": 2.0}, 12, "the cutoff must be beyond the first node, found 2.0 and 2.6 angstrom"),
        ({}, 8, r"need at least 10 weights, found the shape \(8,\): give more, or a longer correlation"),
    ],
)
def test_wrong_numbers_of_a_process(changes, number, message):
    with pytest.raises(ParameterError, match=message):
        bp.GaussianProcessPair(LENNARD_JONES, jnp.zeros(number), **(KERNEL | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": -1.0}, "width must be finite and greater than zero, found -1.0 angstrom"),
        ({"centres": (3.0, math.nan)}, "centres must be finite, found"),
        ({"centres": (3.0,)}, r"as many weights as centres, found the shape \(2,\) and 1 centres"),
    ],
)
def test_wrong_numbers_of_a_network(changes, message):
    with pytest.raises(ParameterError, match=message):
        bp.RadialBasisPair(None, [0.0, 0.0], **({"centres": (3.0, 4.0), "width": 0.5} | changes))


def test_wrong_data():
    with pytest.raises(DataError, match="as many data as weights, found 4 data for 5 weights: add data or take fewer centres"):
        NETWORK.regress(forces=FORCES)
    with pytest.raises(ParameterError, match="weight_scale must be greater than zero, found 0"):
        NETWORK.regress(energies=ENERGIES, weight_scale=0.0)
    with pytest.raises(DataError, match="needs energies or forces, found neither: give at least one of them"):
        PROCESS.condition()
    with pytest.raises(DataError, match=r"uncertainty must be finite and greater than zero, found 0\.0: correct it"):
        PROCESS.condition(energies=bp.Curve([3.0, 4.0], [0.0, 0.0], [0.1, 0.0]))
    with pytest.raises(DataError, match=r"separation must be finite and greater than zero, found -3\.0"):
        PROCESS.condition(energies=bp.Curve([-3.0], [0.0], 0.1))
    with pytest.raises(DataError, match="one value and uncertainty for each of 2 separations, found shapes"):
        PROCESS.condition(energies=bp.Curve([3.0, 4.0], [0.0, 0.0, 0.0], 0.1))
