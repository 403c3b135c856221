"""Reweighting, on harmonic oscillators whose free energies and averages are known."""

import contextlib
import io
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bayesff.ensembles import MBAR
from bayesff.errors import NumericalError, ParameterError

PLACES = np.array([0.0, 0.8, 1.6, 2.4])
STIFFNESSES = np.array([1.0, 2.0, 3.0, 2.0])
TARGET = (1.2, 2.5)
FREE = -0.5 * np.log(2 * np.pi / STIFFNESSES)


def energy(x, place, stiffness):
    return 0.5 * stiffness * (x - place) ** 2


def sample(rng, number, correlation=0.0):
    """Frames of every reference, an autoregressive series each."""
    noise = rng.normal(size=(len(PLACES), number))
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0]
    for step in range(1, number):
        series[:, step] = correlation * series[:, step - 1] + np.sqrt(1 - correlation**2) * noise[:, step]
    return (PLACES[:, None] + series / np.sqrt(STIFFNESSES)[:, None]).ravel()


def solved(x, number, inefficiency=None):
    return MBAR.solve(energy(x, PLACES[:, None], STIFFNESSES[:, None]), [number] * len(PLACES), inefficiency)


@partial(jax.jit, static_argnums=2)
def predicted(mbar, x, num_blocks=20):
    """Place and squared place at the target, with the factor of their covariance, and the free energy there."""
    log_weights, free = mbar.log_weights(jnp.asarray(energy(x, *TARGET)))
    values = jnp.stack([x, x**2], axis=1)
    return *mbar.average(log_weights, values, num_blocks), free, mbar.effective_sample_size(log_weights)


@pytest.fixture(scope="module")
def frames():
    return sample(np.random.default_rng(5), 4000)


