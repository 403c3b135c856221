"""Every datum against its prediction, within the fit and with the datum left out."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from scipy.special import logsumexp

from bayesff.assessment.predictive import crps, pit
from bayesff.assessment.trees import Contents, contents, draws


@dataclass(frozen=True)
class LeaveOneOut:
    """Pareto-smoothed importance sampling of every datum's leave-one-out posterior.

    Parameters
    ----------
    elpd
        Log predictive density of every datum given all the others.
    pareto_k
        Shape of the weights' tail; above 0.7 the estimate for that datum is unreliable, and where it cannot be told: NaN.
    weights
        Importance weights, draws along the first axis; each column sums to 1.
    """

    elpd: np.ndarray
    pareto_k: np.ndarray
    weights: np.ndarray


def leave_one_out(tree: xarray.DataTree) -> LeaveOneOut:
    """Return the leave-one-out densities and weights of all data, those of several terms one after the other.

    References
    ----------
    A. Vehtari, A. Gelman, J. Gabry, Stat. Comput. 27, 1413 (2017), doi:10.1007/s11222-016-9696-4
    """
    log_likelihood = np.concatenate([draws(tree, "log_likelihood", name) for name in contents(tree)], axis=1)
    efficiency = _relative_efficiency(tree)
    smoothed = [_smooth(column, efficiency) for column in log_likelihood.T]
    weights = np.stack([weights - logsumexp(weights) for weights, _ in smoothed], axis=1)
    elpd = logsumexp(weights + log_likelihood, axis=0)
    return LeaveOneOut(elpd, np.array([shape for _, shape in smoothed]), np.exp(weights))


def _smooth(log_likelihood: np.ndarray, efficiency: float) -> tuple[np.ndarray, float]:
    """Return Pareto-smoothed log weights and the shape of their tail; unsmoothed ones and NaN where there is no tail to fit."""
    statistics = _array_statistics()
    try:
        with warnings.catch_warnings():
            # A shape that is large, or that cannot be estimated from a few draws, is reported with the result.
            warnings.simplefilter("ignore")
            weights, shape = statistics.psislw(log_likelihood, r_eff=efficiency)
    except ValueError:  # draws that are all the same: a chain that is stuck
        return -log_likelihood, float("nan")
    return np.asarray(weights), float(shape) if np.isfinite(shape) else float("nan")


def _relative_efficiency(tree: xarray.DataTree) -> float:
    """Return the mean effective sample size of the scalars over the number of draws; 1 where that cannot be known."""
    statistics, posterior = _array_statistics(), tree["posterior"].to_dataset()
    num_chains, num_draws = posterior.sizes["chain"], posterior.sizes["draw"]
    if num_chains == 1:
        return 1.0
    columns = [
        v.transpose("chain", "draw", ...).to_numpy().reshape(num_chains, num_draws, -1) for v in posterior.data_vars.values()
    ]
    sizes = [
        float(statistics.ess(column, chain_axis=0, draw_axis=1, method="mean"))
        for block in columns
        for column in np.moveaxis(block, 2, 0)
    ]
    finite = [size for size in sizes if np.isfinite(size)]
    return float(np.mean(finite)) / (num_chains * num_draws) if finite else 1.0


def _array_statistics() -> Any:
    from arviz_stats.base.array import array_stats

    return array_stats


def pointwise(tree: xarray.DataTree) -> xarray.Dataset:
    """Return one row a datum, of all terms: what was measured, what is expected, and how well it was predicted.

    Parameters
    ----------
    tree
        The posterior of one calibration problem.

    Returns
    -------
    xarray.Dataset
        Along ``datum``, with the coordinates ``term``, ``environment``, ``unit`` and the grouping columns (empty where a term has
        none): ``value``, ``uncertainty``, ``residual`` (datum less expectation with shared errors), ``residual_potential`` (datum
        less what the potential alone predicts), and of the posterior predictive ``crps``, ``pit``, ``log_predictive_density``.
        These are *in sample*: each datum was used in the fit that predicts it. The same with the prefix ``loo_`` and ``pareto_k``
        are of leave-one-out.
    """
    terms, left_out, first, blocks = contents(tree), leave_one_out(tree), 0, []
    labels = sorted({group for term in terms.values() for group in term.groups})
    for term in terms.values():
        rows = slice(first, first + term.num_data)
        block = _in_sample(tree, term) | _left_out(tree, term, left_out.weights[:, rows])
        block |= {"loo_log_predictive_density": left_out.elpd[rows], "pareto_k": left_out.pareto_k[rows]}
        blocks.append(xarray.Dataset({key: ("datum", column) for key, column in block.items()}, _labels(term, labels)))
        first += term.num_data
    joined: Any = xarray.concat(blocks, dim="datum")
    return joined


def _labels(term: Contents, groups: list[str]) -> dict[str, tuple[str, np.ndarray]]:
    empty = np.full(term.num_data, "", dtype=object)
    columns = {"term": empty + term.name, "environment": term.environment.astype(object), "unit": empty + term.quantity.unit}
    columns |= {group: term.groups[group].astype(object) if group in term.groups else empty for group in groups}
    return {key: ("datum", column) for key, column in columns.items()}


def _in_sample(tree: xarray.DataTree, term: Contents) -> dict[str, np.ndarray]:
    replicated = draws(tree, "posterior_predictive", term.name)
    log_likelihood = draws(tree, "log_likelihood", term.name)
    return {
        "value": term.values,
        "uncertainty": term.uncertainty,
        "residual": term.values - draws(tree, "posterior_predictive", f"{term.name}_expected").mean(axis=0),
        "residual_potential": term.values - draws(tree, "posterior_predictive", f"{term.name}_mean").mean(axis=0),
        "crps": crps(replicated, term.values),
        "pit": pit(replicated, term.values),
        "log_predictive_density": logsumexp(log_likelihood, axis=0) - np.log(len(log_likelihood)),
    }


def _left_out(tree: xarray.DataTree, term: Contents, weights: np.ndarray) -> dict[str, np.ndarray]:
    predicted = draws(tree, "posterior_predictive", f"{term.name}_left_out")
    return {"loo_crps": crps(predicted, term.values, weights), "loo_pit": pit(predicted, term.values, weights)}
