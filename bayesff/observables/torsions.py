r"""Observables of one torsion: its profile, and populations, free energies and enthalpies of its conformers.

A conformer is a range of the angle, cut where the barriers are: for an alkane trans between 120 and 240 degrees, gauche between 0
and 120 and between 240 and 360. Its partition function at constant bond lengths and angles, whose Jacobian does not depend on the
torsion, is

.. math:: Z_b = \int_b e^{-V(\phi)/RT}\,\mathrm{d}\phi

The turning is classical: what vibrations of conformers differ by, and the pressure times their volumes, is not in it. Integrals
are by Gauss-Legendre rules over 30 degrees at most, whose own coefficients give the error.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.observables.base import Observable
from bayesff.observables.quadrature import gauss_panels, integrate
from bayesff.potentials.torsions import TorsionPotential
from bayesff.units import GAS_CONSTANT

Basin = tuple[float, float]
"""First and last angle [degree] of a conformer, ascending; trans is 180."""

TRANS: Basin = (120.0, 240.0)
GAUCHE_PLUS: Basin = (0.0, 120.0)
GAUCHE_MINUS: Basin = (240.0, 360.0)

_PANEL = 30.0
"""Width of a panel of the quadrature [degree]."""


class TorsionEnergy(Observable):
    r"""The energy :math:`V(\phi) - V(\phi_0)` [kJ/mol] at an angle, from that at another one.

    Parameters
    ----------
    reference
        The angle :math:`\phi_0` [degree].
    """

    quantity: ClassVar[str] = "torsion_energy"
    reference: float = eqx.field(static=True, default=180.0)

    def evaluate(
        self, potential: TorsionPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        energy = jax.vmap(potential.torsion_energy)(jnp.deg2rad(state["torsion_angle"]))
        scale = jax.lax.stop_gradient(sum(jnp.sum(jnp.abs(part)) for part in potential.fourier()))
        rounding = 16 * jnp.finfo(energy.dtype).eps * scale
        return energy - potential.torsion_energy(jnp.deg2rad(self.reference)), jnp.full(len(energy), rounding)


class _Conformer(Observable):
    """What observables of a conformer have in common: its range, and logarithms of partition functions."""

    basin: Basin = eqx.field(static=True)

    def __check_init__(self) -> None:
        for basin in self._basins():
            if not (len(basin) == 2 and 0 < basin[1] - basin[0] <= 360):
                raise ParameterError(
                    f"{type(self).__name__}: a conformer reaches from one angle to a larger one, by 360 degrees at most, found "
                    f"{basin}: one that holds 0 is (-60, 60), for example"
                )

    def _basins(self) -> tuple[Basin, ...]:
        return (self.basin,)


class ConformerPopulation(_Conformer):
    r"""The share :math:`p_b = Z_b/Z` of the molecules that are in a conformer, over the full turn.

    Parameters
    ----------
    basin
        Its range [degree], see `Basin`.
    """

    quantity: ClassVar[str] = "conformer_population"

    def evaluate(
        self, potential: TorsionPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        rest = (self.basin[1], self.basin[0] + 360.0)
        inside, error, _ = _partition(potential, self.basin, state["temperature"])
        if rest[0] == rest[1]:
            return jnp.ones_like(inside), jnp.zeros_like(inside)
        outside, other, _ = _partition(potential, rest, state["temperature"])
        share = jax.nn.sigmoid(inside - outside)
        return share, jax.lax.stop_gradient(share * (1 - share)) * (error + other)


class _Difference(_Conformer):
    """A property of a conformer from that of another one."""

    reference: Basin = eqx.field(static=True, default=TRANS)

    def _basins(self) -> tuple[Basin, ...]:
        return self.basin, self.reference


class ConformerFreeEnergy(_Difference):
    r"""The free energy :math:`\Delta G = -RT \ln(Z_b/Z_0)` [kJ/mol] of a conformer from another one's.

    Parameters
    ----------
    basin
        Its range [degree], see `Basin`.
    reference
        Range of the other one; the full turn, ``(0, 360)``, gives :math:`-RT\ln p_b`.
    """

    quantity: ClassVar[str] = "conformer_free_energy"

    def evaluate(
        self, potential: TorsionPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        kt = GAS_CONSTANT * state["temperature"]
        inside, error, _ = _partition(potential, self.basin, state["temperature"])
        outside, other, _ = _partition(potential, self.reference, state["temperature"])
        return -kt * (inside - outside), kt * (error + other)


class ConformerEnthalpy(_Difference):
    r"""The enthalpy of a conformer from another one's, :math:`\Delta H = \langle V\rangle_b - \langle V\rangle_0` [kJ/mol].

    It is the slope of :math:`-\ln(Z_b/Z_0)` in :math:`1/RT`: what a spectrum measures whose bands of two conformers are followed
    over the temperature.

    Parameters
    ----------
    basin
        Range of the conformer [degree], see `Basin`.
    reference
        Range of the other one.
    """

    quantity: ClassVar[str] = "conformer_enthalpy"

    def evaluate(
        self, potential: TorsionPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        _, error, mean = _partition(potential, self.basin, state["temperature"])
        _, other, base = _partition(potential, self.reference, state["temperature"])
        # An average is off by the error of the weights times the range of the energy, which the coefficients bound.
        span = 2 * jax.lax.stop_gradient(sum(jnp.sum(jnp.abs(part)) for part in potential.fourier()))
        return mean - base, span * (error + other)


def _partition(
    potential: TorsionPotential, basin: Basin, temperature: Float[Array, " datum"]
) -> tuple[Float[Array, " datum"], Float[Array, " datum"], Float[Array, " datum"]]:
    """Return the logarithm of a conformer's partition function, its error, and the mean energy [kJ/mol] over it."""
    number = math.ceil((basin[1] - basin[0]) / _PANEL)
    fractions, weights = gauss_panels(tuple(np.linspace(0.0, 1.0, number + 1).tolist()), 16)
    width = np.deg2rad(basin[1] - basin[0])
    angles = np.deg2rad(basin[0]) + width * fractions
    energy = jax.vmap(jax.vmap(potential.torsion_energy))(jnp.asarray(angles))
    lowest = jax.lax.stop_gradient(jnp.min(energy))
    kt = GAS_CONSTANT * temperature
    factors = jnp.exp(-(energy - lowest) / kt[:, None, None])
    whole, error = integrate(factors, jnp.asarray(width * weights))
    mean = jnp.sum(factors * energy * width * weights, axis=(1, 2)) / whole
    return jnp.log(whole) - lowest / kt, jax.lax.stop_gradient(error / whole), mean
