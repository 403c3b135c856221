"""The rules that numbers must keep, whether they come from a file or from a script."""

import numpy as np

from bayesff.errors import DataError


def broken_rule(values: np.ndarray, positive: bool) -> tuple[np.ndarray, str]:
    """Return which values break the rule that a number must keep, and the rule in words."""
    bad = ~np.isfinite(values) | ((values <= 0) if positive else False)
    return bad, "finite and greater than zero" if positive else "finite"


def within(states: np.ndarray, low: float | int | None, high: float | int | None) -> np.ndarray:
    """Return which states lie in ``low <= state < high``; None leaves a side open."""
    return (states >= (-np.inf if low is None else low)) & (states < (np.inf if high is None else high))


def checked_covariance(matrix: np.ndarray, place: str) -> np.ndarray:
    """Return the matrix if it is finite, symmetric and positive definite; the place names it in the error."""
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise DataError(
            f"{place}: the covariance must be finite, found {matrix[row, column]} in row {row}, column {column} (counted from 0)"
        )
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=0.0):
        row, column = np.argwhere(~np.isclose(matrix, matrix.T, rtol=1e-10, atol=0.0))[0]
        raise DataError(
            f"{place}: the covariance must be symmetric, found {matrix[row, column]} in row {row}, column {column} "
            f"(counted from 0) and {matrix[column, row]} across the diagonal: make them equal"
        )
    # The Cholesky factor of the correlation matrix, so that the verdict does not depend on the units of the data.
    scale = np.sqrt(np.abs(np.diag(matrix)))
    scale = np.where(scale > 0, scale, 1.0)
    try:
        np.linalg.cholesky(matrix / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh((matrix + matrix.T) / 2).min()
        raise DataError(
            f"{place}: the covariance must be positive definite, found a smallest eigenvalue of {smallest:.6g}: "
            "check its signs and add the independent variance of each datum to the diagonal"
        ) from None
    return matrix
