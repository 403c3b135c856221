r"""The effective potential by which nearly classical particles obey quantum statistics, to first order in :math:`\hbar^2`."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, traced
from bayesff.units import GAS_CONSTANT, HBAR_SQUARED_OVER_MASS


class FeynmanHibbs(PairPotential):
    r"""A pair potential with the quadratic Feynman-Hibbs correction, which depends on the temperature.

    .. math:: u_\mathrm{FH}(r) = u(r) + \frac{\hbar^2\beta}{12\,m}\Big(u''(r) + \frac{2\,u'(r)}{r}\Big)

    The classical partition function of :math:`u_\mathrm{FH}` is that of Wigner and Kirkwood to first order in :math:`\hbar^2`,
    that is for :math:`\hbar^2\beta\,u''/(12 m)` well below the well's depth: argon at 85 K, where it adds 0.06 kJ/mol to the
    internal energy and about 4 MPa to the pressure of the liquid, but not helium. Its internal energy is
    :math:`\partial(\beta F)/\partial\beta`, in which the correction counts twice (once as kinetic energy). Wanted of a potential
    with two continuous derivatives.

    Parameters
    ----------
    potential
        The potential of the nuclei.
    molar_mass
        Mass of one particle [g/mol].
    temperature
        Temperature [K].

    References
    ----------
    R. P. Feynman, A. R. Hibbs, Quantum Mechanics and Path Integrals, McGraw-Hill, 1965, section 10-3

    Example
    -------
    >>> from bayesff.potentials import LennardJones
    >>> argon = FeynmanHibbs(LennardJones(epsilon=0.996, sigma=3.405), molar_mass=39.948, temperature=85.0)
    >>> round(float(argon.pair_energy(3.8217)), 4)
    -0.9901
    """

    potential: PairPotential
    molar_mass: float = eqx.field(static=True)
    temperature: Float[Array, ""] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        for name in ("molar_mass", "temperature"):
            value = getattr(self, name)
            if not traced(value) and not bool(np.all(np.isfinite(value) & (np.asarray(value) > 0))):
                raise ParameterError(f"FeynmanHibbs: {name} must be finite and greater than zero, found {value}")

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        r = as_float(r)
        (energy, slope), (_, bend) = _with_slope(lambda r: _with_slope(self.potential.pair_energy, r), r)
        corrected = energy + self._width() * (bend + 2 * slope / r)
        return jnp.where(jnp.isfinite(corrected), corrected, energy)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        # The correction times r^2 is the derivative of r^2 u'.
        radius = as_float(radius)
        slope = _with_slope(self.potential.pair_energy, radius)[1]
        return self.potential.energy_beyond(radius) - self._width() * radius**2 * slope

    def long_ranged(self) -> bool:
        return self.potential.long_ranged()

    def _width(self) -> Array:
        """Return the factor of the correction [angstrom^2]: a third of a particle's mean square displacement in one direction."""
        return HBAR_SQUARED_OVER_MASS / (12 * self.molar_mass * GAS_CONSTANT * self.temperature)


def _with_slope(function: Callable[[Array], Any], r: Array) -> tuple[Any, Any]:
    """Return a function of one number and its derivative, in forward mode: nested, it makes less of a program than `jax.grad`."""
    return jax.jvp(function, (r,), (jnp.ones_like(r),))
