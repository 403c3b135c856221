"""The Mie potential."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, innermost, parameter, traced

_CLOSEST_EXPONENTS = 1e-8
"""Exponents nearer than this are held apart; the potential has a limit there, but the formula is 0/0."""


class Mie(PairPotential):
    r"""The Mie potential, a Lennard-Jones form with free exponents n (``repulsive``) and m (``attractive``).

    .. math:: U(r) = \frac{n}{n-m}\left(\frac{n}{m}\right)^{m/(n-m)}\epsilon
              \left[\left(\frac{\sigma}{r}\right)^n - \left(\frac{\sigma}{r}\right)^m\right]

    The well is ``epsilon`` deep whatever the exponents are. One logarithm of ``r`` is taken a call, and the difference of the
    two powers is formed by ``expm1``, so the form stays accurate as n approaches m, and an exchange of n and m, which
    a sampler may try, gives the same energy.

    Below the radius where the repulsion reaches about 10^120 ``epsilon`` the energy is held at its value there, so that
    coincident particles give a finite number and a zero Boltzmann factor with a zero derivative.

    Parameters
    ----------
    epsilon
        Depth of the well [kJ/mol].
    sigma
        Separation where the energy is zero [angstrom].
    repulsive, attractive
        The exponents n and m; n > m > 3, because a slower decay has no second virial coefficient.

    Raises
    ------
    ParameterError
        If the exponents are plain numbers that break n > m > 3.

    References
    ----------
    G. Mie, Ann. Phys. 316, 657 (1903), doi:10.1002/andp.19033160802
    """

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)
    sigma: Float[Array, ""] = parameter("angstrom", positive=True)
    repulsive: Float[Array, ""] = parameter("", positive=True, default=12.0)
    attractive: Float[Array, ""] = parameter("", positive=True, default=6.0)

    def __check_init__(self) -> None:
        if traced(self.repulsive, self.attractive):
            return
        repulsive, attractive = np.asarray(self.repulsive), np.asarray(self.attractive)
        if not np.all((repulsive > attractive) & (attractive > 3)):
            raise ParameterError(
                f"Mie: the exponents must satisfy repulsive > attractive > 3, found repulsive {self.repulsive} and "
                f"attractive {self.attractive}"
            )

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        steepest = jnp.maximum(self.repulsive, self.attractive)
        logarithm = jnp.log(self.sigma / jnp.maximum(r, innermost(self.sigma, steepest)))
        gap = self._gap()
        return self._prefactor() * jnp.exp(self.attractive * logarithm) * jnp.expm1(gap * logarithm)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return (self.sigma,)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        radius = jnp.asarray(radius)
        attractive, repulsive = self.attractive, self.attractive + self._gap()
        powers = (self.sigma / radius) ** repulsive / (repulsive - 3) - (self.sigma / radius) ** attractive / (attractive - 3)
        return self._prefactor() * radius**3 * powers

    def _gap(self) -> Array:
        gap = self.repulsive - self.attractive
        return jnp.where(jnp.abs(gap) < _CLOSEST_EXPONENTS, _CLOSEST_EXPONENTS, gap)

    def _prefactor(self) -> Array:
        gap = self._gap()
        return self.epsilon * (self.attractive + gap) / gap * jnp.exp(self.attractive / gap * jnp.log1p(gap / self.attractive))
