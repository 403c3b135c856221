r"""Coulomb energies of two charged sites, in a uniform dielectric and in one that depends on the distance.

.. math:: U(r) = \frac{k_e\, q_1 q_2}{\varepsilon\, r}, \qquad k_e = \frac{e^2 N_A}{4\pi\varepsilon_0}

A solvent between two charges screens them only where it fits: at contact there is none, far away there is its bulk. A force field
with charges that are scaled (:math:`q \to \lambda q`) is a uniform dielectric with :math:`\varepsilon = \lambda^{-2}`.

Such an energy falls as :math:`1/r`. It has no second virial coefficient and no tail, and asking for one is an error; what is cut
(`bayesff.potentials.truncation`) has.
"""

from abc import abstractmethod

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, parameter, traced
from bayesff.units import COULOMB_CONSTANT

_CLOSEST = 1e-10
"""Separation [angstrom] below which the energy is held: further in, it would overtake the wall of a Lennard-Jones potential."""

_SPACING = 3.0
"""A separation of ions in contact [angstrom]: the energy has no length of its own, and integrals over a sum need none of it."""


class _Electrostatic(PairPotential):
    """An energy of two charges that falls as the inverse distance."""

    @abstractmethod
    def permittivity_at(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Relative permittivity between charges at the separation ``r`` [angstrom]."""

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return (as_float(_SPACING),)

    def long_ranged(self) -> bool:
        return True


class Coulomb(_Electrostatic):
    r"""The Coulomb energy :math:`U(r) = k_e\,q_1 q_2/(\varepsilon r)` in a uniform dielectric.

    Parameters
    ----------
    charge_product
        Product of the two charges [e^2], negative if they attract each other.
    permittivity
        Relative permittivity of what is between them, 1 in a vacuum.

    Example
    -------
    >>> ions = Coulomb(charge_product=-1.0)
    >>> round(float(ions.pair_energy(2.8)), 3)
    -496.198
    """

    charge_product: Float[Array, ""] = parameter("e^2")
    permittivity: Float[Array, ""] = parameter("", positive=True, default=1.0)

    def permittivity_at(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.permittivity

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return COULOMB_CONSTANT * self.charge_product / (self.permittivity * jnp.maximum(r, _CLOSEST))


class SigmoidalCoulomb(_Electrostatic):
    r"""The Coulomb energy in a dielectric whose permittivity rises from 1 at contact to that of the bulk.

    .. math:: U(r) = \frac{k_e\,q_1 q_2}{\varepsilon(r)\, r}, \qquad
              \varepsilon(r) = \varepsilon_b - \frac{\varepsilon_b - 1}{2}\big[(sr)^2 + 2sr + 2\big]e^{-sr}

    Near contact :math:`\varepsilon - 1 \approx (\varepsilon_b - 1)(sr)^3/6`, half of the way to the bulk is at :math:`sr = 2.67`.
    With a bulk of 1 it is `Coulomb` in a vacuum for every slope.

    Parameters
    ----------
    charge_product
        Product of the two charges [e^2], negative if they attract each other.
    bulk
        Relative permittivity :math:`\varepsilon_b` far away, 1 or more.
    slope
        How fast the permittivity rises, ``s`` [1/angstrom].

    Raises
    ------
    ParameterError
        If the bulk is a plain number below 1.

    References
    ----------
    J. Ramstein, R. Lavery, Proc. Natl. Acad. Sci. USA 85, 7231 (1988)

    Example
    -------
    >>> ions = SigmoidalCoulomb(charge_product=-1.0, bulk=78.4, slope=0.356)
    >>> [round(float(ions.permittivity_at(r)), 2) for r in (0.0, 2.8, 10.0, 40.0)]
    [1.0, 7.17, 54.41, 78.39]
    """

    charge_product: Float[Array, ""] = parameter("e^2")
    bulk: Float[Array, ""] = parameter("", positive=True)
    slope: Float[Array, ""] = parameter("1/angstrom", positive=True)

    def __check_init__(self) -> None:
        if not traced(self.bulk) and not bool(np.all(np.asarray(self.bulk) >= 1)):
            raise ParameterError(
                f"SigmoidalCoulomb: bulk must be 1 or more, found {self.bulk}: the permittivity rises from 1 at contact to it"
            )

    def permittivity_at(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        x = self.slope * jnp.maximum(r, _CLOSEST)
        # The formula with the one taken out, which keeps the digits near contact and is exact for a bulk of one.
        return 1 - (self.bulk - 1) * (jnp.expm1(-x) + x * (1 + x / 2) * jnp.exp(-x))

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return COULOMB_CONSTANT * self.charge_product / (self.permittivity_at(r) * jnp.maximum(r, _CLOSEST))
