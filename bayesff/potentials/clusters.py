r"""Clusters of charged sites: energies of a configuration, of which a pair of particles is the smallest.

A *configuration* is the positions of the sites, one row a site, and the name of the kind of each. The parameters belong to the
kinds. The energy is that of the cluster from its sites infinitely far apart (and unpolarised); the known cases are

- `PointCharges`: the charges' Coulomb energy, and pair potentials between sites of given kinds;
- `bayesff.potentials.polarisation.InducibleDipoles`: the same sites, which the field of all others polarises as well.

Exactly one configuration a call: batching is the caller's ``vmap``. Sites that coincide count as 1e-4 angstrom apart, so that
nothing is infinite there.
"""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, Potential, as_float, parameter
from bayesff.units import COULOMB_CONSTANT

CLOSEST = 1e-4
"""Sites that are closer count as this far apart [angstrom]."""


class ClusterPotential(Potential):
    """A potential of a few sites in vacuum; a new form writes `energy`."""

    @abstractmethod
    def energy(self, positions: Any, kinds: Sequence[str]) -> Float[Array, ""]:
        """Energy [kJ/mol] of sites of these kinds at these positions [angstrom], one row a site."""

    def forces(self, positions: Any, kinds: Sequence[str]) -> Float[Array, "site 3"]:
        """Return the forces [kJ/mol/angstrom] on the sites, minus the gradient of the energy."""
        return -jax.grad(lambda moved: self.energy(moved, kinds))(as_float(positions))

    def check(self, positions: Any, kinds: Sequence[str]) -> None:
        """Raise `NumericalError` if one of a stack of configurations has no energy; nothing is known while JAX traces."""
        return


class SitePair(Potential):
    """A pair potential between the sites of two kinds.

    Parameters
    ----------
    kinds
        Names of the two kinds, which may be the same.
    potential
        The pair potential.
    """

    kinds: tuple[str, ...] = eqx.field(static=True, converter=tuple)
    potential: PairPotential

    def __check_init__(self) -> None:
        if len(self.kinds) != 2:
            raise ParameterError(
                f"SitePair: a pair potential must be between two kinds, found {self.kinds}: give two names, the same one twice "
                "for like sites"
            )


class PointCharges(ClusterPotential):
    r"""Sites with charges, and pair potentials between them.

    .. math:: U = \frac{e^2 N_\mathrm{A}}{4\pi\epsilon_0} \sum_{i<j} \frac{s^2 q_i q_j}{r_{ij}} + \sum_{i<j} u_{ij}(r_{ij})

    The factor :math:`s` scales every charge, as force fields do that put the polarisation of the surroundings into the charges
    (0.75 for ions in a solvent of which only the nuclei move).

    Parameters
    ----------
    kinds
        Names of the kinds of site.
    charges
        Charge [e] of each kind.
    short_range
        Pair potentials between kinds; a pair of kinds may have several, and they add.
    scale
        The factor :math:`s`.

    Raises
    ------
    ParameterError
        If a name is given twice or unknown, or there are not as many charges as kinds.

    References
    ----------
    I. V. Leontyev, A. A. Stuchebrukhov, Phys. Chem. Chem. Phys. 13, 2613 (2011), doi:10.1039/c0cp01971b

    Example
    -------
    >>> salt = PointCharges(kinds=("Na", "Cl"), charges=[1.0, -1.0])
    >>> round(float(salt.energy([[0.0, 0.0, 0.0], [2.5, 0.0, 0.0]], ("Na", "Cl"))), 3)
    -555.742
    """

    kinds: tuple[str, ...] = eqx.field(static=True, converter=tuple)
    charges: Float[Array, " kind"] = parameter("e")
    short_range: tuple[SitePair, ...] = eqx.field(default=(), converter=tuple)
    scale: Float[Array, ""] = parameter("", positive=True, default=1.0)

    def __check_init__(self) -> None:
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise ParameterError(
                f"PointCharges: every kind must have a name of its own, found {', '.join(self.kinds) or 'none'}: rename one"
            )
        if self.charges.shape[-1:] != (len(self.kinds),):
            raise ParameterError(
                f"PointCharges: there must be one charge for each of the kinds {', '.join(self.kinds)}, found the shape "
                f"{self.charges.shape}: give {len(self.kinds)} numbers"
            )
        for pair in self.short_range:
            self.indices(pair.kinds)

    def indices(self, kinds: Sequence[str]) -> np.ndarray:
        """Return the place of each site's kind among the kinds.

        Raises
        ------
        ParameterError
            If a site is of an unknown kind.
        """
        for kind in kinds:
            if kind not in self.kinds:
                raise ParameterError(
                    f"PointCharges: a site must be of a known kind, found {kind!r}: use one of {', '.join(self.kinds)}"
                )
        return np.array([self.kinds.index(kind) for kind in kinds], dtype=int)

    def charges_of(self, kinds: Sequence[str]) -> Float[Array, " site"]:
        """Return the scaled charge [e] of every site."""
        return self.scale * self.charges[self.indices(kinds)]

    def energy(self, positions: Any, kinds: Sequence[str]) -> Float[Array, ""]:
        charges, positions = self.charges_of(kinds), checked(positions, kinds)
        first, second = np.triu_indices(len(kinds), 1)
        if not first.size:
            return jnp.zeros_like(positions[0, 0])
        distances = lengths(positions[first] - positions[second])
        total = COULOMB_CONSTANT * jnp.sum(charges[first] * charges[second] / distances)
        for pair in self.short_range:
            chosen = [k for k, (i, j) in enumerate(combinations(kinds, 2)) if sorted((i, j)) == sorted(pair.kinds)]
            if chosen:
                total = total + jnp.sum(jax.vmap(pair.potential.pair_energy)(distances[np.array(chosen)]))
        return total


def checked(positions: Any, kinds: Sequence[str]) -> Float[Array, "site 3"]:
    """Return positions as an array.

    Raises
    ------
    ParameterError
        If there is not one position for each kind.
    """
    with jax.ensure_compile_time_eval():  # plain numbers stay numbers inside a traced function
        positions = as_float(positions)
    if positions.shape != (len(kinds), 3) or not len(kinds):
        raise ParameterError(
            f"a configuration must have one row of three coordinates for each site, found the shape {positions.shape} for "
            f"{len(kinds)} sites: batches are the caller's vmap"
        )
    return positions


def lengths(vectors: Float[Array, "*batch 3"]) -> Float[Array, "*batch"]:
    """Return the lengths of vectors, those below `CLOSEST` held there without a derivative."""
    return jnp.sqrt(jnp.maximum(jnp.sum(vectors**2, axis=-1), CLOSEST**2))
