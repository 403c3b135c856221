r"""The third virial coefficient, of a pair potential alone or with a three-body energy.

The pair part is taken in Fourier space, where the three Mayer functions of a triangle are a cube:

.. math:: B_3^\mathrm{pair} = -\frac{N_A^2}{6\pi^2} \int_0^\infty \hat f(k)^3 k^2 \mathrm{d}k, \qquad
          \hat f(k) = 4\pi \int_0^\infty f(r) \frac{\sin kr}{kr} r^2 \mathrm{d}r

which costs one matrix product and takes discontinuities as they come. The three-body part is an integral over triangles with
sides :math:`a \ge b \ge c`, smooth because the repulsion is felt through the shortest side only.
"""

import contextlib
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.observables.base import Observable
from bayesff.observables.quadrature import Panels, gauss_panels, radial_rule
from bayesff.observables.second_virial import bounded
from bayesff.potentials.axilrod_teller import AxilrodTeller
from bayesff.potentials.base import PairPotential, require_integrable
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

# Lengths in units of the first breakpoint. The second, coarser set of radial panels serves the error estimate only.
_RADIAL = Panels(tail=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0), power=1)
_COARSER = Panels(core=(0.0, 0.5, 0.8, 1.0), middle=(0.0, 0.5, 1.0), tail=(0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0), power=1)
_WAVEVECTORS = tuple(np.linspace(0.0, 48.0, 13))
_WAVEVECTOR_NODES, _FEWER_WAVEVECTOR_NODES = 12, 10

# Nodes a panel of the shortest side, the ratio of the two shorter ones, and the longest.
_SIDES, _FEWER_SIDES = (6, 8, 8), (4, 6, 6)
# Inverse of the shortest side, from infinity to half the first breakpoint, and of the ratio of the two shorter sides.
_SHORTEST = (0.0, 0.5, 0.8, 1.0, 1.25, 2.0)
_RATIO = (0.0, 0.6, 1.0)


class ThirdVirial(Observable):
    r"""The classical third virial coefficient :math:`B_3(T)` [cm^6/mol^2] of a gas of one kind of atom.

    .. math::

        B_3 = -\frac{8\pi^2 N_A^2}{3} \iiint \Big[f_{12} f_{13} f_{23} + e^{-\beta(u_{12}+u_{13}+u_{23})}
        (e^{-\beta u_{123}} - 1)\Big] r_{12} r_{13} r_{23}\, \mathrm{d}r_{12} \mathrm{d}r_{13} \mathrm{d}r_{23}

    over all sides that make a triangle, with :math:`f = e^{-\beta u} - 1`. The three-body part leaves out sides below half
    the first breakpoint of the pair potential, where no Boltzmann factor of a repulsive core is left. The numerical error is
    the difference from a coarser integration in distance and sides, in the wave vector, and what lies beyond the largest one.

    Parameters
    ----------
    three_body
        The energy of a triangle beyond its pairs; none if not given.

    References
    ----------
    J. O. Hirschfelder, C. F. Curtiss, R. B. Bird, Molecular Theory of Gases and Liquids, Wiley, 1954, chapter 3
    """

    quantity: ClassVar[str] = "third_virial"
    three_body: AxilrodTeller | None = None

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        require_integrable(potential, "ThirdVirial")
        temperature = state["temperature"]
        mean, error = _pair_part(potential, temperature)
        if self.three_body is not None:
            triplets = _triplet_part(potential, self.three_body, temperature, _SIDES)
            fewer = _triplet_part(potential, self.three_body, temperature, _FEWER_SIDES)
            mean, error = mean + triplets, error + jnp.abs(triplets - fewer)
        return CUBIC_ANGSTROM_PER_MOLE**2 * mean, jax.lax.stop_gradient(CUBIC_ANGSTROM_PER_MOLE**2 * error)


