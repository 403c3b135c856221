"""Potentials whose repulsion is an exponential: Born-Mayer, Morse and Buckingham (exp-6)."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, innermost, parameter, traced

_LEAST_STEEPNESS = 7.0
"""The stationary point of the exp-6 form at ``distance`` is a minimum above this steepness only."""


class BornMayer(PairPotential):
    r"""The repulsion of closed shells :math:`U(r) = A\,e^{-r/\rho}`, finite as two particles coincide.

    Parameters
    ----------
    strength
        A [kJ/mol].
    hardness
        The length rho [angstrom] over which it falls by e.

    References
    ----------
    M. Born, J. E. Mayer, Z. Phys. 75, 1 (1932), doi:10.1007/BF01340511

    Example
    -------
    >>> round(float(BornMayer(strength=1e5, hardness=0.3).pair_energy(3.0)), 4)
    4.54
    """

    strength: Float[Array, ""] = parameter("kJ/mol", positive=True)
    hardness: Float[Array, ""] = parameter("angstrom", positive=True)

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.strength * jnp.exp(-jnp.asarray(r) / self.hardness)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.pair_energy(radius) * _exponential_tail(1 / self.hardness, jnp.asarray(radius))


class Morse(PairPotential):
    r"""The Morse potential :math:`U(r) = D[e^{-2a(r-r_\mathrm{e})} - 2e^{-a(r-r_\mathrm{e})}]`.

    It decays exponentially, faster than any dispersion, and stays finite as two particles coincide.

    Parameters
    ----------
    well_depth
        D [kJ/mol].
    distance
        Separation r_e of the minimum [angstrom].
    steepness
        a [1/angstrom].

    References
    ----------
    P. M. Morse, Phys. Rev. 34, 57 (1929), doi:10.1103/PhysRev.34.57
    """

    well_depth: Float[Array, ""] = parameter("kJ/mol", positive=True)
    distance: Float[Array, ""] = parameter("angstrom", positive=True)
    steepness: Float[Array, ""] = parameter("1/angstrom", positive=True)

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        attraction = jnp.exp(-self.steepness * (jnp.asarray(r) - self.distance))
        return self.well_depth * attraction * (attraction - 2)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        # A very soft well is attractive down to coincidence: it has no zero, and the minimum sets the length.
        zero = self.distance - jnp.log(2.0) / self.steepness
        return (jnp.where(zero > 0.1 * self.distance, zero, self.distance),)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        radius = jnp.asarray(radius)
        attraction = jnp.exp(-self.steepness * (radius - self.distance))
        squared = attraction**2 * _exponential_tail(2 * self.steepness, radius)
        return self.well_depth * (squared - 2 * attraction * _exponential_tail(self.steepness, radius))


class Buckingham(PairPotential):
    r"""The Buckingham exp-6 potential, in its depth, the place of its minimum and its steepness.

    .. math:: U(r) = \frac{\epsilon}{1-6/\alpha}\left[\frac{6}{\alpha}\,e^{\alpha(1-r/r_\mathrm{m})}
              - \left(\frac{r_\mathrm{m}}{r}\right)^6\right]\qquad (r \ge r_\mathrm{t})

    The formula turns over at a small radius r_t and falls to minus infinity at the origin. There the repulsion is continued by
    reflection, :math:`2U(r_\mathrm{t}) - U(r)`, which rises all the way to the origin and leaves energy and force continuous;
    the published form is untouched at every separation outside. At r_t the energy is 69 ``epsilon`` for a steepness of 10, 1700
    for 12 and 28000 for 14, so properties of matter do not see the continuation unless the steepness is below about 9: below
    8.1 the form itself has no repulsive core. A sampler that steps below a steepness of 7 sees the energy at 7.

    Parameters
    ----------
    epsilon
        Depth of the well [kJ/mol].
    distance
        Separation r_m of the minimum [angstrom].
    steepness
        The exponent :math:`\alpha` of the repulsion; greater than 7, in practice 11 to 16.

    Raises
    ------
    ParameterError
        If ``steepness`` is a plain number of 7 or less.

    References
    ----------
    R. A. Buckingham, Proc. R. Soc. A 168, 264 (1938), doi:10.1098/rspa.1938.0173
    """

    epsilon: Float[Array, ""] = parameter("kJ/mol", positive=True)
    distance: Float[Array, ""] = parameter("angstrom", positive=True)
    steepness: Float[Array, ""] = parameter("", positive=True)

    def __check_init__(self) -> None:
        steepness = self.steepness
        if not traced(steepness) and not bool(np.all(np.asarray(steepness) > _LEAST_STEEPNESS)):
            raise ParameterError(
                f"Buckingham: steepness must be greater than 7, or the well has no minimum, found {steepness}; "
                "from coefficients A, B, C it is B times the distance of the minimum"
            )

    @classmethod
    def from_coefficients(cls, A: Float[ArrayLike, ""], B: Float[ArrayLike, ""], C: Float[ArrayLike, ""]) -> "Buckingham":
        r"""Build from :math:`U(r) = A e^{-Br} - C/r^6`.

        Parameters
        ----------
        A, B, C
            Coefficients [kJ/mol, 1/angstrom, kJ/mol angstrom^6].

        Raises
        ------
        ParameterError
            If a coefficient is not positive, or the attraction is so strong that the form has no minimum.
        """
        A, B, C = as_float(A), as_float(B), as_float(C)
        # The stationary points solve z - ln z = level with z = B r / 7; the minimum is the outer one.
        level = -jnp.log(B / 7) - jnp.log(6 * C / (A * B)) / 7
        if not traced(level) and not bool(jnp.all((A > 0) & (B > 0) & (C > 0) & (level > 1))):
            raise ParameterError(
                f"Buckingham: A exp(-B r) - C/r^6 must have a minimum, which positive A and C below (A/6) B^-6 (7/e)^7 have; "
                f"found A {A} kJ/mol, B {B} 1/angstrom, C {C} kJ/mol angstrom^6"
            )
        steepness = 7 * _stationary(level, side=1)
        distance = steepness / B
        return cls(C / distance**6 * (1 - 6 / steepness), distance, steepness)

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        turn = self._turning_radius()
        outside = self._formula(jnp.maximum(r, turn))
        inside = 2 * self._formula(turn) - self._formula(jnp.clip(r, innermost(self.distance, 6.0), turn))
        return jnp.where(jnp.asarray(r) < turn, inside, outside)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        steepness = self._steepness()
        level = steepness / 6 - 7 / 6 * jnp.log(steepness / 6)
        return (6 / steepness * self.distance * _stationary(level, side=1),)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        radius, steepness = jnp.asarray(radius), self._steepness()
        repulsion = 6 / steepness * jnp.exp(steepness * (1 - radius / self.distance))
        attraction = (self.distance / radius) ** 6
        repulsion = repulsion * _exponential_tail(steepness / self.distance, radius)
        return self.epsilon / (1 - 6 / steepness) * (repulsion - attraction * radius**3 / 3)

    def _steepness(self) -> Array:
        return jnp.maximum(self.steepness, _LEAST_STEEPNESS)

    def _turning_radius(self) -> Array:
        steepness = self._steepness()
        level = steepness / 7 - jnp.log(steepness / 7)
        return 7 / steepness * self.distance * _stationary(level, side=-1)

    def _formula(self, r: Array) -> Array:
        steepness = self._steepness()
        repulsion = 6 / steepness * jnp.exp(steepness * (1 - r / self.distance))
        return self.epsilon / (1 - 6 / steepness) * (repulsion - (self.distance / r) ** 6)


def _stationary(level: Array, *, side: int) -> Array:
    """Solve ``z - ln z = level`` for the root below one (``side`` -1) or above one (``side`` 1).

    It is a branch of Lambert's function. Two steps of Householder's third order in ``y = ln z`` start within 0.04 of the root,
    from the series about the double root at level 1 or from the iterated logarithm, and end at rounding; being differentiated
    as they stand, they carry first and second derivatives. Levels of 1 or less give the double root.
    """
    level = jnp.maximum(level, 1 + 1e-8)
    width = side * jnp.sqrt(2 * (level - 1))
    near = width - width**2 / 6 + width**3 / 36
    far = jnp.log(level + jnp.log(level + jnp.log(level))) if side > 0 else -level + jnp.exp(-level + jnp.exp(-level))
    y = jax.lax.stop_gradient(jnp.where(level > (2.5 if side > 0 else 2.0), far, near))
    for _ in range(2):
        bend, slope = jnp.exp(y), jnp.expm1(y)
        missed = slope - y - (level - 1)
        y = y - missed * (6 * slope**2 - 3 * missed * bend) / (6 * slope**3 - 6 * missed * slope * bend + missed**2 * bend)
    return jnp.exp(y)


def _exponential_tail(rate: Array, radius: Array) -> Array:
    r"""Return :math:`\int_R^\infty r^2 e^{-k(r-R)} dr`."""
    return radius**2 / rate + 2 * radius / rate**2 + 2 / rate**3
