r"""Covariances as a diagonal plus a factor, so that errors from different causes add.

Every error in the package, numerical or experimental, independent or shared, is a `Covariance`

.. math:: \Sigma = \mathrm{diag}(d) + F F^\mathsf{T}

with ``d`` the independent variances and the columns of ``F`` the shared causes (a laboratory, a smooth discrepancy, the
modes of a block bootstrap). Adding two covariances adds their diagonals and puts their columns side by side; a solve or a
determinant costs :math:`n m^2` for ``m`` columns instead of :math:`n^3`. A cause that other data share as well has a name: put
side by side, covariances of several data have one column for it.
"""

from collections.abc import Hashable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int


class Covariance(eqx.Module):
    r"""The covariance :math:`\mathrm{diag}(d) + F F^\mathsf{T}` of a vector of data.

    Parameters
    ----------
    diagonal
        Independent variances ``d``, in the square of the datum's unit.
    factor
        Columns ``F`` of the shared part, in the datum's unit; ``(datum, 0)`` when there is none.
    names
        Name of the cause of each column, ``None`` for one that no other data share; empty if none has a name.
    """

    diagonal: Float[Array, " datum"]
    factor: Float[Array, "datum column"]
    names: tuple[Hashable, ...] = eqx.field(static=True, default=())

    @classmethod
    def independent(cls, uncertainty: Float[ArrayLike, " datum"]) -> "Covariance":
        """Return the covariance of independent errors with these standard deviations."""
        uncertainty = jnp.asarray(uncertainty)
        return cls(uncertainty**2, jnp.zeros((uncertainty.shape[0], 0), uncertainty.dtype))

    @classmethod
    def shared(cls, factor: Float[ArrayLike, "datum column"]) -> "Covariance":
        """Return the covariance of errors that several data share, one column a cause."""
        factor = jnp.asarray(factor)
        return cls(jnp.zeros(factor.shape[0], factor.dtype), factor)

    @classmethod
    def from_matrix(cls, matrix: Float[ArrayLike, "datum datum"]) -> "Covariance":
        """Return the covariance of a positive definite matrix, through its Cholesky factor."""
        return cls.shared(jnp.linalg.cholesky(jnp.asarray(matrix)))

    def __add__(self, other: "Covariance") -> "Covariance":
        names = self._names + other._names if self.names or other.names else ()
        return Covariance(self.diagonal + other.diagonal, jnp.concatenate([self.factor, other.factor], axis=1), names)

    def __getitem__(self, rows: slice | Int[ArrayLike, " row"]) -> "Covariance":
        """Return the covariance of some of the data."""
        return Covariance(self.diagonal[rows], self.factor[rows], self.names)

    @property
    def _names(self) -> tuple[Hashable, ...]:
        return self.names or (None,) * self.factor.shape[1]

    @property
    def num_own(self) -> int:
        """Number of columns that have no name."""
        return self._names.count(None)

    @property
    def variance(self) -> Float[Array, " datum"]:
        """The marginal variance of each datum."""
        return self.diagonal + jnp.sum(self.factor**2, axis=1)

    @property
    def matrix(self) -> Float[Array, "datum datum"]:
        """The dense matrix."""
        return jnp.diag(self.diagonal) + self.factor @ self.factor.T

    @property
    def has_many_columns(self) -> bool:
        """Whether there are as many columns as data, so that the dense matrix costs less than the factor."""
        return self.factor.shape[1] >= self.factor.shape[0]

    @classmethod
    def concatenate(cls, blocks: "list[Covariance]") -> "Covariance":
        """Return the covariance of data side by side whose errors have only the causes with a name in common.

        The columns without a name come first, in the order of the blocks.
        """
        from jax.scipy.linalg import block_diag

        diagonal = jnp.concatenate([block.diagonal for block in blocks])
        named = tuple(dict.fromkeys(name for block in blocks for name in block.names if name is not None))
        if all(block.factor.shape[1] == 0 for block in blocks):
            return cls(diagonal, jnp.zeros((diagonal.shape[0], 0), diagonal.dtype))
        # block_diag keeps the rows of blocks that have no columns.
        own = block_diag(*(block.factor[:, np.array([n is None for n in block._names], bool)] for block in blocks))
        if not named:
            return cls(diagonal, own)
        common = jnp.concatenate([block._of(named) for block in blocks])
        return cls(diagonal, jnp.concatenate([own, common], axis=1), (None,) * own.shape[1] + named)

    def _of(self, named: tuple[Hashable, ...]) -> Float[Array, "datum cause"]:
        """Return the columns of some causes; those of others are zero."""
        zero = self.factor.shape[1]
        places = {name: place for place, name in enumerate(self._names)}
        padded = jnp.concatenate([self.factor, jnp.zeros((self.factor.shape[0], 1), self.factor.dtype)], axis=1)
        return padded[:, np.array([places.get(name, zero) for name in named])]

    def scale(self, factor: Float[Array, ""]) -> "Covariance":
        """Return the covariance when every standard deviation is multiplied by the factor."""
        return Covariance(self.diagonal * factor**2, self.factor * factor, self.names)

    def known(self, known: Bool[Array, " datum"]) -> "Covariance":
        """Return the covariance in which the other data have errors of size 1 that they share with no datum."""
        return Covariance(jnp.where(known, self.diagonal, 1.0), jnp.where(known[:, None], self.factor, 0.0), self.names)

    def solve(self, right: Float[Array, "datum column"]) -> Float[Array, "datum column"]:
        """Return the inverse of the covariance times a matrix (by Woodbury's identity if there are fewer columns than data)."""
        if self.has_many_columns:
            return cho_solve((jnp.linalg.cholesky(self.matrix), True), right)
        scaled = right / self.diagonal[:, None]
        if self.factor.shape[1] == 0:
            return scaled
        known = self.factor.T @ scaled
        return scaled - self.factor @ cho_solve((self.capacitance_root(), True), known) / self.diagonal[:, None]

    def weigh(self, columns: Float[Array, "datum column"]) -> Float[Array, "column column"]:
        r"""Return :math:`R^\mathsf{T} \Sigma^{-1} R` of a matrix ``R``: what data with these errors say along its columns."""
        if self.has_many_columns or self.factor.shape[1] == 0:
            return columns.T @ self.solve(columns)
        # One product of the causes and the columns side by side holds all that Woodbury's identity needs.
        together = jnp.concatenate([self.factor, columns], axis=1)
        products = together.T @ (together / self.diagonal[:, None])
        causes = self.factor.shape[1]
        root = jnp.linalg.cholesky(jnp.eye(causes) + products[:causes, :causes])
        explained = solve_triangular(root, products[:causes, causes:], lower=True)
        return products[causes:, causes:] - explained.T @ explained

    def capacitance_root(self) -> Float[Array, "column column"]:
        r"""Return the Cholesky factor of :math:`1 + F^\mathsf{T} d^{-1} F`, the precision of the causes given the data."""
        return jnp.linalg.cholesky(jnp.eye(self.factor.shape[1]) + self.factor.T @ (self.factor / self.diagonal[:, None]))
