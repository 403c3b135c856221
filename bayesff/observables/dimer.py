r"""Observables of two particles alone: energy and force at a separation, and the depth and distance of the well."""

from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from bayesff.errors import NumericalError
from bayesff.observables.base import Observable
from bayesff.potentials.base import PairPotential

_SCAN = np.geomspace(0.9, 20.0, 256)


class DimerEnergy(Observable):
    r"""The interaction energy :math:`U(r)` [kJ/mol] of two particles at a separation.

    Compared with counterpoise-corrected quantum chemistry or with an inverted spectrum. The numerical error is the rounding of
    the energy and of the separation, :math:`8\varepsilon_\mathrm{mach}(|U| + r|U'|)`.
    """

    quantity: ClassVar[str] = "dimer_energy"

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        separation = state["separation"]
        fixed, still = jax.lax.stop_gradient((potential, separation))
        energy, slope = jax.vmap(jax.value_and_grad(fixed.pair_energy))(still)
        rounding = 8 * jnp.finfo(energy.dtype).eps * (jnp.abs(energy) + still * jnp.abs(slope))
        return jax.vmap(potential.pair_energy)(separation), rounding


class PairForce(Observable):
    r"""The force :math:`F(r) = -\mathrm{d}U/\mathrm{d}r` [kJ/mol/angstrom] between two particles; positive pushes them apart.

    What a mean force from a simulation, or that of another force field, is compared with. The numerical error is the rounding of
    the force and of the separation, :math:`8\varepsilon_\mathrm{mach}(|F| + r|F'|)`.

    Example
    -------
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials import Coulomb
    >>> round(float(PairForce().predict(Coulomb(charge_product=1.0), {"separation": 10.0}).mean[0]), 4)
    13.8935
    """

    quantity: ClassVar[str] = "pair_force"

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        separation = state["separation"]
        fixed, still = jax.lax.stop_gradient((potential, separation))
        force, slope = jax.vmap(jax.value_and_grad(fixed.pair_force))(still)
        rounding = 8 * jnp.finfo(force.dtype).eps * (jnp.abs(force) + still * jnp.abs(slope))
        return jax.vmap(potential.pair_force)(separation), rounding


class DimerWell(Observable):
    r"""The minimum of a pair energy; `WellDepth` and `WellDistance` are its two quantities.

    The lowest of a scan outside the contact distance is refined by Newton's method. Two further Newton steps are
    differentiated, which gives the first three derivatives in the parameters as the implicit-function theorem does,
    :math:`\mathrm{d}r_\mathrm{e} = -\partial_\theta U'(r_\mathrm{e})/U''(r_\mathrm{e})\,\mathrm{d}\theta`.

    A potential without a smooth minimum below zero (purely repulsive, or a square well) raises `NumericalError` when its
    parameters are numbers. While JAX traces, no exception can depend on them: the depth is then zero and the distance the end of
    the scan, twenty contact distances away, with the spacing there as its error, so that a likelihood turns a sampler round.
    """

    @staticmethod
    def locate(potential: PairPotential) -> tuple[Float[Array, ""], Float[Array, ""], Bool[Array, ""]]:
        """Return the depth [kJ/mol], the distance [angstrom], and whether there is a well."""
        return _minimum(potential)


@eqx.filter_jit
def _minimum(potential: PairPotential) -> tuple[Array, Array, Array]:
    fixed = jax.lax.stop_gradient(potential)
    radii = fixed.breakpoints()[0] * _SCAN
    energies = jax.vmap(fixed.pair_energy)(radii)
    lowest = jnp.argmin(jnp.where(jnp.isnan(energies), jnp.inf, energies))
    place = jnp.clip(lowest, 1, radii.size - 2)
    low, high = radii[place - 1], radii[place + 1]
    start = jax.lax.fori_loop(0, 8, lambda _, r: jnp.clip(_newton(fixed, r), low, high), radii[place])

    slope, bend = _slopes(fixed, start)
    steep = jnp.abs(slope) * (high - low) < 1e-6 * jnp.abs(fixed.pair_energy(start))
    found = (place == lowest) & (fixed.pair_energy(start) < 0) & (bend > 0) & steep
    distance = _newton(potential, _newton(potential, start))
    # Where nothing is found both branches stay finite, and so does the derivative of the one not taken.
    depth = jnp.where(found, -potential.pair_energy(jnp.where(found, distance, radii[-1])), 0.0)
    return depth, jnp.where(found, distance, radii[-1]), found


class WellDepth(DimerWell):
    """Depth :math:`D_e = -U(r_e)` [kJ/mol] of the dimer well; its numerical error is rounding. See `DimerWell`."""

    quantity: ClassVar[str] = "well_depth"

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        depth, _, found = self.locate(potential)
        _require(found, potential)
        scale = jnp.maximum(jax.lax.stop_gradient(depth), jnp.finfo(depth.dtype).tiny ** 0.25)
        return depth[None], (32 * jnp.finfo(depth.dtype).eps * scale)[None]


class WellDistance(DimerWell):
    """Distance :math:`r_e` [angstrom] of the dimer minimum; its numerical error is rounding. See `DimerWell`."""

    quantity: ClassVar[str] = "well_distance"

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        _, distance, found = self.locate(potential)
        _require(found, potential)
        fixed, still = jax.lax.stop_gradient((potential, distance))
        energy, bend = fixed.pair_energy(still), jax.grad(jax.grad(fixed.pair_energy))(still)
        # The slope is known to about 100 eps |U|/r: where the minimum is flat, less of the distance is known.
        flat = jnp.abs(energy) / (still * jnp.where(found, bend, 1.0))
        rounding = 100 * jnp.finfo(distance.dtype).eps * (still + flat)
        return distance[None], jnp.where(found, rounding, still * (1 - _SCAN[-2] / _SCAN[-1]))[None]


def _slopes(potential: PairPotential, r: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(jax.grad(potential.pair_energy))(r)


def _newton(potential: PairPotential, r: Array) -> Array:
    """Take one Newton step towards a zero of the force, and none where the energy is not convex."""
    slope, bend = _slopes(potential, r)
    convex = bend > 0
    return jnp.where(convex, r - slope / jnp.where(convex, bend, 1.0), r)


def _require(found: Array, potential: PairPotential) -> None:
    if isinstance(found, Tracer) or bool(found):
        return
    raise NumericalError(
        f"DimerWell: {type(potential).__name__} has no smooth minimum below zero between 0.9 and 20 contact distances "
        f"(contact at {float(potential.breakpoints()[0]):.6g} angstrom): use a potential with a well, or leave this datum out"
    )
