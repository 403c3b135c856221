"""The coordinates that NUTS moves in: the parameters are standard normal in them, whatever the sizes of the errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from bayesff.calibration import (
    CalibrationProblem,
    Discrepancy,
    GaussianNoise,
    GroupBias,
    PartialPooling,
    Prior,
    StudentTNoise,
    Term,
)
from bayesff.covariance import Covariance
from bayesff.inference import Target, find_mode
from bayesff.inference.coordinates import compile_coordinates
from bayesff.inference.mode import compile_energies

from .linear_gaussian import PRIORS, UNCERTAINTY, Line, LineHeight, make_data, make_problem

NUMERICAL = Covariance.shared(jnp.asarray(0.3 * UNCERTAINTY[:, None]))
NOISE = GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 1.0)))
BIAS = GroupBias("laboratory", Prior(dist.HalfNormal(0.5), "kJ/mol"))
SMOOTH = Discrepancy("separation", Prior(dist.LogNormal(-1.0, 1.0), "kJ/mol"), Prior(dist.LogNormal(0.0, 0.5)), num_nodes=4)


def make_coordinates(problem):
    target = Target(problem)
    energies = compile_energies(target)
    mode = find_mode(target, jax.random.key(0), energies)
    several, observed = jax.tree.map(lambda leaf: leaf[None], (mode, target.observed))
    found = compile_coordinates(target, energies)(several, observed)
    return target, jax.tree.map(lambda leaf: leaf[0], found)


@pytest.fixture(scope="module")
def every_size():
    return make_coordinates(make_problem(numerical=NUMERICAL, noise=NOISE, effects=[BIAS, SMOOTH]))


def test_parameters_of_a_linear_problem_are_standard_normal_at_every_size_of_the_errors(every_size):
    target, coordinates = every_size

    @jax.jit
    def energy(w):
        z, log_volume = coordinates.unwhiten(target, w)
        return -target.log_density(z) - log_volume

    assert set(target.locations) | set(target.sizes) == set(range(target.size))
    for seed in range(4):
        w = 2.0 * jax.random.normal(jax.random.key(seed), (target.size,))
        centre = w.at[target.locations].set(0.0)
        assert float(energy(w) - energy(centre)) == pytest.approx(float(0.5 * jnp.sum((w - centre) ** 2)), rel=1e-4)


def test_terms_that_err_together_keep_their_order():
    """Their names are in no alphabetical order, which is the one that JAX gives the keys of a dictionary."""
    column = jnp.asarray([[0.3], [0.2], [0.4]])
    terms = [
        Term(make_data(rows=rows), LineHeight(Covariance(jnp.zeros(3), size * column, ("grid",))), name=name)
        for name, rows, size in (("upper", slice(0, 3), 1.0), ("lower", slice(3, 6), -0.1))
    ]
    problem = CalibrationProblem(Line, PRIORS, terms)
    problem.together = (("upper", "lower"),)  # as terms of one liquid are
    target, coordinates = make_coordinates(problem)

    def energy(w):
        z, log_volume = coordinates.unwhiten(target, w)
        return -target.log_density(z) - log_volume

    np.testing.assert_allclose(jax.hessian(energy)(jnp.zeros(target.size)), np.eye(target.size), atol=1e-4)


def check_volume(target, coordinates):
    @jax.jit
    def place(w):
        unwhiten = partial(coordinates.unwhiten, target)
        return unwhiten(w), jnp.linalg.slogdet(jax.jacfwd(lambda w: unwhiten(w)[0])(w))

    for seed in range(2):
        (_, log_volume), (sign, log_determinant) = place(jax.random.normal(jax.random.key(seed), (target.size,)))
        assert float(jnp.abs(sign)) == 1.0
        assert float(log_volume) == pytest.approx(float(log_determinant), abs=1e-9)
    np.testing.assert_allclose(place(jnp.zeros(target.size))[0][0], coordinates.mode.location, atol=1e-9)
    far = 3.0 * jax.random.normal(jax.random.key(7), (target.size,))
    np.testing.assert_allclose(coordinates.whiten(target, place(far)[0][0]), far, atol=1e-7)


def test_the_volume_is_the_jacobian_determinant(every_size):
    check_volume(*every_size)


@pytest.mark.parametrize("model", [{"noise": StudentTNoise(), "effects": [BIAS]}, {}], ids=["student", "no sizes"])
def test_the_volume_is_the_jacobian_determinant_whatever_the_errors(model):
    check_volume(*make_coordinates(make_problem(**model)))


def test_a_spread_between_environments_is_a_size_and_its_offsets_are_locations():
    problem = make_problem(noise=NOISE)
    spread = PartialPooling(Prior(dist.HalfNormal(0.3)))
    pooled = CalibrationProblem(problem.potential, problem.priors, list(problem.terms.values()), {"amplitude": spread})
    target = Target(pooled)
    names = np.array(target.scalar_names())
    assert set(names[target.sizes]) == {"line_height_noise_scale", "tau_amplitude"}
    assert set(names[target.locations]) == {"amplitude", "slope", "amplitude_offset[0]"}
