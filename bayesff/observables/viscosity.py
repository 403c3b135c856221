r"""The viscosity of the dilute gas, from the collision integrals of a pair potential."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.observables.base import Observable
from bayesff.observables.collisions import collision_integrals
from bayesff.potentials.base import PairPotential
from bayesff.units import AVOGADRO, GAS_CONSTANT

_MICROPASCAL_SECOND = 1e6 / (AVOGADRO * 1e-20)
"""sqrt(g/mol kJ/mol)/angstrom^2 per particle in uPa s."""


def _mass(value: Any) -> Array:
    return jnp.asarray(value, dtype=jnp.result_type(float))


class DiluteViscosity(Observable):
    r"""The viscosity :math:`\eta_0(T)` [uPa s] of a monatomic gas in the limit of zero density.

    .. math::

        \eta_0 = \frac{5}{16}\frac{\sqrt{\pi m k_\mathrm{B} T}}{\pi\,\sigma^2\Omega^{(2,2)*}}\, f, \qquad
        f = 1 + \frac{3}{196}\left(8\,\frac{\Omega^{(2,3)*}}{\Omega^{(2,2)*}} - 7\right)^2

    Chapman-Enskog theory with Kihara's second-order factor; classical collisions, so neither for helium nor for neon below room
    temperature where 0.1 % matters. The potential must be continuous. The numerical error is that of the quadrature.

    Parameters
    ----------
    molar_mass
        Molar mass of the atom [g/mol].
    resolution
        Nodes of the quadrature, see `bayesff.observables.collisions`. With 24 the true relative error is about 1e-6 and
        the reported one, a bound, below 2e-4 where the highest temperature is at most ten times the lowest; take 36 for more.

    Raises
    ------
    ParameterError
        If the potential is discontinuous, or the molar mass is not greater than zero.

    References
    ----------
    J. O. Hirschfelder, C. F. Curtiss, R. B. Bird, Molecular Theory of Gases and Liquids, Wiley, 1954, section 8.2
    G. C. Maitland, M. Rigby, E. B. Smith, W. A. Wakeham, Intermolecular Forces, Clarendon, 1981, chapter 5

    Example
    -------
    >>> import jax; jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials import LennardJones
    >>> prediction = DiluteViscosity(molar_mass=39.948).predict(LennardJones(epsilon=0.996, sigma=3.405), {"temperature": 300.0})
    >>> round(float(prediction.mean[0]), 2)
    23.12
    """

    quantity: ClassVar[str] = "viscosity"
    molar_mass: Float[Array, ""] = eqx.field(converter=_mass)
    resolution: int = eqx.field(static=True, default=24)

    def __check_init__(self) -> None:
        if not isinstance(self.molar_mass, Tracer) and not bool(jnp.isfinite(self.molar_mass) & (self.molar_mass > 0)):
            raise ParameterError(
                f"DiluteViscosity: molar_mass must be finite and greater than zero, found {self.molar_mass} g/mol"
            )

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        temperature = state["temperature"]
        integrals, errors = collision_integrals(potential, temperature, ((2, 2), (2, 3)), resolution=self.resolution)
        ratio = integrals[1] / integrals[0]
        factor = 1 + 3 / 196 * (8 * ratio - 7) ** 2
        speed = jnp.sqrt(jnp.pi * self.molar_mass * GAS_CONSTANT * temperature)
        viscosity = 5 / 16 * _MICROPASCAL_SECOND * speed / (jnp.pi * integrals[0]) * factor

        known, relative = jax.lax.stop_gradient((viscosity, errors / integrals))
        leverage = jax.lax.stop_gradient(48 / 196 * jnp.abs(8 * ratio - 7) * ratio / factor)
        return viscosity, known * (relative[0] + leverage * (relative[0] + relative[1]))
