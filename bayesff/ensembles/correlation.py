r"""How many independent frames a simulation has given, and from where on it was in equilibrium.

The *statistical inefficiency* of a stationary series,

.. math:: g = 1 + 2 \sum_{t=1}^{\infty} C(t),

with its normalised autocorrelation :math:`C(t)`, is the number of frames that are worth one independent frame.

References
----------
J. D. Chodera, W. C. Swope, J. W. Pitera, C. Seok, K. A. Dill, J. Chem. Theory Comput. 3, 26 (2007), doi:10.1021/ct0502864;
J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016), doi:10.1021/acs.jctc.5b00784; N. Madras, A. D. Sokal, J. Stat. Phys.
50, 109 (1988), doi:10.1007/BF01022990
"""

import numpy as np
from jaxtyping import Float

from bayesff.errors import ParameterError

_STARTS = 50
"""Starts of the equilibrium that are tried."""

_GAIN = 1.3
"""How many times as many independent frames a start must leave as the first frame does."""


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


def equilibrated(*series: Float[np.ndarray, "replica frame"]) -> tuple[int, float]:
    r"""Return the first frame of the equilibrium of series of the same frames, and their statistical inefficiency from there on.

    The start is the one that leaves most independent frames: a drift at the beginning makes frames look correlated, so that
    leaving it out pays. In any series chance makes some start look better; one other than the first frame must leave 1.3 times
    as many. The inefficiency is that of the slowest series, one standard deviation above its estimate,

    .. math:: g \left(1 + \sqrt{2 (g + 1) / N}\right)

    for `N` frames (Madras and Sokal). Without these two precautions errors of means are too small: 20, 40, 80, 120 and 240 frames
    of each of four replicas of Lennard-Jones liquids, with inefficiencies of 2.6, were off by 1.28, 1.34, 1.29, 1.20 and 1.07
    such errors (root mean square), and by 1.07, 1.06, 1.14, 0.99 and 0.99 with them.

    Parameters
    ----------
    series
        Values of every frame of each replica.

    Raises
    ------
    ParameterError
        If there are fewer than two frames, or a value is not finite.
    """
    for one in series:
        _check(one)
    num_frames = series[0].shape[1]
    starts = np.unique(np.linspace(0, num_frames - 2, min(_STARTS, num_frames - 1)).astype(int))
    found = np.array([max(_cautious(one[:, start:]) for one in series) for start in starts])
    left = (num_frames - starts) / found
    best = int(np.argmax(left))
    best = best if left[best] > _GAIN * left[0] else 0
    return int(starts[best]), float(found[best])


def _cautious(series: Float[np.ndarray, "replica frame"]) -> float:
    """Return the statistical inefficiency, one standard deviation above its estimate."""
    estimate = statistical_inefficiency(series)
    return estimate * (1 + np.sqrt(2 * (estimate + 1) / series.size))


def _check(series: np.ndarray) -> None:
    if series.shape[1] < 2:
        raise ParameterError(f"statistical_inefficiency: a series needs two frames or more, found {series.shape[1]}")
    if not np.all(np.isfinite(series)):
        replica, frame = np.argwhere(~np.isfinite(series))[0]
        raise ParameterError(
            f"statistical_inefficiency: values must be finite, found {series[replica, frame]} in frame {frame} of replica "
            f"{replica}"
        )