def _pair_part(potential: PairPotential, temperature: Array) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
    """Return the pair part [angstrom^6] and the error of distances, of wave vectors, and of those left out, summed."""
    integral, terms = _cubed(potential, temperature, _RADIAL, _WAVEVECTOR_NODES)
    fixed = jax.lax.stop_gradient((potential, temperature))
    fewer, _ = _cubed(*fixed, _RADIAL, _FEWER_WAVEVECTOR_NODES)
    _, coarser = _cubed(*fixed, _COARSER, _WAVEVECTOR_NODES)
    # The differences of the terms are added without their signs, so that they cannot cancel at some temperature.
    distances = jnp.sum(jnp.abs(terms - coarser), axis=(1, 2))
    left_out = jnp.sum(jnp.abs(terms[:, -1]), axis=1)
    scale = potential.breakpoints()[0] ** 6
    return scale * integral, scale * (distances + jnp.abs(integral - fewer) + left_out)


def _cubed(
    potential: PairPotential, temperature: Array, panels: Panels, num_nodes: int
) -> tuple[Float[Array, " datum"], Float[Array, "datum panel node"]]:
    """Return the integral of the cubed transform over the wave vector, and its terms, in units of the first breakpoint."""
    wavevectors, steps = gauss_panels(_WAVEVECTORS, num_nodes)
    transform = _transform(potential, temperature, panels, wavevectors.reshape(-1)).reshape(-1, *wavevectors.shape)
    terms = transform**3 * (-(wavevectors**2) * steps / (6 * np.pi**2))
    return jnp.sum(terms, axis=(1, 2)), terms


def _transform(
    potential: PairPotential, temperature: Array, panels: Panels, wavevectors: np.ndarray
) -> Float[Array, "datum wavevector"]:
    """Fourier transform of the Mayer function, in units of the first breakpoint."""
    first, *others = potential.breakpoints()
    # In those units the nodes of a potential with one breakpoint are constants, and so are the sines.
    with contextlib.nullcontext() if others else jax.ensure_compile_time_eval():
        rule = radial_rule((1.0, *(edge / first for edge in others)), panels)
        nodes = rule.nodes.reshape(-1)
        phase = nodes[:, None] * wavevectors
        kernel = 4 * jnp.pi * rule.weights.reshape(-1)[:, None] * jnp.sin(phase) / phase
    energy = bounded(jax.vmap(potential.pair_energy)(first * nodes), temperature)
    mayer = jnp.expm1(-energy / (GAS_CONSTANT * temperature)[:, None])
    return mayer @ kernel


def _triplet_part(
    potential: PairPotential, three_body: AxilrodTeller, temperature: Array, sides: tuple[int, int, int]
) -> Float[Array, " datum"]:
    inverse, ratio, step, weights = _triangles(sides)
    short = potential.breakpoints()[0] / inverse
    middle = short[:, None] / ratio
    long = middle[:, :, None] + short[:, None, None] * step
    energy = jax.vmap(potential.pair_energy)
    pairs = (
        energy(short)[:, None, None]
        + energy(middle.reshape(-1)).reshape(middle.shape)[:, :, None]
        + energy(long.reshape(-1)).reshape(long.shape)
    ).reshape(-1)
    corners = (jnp.broadcast_to(side, long.shape).reshape(-1) for side in (short[:, None, None], middle[:, :, None], long))
    triplet = jax.vmap(three_body.triplet_energy)(*corners)
    beta = (1 / (GAS_CONSTANT * temperature))[:, None]
    boltzmann = jnp.exp(-beta * bounded(pairs, temperature)) * jnp.expm1(-beta * bounded(triplet, temperature))
    # a b c da db dc with a = b + c z, b = c/v, c = first/s, six orders of the sides
    volume = (long * middle[:, :, None] * short[:, None, None] ** 3 * weights).reshape(-1)
    return -16 * jnp.pi**2 * potential.breakpoints()[0] * (boltzmann @ volume)


def _triangles(sides: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes of the inverse shortest side s, the ratio v and the step z of a triangle, and weights ds dv dz / (s v)^2."""
    (s, ds), (v, dv), (z, dz) = (
        tuple(array.reshape(-1) for array in gauss_panels(edges, num_nodes))
        for edges, num_nodes in zip((_SHORTEST, _RATIO, (0.0, 1.0)), sides, strict=True)
    )
    return s, v, z, (ds / s**2)[:, None, None] * (dv / v**2)[:, None] * dz
