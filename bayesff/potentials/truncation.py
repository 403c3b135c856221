r"""Truncations: a potential as a simulation with a cutoff sees it, and the tail that the cutoff leaves out.

A cutoff is part of the *treatment* of an environment, and force fields are transferable only together with it. The known
cases are

===================  =========================================================================================
`PlainCut`           :math:`U` inside, zero outside: Monte Carlo programs
`ShiftedCut`         :math:`U - U(r_c)`: no step in the energy
`ForceShiftedCut`    :math:`U - U(r_c) - (r - r_c)\,U'(r_c)`: no step in the force either
`SwitchedCut`        :math:`S(r)\,U` with a polynomial from 1 to 0 over the last stretch: OpenMM, GROMACS
===================  =========================================================================================

With ``tail=True`` what lies beyond the cutoff is added as for a uniform fluid, :math:`g(r)=1`,

.. math:: \frac{U_\mathrm{tail}}{N} = 2\pi\rho\int_0^\infty r^2\,\Delta U\,dr,\qquad
          p_\mathrm{tail} = -\frac{2\pi}{3}\rho^2\int_0^\infty r^3\,\frac{d\Delta U}{dr}\,dr

with :math:`\Delta U` the energy that was cut off; the constant or linear shift inside the cutoff is not put back. An observable
of a bulk phase adds `Truncation.tail_energy` and `Truncation.tail_pressure` always: they are zero without a tail. Of a gas this
is a second virial coefficient, see `bayesff.observables.SecondVirial`.

References
----------
M. P. Allen, D. J. Tildesley, Computer Simulation of Liquids, 2nd ed., Oxford (2017),
doi:10.1093/oso/9780198803195.001.0001
"""

from abc import abstractmethod
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, traced, unit_interval_rule
from bayesff.potentials.composition import ascending
from bayesff.units import MPA_PER_INTERNAL_PRESSURE


