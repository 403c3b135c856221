r"""How much the parameters vary between environments: the spread :math:`\tau` of partial pooling."""

import numpy as np
import xarray

from bayesff.assessment.summaries import display
from bayesff.assessment.transfer.refits import Fits, Refit
from bayesff.assessment.transfer.settings import Transfer
from bayesff.assessment.trees import draws, environments, parameter_names

_QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}


def spread(fits: Fits, transfer: Transfer) -> xarray.Dataset | None:
    """Return the spread of every parameter between environments, and its value in each of them.

    Returns
    -------
    xarray.Dataset or None
        Along ``parameter``: ``mean``, ``q05``, ``q50``, ``q95`` of the spread (a share where ``relative`` is 1, else in
        ``unit``), its probability ``p_within`` of being below the
        tolerance and ``prior_p_within``; ``common``, ``common_q05``, ``common_q95`` of the population's value, and over
        ``environment`` ``value``, ``value_q05``, ``value_q95`` of the parameter there, in ``unit``; ``p_outside``, the
        probability that it lies further from the common value than the tolerance. None where there is one environment only, or
        where no parameter is pooled partially.
    """
    every = tuple(environments(next(iter(fits.values()))))
    tree = fits.get(Refit("pooled", every))
    if tree is None:
        return None
    pooled = [name for name in parameter_names(tree) if f"tau_{name}" in tree["posterior"].data_vars]
    if not pooled:
        return None
    parts = [_spread(tree, name, transfer.spread_tolerance) for name in pooled]
    return xarray.concat(parts, dim="parameter").assign_coords(parameter=pooled, environment=list(every))


def _spread(tree: xarray.DataTree, name: str, tolerance: float) -> xarray.Dataset:
    tau, before = draws(tree, "posterior", f"tau_{name}"), draws(tree, "prior", f"tau_{name}")
    factor, unit = display(tree["posterior"].to_dataset()[name])
    common, own = draws(tree, "posterior", name), draws(tree, "posterior", f"{name}_environment")
    # Relative for a positive parameter, and in the parameter's unit, like its spread, for a signed one.
    relative = not tree["posterior"][f"tau_{name}"].attrs.get("units", "")
    away = np.abs(np.log(np.abs(own / common[:, None]))) if relative else np.abs(own - common[:, None])
    # The spread of a signed parameter has its unit, and is judged by the tolerance's share of the common value.
    allowed, allowed_before = (np.ones(1), np.ones(1)) if relative else (np.abs(common), np.abs(draws(tree, "prior", name)))
    found: dict[str, object] = {
        "p_within": np.mean(tau < tolerance * allowed),
        "prior_p_within": np.mean(before < tolerance * allowed_before),
    }
    found["relative"] = int(relative)
    tau = tau if relative else tau * factor
    found["mean"] = tau.mean()
    found |= {key: np.quantile(tau, level) for key, level in _QUANTILES.items()}
    for key, sampled in (("common", common * factor), ("value", own * factor)):
        dims = () if sampled.ndim == 1 else ("environment",)
        found[key] = (dims, sampled.mean(axis=0))
        found[f"{key}_q05"], found[f"{key}_q95"] = ((dims, np.quantile(sampled, level, axis=0)) for level in (0.05, 0.95))
    found["p_outside"] = (("environment",), np.mean(away > tolerance * allowed[:, None], axis=0))
    return xarray.Dataset(found, coords={"unit": unit})
