r"""Combining rules: the potential of an unlike pair from those of the like pairs.

Both rules take the geometric mean of the well depths, and combine the exponents of Mie potentials as
:math:`\lambda_{ij} = 3 + \sqrt{(\lambda_i - 3)(\lambda_j - 3)}`: the decay beyond the inverse cube, where the integral of the
attraction would diverge, is a geometric mean.

References
----------
T. Lafitte et al., J. Chem. Phys. 139, 154504 (2013), doi:10.1063/1.4819786
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential
from bayesff.potentials.lennard_jones import LennardJones
from bayesff.potentials.mie import Mie


def lorentz_berthelot(a: PairPotential, b: PairPotential) -> LennardJones | Mie:
    r"""Combine with the arithmetic mean of the sizes: :math:`\sigma_{ij}=(\sigma_i+\sigma_j)/2`.

    Parameters
    ----------
    a, b
        The like pairs, both Lennard-Jones or both Mie.

    Raises
    ------
    ParameterError
        If the potentials are of different or of other forms.
    """
    return _combined("lorentz_berthelot", a, b, lambda x, y: (x + y) / 2)


def geometric(a: PairPotential, b: PairPotential) -> LennardJones | Mie:
    r"""Combine with the geometric mean of the sizes: :math:`\sigma_{ij}=\sqrt{\sigma_i\sigma_j}` (OPLS).

    Parameters
    ----------
    a, b
        The like pairs, both Lennard-Jones or both Mie.

    Raises
    ------
    ParameterError
        If the potentials are of different or of other forms.
    """
    return _combined("geometric", a, b, lambda x, y: jnp.sqrt(x * y))


def _combined(rule: str, a: PairPotential, b: PairPotential, mean_size: Callable[[Array, Array], Array]) -> LennardJones | Mie:
    if isinstance(a, LennardJones) and isinstance(b, LennardJones):
        return LennardJones(jnp.sqrt(a.epsilon * b.epsilon), mean_size(a.sigma, b.sigma))
    if isinstance(a, Mie) and isinstance(b, Mie):
        repulsive, attractive = _exponent(a.repulsive, b.repulsive), _exponent(a.attractive, b.attractive)
        return Mie(jnp.sqrt(a.epsilon * b.epsilon), mean_size(a.sigma, b.sigma), repulsive, attractive)
    raise ParameterError(
        f"{rule}: both potentials must be LennardJones or both Mie, found {type(a).__name__} and {type(b).__name__}; "
        "a LennardJones is Mie(epsilon, sigma, 12.0, 6.0)"
    )


def _exponent(a: Array, b: Array) -> Array:
    return 3 + jnp.sqrt((a - 3) * (b - 3))
