"""The Lennard-Jones potential."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.potentials.base import PairPotential, parameter


class LennardJones(PairPotential):
    r"""The Lennard-Jones 12-6 potential :math:`U(r) = 4\epsilon[(\sigma/r)^{12} - (\sigma/r)^6]`.

    Parameters
    ----------
    epsilon
        Depth of the well [kJ/mol].
    sigma
        Separation where the energy is zero [angstrom].

    References
    ----------
    J. E. Jones, Proc. R. Soc. A 106, 463 (1924), doi:10.1098/rspa.1924.0082
    """

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)
    sigma: Float[Array, ""] = parameter("angstrom", positive=True)

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        attraction = (self.sigma / jnp.asarray(r)) ** 6
        return 4 * self.epsilon * attraction * (attraction - 1)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return (self.sigma,)
