"""Sums and multiples of pair potentials, and those of one substance for another."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, parameter


class SumPotential(PairPotential):
    """The sum of pair potentials; written ``a + b``.

    The parameters are those of the terms. A hard core of one term is a hard core of the sum.

    Parameters
    ----------
    terms
        The potentials that are added, at least one.
    """

    terms: tuple[PairPotential, ...]

    def __check_init__(self) -> None:
        if not self.terms:
            raise ParameterError("SumPotential: a sum needs at least one term, found none: give the potentials as a tuple")

    def __add__(self, other: PairPotential) -> "SumPotential":
        if isinstance(other, SumPotential):
            return SumPotential(self.terms + other.terms)
        return SumPotential((*self.terms, other)) if isinstance(other, PairPotential) else NotImplemented

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return sum((term.pair_energy(r) for term in self.terms[1:]), start=self.terms[0].pair_energy(r))

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        radii = [radius for term in self.terms if not term.long_ranged() for radius in term.breakpoints()]
        # Charges may move the contact far from that of any term, and have no length of their own.
        contact = super().breakpoints() if self.long_ranged() else ()
        return ascending(*contact, *radii)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return sum((term.energy_beyond(radius) for term in self.terms[1:]), start=self.terms[0].energy_beyond(radius))

    def long_ranged(self) -> bool:
        return any(term.long_ranged() for term in self.terms)

    def tail_energy(self, density: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return sum((term.tail_energy(density) for term in self.terms[1:]), start=self.terms[0].tail_energy(density))


class ScaledPotential(PairPotential):
    """A pair potential whose energy is multiplied by a number; written ``factor * potential``.

    The factor may be inferred (a scaled 1-4 interaction, a correction to a computed curve). A hard core stays hard whatever
    the factor is.

    Parameters
    ----------
    potential
        The potential that is scaled.
    factor
        What its energy is multiplied by.
    """

    potential: PairPotential
    factor: Float[Array, ""] = parameter("")

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return _multiplied(self.factor, self.potential.pair_energy(r))

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return self.potential.breakpoints()

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return _multiplied(self.factor, self.potential.energy_beyond(radius))

    def long_ranged(self) -> bool:
        return self.potential.long_ranged()

    def tail_energy(self, density: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.factor * self.potential.tail_energy(density)


class ConformalPotential(PairPotential):
    r"""The potential of another substance, by the law of corresponding states.

    .. math:: u(r) = f\,u_0(r/h)

    Substances whose potentials differ by the two factors only have the same properties in units of their critical points, so that
    f is the ratio of their critical temperatures and h the cube root of that of their critical volumes. The ab initio curves of
    argon and krypton are conformal so within 5 % of repulsion and attraction from 2.6 to 12 angstrom.

    Parameters
    ----------
    potential
        The potential :math:`u_0` of the reference substance.
    energy
        The factor f on its energies.
    length
        The factor h on its distances.

    References
    ----------
    K. S. Pitzer, J. Chem. Phys. 7, 583 (1939)
    """

    potential: PairPotential
    energy: Float[Array, ""] = parameter("", positive=True)
    length: Float[Array, ""] = parameter("", positive=True)

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return _multiplied(self.energy, self.potential.pair_energy(as_float(r) / self.length))

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return tuple(self.length * radius for radius in self.potential.breakpoints())

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.energy * self.length**3 * self.potential.energy_beyond(as_float(radius) / self.length)

    def long_ranged(self) -> bool:
        return self.potential.long_ranged()

    def tail_energy(self, density: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.energy * self.potential.tail_energy(as_float(density) * self.length**3)


def ascending(*radii: Float[Array, ""]) -> tuple[Float[Array, ""], ...]:
    """Return these radii sorted; which is the smaller may depend on the parameters."""
    return tuple(jnp.sort(jnp.stack(radii)))


def _multiplied(factor: Array, energy: Array) -> Array:
    # 0 * inf would be a NaN, and so would its derivative: the infinity never enters the product.
    core = energy == jnp.inf
    return jnp.where(core, jnp.inf, factor * jnp.where(core, 0.0, energy))
