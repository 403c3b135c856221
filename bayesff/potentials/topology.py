r"""Topology: which atoms a molecule has, which are bonded, and how many bonds lie between the others.

Force fields treat two atoms by the number of bonds on the shortest path between them,

========== =============== ============================================================================
pair       bonds between   nonbonded interaction
========== =============== ============================================================================
1-2, 1-3   one, two        none: bonds and angles stand for it
1-4        three           scaled, each force field in its own way (`bayesff.potentials.one_four`)
beyond     four or more    in full
========== =============== ============================================================================

In a ring a pair has the shorter of its two ways: all carbons of cyclohexane are within three bonds of one another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from bayesff.errors import ParameterError


@dataclass(frozen=True)
class Topology:
    """The atoms of a molecule, by the types that a force field gives them, and the bonds between them.

    Parameters
    ----------
    atoms
        Type of every atom.
    bonds
        Pairs of atoms that are bonded, by their places in ``atoms`` counted from 0.

    Raises
    ------
    ParameterError
        If there are no atoms, or a bond names an atom that is not there, joins an atom to itself, or is given twice.

    Example
    -------
    >>> butane = Topology(("CH3", "CH2", "CH2", "CH3"), ((0, 1), (1, 2), (2, 3)))
    >>> butane.one_four.tolist(), butane.beyond.tolist()
    ([[0, 3]], [])
    """

    atoms: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.atoms:
            raise ParameterError("Topology: a molecule needs at least one atom, found none: give their types")
        object.__setattr__(self, "atoms", tuple(self.atoms))
        object.__setattr__(self, "bonds", _checked(self.bonds, len(self.atoms)))

    @property
    def num_atoms(self) -> int:
        """How many atoms there are."""
        return len(self.atoms)

    @cached_property
    def separations(self) -> Int[np.ndarray, "atom atom"]:
        """Number of bonds on the shortest path between two atoms; -1 where no path joins them."""
        if not self.bonds:
            return np.where(np.eye(self.num_atoms, dtype=bool), 0, -1)
        first, second = np.array(self.bonds).T
        graph = coo_array((np.ones(len(first)), (first, second)), shape=(self.num_atoms, self.num_atoms))
        found = shortest_path(graph.tocsr(), directed=False, unweighted=True)
        return np.where(np.isinf(found), -1, found).astype(int)

    def pairs(self, separation: int) -> Int[np.ndarray, "pair 2"]:
        """Return the pairs of atoms with so many bonds between them, each once and in order."""
        return np.argwhere(np.triu(self.separations == separation, k=1))

    @property
    def one_four(self) -> Int[np.ndarray, "pair 2"]:
        """The pairs three bonds apart."""
        return self.pairs(3)

    @property
    def beyond(self) -> Int[np.ndarray, "pair 2"]:
        """The pairs four bonds or more apart, and those that no bonds join."""
        return np.argwhere(np.triu((self.separations > 3) | (self.separations < 0), k=1))

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """The atoms that each atom is bonded to, in order."""
        return tuple(tuple(np.flatnonzero(row).tolist()) for row in self.separations == 1)


def _checked(bonds: Sequence[Sequence[int]], num_atoms: int) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for bond in bonds:
        if len(bond) != 2 or not all(isinstance(atom, int | np.integer) and 0 <= atom < num_atoms for atom in bond):
            raise ParameterError(
                f"Topology: a bond must join two of the {num_atoms} atoms, counted from 0, found {tuple(bond)}: correct the bond"
            )
        pair = (int(min(bond)), int(max(bond)))
        if pair[0] == pair[1] or pair in found:
            what = "joins an atom to itself" if pair[0] == pair[1] else "is there already"
            raise ParameterError(
                f"Topology: a bond must join two different atoms, and once, found {tuple(bond)}, which {what}: leave it out"
            )
        found.append(pair)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Conformations:
    """Some conformations of one molecule.

    Parameters
    ----------
    topology
        The molecule.
    positions
        Where its atoms are [angstrom], of the shape (conformation, atom, 3).

    Raises
    ------
    ParameterError
        If there is not one finite position for every atom in at least one conformation.
    """

    topology: Topology
    positions: Float[np.ndarray, "..."]

    def __post_init__(self) -> None:
        found, wanted = np.asarray(self.positions, dtype=float), (self.topology.num_atoms, 3)
        if found.ndim != 3 or found.shape[1:] != wanted or not len(found) or not np.isfinite(found).all():
            raise ParameterError(
                f"Conformations: one finite position is needed for each of the {wanted[0]} atoms in every conformation, "
                f"found an array of the shape {found.shape}: give (number of conformations, {wanted[0]}, 3)"
            )
        object.__setattr__(self, "positions", found)

    @property
    def num_conformations(self) -> int:
        """How many conformations there are."""
        return len(self.positions)

    def closest(self) -> Float[np.ndarray, " conformation"]:
        """Return the shortest distance [angstrom] of two atoms three bonds or more apart; infinity if there are none."""
        pairs = np.concatenate([self.topology.one_four, self.topology.beyond])
        if not len(pairs):
            return np.full(self.num_conformations, np.inf)
        apart = self.positions[:, pairs[:, 0]] - self.positions[:, pairs[:, 1]]
        return np.linalg.norm(apart, axis=2).min(axis=1)
