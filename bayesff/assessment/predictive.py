"""Scores of a predictive distribution that is given by weighted draws."""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata


def crps(
    draws: Float[np.ndarray, "draw datum"],
    values: Float[np.ndarray, " datum"],
    weights: Float[np.ndarray, "draw datum"] | None = None,
) -> Float[np.ndarray, " datum"]:
    r"""Return the continuous ranked probability score of every datum, smaller is better, in the unit of the values.

    .. math:: \mathrm{CRPS} = E|X - y| - \tfrac12 E|X - X'|

    with the fair estimator of the second term, which counts only pairs of different draws and so does not depend on their number.

    Parameters
    ----------
    draws
        Draws of the predictive distribution.
    values
        What was measured.
    weights
        Importance weights of the draws, one column a datum, each column with sum 1; equal weights if not given.

    References
    ----------
    C. A. T. Ferro, Q. J. R. Meteorol. Soc. 140, 1917 (2014), doi:10.1002/qj.2270
    """
    weights = _normalised(draws, weights)
    order = np.argsort(draws, axis=0)
    ordered, shares = np.take_along_axis(draws, order, axis=0), np.take_along_axis(weights, order, axis=0)
    below = np.cumsum(shares, axis=0) - shares
    spread = 2 * np.sum(shares * ordered * (2 * below + shares - 1), axis=0)
    distinct = 1 - np.sum(shares**2, axis=0)
    return np.sum(weights * np.abs(draws - values), axis=0) - 0.5 * spread / distinct


def pit(
    draws: Float[np.ndarray, "draw datum"],
    values: Float[np.ndarray, " datum"],
    weights: Float[np.ndarray, "draw datum"] | None = None,
) -> Float[np.ndarray, " datum"]:
    """Return the probability integral transform of every datum: the predicted probability of a smaller value.

    It is uniform between 0 and 1 where the predictions are calibrated. Draws equal to the datum count half.
    """
    weights = _normalised(draws, weights)
    return np.sum(weights * ((draws < values) + 0.5 * (draws == values)), axis=0)


def replicated_pit(draws: Float[np.ndarray, "draw datum"]) -> Float[np.ndarray, "draw datum"]:
    """Return the probability integral transform of every draw among the other ones: what data from the predictions would give."""
    return (rankdata(draws, axis=0) - 1) / (len(draws) - 1)


def covered(transform: Float[np.ndarray, "..."], level: float) -> np.ndarray:
    """Return whether each datum lies in the central interval of that probability, given its probability integral transform."""
    # Probabilities are compared with the rounding of a sum of weights in mind.
    return np.abs(transform - 0.5) <= level / 2 + 1e-12


def _normalised(draws: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return np.full(draws.shape, 1 / draws.shape[0])
    return weights / np.sum(weights, axis=0)
