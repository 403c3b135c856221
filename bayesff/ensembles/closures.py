r"""Closures of the Ornstein-Zernike equation, see `bayesff.ensembles.integral_equations`."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import as_float, traced


class Closure(eqx.Module):
    r"""How the cavity distribution function :math:`y = g\,e^{\beta u}` follows from the indirect correlation function."""

    @abstractmethod
    def cavity(self, indirect: Float[Array, ""], radius: Float[Array, ""]) -> Float[Array, ""]:
        r"""Return ``y`` for a value of :math:`\gamma = h - c` at a distance in units of the potential's first breakpoint."""


class PercusYevick(Closure):
    r"""The closure :math:`y = 1 + \gamma`.

    References
    ----------
    J. K. Percus, G. J. Yevick, Phys. Rev. 110, 1 (1958), doi:10.1103/PhysRev.110.1
    """

    def cavity(self, indirect: Float[Array, ""], radius: Float[Array, ""]) -> Float[Array, ""]:
        return 1 + indirect


class HypernettedChain(Closure):
    r"""The closure :math:`y = e^\gamma`.

    References
    ----------
    J. M. J. van Leeuwen, J. Groeneveld, J. de Boer, Physica 25, 792 (1959)
    """

    def cavity(self, indirect: Float[Array, ""], radius: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.exp(jnp.minimum(indirect, 50.0))


class RogersYoung(Closure):
    r"""The closure :math:`y = 1 + (e^{\gamma f(r)} - 1)/f(r)` with :math:`f(r) = 1 - e^{-\alpha r}`.

    It is that of Percus and Yevick for :math:`\alpha \to 0` and the hypernetted chain for :math:`\alpha \to \infty`. Made for
    repulsive potentials.

    Parameters
    ----------
    alpha
        The rate of mixing, times the potential's first breakpoint; a number, or what makes the pressures of the virial and of the
        compressibility agree, which the caller finds.

    Raises
    ------
    ParameterError
        If ``alpha`` is a plain number that is not greater than zero.

    References
    ----------
    F. J. Rogers, D. A. Young, Phys. Rev. A 30, 999 (1984), doi:10.1103/PhysRevA.30.999
    """

    alpha: Float[Array, ""] = eqx.field(converter=as_float)

    def __check_init__(self) -> None:
        if not traced(self.alpha) and not bool(np.all(np.asarray(self.alpha) > 0)):
            raise ParameterError(f"RogersYoung: alpha must be greater than zero, found {self.alpha}")

    def cavity(self, indirect: Float[Array, ""], radius: Float[Array, ""]) -> Float[Array, ""]:
        mixing = -jnp.expm1(-self.alpha * radius)
        return 1 + jnp.expm1(jnp.minimum(indirect * mixing, 50.0)) / mixing
