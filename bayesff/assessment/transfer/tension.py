r"""Tension between environments: does one parameter vector serve them all?

The evidence :math:`Z` of one parameter vector for all environments is compared with that of a parameter vector for each. Their
ratio :math:`\log R` depends on how wide the priors are, since separate parameters pay for theirs once an environment. The
*suspiciousness* does not: it is the difference of the mean log likelihoods,

.. math:: \log S = \langle \log L\rangle_\text{shared} - \langle \log L\rangle_\text{separate}, \qquad
          d = d_\text{separate} - d_\text{shared}, \quad d_P = 2\,\mathrm{var}_P(\log L),

and for Gaussian posteriors :math:`d - 2\log S` is a chi-squared variable with *d* degrees of freedom if the parameters are
indeed shared. What the models have in common (laboratories, noise) they share in both.
"""

import numpy as np
import xarray
from scipy.stats import chi2

from bayesff.assessment.transfer.refits import Fits, Refit
from bayesff.assessment.trees import environments


def tension(fits: Fits) -> xarray.Dataset | None:
    """Return how well one parameter vector serves all environments.

    Returns
    -------
    xarray.Dataset or None
        ``log_ratio`` (positive: shared is favoured), ``suspiciousness`` (negative: the environments disagree) and ``dimension``,
        each with its Monte Carlo error ``_sd``, and the ``p_value`` of at least such a tension by chance. None where there is one
        environment only.

    References
    ----------
    W. Handley, P. Lemos, Phys. Rev. D 100, 043504 (2019), doi:10.1103/PhysRevD.100.043504
    """
    every = tuple(environments(next(iter(fits.values()))))
    shared, separate = fits.get(Refit("shared", every)), fits.get(Refit("separate", every))
    if shared is None or separate is None:
        return None
    ratio = float(shared.attrs["log_z"]) - float(separate.attrs["log_z"])
    (mean, mean_sd, dimension, dimension_sd) = _moments(shared)
    (other, other_sd, other_dimension, other_dimension_sd) = _moments(separate)
    suspiciousness, dimension = mean - other, other_dimension - dimension
    found = {
        "log_ratio": ratio,
        "log_ratio_sd": float(np.hypot(shared.attrs["log_z_sd"], separate.attrs["log_z_sd"])),
        "suspiciousness": suspiciousness,
        "suspiciousness_sd": float(np.hypot(mean_sd, other_sd)),
        "dimension": dimension,
        "dimension_sd": float(np.hypot(dimension_sd, other_dimension_sd)),
        "p_value": float(chi2.sf(dimension - 2 * suspiciousness, dimension)) if dimension > 0 else np.nan,
    }
    return xarray.Dataset(found)


def _moments(tree: xarray.DataTree) -> tuple[float, float, float, float]:
    """Return the mean of the log likelihood and twice its variance (the effective dimension), with Monte Carlo errors."""
    from arviz_stats.base.array import array_stats

    values = tree["sample_stats"]["log_likelihood"].transpose("chain", "draw").to_numpy().astype(float)
    squares = (values - values.mean()) ** 2
    sizes = [float(np.asarray(array_stats.ess(column, chain_axis=0, draw_axis=1, method="mean"))) for column in (values, squares)]
    mean_sd, variance_sd = (np.std(column) / np.sqrt(size) for column, size in zip((values, squares), sizes, strict=True))
    return float(values.mean()), float(mean_sd), float(2 * squares.mean()), float(2 * variance_sd)
