"""The Lennard-Jones potential."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, innermost, parameter, traced


class LennardJones(PairPotential):
    r"""The Lennard-Jones 12-6 potential :math:`U(r) = 4\epsilon[(\sigma/r)^{12} - (\sigma/r)^6]`.

    Below about 1e-10 ``sigma`` the energy is held at its value there, so that coincident particles give a finite number and a
    zero Boltzmann factor with a zero derivative.

    Parameters
    ----------
    epsilon
        Depth of the well [kJ/mol].
    sigma
        Separation where the energy is zero [angstrom].

    References
    ----------
    J. E. Jones, Proc. R. Soc. A 106, 463 (1924), doi:10.1098/rspa.1924.0082

    Example
    -------
    >>> argon = LennardJones(epsilon=0.996, sigma=3.405)
    >>> round(float(argon.pair_energy(3.822)), 3)
    -0.996
    """

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)
    sigma: Float[Array, ""] = parameter("angstrom", positive=True)

    @classmethod
    def from_minimum(cls, epsilon: Float[ArrayLike, ""], r_min: Float[ArrayLike, ""]) -> "LennardJones":
        """Build from the depth [kJ/mol] and the separation [angstrom] of the minimum.

        Force fields that tabulate R_min/2 (CHARMM, AMBER) mean half of ``r_min`` of the like pair.
        """
        return cls(as_float(epsilon), as_float(r_min) / 2 ** (1 / 6))

    @classmethod
    def from_coefficients(cls, A: Float[ArrayLike, ""], B: Float[ArrayLike, ""]) -> "LennardJones":
        r"""Build from :math:`U(r) = A/r^{12} - B/r^6`.

        Parameters
        ----------
        A, B
            Coefficients [kJ/mol angstrom^12, kJ/mol angstrom^6].

        Raises
        ------
        ParameterError
            If a coefficient is a plain number that is not greater than zero.
        """
        A, B = as_float(A), as_float(B)
        _check_positive("from_coefficients: A/r^12 - B/r^6 needs coefficients greater than zero", A, B)
        return cls(B**2 / (4 * A), (A / B) ** (1 / 6))

    @classmethod
    def from_energy_and_force(
        cls, r: Float[ArrayLike, ""], energy: Float[ArrayLike, ""], force: Float[ArrayLike, ""]
    ) -> "LennardJones":
        r"""Build the one potential that has this energy and force at one separation.

        With :math:`a = A/r^{12}` and :math:`b = B/r^6` the two conditions are :math:`a - b = U` and :math:`12a - 6b = rF`.

        Parameters
        ----------
        r, energy, force
            Separation [angstrom], energy [kJ/mol] and force -dU/dr [kJ/mol/angstrom] there.

        Raises
        ------
        ParameterError
            If no positive ``epsilon`` and ``sigma`` reach these plain numbers, which takes rF > 6U and rF > 12U.
        """
        r, energy, force = as_float(r), as_float(energy), as_float(force)
        repulsion = r * force / 6 - energy
        attraction = repulsion - energy
        _check_positive(
            f"from_energy_and_force: no potential has energy {energy} kJ/mol and force {force} kJ/mol/angstrom at {r} angstrom, "
            "the repulsive and attractive part must both be greater than zero",
            repulsion,
            attraction,
        )
        return cls(attraction**2 / (4 * repulsion), r * (repulsion / attraction) ** (1 / 6))

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        attraction = (self.sigma / jnp.maximum(r, innermost(self.sigma, 12.0))) ** 6
        return 4 * self.epsilon * attraction * (attraction - 1)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return (self.sigma,)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        radius = jnp.asarray(radius)
        attraction = (self.sigma / radius) ** 6
        return 4 * self.epsilon * radius**3 * attraction * (attraction / 9 - 1 / 3)


def _check_positive(rule: str, repulsive: Array, attractive: Array) -> None:
    if traced(repulsive, attractive):
        return
    if not bool(np.all((np.asarray(repulsive) > 0) & (np.asarray(attractive) > 0))):
        raise ParameterError(f"LennardJones.{rule}, found {repulsive} and {attractive}")
