"""The Axilrod-Teller triple-dipole energy of three atoms."""

from typing import ClassVar

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.potentials.base import Potential, parameter

HARTREE = 2625.4996394799
"""One hartree per particle [kJ/mol] (CODATA 2018)."""

BOHR = 0.529177210903
"""The bohr radius [angstrom] (CODATA 2018)."""


class AxilrodTeller(Potential):
    r"""The leading dispersion energy of three atoms that no sum over pairs contains.

    .. math:: U_3 = C_9 \frac{1 + 3\cos\gamma_1\cos\gamma_2\cos\gamma_3}{r_{12}^3 r_{13}^3 r_{23}^3}

    with the angles of the triangle. It is positive for an equilateral triangle and negative for three atoms in a row. It is the
    long-range form: nothing damps it where the atoms overlap, so it belongs beside a pair potential that keeps them apart.

    Parameters
    ----------
    c9
        Strength [kJ/mol angstrom^9].

    References
    ----------
    B. M. Axilrod, E. Teller, J. Chem. Phys. 11, 299 (1943), doi:10.1063/1.1723844
    """

    c9: Float[Array, ""] = parameter("kJ/mol*angstrom^9")

    ATOMIC_UNIT: ClassVar[float] = HARTREE * BOHR**9

    @classmethod
    def from_atomic_units(cls, c9: Float[ArrayLike, ""]) -> "AxilrodTeller":
        """Return the term of strength ``c9`` in hartree bohr^9, as quantum chemistry gives it (argon: 518.3)."""
        return cls(jnp.asarray(c9) * cls.ATOMIC_UNIT)

    def triplet_energy(self, r12: Float[ArrayLike, ""], r13: Float[ArrayLike, ""], r23: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Energy [kJ/mol] of the triangle with these sides [angstrom]."""
        a, b, c = (jnp.asarray(side) ** 2 for side in (r12, r13, r23))
        product = (b + c - a) * (c + a - b) * (a + b - c) / (8 * a * b * c)  # of the three cosines
        return self.c9 * (1 + 3 * product) / (a * b * c) ** 1.5
