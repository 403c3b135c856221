r"""Can factors of the atoms stand for factors of the pairs? The linear system of their logarithms.

Charges enter the energy of a pair as a product, and so does the square root of a Lennard-Jones depth. If pairs are to be
multiplied by given numbers, factors :math:`f_i` of the atoms do it where

.. math:: \log f_i + \log f_j = b_{ij}

has a solution: one equation a pair, one unknown an atom. The matrix is the unsigned incidence matrix of the graph of those pairs,
and the graph says what can be solved, component by component:

- a component without a cycle is always solvable, whatever the right-hand sides, with one free constant;
- so is one whose only cycle is odd, without a free constant;
- an even cycle is solvable only if the right-hand sides along it, with alternating signs, add up to zero;
- more cycles ask for one such condition each, less one if there is an odd one among them;
- the rank is the number of atoms less that of components without an odd cycle (isolated atoms included).

With one number for *all* pairs the square root of it is a solution on every graph. Turning one 1-4 convention into another is
more: 1-4 pairs ask for the ratio of the conventions and all pairs farther apart for one, because neither convention scales them.

References
----------
T. Zaslavsky, Discrete Appl. Math. 4, 47 (1982), doi:10.1016/0166-218X(82)90033-6
"""

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from bayesff.errors import ParameterError
from bayesff.potentials.topology import Topology


@dataclass(frozen=True)
class FactorSystem:
    """The equations that atomwise factors must fulfil.

    Parameters
    ----------
    num_atoms
        How many atoms there are.
    pairs
        The pairs of atoms with an equation, counted from 0.
    factors
        What the energy of each pair is to be multiplied by, greater than zero.

    Raises
    ------
    ParameterError
        If there is not one factor greater than zero for each pair, or a pair is not of two of the atoms.

    Example
    -------
    >>> square = FactorSystem(4, ((0, 1), (1, 2), (2, 3), (0, 3)), (0.5, 1.0, 1.0, 1.0))
    >>> square.rank, square.solvable, round(square.conflict, 6)  # the logarithms, with alternating signs, leave log 0.5
    (3, False, 0.693147)
    """

    num_atoms: int
    pairs: tuple[tuple[int, int], ...]
    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.pairs) != len(self.factors):
            raise ParameterError(
                f"FactorSystem: every pair needs a factor, found {len(self.pairs)} pairs and {len(self.factors)} factors: "
                "give as many"
            )
        for factor in self.factors:
            if not (math.isfinite(factor) and factor > 0):
                raise ParameterError(f"FactorSystem: a factor must be finite and greater than zero, found {factor}: correct it")
        for pair in self.pairs:
            if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= atom < self.num_atoms for atom in pair):
                raise ParameterError(
                    f"FactorSystem: a pair must be of two of the {self.num_atoms} atoms, counted from 0, found {tuple(pair)}: "
                    "correct it"
                )

    @classmethod
    def of_one_four(cls, topology: Topology, ratio: float, beyond: bool = True) -> "FactorSystem":
        """Return the system of a molecule whose 1-4 convention is to be made up for.

        Parameters
        ----------
        topology
            The molecule.
        ratio
            What the energies of 1-4 pairs are to be multiplied by.
        beyond
            Whether the energies of pairs farther apart must stay as they are.
        """
        one_four, rest = topology.one_four.tolist(), topology.beyond.tolist() if beyond else []
        pairs = tuple((i, j) for i, j in [*one_four, *rest])
        return cls(topology.num_atoms, pairs, (float(ratio),) * len(one_four) + (1.0,) * len(rest))

    @property
    def logarithms(self) -> Float[np.ndarray, " pair"]:
        """The right-hand sides."""
        return np.log(np.array(self.factors, dtype=float))

    @property
    def matrix(self) -> Float[np.ndarray, "pair atom"]:
        """The matrix of the system: two ones a row."""
        found = np.zeros((len(self.pairs), self.num_atoms))
        for row, pair in enumerate(self.pairs):
            found[row, list(pair)] = 1.0
        return found

    @property
    def rank(self) -> int:
        """Rank of the matrix, found from the graph."""
        return self._walk[0]

    @property
    def conflict(self) -> float:
        """The largest disagreement of two ways to the same logarithm; zero if the system is solvable."""
        return self._walk[1]

    @property
    def solvable(self) -> bool:
        """Whether factors of the atoms give every pair what it asks for."""
        return self.conflict <= 1e-9 * (1 + max((abs(float(b)) for b in self.logarithms), default=0.0))

    @cached_property
    def atom_factors(self) -> Float[np.ndarray, " atom"]:
        """Factors of the atoms that miss the logarithms least in the mean square; of several, those nearest to one."""
        if not self.pairs:
            return np.ones(self.num_atoms)
        return np.exp(np.linalg.lstsq(self.matrix, self.logarithms, rcond=None)[0])

    @property
    def misfit(self) -> Float[np.ndarray, " pair"]:
        """By what factor every pair is off with `atom_factors`; one where it has what it asks for."""
        return np.exp(self.matrix @ np.log(self.atom_factors) - self.logarithms)

    @property
    def residual(self) -> float:
        """Root mean square of the logarithms of `misfit`; zero without pairs."""
        return float(np.sqrt(np.mean(np.log(self.misfit) ** 2))) if self.pairs else 0.0

    @cached_property
    def _walk(self) -> tuple[int, float]:
        """Return rank and conflict by a walk over the components."""
        edges: list[list[tuple[int, float]]] = [[] for _ in range(self.num_atoms)]
        for (i, j), b in zip(self.pairs, self.logarithms.tolist(), strict=True):
            edges[i].append((j, b))
            edges[j].append((i, b))
        reached: dict[int, tuple[int, float]] = {}
        rank, conflict = 0, 0.0
        for root in range(self.num_atoms):
            if root not in reached:
                number, worst = _component(root, edges, reached)
                rank, conflict = rank + number, max(conflict, worst)
        return rank, conflict


def _component(root: int, edges: list[list[tuple[int, float]]], reached: dict[int, tuple[int, float]]) -> tuple[int, float]:
    """Walk over one component and return its rank and its conflict.

    Every logarithm is ``sign * t + constant`` with ``t`` that of the root: a pair of equal signs closes an odd cycle and
    gives ``t`` a value, a pair of unequal signs closes an even one and gives a condition.
    """
    reached[root], queue, members = (1, 0.0), deque([root]), [root]
    while queue:
        atom = queue.popleft()
        sign, constant = reached[atom]
        for other, b in edges[atom]:
            if other not in reached:
                reached[other] = (-sign, b - constant)
                queue.append(other)
                members.append(other)
    roots, conflict = [], 0.0
    for atom in members:
        sign, constant = reached[atom]
        for other, b in edges[atom]:
            rest = b - constant - reached[other][1]
            if reached[other][0] == sign:
                roots.append(sign * rest / 2)
            else:
                conflict = max(conflict, abs(rest))
    if roots:
        conflict = max(conflict, 2 * (max(roots) - min(roots)))
    return len(members) - 1 + bool(roots), conflict
