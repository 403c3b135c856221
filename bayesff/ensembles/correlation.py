r"""How many independent frames a simulation has given, and from where on it was in equilibrium.

The *statistical inefficiency* of a stationary series,

.. math:: g = 1 + 2 \sum_{t=1}^{\infty} C(t),

with its normalised autocorrelation :math:`C(t)`, is the number of frames that are worth one independent frame.

References
----------
J. D. Chodera, W. C. Swope, J. W. Pitera, C. Seok, K. A. Dill, J. Chem. Theory Comput. 3, 26 (2007), doi:10.1021/ct0502864;
J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016), doi:10.1021/acs.jctc.5b00784
"""

import numpy as np
from jaxtyping import Float

from bayesff.errors import ParameterError

_STARTS = 50
"""Starts of the equilibrium that are tried."""


def autocorrelation(series: Float[np.ndarray, "replica frame"]) -> Float[np.ndarray, " lag"]:
    """Return the normalised autocorrelation of replicas about their common mean, at lags from zero."""
    num_frames = series.shape[1]
    deviation = series - series.mean()
    spectrum = np.fft.rfft(deviation, 2 * num_frames, axis=1)
    products = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :num_frames].sum(axis=0)
    pairs = np.arange(num_frames, 0, -1) * len(series)
    variance = products[0] / pairs[0]
    return products / pairs / variance if variance > 0 else np.zeros(num_frames)


def statistical_inefficiency(series: Float[np.ndarray, "replica frame"]) -> float:
    r"""Return the statistical inefficiency of a stationary series, at least 1.

    The sum over lags ends where the autocorrelation is no longer positive; a term is weighted by :math:`1 - t/N`, the share of
    the frames that have a partner. A constant series counts as independent frames.

    It is noisy where frames are few, and `equilibrated` picks a start where it is small. Errors of means that follow from both
    were too small by a factor of 1.3 with 16 independent frames in each of four replicas of a Lennard-Jones liquid, 1.2 with 47
    and 1.07 with 93; a `Simulation` has about 100 by default.

    Parameters
    ----------
    series
        Values of every frame of each replica.

    Raises
    ------
    ParameterError
        If there are fewer than two frames, or a value is not finite.
    """
    _check(series)
    correlation = autocorrelation(series)
    negative = np.flatnonzero(correlation <= 0)
    last = int(negative[0]) if len(negative) else len(correlation)
    lags = np.arange(1, last)
    return float(max(1.0, 1 + 2 * np.sum((1 - lags / series.shape[1]) * correlation[1:last])))


def equilibrated(series: Float[np.ndarray, "replica frame"]) -> tuple[int, float]:
    """Return the first frame of the equilibrium, and the statistical inefficiency from there on.

    The start is the one that leaves most independent frames: a drift at the beginning makes frames look correlated, so that
    leaving it out pays.

    Parameters
    ----------
    series
        Values of every frame of each replica.

    Raises
    ------
    ParameterError
        If there are fewer than two frames, or a value is not finite.
    """
    _check(series)
    num_frames = series.shape[1]
    starts = np.unique(np.linspace(0, num_frames - 2, min(_STARTS, num_frames - 1)).astype(int))
    found = [statistical_inefficiency(series[:, start:]) for start in starts]
    best = int(np.argmax((num_frames - starts) / np.array(found)))
    return int(starts[best]), found[best]


def _check(series: np.ndarray) -> None:
    if series.shape[1] < 2:
        raise ParameterError(f"statistical_inefficiency: a series needs two frames or more, found {series.shape[1]}")
    if not np.all(np.isfinite(series)):
        replica, frame = np.argwhere(~np.isfinite(series))[0]
        raise ParameterError(
            f"statistical_inefficiency: values must be finite, found {series[replica, frame]} in frame {frame} of replica "
            f"{replica}"
        )