class Truncation(PairPotential):
    """A pair potential with a cutoff. The cutoff is no parameter: a calibration does not vary it."""

    potential: eqx.AbstractVar[PairPotential]
    cutoff: eqx.AbstractVar[Float[Array, ""]]
    tail: eqx.AbstractVar[bool]

    def __check_init__(self) -> None:
        _check_length(self, "cutoff", self.cutoff)

    @abstractmethod
    def energy_inside(self, r: Float[Array, ""]) -> Float[Array, ""]:
        """Energy [kJ/mol] at a separation [angstrom] within the cutoff, continued to the cutoff itself and beyond."""

    def without_step(self) -> "Truncation":
        """Return the truncation with the same forces whose energy has no step at the cutoff: what molecular dynamics samples."""
        return self

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        r = jnp.asarray(r)
        return jnp.where(r < self.cutoff, self.energy_inside(jnp.minimum(r, self.cutoff)), 0.0)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        inner = (jnp.minimum(radius, self.cutoff) for radius in self.potential.breakpoints())
        return (*inner, self.cutoff)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        start = jnp.minimum(as_float(radius), self.cutoff)
        edges = [start, *(jnp.clip(edge, start, self.cutoff) for edge in self.breakpoints())]
        nodes, weights = unit_interval_rule()
        total = jnp.zeros_like(start)
        for inner, outer in pairwise(edges):
            r = inner + (outer - inner) * nodes
            total = total + (outer - inner) * jnp.sum(weights * r**2 * jax.vmap(self.pair_energy)(r))
        return total

    def tail_energy(self, density: Float[ArrayLike, ""]) -> Float[Array, ""]:
        if not self.tail:
            return super().tail_energy(density)
        return 2 * jnp.pi * as_float(density) * self._tail_integrals()[0]

    def tail_pressure(self, density: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Pressure [MPa] that the tail adds at a number density [1/angstrom^3]; zero if ``tail`` is False."""
        if not self.tail:
            return jnp.zeros_like(as_float(density))
        return -2 * jnp.pi / 3 * as_float(density) ** 2 * self._tail_integrals()[1] * MPA_PER_INTERNAL_PRESSURE

    def _tail_integrals(self) -> tuple[Array, Array]:
        """Return the integrals of r^2 U and r^3 U' beyond the cutoff; the second by parts from the first."""
        energy = self.potential.energy_beyond(self.cutoff)
        return energy, -(self.cutoff**3) * self.potential.pair_energy(self.cutoff) - 3 * energy


class PlainCut(Truncation):
    """A potential that is zero beyond the cutoff and unchanged inside; its step exerts no force.

    Parameters
    ----------
    potential
        The full potential.
    cutoff
        Where it is cut [angstrom].
    tail
        Whether observables of a bulk phase add what lies beyond, as for a uniform fluid.

    Example
    -------
    >>> from bayesff.potentials import LennardJones
    >>> argon = PlainCut(LennardJones(epsilon=0.996, sigma=3.405), cutoff=9.0, tail=True)
    >>> round(float(argon.tail_energy(0.02)), 4), round(float(argon.tail_pressure(0.02)), 3)
    (-0.3564, -23.651)
    """

    potential: PairPotential
    cutoff: Float[Array, ""] = eqx.field(converter=as_float)
    tail: bool = eqx.field(static=True, default=False)

    def without_step(self) -> "ShiftedCut":
        return ShiftedCut(self.potential, self.cutoff, self.tail)

    def energy_inside(self, r: Float[Array, ""]) -> Float[Array, ""]:
        return self.potential.pair_energy(r)


class ShiftedCut(Truncation):
    """A potential shifted by a constant so that it reaches zero at the cutoff.

    Parameters
    ----------
    potential
        The full potential.
    cutoff
        Where it is cut [angstrom].
    tail
        Whether observables of a bulk phase add what lies beyond, as for a uniform fluid; the shift is not put back.
    """

    potential: PairPotential
    cutoff: Float[Array, ""] = eqx.field(converter=as_float)
    tail: bool = eqx.field(static=True, default=False)

    def energy_inside(self, r: Float[Array, ""]) -> Float[Array, ""]:
        return self.potential.pair_energy(r) - self.potential.pair_energy(self.cutoff)


class ForceShiftedCut(Truncation):
    """A potential shifted by a line so that energy and force reach zero at the cutoff.

    Parameters
    ----------
    potential
        The full potential.
    cutoff
        Where it is cut [angstrom].
    tail
        Whether observables of a bulk phase add what lies beyond, as for a uniform fluid; the shift is not put back.

    References
    ----------
    S. Toxvaerd, J. C. Dyre, J. Chem. Phys. 134, 081102 (2011), doi:10.1063/1.3558787
    """

    potential: PairPotential
    cutoff: Float[Array, ""] = eqx.field(converter=as_float)
    tail: bool = eqx.field(static=True, default=False)

    def energy_inside(self, r: Float[Array, ""]) -> Float[Array, ""]:
        line = self.potential.pair_energy(self.cutoff) - (r - self.cutoff) * self.potential.pair_force(self.cutoff)
        return self.potential.pair_energy(r) - line


class SwitchedCut(Truncation):
    r"""A potential multiplied by :math:`S(x) = 1 - 10x^3 + 15x^4 - 6x^5` between the switching distance and the cutoff.

    Energy, force and the slope of the force are continuous. ``x`` runs from 0 to 1; the polynomial is that of OpenMM.

    Parameters
    ----------
    potential
        The full potential.
    switch_distance
        Where the switching begins [angstrom].
    cutoff
        Where the energy is zero [angstrom]; greater than ``switch_distance``.
    tail
        Whether observables of a bulk phase add what the switch takes away and what lies beyond, as for a uniform fluid.

    Raises
    ------
    ParameterError
        If the switching distance is not less than the cutoff.
    """

    potential: PairPotential
    switch_distance: Float[Array, ""] = eqx.field(converter=as_float)
    cutoff: Float[Array, ""] = eqx.field(converter=as_float)
    tail: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        _check_length(self, "switch_distance", self.switch_distance)
        concrete = not traced(self.switch_distance, self.cutoff)
        if concrete and not bool(np.all(np.asarray(self.switch_distance < self.cutoff))):
            raise ParameterError(
                f"SwitchedCut: switch_distance must be less than cutoff, found {self.switch_distance} and {self.cutoff} angstrom"
            )

    def energy_inside(self, r: Float[Array, ""]) -> Float[Array, ""]:
        return self._switch(r) * self.potential.pair_energy(r)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return ascending(*super().breakpoints(), self.switch_distance)

    def _switch(self, r: Array) -> Array:
        x = jnp.clip((r - self.switch_distance) / (self.cutoff - self.switch_distance), 0.0, 1.0)
        return 1 - x**3 * (10 - x * (15 - 6 * x))

    def _tail_integrals(self) -> tuple[Array, Array]:
        nodes, weights = unit_interval_rule()
        width = self.cutoff - self.switch_distance
        r = self.switch_distance + width * nodes
        taken = (1 - self._switch(r)) * jax.vmap(self.potential.pair_energy)(r)
        energy = self.potential.energy_beyond(self.cutoff) + width * jnp.sum(weights * r**2 * taken)
        # What was cut off starts from zero at the switching distance: by parts, without a boundary term.
        return energy, -3 * energy


def _check_length(potential: Truncation, name: str, value: Array) -> None:
    if traced(value):
        return
    if not bool(np.all(np.isfinite(value) & (np.asarray(value) > 0))):
        raise ParameterError(f"{type(potential).__name__}: {name} must be finite and greater than zero, found {value} angstrom")
