r"""The evidence from draws of the posterior, by bridge sampling.

For draws of a posterior whose unnormalised density :math:`q(w)` is known, and draws of a normal distribution :math:`g(w)` that
was fitted to it, the evidence is the ratio of two means,

.. math:: Z = \frac{E_g[\,h(w)\,q(w)\,]}{E_q[\,h(w)\,g(w)\,]}, \qquad h(w) = \frac{1}{n_q\,q(w)/Z + n_g\,g(w)},

with the bridge *h* that makes its error smallest, found by iteration. Where the posterior is nearly normal, as it is in the
coordinates that NUTS moves in, some hundred draws fix log Z to a few hundredths.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

MAX_ROUNDS = 1000


class Evidence(NamedTuple):
    """The logarithm of the evidence, and the standard error of the evidence relative to it."""

    log_z: float
    sd: float


def bridge(
    draws: Float[np.ndarray, "chain draw dim"],
    log_density: Float[np.ndarray, "chain draw"],
    evaluate: Callable[[Float[np.ndarray, "point dim"]], Float[np.ndarray, " point"]],
    seed: int | np.random.Generator,
) -> Evidence:
    """Return the evidence of a posterior from its draws.

    The normal distribution is fitted to the first half of every chain, and the second half is bridged to it, so that the estimate
    is not biased by draws that fitted themselves.

    Parameters
    ----------
    draws
        Draws of the posterior, in coordinates in which it is close to normal.
    log_density
        Log of the unnormalised density at the draws: prior times likelihood, with the Jacobian of the coordinates.
    evaluate
        Gives the same at other points; not finite where the density is zero.
    seed
        Of the draws of the normal distribution.

    Returns
    -------
    Evidence
        Its error is that of the two means, with the effective number of the posterior's draws.

    References
    ----------
    X.-L. Meng, W. H. Wong, Stat. Sin. 6, 831 (1996); Q. F. Gronau et al., J. Math. Psychol. 81, 80 (2017),
    doi:10.1016/j.jmp.2017.09.005; S. Fruehwirth-Schnatter, Econom. J. 7, 143 (2004), doi:10.1111/j.1368-423X.2004.00125.x
    """
    half, size = draws.shape[1] // 2, draws.shape[2]
    fitted = draws[:, :half].reshape(-1, size)
    centre, root = fitted.mean(axis=0), np.linalg.cholesky(np.cov(fitted, rowvar=False).reshape(size, size))

    def log_normal(points: np.ndarray) -> np.ndarray:
        whitened = np.linalg.solve(root, (points - centre).reshape(-1, size).T)
        log_volume = np.sum(np.log(np.diag(root))) + 0.5 * size * np.log(2 * np.pi)
        return (-0.5 * np.sum(whitened**2, axis=0) - log_volume).reshape(points.shape[:-1])

    # Two draws of the normal distribution for each of the posterior: they are independent, and cost one evaluation.
    num_posterior = draws.shape[0] * (draws.shape[1] - half)
    points = centre + np.random.default_rng(seed).standard_normal((2 * num_posterior, size)) @ root.T
    kept = draws[:, half:]
    at_posterior = log_density[:, half:] - log_normal(kept)
    at_normal = np.nan_to_num(evaluate(points) - log_normal(points), nan=-np.inf, posinf=-np.inf)
    efficiency = _effective(np.exp(-np.logaddexp(0.0, at_posterior - np.median(at_posterior)))) / num_posterior
    log_z = _iterate(at_posterior.ravel(), at_normal, efficiency)
    return Evidence(log_z, _relative_error(at_posterior, at_normal, log_z, efficiency))


def _shares(num_posterior: float, num_normal: int) -> tuple[float, float]:
    """Return the logarithms of the shares of both kinds of draws, the posterior's counted as effective ones."""
    total = num_posterior + num_normal
    return np.log(num_posterior / total), np.log(num_normal / total)


def _iterate(at_posterior: np.ndarray, at_normal: np.ndarray, efficiency: float) -> float:
    own, other = _shares(efficiency * at_posterior.size, at_normal.size)
    log_z = float(np.median(at_posterior))
    for _ in range(MAX_ROUNDS):
        above = logsumexp(at_normal - np.logaddexp(own + at_normal, other + log_z)) - np.log(at_normal.size)
        below = logsumexp(-np.logaddexp(own + at_posterior, other + log_z)) - np.log(at_posterior.size)
        before, log_z = log_z, float(above - below)
        if abs(log_z - before) < 1e-10:
            break
    return log_z


def _relative_error(at_posterior: np.ndarray, at_normal: np.ndarray, log_z: float, efficiency: float) -> float:
    own, other = _shares(efficiency * at_posterior.size, at_normal.size)
    above = np.exp(at_normal - log_z - np.logaddexp(own + at_normal - log_z, other))
    below = np.exp(-np.logaddexp(own + at_posterior - log_z, other))
    error = np.var(above) / (above.size * np.mean(above) ** 2) + np.var(below) / (_effective(below) * np.mean(below) ** 2)
    return float(np.sqrt(error))


def _effective(values: Float[np.ndarray, "chain draw"]) -> float:
    """Return the effective number of draws for the mean of a quantity; all of them where that cannot be told."""
    from arviz_stats.base.array import array_stats

    found = float(np.asarray(array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean")))
    return min(found, float(values.size)) if np.isfinite(found) else float(values.size)
