r"""The nonbonded energy of a molecule from parameters of atom types: Coulomb and Lennard-Jones, 1-4 pairs and those beyond.

.. math:: U = \sum_{i<j} w^\mathrm{C}_{ij}\,\frac{q_i q_j}{4\pi\epsilon_0 r_{ij}}
              + w^\mathrm{LJ}_{ij}\,4\epsilon_{ij}\Big[\Big(\frac{\sigma_{ij}}{r_{ij}}\Big)^{12}
              - \Big(\frac{\sigma_{ij}}{r_{ij}}\Big)^6\Big]

over the pairs three bonds apart, where the weights are the factors of the 1-4 convention, and over those farther apart, where
they are one. A `NonbondedForceField` holds no molecule: the same one serves every `Topology` whose atoms are of its types.

Of a geometry the energy needs no more than the sums of :math:`1/r, 1/r^6` and :math:`1/r^{12}` over the pairs of every two types
(`pair_sums`): with them the energy of any parameters is a product of small matrices.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, Potential, as_float, parameter, traced
from bayesff.potentials.combining import geometric
from bayesff.potentials.lennard_jones import LennardJones
from bayesff.potentials.topology import Topology
from bayesff.units import COULOMB_CONSTANT

CombiningRule = Callable[[LennardJones, LennardJones], PairPotential]
"""Takes the potentials of two like pairs and returns that of the unlike pair; of Lennard-Jones a Lennard-Jones."""

_POWERS = np.array([1, 6, 12])


class NonbondedParts(NamedTuple):
    """The four parts of a nonbonded energy [kJ/mol], with the 1-4 factors in them; their sum is the energy."""

    coulomb_one_four: Float[Array, ""]
    lennard_jones_one_four: Float[Array, ""]
    coulomb_beyond: Float[Array, ""]
    lennard_jones_beyond: Float[Array, ""]


class NonbondedForceField(Potential):
    """Charges and Lennard-Jones parameters of atom types, and the 1-4 convention that they are used under.

    A 1-4 convention by name is a treatment, see `bayesff.potentials.OneFourScaling`. Without one, 1-4 pairs count in full.

    Parameters
    ----------
    charges
        Charge of every type [elementary charge].
    sigma
        Lennard-Jones diameter of every type [angstrom].
    epsilon
        Lennard-Jones depth of every type [kJ/mol]; a small one for a type that has no Lennard-Jones energy.
    coulomb_one_four, lennard_jones_one_four
        What the energies of 1-4 pairs are multiplied by, zero or more.
    types
        Names of the types, each once.
    combining
        Rule for unlike pairs, `geometric` (OPLS) or `lorentz_berthelot` (AMBER, CHARMM).

    Raises
    ------
    ParameterError
        If there is not one charge, diameter and depth for every type, or a 1-4 factor is negative.

    References
    ----------
    W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996), doi:10.1021/ja9621760

    Example
    -------
    >>> import jax.numpy as jnp
    >>> ions = NonbondedForceField([1.0, -1.0], [2.35, 4.42], [0.54, 0.49], types=("Na", "Cl"))
    >>> pair = Topology(("Na", "Cl"), ())
    >>> round(float(ions.energy(pair, jnp.array([[0.0, 0.0, 0.0], [2.8, 0.0, 0.0]]))), 1)
    -489.9
    """

    charges: Float[Array, " type"] = parameter("elementary_charge")
    sigma: Float[Array, " type"] = parameter("angstrom", positive=True)
    epsilon: Float[Array, " type"] = parameter("kJ/mol", positive=True)
    coulomb_one_four: Float[Array, ""] = parameter("", default=1.0)
    lennard_jones_one_four: Float[Array, ""] = parameter("", default=1.0)
    types: tuple[str, ...] = eqx.field(static=True, kw_only=True)
    combining: CombiningRule = eqx.field(static=True, kw_only=True, default=geometric)

    def __check_init__(self) -> None:
        number = len(self.types)
        if len(set(self.types)) < number or not self.charges.shape == self.sigma.shape == self.epsilon.shape == (number,):
            raise ParameterError(
                f"NonbondedForceField: a charge, a sigma and an epsilon are needed for each of the {number} types "
                f"{', '.join(self.types)}, found the shapes {self.charges.shape}, {self.sigma.shape} and {self.epsilon.shape}: "
                "give one of each for every type, and every type once"
            )
        for name in ("coulomb_one_four", "lennard_jones_one_four"):
            value = getattr(self, name)
            if not traced(value) and not bool(np.all(np.asarray(value) >= 0)):
                raise ParameterError(f"NonbondedForceField: {name} must be zero or more, found {value}: give for example 0.5")

    def with_factors(
        self, charge: Mapping[str, Any] | None = None, strength: Mapping[str, Any] | None = None
    ) -> "NonbondedForceField":
        r"""Return the force field with charges and Lennard-Jones strengths multiplied by factors of the types.

        The strength of an atom is :math:`\sqrt{\epsilon_i}`: like a charge it enters the energy of a pair as a product.

        Parameters
        ----------
        charge, strength
            Factors by type, one for those not named.

        Raises
        ------
        ParameterError
            If a factor is of a type that is not there.
        """
        charges, strengths = (self._factors(given or {}) for given in (charge, strength))
        return dataclasses.replace(self, charges=self.charges * charges, epsilon=self.epsilon * strengths**2)

    def _factors(self, given: Mapping[str, Any]) -> Float[Array, " type"]:
        for name in given:
            if name not in self.types:
                raise ParameterError(
                    f"NonbondedForceField: a factor must be of one of the types {', '.join(self.types)}, found {name!r}: "
                    "correct the name"
                )
        return jnp.stack([as_float(given.get(name, 1.0)) for name in self.types])

    def places(self, topology: Topology) -> Int[np.ndarray, " atom"]:
        """Return the place of every atom's type among the types of the force field.

        Raises
        ------
        ParameterError
            If an atom is of a type that is not there.
        """
        for atom, name in enumerate(topology.atoms):
            if name not in self.types:
                raise ParameterError(
                    f"NonbondedForceField: atom {atom} must be of one of the types {', '.join(self.types)}, found {name!r}: "
                    "add the type or correct the topology"
                )
        return np.array([self.types.index(name) for name in topology.atoms])

    def net_charge(self, topology: Topology) -> Float[Array, ""]:
        """Return the charge of a molecule [elementary charge]."""
        return jnp.sum(self.charges[self.places(topology)])

    def parts(self, topology: Topology, positions: Float[ArrayLike, "atom 3"]) -> NonbondedParts:
        """Return the energies [kJ/mol] of 1-4 pairs and of those beyond, Coulomb and Lennard-Jones.

        Parameters
        ----------
        topology
            The molecule.
        positions
            Where its atoms are [angstrom].
        """
        return self.parts_of(self.pair_sums(topology, as_float(positions)))

    def energy(self, topology: Topology, positions: Float[ArrayLike, "atom 3"]) -> Float[Array, ""]:
        """Return the nonbonded energy [kJ/mol] of a molecule; its parameters are as in `parts`."""
        return jnp.sum(jnp.stack(self.parts(topology, positions)))

    def pair_sums(
        self, topology: Topology, positions: Float[np.ndarray, "atom 3"] | Float[Array, "atom 3"]
    ) -> Float[np.ndarray, "kind power couple"] | Float[Array, "kind power couple"]:
        r"""Return sums of powers of the distances, over 1-4 pairs and those beyond, and over the pairs of every two types.

        Atoms that coincide are held apart so far that the sums stay finite, by 1e-10 angstrom in double precision.

        Parameters
        ----------
        topology, positions
            The molecule and where its atoms are [angstrom]. Where they are a NumPy array so are the sums, and cost nothing in a
            program that JAX compiles.

        Returns
        -------
        array
            Over the kinds of pairs, the powers :math:`r^{-1}, r^{-6}, r^{-12}`, and the couples of types (the first with each
            from the first, the second with each from the second, ...).
        """
        places, number = self.places(topology), len(self.types)
        couples = np.zeros((number, number), dtype=int)
        couples[np.triu_indices(number)] = np.arange(number * (number + 1) // 2)
        couples = np.maximum(couples, couples.T)
        library = np if isinstance(positions, np.ndarray) else jnp
        found = []
        for first, second in (pairs.T for pairs in (topology.one_four, topology.beyond)):
            belongs = np.eye(number * (number + 1) // 2)[couples[places[first], places[second]]]
            squared = library.sum((positions[first] - positions[second]) ** 2, axis=1)
            held = float(jnp.finfo(squared.dtype).max) ** (-1 / 15)
            found.append(library.maximum(squared, held) ** (-_POWERS[:, None] / 2) @ belongs)
        return library.stack(found)

    def parts_of(self, sums: Float[ArrayLike, "kind power couple"]) -> NonbondedParts:
        """Return the parts of the energy [kJ/mol] from what `pair_sums` returned."""
        first, second = np.triu_indices(len(self.types))
        products = COULOMB_CONSTANT * self.charges[first] * self.charges[second]
        epsilon, sixth = jax.vmap(self._unlike)(self.epsilon[first], self.sigma[first], self.epsilon[second], self.sigma[second])
        (near, far), sixth = as_float(sums), sixth**6

        def energies(one: Array) -> tuple[Array, Array]:
            return jnp.sum(products * one[0]), jnp.sum(4 * epsilon * sixth * (sixth * one[2] - one[1]))

        coulomb, lennard_jones = energies(near)
        return NonbondedParts(self.coulomb_one_four * coulomb, self.lennard_jones_one_four * lennard_jones, *energies(far))

    def _unlike(self, *like: Array) -> tuple[Array, Array]:
        """Return depth and diameter of an unlike pair from those of the like ones."""
        found = self.combining(LennardJones(*like[:2]), LennardJones(*like[2:]))
        if not isinstance(found, LennardJones):
            raise ParameterError(
                f"NonbondedForceField: combining must return a LennardJones of two of them, found {type(found).__name__}: "
                "use geometric or lorentz_berthelot"
            )
        return found.epsilon, found.sigma
