"""Coverage of left-out environments, beside the coverage that calibrated predictions would have.

Data of one environment err together: one set of parameters, one discrepancy and the biases of its laboratories reach
all of them. Where that is most of the error, an interval of 90 % holds nearly all data of an environment or few of
them, and a handful of environments says little. How much it does say follows from the predictions themselves: every
draw is data that might have been measured, and the share of it inside the intervals is a coverage that calibrated
predictions might have had.
"""

from collections.abc import Sequence

import numpy as np
import xarray

from bayesff.assessment.predictive import covered, pit, replicated_pit
from bayesff.assessment.scoring import LEVELS
from bayesff.assessment.transfer.refits import Fits, without_each
from bayesff.assessment.trees import contents, draws, environments

EVERY = "all environments"
"""The row that counts the data of all environments together."""


def left_out_coverage(fits: Fits, variants: Sequence[str]) -> xarray.Dataset | None:
    """Return how many data of left-out environments lie in their predictive intervals, and how many calibrated ones would hold.

    Returns
    -------
    xarray.Dataset or None
        Over ``variant``, ``environment`` (last ``all environments``) and ``level``: ``coverage``; of the coverage of calibrated
        predictions ``expected_q05``, ``expected_q50`` and ``expected_q95``, and the probabilities ``p_as_low`` and ``p_as_high``
        of one at most or at least as large as that found. NaN where the refits are not there; None where none is.
    """
    tables = {variant: _by_environment(fits, variant) for variant in variants}
    every = environments(next(iter(fits.values())))
    known = [label for label in every if any(label in table for table in tables.values())]
    if not known:
        return None
    rows = {variant: {label: _row(*table[label]) for label in table} for variant, table in tables.items()}
    for variant, table in tables.items():
        if table:
            number = min(len(replicated) for _, replicated in table.values())
            found = np.concatenate([transform for transform, _ in table.values()])
            # Environments are left out by separate refits, so that their draws are independent and may be paired as they come.
            rows[variant][EVERY] = _row(found, np.concatenate([some[:number] for _, some in table.values()], axis=1))
    labels = [*known, EVERY]
    none = np.full((len(_COLUMNS), len(LEVELS)), np.nan)
    values = np.array([[rows[variant].get(label, none) for label in labels] for variant in variants])
    return xarray.Dataset(
        {name: (("variant", "environment", "level"), values[:, :, index]) for index, name in enumerate(_COLUMNS)},
        coords={"variant": list(variants), "environment": labels, "level": list(LEVELS)},
    )


_COLUMNS = ("coverage", "expected_q05", "expected_q50", "expected_q95", "p_as_low", "p_as_high")


def _by_environment(fits: Fits, variant: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each environment the transforms of its data by the refit without it, and those of the refit's draws."""
    found = {}
    for label, tree in without_each(fits, variant).items():
        transforms, replicated = [], []
        for term in contents(tree).values():
            rows = term.environment == label
            if not rows.any():
                continue
            drawn = draws(tree, "posterior_predictive", term.name)[:, rows]
            transforms.append(pit(drawn, term.values[rows]))
            replicated.append(replicated_pit(drawn))
        found[label] = (np.concatenate(transforms), np.concatenate(replicated, axis=1))
    return found


def _row(transform: np.ndarray, replicated: np.ndarray) -> np.ndarray:
    """Return the columns at every level."""
    shares = [float(np.mean(covered(transform, level))) for level in LEVELS]
    expected = np.stack([np.mean(covered(replicated, level), axis=1) for level in LEVELS])
    quantiles = np.quantile(expected, [0.05, 0.5, 0.95], axis=1)
    rounding = 1e-9
    low = [np.mean(some <= share + rounding) for some, share in zip(expected, shares, strict=True)]
    high = [np.mean(some >= share - rounding) for some, share in zip(expected, shares, strict=True)]
    return np.stack([np.array(shares), *quantiles, np.array(low), np.array(high)])
