r"""Pair distances of a frame as a sufficient statistic: from them follow energy, virial and structure of any pair potential.

A sum over pairs :math:`\sum_{i<j} \varphi(r_{ij})` needs nothing of a frame but how many pairs are how far apart. Counted
in bins, the sum would have the error of a bin's width. Here a pair at ``r`` is shared among the four nearest nodes of a grid by
the weights of cubic interpolation, so that

.. math:: \sum_{i<j} \varphi(r_{ij}) \approx \sum_b c_b\, \varphi(r_b)

errs by the fourth power of the spacing only. (Pairs are counted in 64 bins between two nodes first, and each bin is shared as a
whole: the scatter that this leaves in a frame is that of rounding a distance to a 64th of the spacing.) A grid consists of
panels, and no interpolation reaches across their edges: where a potential is cut off there is an edge, and a step in the energy
is no source of error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from bayesff.errors import ParameterError

_STENCIL = 4
"""Nodes that a pair is shared among."""

_FINE = 64
"""Bins in which pairs are counted between two nodes, before they are shared among the nodes."""


@dataclass(frozen=True)
class PairGrid:
    """Nodes of pair distances, evenly spaced in each of some panels.

    Parameters
    ----------
    edges
        Edges of the panels [angstrom], ascending: a distance that no pair comes below, cutoffs, and the largest distance that is
        counted. A pair below the first edge is left out of every sum; `PairFluid` raises an error where one occurs.
    spacing
        Greatest distance between two nodes [angstrom].

    Raises
    ------
    ParameterError
        If the edges do not ascend, or the spacing is not positive.
    """

    edges: tuple[float, ...]
    spacing: float

    def __post_init__(self) -> None:
        ascend = len(self.edges) > 1 and self.edges[0] >= 0 and all(low < high for low, high in pairwise(self.edges))
        if not ascend or math.inf in self.edges:
            raise ParameterError(f"PairGrid: edges must be two or more ascending distances, found {list(self.edges)} angstrom")
        if not self.spacing > 0:
            raise ParameterError(f"PairGrid: spacing must be greater than zero, found {self.spacing} angstrom")

    @cached_property
    def _sizes(self) -> np.ndarray:
        """Number of nodes of every panel."""
        return np.array([max(_STENCIL, math.ceil((high - low) / self.spacing) + 1) for low, high in pairwise(self.edges)])

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return int(self._sizes.sum())

    @cached_property
    def nodes(self) -> np.ndarray:
        """Distances of the nodes [angstrom]; an inner edge is a node of the panels on both of its sides."""
        panels = zip(pairwise(self.edges), self._sizes, strict=True)
        return np.concatenate([np.linspace(low, high, size) for (low, high), size in panels])

    def count(self, distances: Float[Array, " pair"]) -> Float[Array, " node"]:
        """Return what the pairs at some distances count at every node; a pair beyond the edges is left out."""
        kind = distances.dtype
        edges, bins = jnp.asarray(self.edges, kind), self._sizes - 1
        panel = jnp.clip(jnp.searchsorted(edges, distances, side="right") - 1, 0, len(bins) - 1)
        per_length = jnp.asarray(_FINE * bins / np.diff(self.edges), kind)
        fine = jnp.floor((distances - edges[panel]) * per_length[panel]).astype(jnp.int32)
        # Rounding must not carry a pair into the next panel; a pair outside is counted in a bin of its own.
        fine = jnp.clip(fine, 0, jnp.asarray(_FINE * bins - 1)[panel]) + jnp.asarray(_FINE * (np.cumsum(bins) - bins))[panel]
        number = _FINE * int(bins.sum())
        fine = jnp.where((distances >= edges[0]) & (distances < edges[-1]), fine, number)
        return jnp.zeros(number + 1, kind).at[fine].add(1)[:-1] @ jnp.asarray(self._shares, kind)

    @cached_property
    def _shares(self) -> np.ndarray:
        """Share of every node in a pair at the middle of each fine bin."""
        middles = [
            low + (high - low) * (np.arange(_FINE * (size - 1)) + 0.5) / (_FINE * (size - 1))
            for (low, high), size in zip(pairwise(self.edges), self._sizes, strict=True)
        ]
        return self._interpolation(np.concatenate(middles))

    def below(self, radius: Float[ArrayLike, ""]) -> Bool[Array, " node"]:
        """Return which nodes belong to panels below an edge.

        Raises
        ------
        ParameterError
            If there is no edge at this radius: pairs on its two sides cannot be told apart.
        """
        edges = np.asarray(self.edges)
        if not isinstance(radius, Tracer) and not np.any(np.isclose(edges, np.asarray(radius), rtol=1e-9, atol=0.0)):
            found = float(np.asarray(radius))
            raise ParameterError(
                f"PairGrid: pairs can be summed up to an edge of the grid, found {found:g} angstrom and the edges "
                f"{', '.join(f'{edge:g}' for edge in edges)}: count the pairs again with an edge there"
            )
        return jnp.asarray(np.repeat(edges[1:], self._sizes)) <= jnp.asarray(radius) * (1 + 1e-9)

    def density(self, distance: Float[np.ndarray, " datum"]) -> Float[np.ndarray, "datum node"]:
        r"""Return the matrix that makes the density of pairs [1/angstrom] at some distances of what is counted at the nodes.

        The density is that combination of the nodes' interpolants :math:`W_b` which has the counts
        :math:`c_b = \int W_b(r)\, n(r)\, dr`; it errs by the fourth power of the spacing.

        Raises
        ------
        ParameterError
            If a distance lies outside the edges.
        """
        outside = ~((distance >= self.edges[0]) & (distance <= self.edges[-1]))
        if outside.any():
            raise ParameterError(
                f"PairGrid: pairs are counted between {self.edges[0]:g} and {self.edges[-1]:g} angstrom, found a separation of "
                f"{distance[outside][0]:g} angstrom: leave it out, or take more particles"
            )
        return self._interpolation(distance) @ np.linalg.inv(self._overlaps)

    def _interpolation(self, distance: np.ndarray) -> np.ndarray:
        """Return the weights of all nodes at some distances."""
        panel = np.clip(np.searchsorted(self.edges, distance, side="right") - 1, 0, len(self._sizes) - 1)
        first = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        low, high = np.asarray(self.edges)[panel], np.asarray(self.edges)[panel + 1]
        place = (distance - low) / (high - low) * (self._sizes[panel] - 1)
        left = np.clip(np.floor(place).astype(int) - 1, 0, self._sizes[panel] - _STENCIL)
        weights = np.zeros((len(distance), self.num_nodes))
        for node, weight in enumerate(_cubic(place - left)):
            weights[np.arange(len(distance)), first[panel] + left + node] = weight
        return weights

    @cached_property
    def _overlaps(self) -> np.ndarray:
        """Integrals of the products of two nodes' interpolants, by a rule that is exact for them."""
        nodes, weights = np.polynomial.legendre.leggauss(_STENCIL)
        places, lengths = [], []
        for (low, high), size in zip(pairwise(self.edges), self._sizes, strict=True):
            step = (high - low) / (size - 1)
            places.append((low + step * (np.arange(size - 1)[:, None] + 0.5 * (nodes + 1))).ravel())
            lengths.append(np.tile(0.5 * step * weights, size - 1))
        at = self._interpolation(np.concatenate(places))
        return at.T @ (np.concatenate(lengths)[:, None] * at)

    def values(self, function: Callable[[Float[Array, ""]], Any]) -> Any:
        """Return a function of the distance, or each of several that it returns, at every node."""
        return jax.vmap(function)(jnp.asarray(self.nodes))


def _cubic(x: np.ndarray) -> np.ndarray:
    """Return the weights of cubic interpolation between the values at 0, 1, 2 and 3."""
    a, b, c = x - 1, x - 2, x - 3
    return np.stack([-a * b * c / 6, x * b * c / 2, -x * a * c / 2, x * a * b / 6])


def minimum_image(apart: Float[Array, "..."], length: Float[ArrayLike, ""]) -> Float[Array, "..."]:
    """Return components of the shortest of the vectors between two particles and their images in a cubic box [angstrom]."""
    return apart - length * jnp.round(apart * (1 / length))


def pair_distances(positions: Float[Array, "particle 3"], length: Float[ArrayLike, ""]) -> Float[Array, " pair"]:
    """Return the distances [angstrom] between all pairs of particles in a cubic box, nearest images.

    Parameters
    ----------
    positions
        Positions [angstrom].
    length
        Edge of the box [angstrom].
    """
    first, second = np.triu_indices(positions.shape[0], 1)
    apart = minimum_image(positions[first] - positions[second], length)
    return jnp.sqrt(jnp.sum(apart**2, axis=-1))
