"""Which candidate predicts best: leave-one-out on the same data, and stacking weights."""

from collections.abc import Mapping

import numpy as np
import xarray

from bayesff.assessment.scoring import MAX_PARETO_K
from bayesff.assessment.tables import pointwise
from bayesff.assessment.trees import contents, environments
from bayesff.errors import StudyError


def compare(trees: Mapping[str, xarray.DataTree]) -> xarray.Dataset:
    """Compare candidates by their expected log predictive density of a datum that was left out.

    The density of several terms is the sum over the data of all of them.

    Parameters
    ----------
    trees
        The posterior of each candidate, by its name; all on the same data.

    Returns
    -------
    xarray.Dataset
        As `compare_tables`.

    Raises
    ------
    StudyError
        If the candidates were calibrated on different data.

    References
    ----------
    A. Vehtari, A. Gelman, J. Gabry, Stat. Comput. 27, 1413 (2017), doi:10.1007/s11222-016-9696-4
    """
    first = next(iter(trees.values()))
    return compare_tables({name: pointwise(tree) for name, tree in trees.items()}, environments(first))


def comparable(trees: Mapping[str, xarray.DataTree]) -> bool:
    """Return whether all candidates were calibrated on the same data."""
    tables = [contents(tree) for tree in trees.values()]
    return all(
        list(table) == list(tables[0])
        and all(np.array_equal(table[name].values, tables[0][name].values) for name in table)
        and all(np.array_equal(table[name].environment, tables[0][name].environment) for name in table)
        for table in tables
    )


def compare_tables(tables: Mapping[str, xarray.Dataset], labels: list[str]) -> xarray.Dataset:
    """Compare candidates whose `pointwise` tables are known.

    Parameters
    ----------
    tables
        Table of each candidate, by its name.
    labels
        The environments, in order.

    Returns
    -------
    xarray.Dataset
        Along ``candidate``, best first: ``elpd`` with its standard error ``se``, the effective number of parameters ``p``,
        ``num_high_pareto_k``, ``elpd_difference`` to the best with ``se_difference``, the stacking ``weight``, and over
        ``environment`` ``elpd_difference_in`` with ``se_difference_in``.

    Raises
    ------
    StudyError
        If the tables are of different data.
    """
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if not np.array_equal(table["value"].to_numpy(), first["value"].to_numpy()):
            raise StudyError(
                f"candidate {name!r} was calibrated on {table.sizes['datum']} data that are not the same as those of "
                f"{next(iter(tables))!r} ({first.sizes['datum']}): only candidates with the same data can be compared"
            )
    density = np.stack([table["loo_log_predictive_density"].to_numpy() for table in tables.values()])
    in_sample = np.stack([table["log_predictive_density"].to_numpy() for table in tables.values()])
    high = [int((~(table["pareto_k"] <= MAX_PARETO_K)).sum()) for table in tables.values()]
    order = np.argsort(-density.sum(axis=1), kind="stable")
    differences = density[order] - density[order[0]]
    inside = np.stack([first["environment"].to_numpy() == label for label in labels])
    parts = [[difference[rows] for rows in inside] for difference in differences]
    return xarray.Dataset(
        {
            "elpd": ("candidate", density[order].sum(axis=1)),
            "se": ("candidate", [_standard_error(row) for row in density[order]]),
            "p": ("candidate", (in_sample - density)[order].sum(axis=1)),
            "num_high_pareto_k": ("candidate", np.array(high)[order]),
            "elpd_difference": ("candidate", differences.sum(axis=1)),
            "se_difference": ("candidate", [_standard_error(row) for row in differences]),
            "weight": ("candidate", stacking_weights(density)[order]),
            "elpd_difference_in": (("candidate", "environment"), [[part.sum() for part in row] for row in parts]),
            "se_difference_in": (("candidate", "environment"), [[_standard_error(part) for part in row] for row in parts]),
        },
        coords={"candidate": np.array(list(tables))[order], "environment": labels},
    )


def stacking_weights(density: np.ndarray, num_steps: int = 10000) -> np.ndarray:
    r"""Return the weights of the mixture of candidates that predicts the left-out data best.

    They maximise :math:`\sum_i \log \sum_k w_k \exp(\mathrm{elpd}_{ki})`, which is concave, by the expectation-maximisation step
    of a mixture's weights. Each datum is scaled by its best candidate first, so that no density underflows.

    Parameters
    ----------
    density
        Leave-one-out log predictive density, candidates along the first axis and data along the second.
    num_steps
        Steps at most.

    References
    ----------
    Y. Yao, A. Vehtari, D. Simpson, A. Gelman, Bayesian Anal. 13, 917 (2018), doi:10.1214/17-BA1091
    """
    scaled = np.exp(density - density.max(axis=0))
    weights = np.full(len(density), 1 / len(density))
    for _ in range(num_steps):
        updated = weights * np.mean(scaled / (weights @ scaled), axis=1)
        done = np.max(np.abs(updated - weights)) < 1e-9
        weights = updated
        if done:
            break
    return weights / weights.sum()


def _standard_error(density: np.ndarray) -> float:
    """Return the standard error of a sum over data; NaN for a single datum, which says nothing about its spread."""
    return float(np.sqrt(len(density) * np.var(density, ddof=1))) if len(density) > 1 else float("nan")
