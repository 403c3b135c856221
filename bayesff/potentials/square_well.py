"""Potentials with a hard core: the square well and the hard sphere."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, parameter, traced


class HardSphere(PairPotential):
    """The hard sphere: infinite energy inside the diameter, none outside.

    Its virial coefficients do not depend on the temperature, so it is the check of an integral over a core.

    Parameters
    ----------
    sigma
        Diameter [angstrom].
    """

    sigma: Float[Array, ""] = parameter("angstrom", positive=True)

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return jnp.where(jnp.asarray(r) < self.sigma, jnp.inf, 0.0)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return (self.sigma,)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return jnp.where(jnp.asarray(radius) < self.sigma, jnp.inf, 0.0)


class SquareWell(PairPotential):
    r"""The square well: infinite for :math:`r<\sigma`, :math:`-\epsilon` for :math:`\sigma\le r<\lambda\sigma`, zero beyond.

    Parameters
    ----------
    epsilon
        Depth of the well [kJ/mol].
    sigma
        Diameter of the hard core [angstrom].
    width
        Outer edge of the well :math:`\lambda`, in units of ``sigma``; greater than one.

    Raises
    ------
    ParameterError
        If ``width`` is a plain number of one or less.

    References
    ----------
    J. A. Barker, D. Henderson, Rev. Mod. Phys. 48, 587 (1976), doi:10.1103/RevModPhys.48.587
    """

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)
    sigma: Float[Array, ""] = parameter("angstrom", positive=True)
    width: Float[Array, ""] = parameter("", positive=True)

    def __check_init__(self) -> None:
        if not traced(self.width) and not bool(np.all(np.asarray(self.width) > 1)):
            raise ParameterError(
                f"SquareWell: width is the outer edge of the well in units of sigma and must be greater than one, "
                f"found {self.width}"
            )

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        r = jnp.asarray(r)
        outside = jnp.where(r < self.width * self.sigma, -self.epsilon, 0.0)
        return jnp.where(r < self.sigma, jnp.inf, outside)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return (self.sigma, self.width * self.sigma)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        radius, edge = jnp.asarray(radius), self.width * self.sigma
        well = -self.epsilon * jnp.maximum(edge**3 - radius**3, 0.0) / 3
        return jnp.where(radius < self.sigma, jnp.inf, well)
