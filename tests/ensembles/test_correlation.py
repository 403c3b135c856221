"""Statistical inefficiency of autoregressive series, for which it is known."""

import numpy as np
import pytest

from bayesff.ensembles import equilibrated, statistical_inefficiency
from bayesff.errors import ParameterError


def autoregressive(rng, correlation, num_replicas, num_frames):
    series = np.empty((num_replicas, num_frames))
    series[:, 0] = rng.normal(size=num_replicas)
    for frame in range(1, num_frames):
        kicks = np.sqrt(1 - correlation**2) * rng.normal(size=num_replicas)
        series[:, frame] = correlation * series[:, frame - 1] + kicks
    return series


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_an_autoregressive_series(correlation):
    """The inefficiency is (1 + a) / (1 - a); its mean over 40 series, within a tenth of it."""
    rng = np.random.default_rng(1)
    found = [statistical_inefficiency(autoregressive(rng, correlation, 4, 5000)) for _ in range(40)]
    assert np.mean(found) == pytest.approx((1 + correlation) / (1 - correlation), rel=0.1)


def test_the_scatter_of_means_is_what_the_inefficiency_says():
    rng = np.random.default_rng(2)
    series = [autoregressive(rng, 0.8, 2, 2000) for _ in range(200)]
    said = np.mean([statistical_inefficiency(one) * one.var() / one.size for one in series])
    # The variance of 200 means has a relative standard deviation of a tenth.
    assert np.var([one.mean() for one in series]) == pytest.approx(said, rel=0.35)


def test_replicas_that_stay_apart_are_not_independent_frames():
    series = np.array([[1.0], [-1.0]]) + 0.01 * np.random.default_rng(3).normal(size=(2, 500))
    assert statistical_inefficiency(series) > 400


def test_a_drift_at_the_beginning_is_left_out():
    series = autoregressive(np.random.default_rng(4), 0.5, 3, 2000) + 20 * np.exp(-np.arange(2000) / 40)
    start, inefficiency = equilibrated(series)
    assert 100 < start < 500
    assert inefficiency == pytest.approx(3.0, rel=0.3)


def test_a_series_in_equilibrium_is_kept():
    start, _ = equilibrated(autoregressive(np.random.default_rng(5), 0.5, 3, 2000))
    assert start < 200


@pytest.mark.parametrize("num_frames", [40, 120, 400])
def test_errors_of_short_series_are_not_too_small(num_frames):
    """Over 400 series the mean square of a score has a relative standard deviation of 0.07; with the start that leaves most
    independent frames, and the bare inefficiency, it is 1.2 for 40 frames."""
    rng, scores = np.random.default_rng(6), []
    for _ in range(400):
        series = autoregressive(rng, 0.45, 4, num_frames)
        start, inefficiency = equilibrated(series, np.exp(0.1 * series))
        kept = series[:, start:]
        scores.append(kept.mean() / np.sqrt(kept.var(ddof=1) * inefficiency / kept.size))
    assert 0.6 < np.mean(np.square(scores)) < 1.1


def test_a_constant_series():
    assert statistical_inefficiency(np.ones((2, 10))) == 1.0


def test_what_is_no_series():
    with pytest.raises(ParameterError, match="needs two frames or more, found 1"):
        statistical_inefficiency(np.ones((2, 1)))
    with pytest.raises(ParameterError, match="found nan in frame 1 of replica 0"):
        equilibrated(np.array([[1.0, np.nan, 2.0]]))
