r"""How far the nearest neighbour of a particle is in a dilute gas."""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.observables.base import Observable
from bayesff.observables.quadrature import gauss_panels, integrate
from bayesff.observables.second_virial import bounded
from bayesff.potentials.base import PairPotential
from bayesff.units import GAS_CONSTANT

_CORE = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
_MIDDLE = (0.0, 0.5, 1.0)
_TAIL = tuple(np.linspace(0.0, 1.0, 13))
_NUM_NODES = 16
_FAR = 40.0
"""Expected neighbours within the last radius: exp(-40) is nothing beside one."""


class NearestNeighbourDistance(Observable):
    r"""The mean distance of the nearest neighbour :math:`\langle r_1\rangle` [angstrom] in a dilute gas.

    .. math::

        \langle r_1\rangle = \int_0^\infty \exp\Big(-4\pi\rho \int_0^r e^{-\beta u(s)} s^2\,\mathrm{d}s\Big)\,\mathrm{d}r

    Hertz's distribution for neighbours that are independent of one another, with the pair distribution :math:`e^{-\beta u}` of
    the limit of low density: an attractive well draws the nearest neighbour in, a core keeps it out. For an ideal gas it is
    :math:`\Gamma(4/3)(4\pi\rho/3)^{-1/3}`. Valid while :math:`\rho\sigma^3` is below some 0.1; exact at the edges of a
    discontinuous potential, and differentiable in them. The numerical error is that of the quadrature.

    References
    ----------
    P. Hertz, Math. Ann. 67, 387 (1909), doi:10.1007/BF01450410; S. Torquato, B. Lu, J. Rubinstein, Phys. Rev. A 41, 2059
    (1990), doi:10.1103/PhysRevA.41.2059

    Example
    -------
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials import HardSphere
    >>> found = NearestNeighbourDistance().predict(HardSphere(sigma=1e-3), {"temperature": 300.0, "density": 0.001})
    >>> round(float(found.mean[0]), 4)  # an ideal gas: Gamma(4/3) (4 pi 0.001 / 3)^(-1/3)
    5.5396
    """

    quantity: ClassVar[str] = "nearest_neighbour_distance"

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        return jax.vmap(lambda temperature, density: _mean_distance(potential, temperature, density))(
            state["temperature"], state["density"]
        )


def _mean_distance(potential: PairPotential, temperature: Array, density: Array) -> tuple[Array, Array]:
    breakpoints = potential.breakpoints()
    farthest = (breakpoints[-1] ** 3 + 3 * _FAR / (4 * jnp.pi * density)) ** (1 / 3)
    radii, widths = _panels(breakpoints, farthest)
    energy = bounded(jax.vmap(jax.vmap(potential.pair_energy))(radii), temperature[None])
    shells = 4 * jnp.pi * density * radii**2 * jnp.exp(-energy / (GAS_CONSTANT * temperature))
    weights = widths[:, None] * gauss_panels((0.0, 1.0), _NUM_NODES)[1]
    whole = jnp.sum(shells * weights, axis=1)
    before = jnp.concatenate([jnp.zeros(1), jnp.cumsum(whole)[:-1]])
    neighbours = before[:, None] + widths[:, None] * (shells @ _cumulative().T)
    alone = jnp.exp(-neighbours)
    mean, error = integrate(alone, weights)
    # Neighbours miscounted in a panel change the chance to be alone from there on.
    miscounted = jax.vmap(lambda values, weight: integrate(values[None], weight[None])[1])(shells, weights)
    beyond = jnp.cumsum(jnp.sum(alone * weights, axis=1)[::-1])[::-1]
    return mean, jax.lax.stop_gradient(error + jnp.sum(miscounted * beyond))


def _panels(breakpoints: tuple[Array, ...], farthest: Array) -> tuple[Float[Array, "panel node"], Float[Array, " panel"]]:
    """Return nodes and widths of panels from zero to the farthest radius, which end at the breakpoints and move with them."""
    edges = [fraction * breakpoints[0] for fraction in _CORE]
    for inner, outer in pairwise(breakpoints):
        edges += [inner * (outer / inner) ** fraction for fraction in _MIDDLE[1:]]
    edges += [breakpoints[-1] * (farthest / breakpoints[-1]) ** fraction for fraction in _TAIL[1:]]
    ends = jnp.stack(edges)
    widths = ends[1:] - ends[:-1]
    return ends[:-1, None] + widths[:, None] * gauss_panels((0.0, 1.0), _NUM_NODES)[0], widths


@cache
def _cumulative() -> np.ndarray:
    """Row i: weights that integrate values at the nodes of a panel of width one from its beginning to node i."""
    nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES)
    orders = np.arange(_NUM_NODES)
    to_coefficients = np.polynomial.legendre.legvander(nodes, _NUM_NODES - 1).T * weights * (orders + 0.5)[:, None]
    antiderivatives = [np.polynomial.legendre.legint(np.eye(_NUM_NODES)[order], lbnd=-1) for order in orders]
    upto = np.stack([np.polynomial.legendre.legval(nodes, one) for one in antiderivatives], axis=1)
    return upto @ to_coefficients / 2
