r"""The chemical potential of a fluid by insertion of a test particle.

Of a particle at a random point of a box that knows nothing of it,

.. math:: \beta\mu_\mathrm{res} = -\ln\Big\langle e^{-\beta\,\Delta U}\Big\rangle,

with :math:`\Delta U` what its pairs with all others, and the tail, would add to the energy. It needs points where a particle
fits: up to densities of about 0.7 (in cubed diameters) a few thousand a frame do.

References
----------
B. Widom, J. Chem. Phys. 39, 2808 (1963), doi:10.1063/1.1734110
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from bayesff.ensembles.pair_statistics import minimum_image
from bayesff.potentials import Truncation
from bayesff.units import GAS_CONSTANT

_BATCH = 500
"""Points side by side: their distances to a few hundred particles stay in the cache."""


def insertion(
    truncation: Truncation,
    temperature: float,
    positions: Float[Array, "particle 3"],
    length: float,
    key: PRNGKeyArray,
    num_points: int,
) -> Float[Array, ""]:
    r"""Return the mean Boltzmann factor of a particle at random points of a cubic box, :math:`\exp(-\beta\mu_\mathrm{res})`.

    Parameters
    ----------
    truncation
        The potential, its cutoff at most half the box. One more particle adds twice the tail of the energy of a particle.
    temperature
        Temperature [K].
    positions
        Positions of the particles [angstrom].
    length
        Edge of the box [angstrom].
    key
        Random key of the points.
    num_points
        Number of points, rounded up to full batches.
    """
    beta = 1 / (GAS_CONSTANT * temperature)
    inside = jax.vmap(jax.vmap(truncation.pair_energy))

    def batch(key: PRNGKeyArray) -> Array:
        points = jax.random.uniform(key, (_BATCH, 3), positions.dtype, maxval=length)
        apart = minimum_image(points[:, None] - positions[None, :], length)
        # Nearer than a hundredth of the box, where no particle fits, the energy is finite.
        distance = jnp.maximum(jnp.sqrt(jnp.sum(apart**2, axis=-1)), 0.01 * length)
        return jnp.mean(jnp.exp(-beta * jnp.sum(inside(distance), axis=1)))

    means = jax.lax.map(batch, jax.random.split(key, -(-num_points // _BATCH)))
    tail = 2 * truncation.tail_energy(positions.shape[0] / length**3)
    return jnp.mean(means) * jnp.exp(-beta * tail)