def test_the_free_energies_solve_their_equations(frames):
    mbar = solved(frames, 4000)
    np.testing.assert_allclose(mbar.membership.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(mbar.membership.sum(axis=1), 4000.0, rtol=1e-8)
    np.testing.assert_allclose(mbar.overlap.sum(axis=1), 1.0, rtol=1e-8)
    np.testing.assert_allclose(mbar.free_energies, FREE - FREE[0], atol=0.05)


def test_free_energies_and_averages_are_those_of_pymbar(frames):
    """The same equations; its error of an average is that of independent frames, which these are."""
    with contextlib.redirect_stdout(io.StringIO()):
        import pymbar

    kept = np.concatenate([np.arange(start, start + 4000, 8) for start in range(0, 16000, 4000)])
    x = frames[kept]
    mbar, peer = solved(x, 500), pymbar.MBAR(energy(x, PLACES[:, None], STIFFNESSES[:, None]), [500] * 4)
    np.testing.assert_allclose(mbar.free_energies, peer.f_k - peer.f_k[0], atol=1e-6)
    log_weights, _ = mbar.log_weights(jnp.asarray(energy(x, *TARGET)))
    mean, factor = mbar.average(log_weights, jnp.stack([x, x**2], axis=1))
    for index, values in enumerate((x, x**2)):
        expected = peer.compute_expectations(values, energy(x, *TARGET)[None], compute_uncertainty=True)
        assert float(mean[index]) == pytest.approx(expected["mu"][0], rel=1e-6)
        assert float(jnp.sqrt(jnp.sum(factor[index] ** 2))) == pytest.approx(expected["sigma"][0], rel=0.3)


def test_one_reference_is_plain_exponential_averaging(frames):
    x = frames[:4000]
    mbar = MBAR.solve(energy(x, PLACES[0], STIFFNESSES[0])[None], [4000])
    log_weights, free = mbar.log_weights(jnp.asarray(energy(x, 0.3, 1.5)))
    ratio = np.exp(energy(x, PLACES[0], STIFFNESSES[0]) - energy(x, 0.3, 1.5))
    np.testing.assert_allclose(np.exp(log_weights), ratio / ratio.sum(), rtol=1e-10)
    assert float(free) == pytest.approx(-np.log(ratio.mean()), rel=1e-10)


def test_a_reference_itself_has_weights_of_its_own_density(frames):
    mbar = solved(frames, 4000)
    _, free = mbar.log_weights(mbar.reduced_energies[2])
    assert float(free) == pytest.approx(float(mbar.free_energies[2]), abs=1e-8)


def test_frames_of_another_reference_where_cores_overlap_have_no_weight():
    energies = jnp.array([[0.0, 0.1, 0.2, 0.3], [jnp.inf, 0.0, 0.1, 0.2]])
    mbar = MBAR.solve(energies, [2, 2])
    assert float(mbar.membership[1, 0]) == 0.0
    log_weights, _ = mbar.log_weights(jnp.array([jnp.inf, 0.0, 0.0, 0.0]))
    assert float(log_weights[0]) == -np.inf
    assert float(mbar.effective_sample_size(log_weights)) < 3.01


def errors_over(correlation, inefficiency, num_blocks, repeats=200, number=600):
    rng = np.random.default_rng(11)
    exact = np.array([TARGET[0], TARGET[0] ** 2 + 1 / TARGET[1]])
    found = []
    for _ in range(repeats):
        x = sample(rng, number, correlation)
        mean, factor, _, _ = predicted(solved(x, number, inefficiency), x, num_blocks)
        covariance = np.asarray(factor @ factor.T)
        found.append((mean - exact) / np.sqrt(np.diag(covariance)))
    return np.array(found)


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_errors_of_averages_are_calibrated(correlation):
    """Scores over 200 repeats: false alarm 1 in 1000 for each of the four; twenty blocks are Student's t to begin with."""
    scores = errors_over(correlation, [(1 + correlation) / (1 - correlation)] * 4, 20)
    for column in scores.T:
        assert stats.kstest(column, stats.norm(scale=1.03).cdf).pvalue > 5e-4
        assert size_of(column) > 5e-4


def test_errors_that_take_correlated_frames_for_independent_are_found_out():
    """A block for every other frame: the negative control of the test above."""
    assert size_of(errors_over(0.9, None, 300, repeats=60)[:, 0]) < 1e-6


def size_of(scores):
    """Two-sided probability of a sum of squares as far from that of normal scores."""
    below = stats.chi2(len(scores)).cdf(np.sum((scores / 1.03) ** 2))
    return 2 * min(below, 1 - below)


def test_free_energies_add_to_the_error():
    """With few frames in the references between, the weights' own scatter is not all of the error."""
    x = sample(np.random.default_rng(2), 300)
    mbar = solved(x, 300)
    log_weights, _ = mbar.log_weights(jnp.asarray(energy(x, *TARGET)))
    mean, factor = mbar.average(log_weights, jnp.asarray(x)[:, None])
    plain = float(jnp.sum(jnp.exp(2 * log_weights) * (x - mean[0]) ** 2))
    assert float(jnp.sum(factor**2)) > 1.2 * plain


@pytest.mark.parametrize("shift", [1.0, 1.5])
def test_the_effective_sample_size_at_the_edge_of_what_was_sampled(shift):
    """For normal distributions of one width it is N exp(-shift^2); of 100 frames, Kish's is too large by far."""
    rng, found, kish = np.random.default_rng(4), [], []
    for _ in range(300):
        x = rng.normal(size=100)
        mbar = MBAR.solve(jnp.asarray(x**2 / 2)[None], [100])
        log_weights = mbar.log_weights(jnp.asarray((x - shift) ** 2 / 2))[0]
        found.append(float(mbar.effective_sample_size(log_weights)))
        kish.append(float(1 / jnp.sum(jnp.exp(2 * log_weights))))
        assert float(mbar.caution(log_weights)) == pytest.approx(kish[-1] / found[-1], rel=1e-9)
    exact = 100 * np.exp(-(shift**2))
    assert exact < np.mean(kish) * 0.9
    assert 0.75 * exact < np.mean(found) < 1.1 * exact


def test_the_effective_sample_size():
    x = sample(np.random.default_rng(3), 2000)
    mbar = solved(x, 2000)
    near, far = (mbar.log_weights(jnp.asarray(energy(x, place, 2.0)))[0] for place in (0.8, 6.0))
    assert float(mbar.effective_sample_size(near)) > 2000
    assert float(mbar.effective_sample_size(far)) < 20
    halved = solved(x, 2000, [4.0] * 4)
    again = halved.log_weights(jnp.asarray(energy(x, 0.8, 2.0)))[0]
    assert float(halved.effective_sample_size(again)) == pytest.approx(float(mbar.effective_sample_size(near)) / 4, rel=1e-6)


def test_averages_are_differentiable_in_the_target(frames):
    mbar = solved(frames, 4000)
    x = jnp.asarray(frames)

    def place(target):
        log_weights, _ = mbar.log_weights(0.5 * 2.0 * (x - target) ** 2)
        mean, factor = mbar.average(log_weights, x[:, None])
        return mean[0], jnp.sum(factor**2)

    slope, of_error = jax.jacfwd(place)(1.2)
    backward = jax.grad(lambda target: place(target)[0])(1.2)
    assert float(slope) == pytest.approx(1.0, abs=0.1)
    assert float(backward) == pytest.approx(float(slope), rel=1e-8)
    apart = (place(1.2 + 1e-5)[1] - place(1.2 - 1e-5)[1]) / 2e-5
    assert float(of_error) == pytest.approx(float(apart), rel=1e-5)


@pytest.mark.parametrize(
    ("energies", "numbers", "inefficiency", "said"),
    [
        (np.zeros((2, 4)), [2, 3], None, "must have the shape (reference, frame) = (2, 5), found (2, 4)"),
        (np.zeros((2, 4)), [4, 0], None, "every reference must have frames, found 0 in one: leave it out"),
        (np.zeros((2, 4)), [2, 2], [0.5, 1.0], "inefficiency must be one number of at least 1 for each of 2 references"),
        (np.array([[0.0, np.nan]]), [2], None, "found nan for frame 1 in reference 0"),
        (np.array([[0.0, -np.inf]]), [2], None, "found -inf for frame 1 in reference 0"),
    ],
)
def test_what_cannot_be_reweighted(energies, numbers, inefficiency, said):
    with pytest.raises(ParameterError) as raised:
        MBAR.solve(energies, numbers, inefficiency)
    assert said in str(raised.value)


def test_references_without_frames_in_common():
    energies = np.array([[0.0, 0.1, np.inf, np.inf], [np.inf, np.inf, 0.0, 0.1]])
    with pytest.raises(NumericalError, match="found none between some of them: add a reference between"):
        MBAR.solve(energies, [2, 2])
