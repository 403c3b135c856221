r"""Integrals over the distance of two particles, exact at the discontinuities of a potential.

The half line :math:`0 < r < \infty` is cut at the breakpoints :math:`b_1 < \dots < b_k` of a potential, and each segment into
panels at fixed fractions of it, so that the nodes *move with the parameters*: the derivative of an integral of a
discontinuous potential then holds the motion of the edge, in forward and reverse mode, with no term of its own. The known
cases of a segment are

- the core :math:`[0, b_1]`: panels that crowd towards :math:`b_1`, where a Boltzmann factor rises from zero;
- a middle segment :math:`[b_i, b_{i+1}]`: panels of equal ratio, :math:`r = b_i (b_{i+1}/b_i)^t`;
- the tail :math:`[b_k, \infty)`: :math:`r = b_k/s`, and :math:`s \propto t^2` in the outermost panel, so that an inverse power
  whose exponent is no integer is still smooth in ``t``.

A panel holds a Gauss-Legendre rule of sixteen nodes. The last two coefficients of the Legendre series through those nodes say
how well the panel is resolved, and give the error without a further evaluation.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Panels:
    """How finely the three kinds of segment are cut.

    Parameters
    ----------
    core, middle, tail
        Edges of the panels, as fractions of the segment.
    num_nodes
        Gauss nodes a panel.
    power
        Power of ``t`` that the inverse distance follows in the outermost panel.
    """

    core: tuple[float, ...] = (0.0, 0.5, 0.75, 0.9, 1.0)
    middle: tuple[float, ...] = (0.0, 1 / 3, 2 / 3, 1.0)
    tail: tuple[float, ...] = (0.0, 0.5, 0.8, 1.0)
    num_nodes: int = 16
    power: int = 2


PANELS = Panels()


class RadialRule(eqx.Module):
    r"""Nodes and weights of :math:`\int_0^\infty g(r) r^2 \mathrm{d}r`, panel by panel.

    Parameters
    ----------
    nodes
        Distances [angstrom].
    weights
        Weights with :math:`r^2` in them [angstrom^3].
    """

    nodes: Float[Array, "panel node"]
    weights: Float[Array, "panel node"]


def radial_rule(breakpoints: tuple[Float[ArrayLike, ""], ...], panels: Panels = PANELS) -> RadialRule:
    """Return the rule whose panels end at these breakpoints [angstrom], ascending."""
    core, tail = _core(panels), _tail(panels)
    first, last = breakpoints[0], breakpoints[-1]
    nodes, weights = [first * core[0]], [first**3 * core[1]]
    for inner, outer in pairwise(breakpoints):
        fraction, weight = gauss_panels(panels.middle, panels.num_nodes)
        logarithm = jnp.log(outer / inner)
        radius = inner * jnp.exp(logarithm * fraction)
        nodes.append(radius)
        weights.append(logarithm * weight * radius**3)
    nodes.append(last * tail[0])
    weights.append(last**3 * tail[1])
    return RadialRule(jnp.concatenate(nodes), jnp.concatenate(weights))


def integrate(
    values: Float[Array, "*batch panel node"], weights: Float[Array, "panel node"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    r"""Integrate values at the nodes of a `radial_rule`, and estimate the error.

    The last two Legendre coefficients of the integrand in a panel, ``d``, are what an interpolation of this order leaves out.
    A Gauss rule is exact for twice the degree, so its error falls as the square: the estimate is
    :math:`\min(d, 400 d^2/s)` with ``s`` the size of the first two coefficients, summed over the panels, and at least the
    rounding of the sum. The factor covers powers of ``r`` that are no integers, whose coefficients fall slowly. The estimate
    is constant under differentiation: an error bar is no part of the slope of a model.

    Parameters
    ----------
    values
        The integrand without its :math:`r^2`.
    weights
        The weights of the rule.

    Returns
    -------
    tuple
        The integral and its error.
    """
    batch, (num_panels, num_nodes) = values.shape[:-2], weights.shape
    flat = values.reshape(*batch, num_panels * num_nodes)
    integral = flat @ weights.reshape(-1)
    flat, weights = jax.lax.stop_gradient((flat, weights))
    # One matrix product gives the coefficients of every panel; sums over nodes one by one are several times slower.
    blocks = jnp.eye(num_panels)[:, None, :, None] * (weights[..., None] * _coefficients(num_nodes))[:, :, None, :]
    coefficients = (flat @ blocks.reshape(flat.shape[-1], -1)).reshape(*batch, num_panels, -1)
    missed = jnp.sum(coefficients[..., 2:] ** 2, axis=-1)
    size = jnp.sum(jnp.abs(coefficients[..., :2]), axis=-1) + jnp.sqrt(missed)
    # size >= sqrt(missed), and a panel without any integrand has neither
    resolved = missed / jnp.where(size > 0, size, 1.0)
    truncation = jnp.minimum(jnp.sqrt(missed), 400 * resolved)
    return integral, jnp.sum(truncation + 8 * jnp.finfo(size.dtype).eps * size, axis=-1)


@cache
def gauss_panels(edges: tuple[float, ...], num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights, panel by panel, of the composite Gauss-Legendre rule between these edges."""
    x, w = np.polynomial.legendre.leggauss(num_nodes)
    lower, width = np.array(edges[:-1])[:, None], np.diff(edges)[:, None]
    return lower + width * (x + 1) / 2, width * w / 2


@cache
def _coefficients(num_nodes: int) -> np.ndarray:
    """Columns that turn weighted values into the first two and the last two Legendre coefficients of a panel."""
    x, _ = np.polynomial.legendre.leggauss(num_nodes)
    orders = np.array([0, 1, num_nodes - 2, num_nodes - 1])
    return np.polynomial.legendre.legvander(x, num_nodes - 1)[:, orders] * (2 * orders + 1)


@cache
def _core(panels: Panels) -> tuple[np.ndarray, np.ndarray]:
    fraction, weight = gauss_panels(panels.core, panels.num_nodes)
    return fraction, weight * fraction**2


@cache
def _tail(panels: Panels) -> tuple[np.ndarray, np.ndarray]:
    t, weight = (array.copy() for array in gauss_panels(panels.tail, panels.num_nodes))
    edge, power = panels.tail[1], panels.power
    weight[0] *= power * (t[0] / edge) ** (power - 1)
    t[0] = edge * (t[0] / edge) ** power
    return 1 / t, weight / t**4
