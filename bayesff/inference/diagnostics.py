"""Has the run converged? Diagnostics are data with a verdict."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray
from jaxtyping import Float

from bayesff.inference.mode import two_modes

MAX_RHAT = 1.01
MIN_ESS = 400.0
MIN_EBFMI = 0.3


def diagnose(tree: xarray.DataTree, attributes: Mapping[str, Any]) -> xarray.Dataset:
    """Return R-hat, effective sample sizes and Monte Carlo errors of every scalar, and a verdict.

    The run is converged if every rank-normalised split R-hat is below 1.01, every bulk and tail effective sample size above 400,
    no draw diverged, and the energy's Bayesian fraction of missing information is above 0.3 in each chain. Populations of SMC
    are judged as chains. Draws that no Markov chain made (Laplace, variational inference) are independent, and whether what they
    are drawn from is the posterior, the method says itself by its attribute ``converged``.

    Parameters
    ----------
    tree
        The posterior, with ``sample_stats`` where the method has them.
    attributes
        Facts about the run: ``method``, ``converged`` for a method that judges itself, and how much of the posterior the
        ``other_mode`` holds, where chains were started.

    Returns
    -------
    xarray.Dataset
        ``rhat``, ``ess_bulk``, ``ess_tail``, ``mcse_mean`` over the dimension ``scalar``, whose units are the coordinate
        ``internal_unit``, and scalars ``num_divergences``, ``ebfmi`` and ``converged``; the attribute ``reasons`` says in
        words what failed.

    References
    ----------
    A. Vehtari et al., Bayesian Anal. 16, 667 (2021), doi:10.1214/20-BA1221
    """
    names, columns = _scalars(tree["posterior"].to_dataset())
    figures = {name: _figures(columns, name) for name in ("rhat", "ess_bulk", "ess_tail", "mcse_mean")}
    statistics = tree["sample_stats"].to_dataset() if "sample_stats" in tree else xarray.Dataset()
    num_divergences = int(statistics["diverging"].sum()) if "diverging" in statistics else 0
    ebfmi = float(np.min(_ebfmi(statistics["energy"].to_numpy()))) if "energy" in statistics else 1.0
    moved = "diverging" in statistics or "acceptance_rate" in statistics
    reasons = _reasons(names, figures, num_divergences, ebfmi) if moved else []
    share = float(attributes.get("other_mode", 0.0))
    if share and not np.all(figures["rhat"] < MAX_RHAT):
        reasons.append(two_modes(share))
    if not attributes.get("converged", True):
        reasons.append(str(attributes.get("reason", "the method did not converge")))
    known = [str(tree["posterior"][name.split("[")[0]].attrs.get("units", "")) for name in names]
    found = xarray.Dataset(
        {name: ("scalar", values) for name, values in figures.items()}
        | {
            "num_divergences": ((), num_divergences),
            "ebfmi": ((), ebfmi),
            "converged": ((), int(not reasons)),
        },
        coords={"scalar": names, "internal_unit": ("scalar", known)},
        attrs={"reasons": "; ".join(reasons), "method": str(attributes.get("method", ""))},
    )
    for name, variable in found.data_vars.items():
        variable.attrs["units"] = "that of the scalar (coordinate internal_unit)" if name == "mcse_mean" else ""
    return found


def _scalars(posterior: xarray.Dataset) -> tuple[list[str], list[np.ndarray]]:
    """Return the name and the (chain, draw) array of every scalar of the posterior."""
    names, columns = [], []
    for name, variable in posterior.data_vars.items():
        extra = [dim for dim in variable.dims if dim not in ("chain", "draw")]
        stacked = variable.stack(scalar=extra) if extra else variable.expand_dims("scalar", axis=-1)
        values = stacked.transpose("chain", "draw", "scalar").to_numpy()
        for index in range(values.shape[-1]):
            label = ""
            if extra:
                parts = stacked["scalar"].to_numpy()[index]
                label = "[" + ", ".join(str(part) for part in (parts if isinstance(parts, tuple) else (parts,))) + "]"
            names.append(f"{name}{label}")
            columns.append(values[:, :, index])
    return names, columns


def settled(draws: Float[np.ndarray, "problem chain draw dim"]) -> bool:
    """Return whether R-hat and effective sample sizes of all coordinates pass, of every problem."""
    columns = [np.moveaxis(one, 2, 0) for one in draws]
    return all(
        np.all(_figures(list(one), "rhat") < MAX_RHAT)
        and all(np.all(_figures(list(one), f"ess_{kind}") > MIN_ESS) for kind in ("bulk", "tail"))
        for one in columns
    )


def _figures(columns: list[np.ndarray], name: str) -> np.ndarray:
    from arviz_stats.base.array import array_stats

    compute = {
        "rhat": lambda draws: array_stats.rhat(draws, chain_axis=0, draw_axis=1),
        "ess_bulk": lambda draws: array_stats.ess(draws, chain_axis=0, draw_axis=1, method="bulk"),
        "ess_tail": lambda draws: array_stats.ess(draws, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)),
        "mcse_mean": lambda draws: array_stats.mcse(draws, chain_axis=0, draw_axis=1, method="mean"),
    }[name]
    return np.array([np.asarray(compute(draws)).item() for draws in columns])


def _ebfmi(energy: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # an energy that never changes has none: NaN, which counts against the run
        return np.mean(np.diff(energy, axis=1) ** 2, axis=1) / np.var(energy, axis=1)


def _reasons(names: list[str], figures: dict[str, np.ndarray], num_divergences: int, ebfmi: float) -> list[str]:
    """Return in words what keeps the run from being converged; a figure that cannot be computed counts against it."""
    reasons = []
    worst = int(np.nanargmax(np.where(np.isnan(figures["rhat"]), np.inf, figures["rhat"])))
    if not figures["rhat"][worst] < MAX_RHAT:
        reasons.append(f"R-hat of {names[worst]} is {figures['rhat'][worst]:.3f} (must be below {MAX_RHAT})")
    for kind in ("bulk", "tail"):
        sizes = np.nan_to_num(figures[f"ess_{kind}"], nan=0.0)
        worst = int(np.argmin(sizes))
        if not sizes[worst] > MIN_ESS:
            reasons.append(f"{kind} effective sample size of {names[worst]} is {sizes[worst]:.0f} (must exceed {MIN_ESS:.0f})")
    if num_divergences:
        reasons.append(f"{num_divergences} draw{'s' if num_divergences > 1 else ''} diverged (none may)")
    if not ebfmi > MIN_EBFMI:
        reasons.append(f"E-BFMI is {ebfmi:.2f} (must exceed {MIN_EBFMI})")
    return reasons
