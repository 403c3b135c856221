r"""The correlations of a fluid beyond half the box of its simulation, which its structure factor needs.

A box shows the total correlation function :math:`h = g - 1` up to half its edge ``R``. Transformed as if it were zero beyond, it
gives a structure factor with ripples. What is beyond follows from the Ornstein-Zernike equation

.. math:: S(q) = 1 + \rho \hat h(q) = \frac{1}{1 - \rho \hat c(q)}

if the direct correlation function ``c`` is known there, as it is: far from the core :math:`c = -\beta u`, which is zero for a
potential that was simulated with a cutoff below ``R``. So ``h`` is given inside, ``c = 0`` outside, and the rest is solved
for by Newton's method (L. Verlet, Phys. Rev. 165, 201 (1968), doi:10.1103/PhysRev.165.201).

The solution is the one of greatest entropy, :math:`\int \ln S\,dq`, with this ``h`` inside; there is at most one, and none if no
fluid of one phase can have such a ``h``. Frames that are weighed for another potential change ``h`` by a little only, and the
solution is linear in that: the structure factor is a mean of pair sums like the energy.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.fft import dst

from bayesff.ensembles.pair_statistics import PairGrid

_REACH = 4
"""Up to which multiple of half the box correlations are solved for."""

_STEPS = 60
"""Newton steps after which there is no solution."""

_FLOOR, _LOWEST = 0.02, 1e-4
"""Structure factor that a start is lifted to, and below which it is."""


class LongRange(eqx.Module):
    """The total correlation function of a fluid from half the box on.

    Parameters
    ----------
    radii
        Distances [angstrom], the first of them half the box.
    weights
        Weights of an integral over them [angstrom].
    offset, response
        The total correlation function there is ``offset + response @ counts`` with the pair statistics.
    closure
        What it would change if ``c`` were :math:`h^2/2` there: the next term of the hypernetted chain, not zero.
    swelling
        :math:`S(0)/N`: by this much the pair distribution function of an infinite fluid is greater than in the box.
    """

    radii: Float[np.ndarray, " radius"]
    weights: Float[np.ndarray, " radius"]
    offset: Float[np.ndarray, " radius"]
    response: Float[np.ndarray, "radius node"]
    closure: Float[np.ndarray, " radius"]
    swelling: float

    @classmethod
    def solve(cls, grid: PairGrid, counts: Float[np.ndarray, " node"], density: float, num_particles: int) -> "LongRange | None":
        """Solve for what is beyond the last edge of a grid.

        Parameters
        ----------
        grid
            Nodes of the pair statistics, up to half the box.
        counts
            Mean pair statistics.
        density
            Number density [1/angstrom^3].
        num_particles
            Particles in the box.

        Returns
        -------
        LongRange or None
            None if the equation has no solution: the box is too small for its liquid, or does not hold one phase.
        """
        half = grid.edges[-1]
        inside = max(8, int(np.ceil(half / (2 * grid.spacing))))
        step = half / inside
        radius = step * np.arange(1, _REACH * inside)
        seen = (radius >= grid.edges[0]) & (radius <= half * (1 + 1e-12))
        distance = np.minimum(radius[seen], half)
        to_g = np.zeros((inside, grid.num_nodes))
        to_g[seen[:inside]] = grid.density(distance) / (2 * np.pi * distance**2 * density * num_particles)[:, None]

        # In x = r h the transform is orthogonal and symmetric: rho h^(q) = size * (basis @ x), and r c = basis @ (...) / size.
        basis = np.asarray(dst(np.eye(len(radius)), type=1, norm="ortho", axis=0))
        wavevector = np.pi * np.arange(1, len(radius) + 1) / (step * (len(radius) + 1))
        size = 4 * np.pi * density * step / wavevector * np.sqrt((len(radius) + 1) / 2)
        outer = basis[inside:]  # beyond half the box
        g = to_g @ counts
        x = np.concatenate([radius[:inside] * (g - 1), np.zeros(len(radius) - inside)])
        small, swelling = wavevector <= np.pi / half, 0.0
        for _ in range(_STEPS):
            x[:inside] = radius[:inside] * (g * (1 + swelling) - 1)
            along = basis @ x
            # The solution maximises the entropy, the integral of log S: from a start without negative values Newton's method
            # finds it. Where h = 0 outside gives negative ones, S is lifted for as long as it takes.
            lowest = float((1 + size * along).min())
            lift = 0.0 if lowest > _LOWEST else _FLOOR - lowest
            structure = 1 + lift + size * along
            bend = (outer / structure**2) @ outer.T
            try:
                change = -np.linalg.solve(bend, outer @ (along / structure))
            except np.linalg.LinAlgError:
                return None
            slope, length = size * (change @ outer), 1.0
            while (structure + length * slope).min() < 0.1 * structure.min():
                length *= 0.5
            x[inside:] += length * change
            # S(0) is read off the wave vectors that the box does not have, where it is flat: at the smallest ones alone it
            # answers to itself in a small box, and runs away.
            swelling, before = float((1 + size[small] * (basis[small] @ x)).mean() / num_particles), swelling
            if lift == 0 and max(np.abs(change).max(), abs(swelling - before)) < 1e-6:
                break
        else:
            return None
        inward = -np.linalg.solve(bend, (outer / structure**2) @ basis[:inside].T)  # of the outer x to the inner
        inner = to_g * (radius[:inside] * (1 + swelling))[:, None]
        beyond = radius[inside:]
        h = x[inside:] / beyond
        response = inward @ inner / beyond[:, None]
        closure = np.linalg.solve(bend, beyond * h**2 / 2) / beyond
        # Half the box itself is an end of the integral; the rule is Gregory's of third order there.
        at_half = ((1 + swelling) * g[-1] - 1, (1 + swelling) * to_g[-1], 0.0)
        h, response, closure = (
            np.concatenate([[first], rest]) for first, rest in zip(at_half, (h, response, closure), strict=True)
        )
        weights = np.full(len(h), step)
        weights[:3] *= (3 / 8, 7 / 6, 23 / 24)
        return cls(np.concatenate([[half], beyond]), weights, h - response @ counts, response, closure, swelling)

    def transform(self, wavevector: Float[np.ndarray, " datum"], density: float) -> Float[np.ndarray, "radius datum"]:
        """Return the matrix that makes of a correlation function there what it adds to the structure factor."""
        shells = 4 * np.pi * density * self.weights * self.radii**2
        return shells[:, None] * interference(self.radii, wavevector)


def interference(
    distance: Float[np.ndarray, " radius"], wavevector: Float[np.ndarray, " datum"]
) -> Float[np.ndarray, "radius datum"]:
    r"""Return what a pair at a distance [angstrom] scatters at wave vectors [1/angstrom], :math:`\sin(qr)/(qr)`."""
    return np.sinc(distance[:, None] * wavevector / np.pi)


def ball_interference(radius: float, wavevector: Float[np.ndarray, " datum"]) -> Float[np.ndarray, " datum"]:
    r"""Return the integral :math:`\int_0^R 4\pi r^2 \sin(qr)/(qr)\,dr` [angstrom^3]."""
    x = wavevector * radius
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    shape = np.where(small, 1 / 3 - x**2 / 30, (np.sin(safe) - safe * np.cos(safe)) / safe**3)
    return 4 * np.pi * radius**3 * shape
