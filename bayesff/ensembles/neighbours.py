r"""Lists of neighbours: for every particle of a large box, which others its force has to be summed over.

A list holds all particles within the cutoff and a skin. It is made anew before a force is computed if any particle has moved
more than half the skin since it was made, so that no pair within the cutoff is ever left out. Its length is the same for all
particles, and chosen beforehand: `NeighbourList.longest` tells whether that was enough.

Forces are those of all pairs to within rounding: in which order neighbours are summed depends on when a list was made. The lists
of many replicas are made together, when the first of them needs it.

References
----------
L. Verlet, Phys. Rev. 159, 98 (1967), doi:10.1103/PhysRev.159.98
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int, UInt32

from bayesff.ensembles.pair_statistics import minimum_image

_BITS = 32
"""Pairs that are marked in one word."""


class Reach(NamedTuple):
    """Edge of the box, cutoff, and what the lists hold beyond the cutoff, in angstrom."""

    length: Float[Array, ""]
    cutoff: Float[Array, ""]
    skin: Float[Array, ""]


class NeighbourList(NamedTuple):
    """The neighbours of every particle.

    Parameters
    ----------
    neighbours
        Their numbers; empty places hold the particle's own number.
    made_at
        Positions for which the list was made [angstrom].
    longest
        Most neighbours that a particle has had since the first list was made; if there are more than places, neighbours have
        been left out.
    """

    neighbours: Int[Array, "*replica place particle"]
    made_at: Float[Array, "*replica 3 particle"]
    longest: Int[Array, "*replica"]


def first_capacity(density: float, radius: float) -> int:
    """Return how many places a list is given at first: more than the neighbours in a homogeneous fluid."""
    return capacity_for(density * 4 / 3 * math.pi * radius**3 + 8)


def capacity_for(longest: float) -> int:
    """Return how many places a list is given where so many neighbours have been seen."""
    return 8 * math.ceil((1.05 * longest + 8) / 8)


def make_list(positions: Float[Array, "3 particle"], reach: Reach, capacity: int) -> NeighbourList:
    """Return the list of a configuration, with a number of places for every particle."""
    words = _computed(_marked(positions, reach))
    counts = _computed(jax.lax.population_count(words).astype(jnp.int32))
    ends = _computed(jax.lax.associative_scan(jnp.add, counts))
    return NeighbourList(_unpacked(words, ends, capacity), positions, jnp.max(ends[-1]))


def _computed(value: Array) -> Array:
    """Return a value as a matrix of its own: XLA would compute its entries wherever one is gathered."""
    return jax.lax.optimization_barrier(value)


def _marked(positions: Float[Array, "3 particle"], reach: Reach) -> UInt32[Array, "word particle"]:
    """Return the neighbours as bits: bit ``b`` of word ``w`` stands for the particle ``b * words + w``."""
    size = positions.shape[1]
    num_words = -(-size // _BITS)
    # No distance to a particle that is not there is less than the radius.
    others = jnp.pad(positions, ((0, 0), (0, _BITS * num_words - size)), constant_values=jnp.nan).reshape(3, _BITS, num_words)
    own = jnp.arange(size, dtype=jnp.int32)
    number = jnp.arange(_BITS * num_words, dtype=jnp.int32).reshape(_BITS, num_words)

    def bit(place: int) -> Array:
        apart = (minimum_image(other[place, :, None] - one, reach.length) for other, one in zip(others, positions, strict=True))
        near = sum(component**2 for component in apart) < (reach.cutoff + reach.skin) ** 2
        return jnp.where(near & (number[place, :, None] != own), jnp.uint32(1 << place), jnp.uint32(0))

    return reduce(jnp.bitwise_or, map(bit, range(_BITS)))


def _unpacked(
    words: UInt32[Array, "word particle"], ends: Int[Array, "word particle"], capacity: int
) -> Int[Array, "place particle"]:
    """Return the numbers that the bits stand for, of every particle the first so many; ``ends`` counts the bits up to a word."""
    num_words, size = words.shape
    own, place = jnp.arange(size, dtype=jnp.int32), jnp.arange(capacity, dtype=jnp.int32)[:, None]

    def at(table: Array, word: Array) -> Array:
        return table.ravel().at[word * size + own].get(mode="promise_in_bounds")

    # The bit is in the word before which so many end: compared with all of them, which is faster than halving.
    word = _computed(sum(((end <= place).astype(jnp.int32) for end in ends[:-1]), jnp.zeros((capacity, size), jnp.int32)))
    bits = at(words, word)
    rank = place - at(ends, word) + jax.lax.population_count(bits).astype(jnp.int32)
    found = jnp.zeros_like(word)  # the bit's place in the word, by halving
    for half in (16, 8, 4, 2, 1):
        low = jax.lax.population_count(bits & jnp.uint32(2**half - 1)).astype(jnp.int32)
        above = rank >= low
        rank, bits, found = (
            jnp.where(above, *both) for both in ((rank - low, rank), (bits >> half, bits), (found + half, found))
        )
    return jnp.where(place < ends[-1], found * num_words + word, own)


def _has_moved(old: NeighbourList, positions: Float[Array, "3 particle"], reach: Reach) -> Bool[Array, ""]:
    """Return whether a particle has moved more than half the skin, less what rounding may hide, or is nowhere."""
    moved = minimum_image(positions - old.made_at, reach.length)
    return ~(jnp.max(jnp.sum(moved**2, axis=0)) < (0.49 * reach.skin) ** 2)


def _again(old: NeighbourList, positions: Float[Array, "3 particle"], reach: Reach) -> NeighbourList:
    new = make_list(positions, reach, old.neighbours.shape[0])
    return new._replace(longest=jnp.maximum(old.longest, new.longest))


@custom_vmap
def updated(old: NeighbourList, positions: Float[Array, "*replica 3 particle"], reach: Reach) -> NeighbourList:
    """Return a list for the positions: the old one if that holds still; of many replicas, all are made anew or none."""
    return jax.lax.cond(_has_moved(old, positions, reach), _again, lambda old, *_: old, old, positions, reach)


@updated.def_vmap
def _updated_together(
    axis_size: int, batched: Sequence[Any], old: NeighbourList, positions: Array, reach: Reach
) -> tuple[NeighbourList, Any]:
    axes = jax.tree.map(lambda has_axis: 0 if has_axis else None, tuple(batched))
    moved = jnp.any(jax.vmap(_has_moved, axes, axis_size=axis_size)(old, positions, reach))
    again = jax.vmap(_again, axes, axis_size=axis_size)
    new = jax.lax.cond(moved, again, lambda old, *_: old, old, positions, reach)
    return new, jax.tree.map(lambda _: True, new)
