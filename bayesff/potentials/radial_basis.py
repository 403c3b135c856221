"""A network of Gaussians as a pair potential."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import DataError, ParameterError
from bayesff.potentials.base import PairPotential, as_float, parameter
from bayesff.potentials.linear import Curve, LinearPair, WeightPosterior, weights_given


class RadialBasisPair(LinearPair):
    r"""A network of radial basis functions, alone or beside a stiff core.

    .. math:: u(r) = m(r) + \sum_k w_k\,e^{-(r-c_k)^2/2b^2}

    It knows nothing of interactions: more than a few widths from its centres there is nothing but the core, and no force without
    one. Alone it is finite as two particles coincide.

    Parameters
    ----------
    mean
        What is beside the network, for example a stiff core, ``ShiftedCut(LennardJones(epsilon, sigma), 2**(1/6) * sigma)``; None
        for nothing.
    weights
        The weights w [kJ/mol].
    centres
        The centres c [angstrom], as many as weights.
    width
        The width b of every Gaussian [angstrom].

    Raises
    ------
    ParameterError
        If the width is not greater than zero, a centre not finite, or there are not as many centres as weights.

    References
    ----------
    D. S. Broomhead, D. Lowe, Complex Systems 2, 321 (1988)

    Example
    -------
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials.linear import Curve
    >>> network = RadialBasisPair(None, [0.0, 0.0], centres=(3.5, 4.5), width=0.5)
    >>> known = network.regress(energies=Curve([3.5, 4.0, 4.5], [1.0, 0.5, -0.2], 0.01))
    >>> known.potential.weights.round(2).tolist()
    [1.07, -0.32]
    """

    mean: PairPotential | None
    weights: Float[Array, " weight"] = parameter("kJ/mol")
    centres: tuple[float, ...] = eqx.field(static=True, kw_only=True, converter=lambda values: tuple(map(float, values)))
    width: float = eqx.field(static=True, kw_only=True)

    def __check_init__(self) -> None:
        if not (math.isfinite(self.width) and self.width > 0):
            raise ParameterError(
                f"RadialBasisPair: width must be finite and greater than zero, found {self.width} angstrom: correct it"
            )
        if not all(map(math.isfinite, self.centres)):
            raise ParameterError(f"RadialBasisPair: centres must be finite, found {self.centres} angstrom: correct them")
        if self.weights.ndim != 1 or len(self.weights) != len(self.centres):
            raise ParameterError(
                f"RadialBasisPair: there must be as many weights as centres, found the shape {self.weights.shape} and "
                f"{len(self.centres)} centres: give one weight a centre"
            )

    def basis(self, r: Float[ArrayLike, ""]) -> Float[Array, " weight"]:
        return jnp.exp(-0.5 * ((as_float(r) - np.array(self.centres)) / self.width) ** 2)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        return super().breakpoints() if self.mean is None else self.mean.breakpoints()

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        radius, centres, width = as_float(radius), np.array(self.centres), self.width
        apart = (radius - centres) / (math.sqrt(2) * width)
        area = math.sqrt(math.pi / 2) * width * (centres**2 + width**2) * jax.scipy.special.erfc(apart)
        network = self.weights @ (area + width**2 * (radius + centres) * jnp.exp(-(apart**2)))
        return network if self.mean is None else self.mean.energy_beyond(radius) + network

    def regress(
        self, *, energies: Curve | None = None, forces: Curve | None = None, weight_scale: float = math.inf
    ) -> WeightPosterior:
        """Return the weights by least squares, with the uncertainty that the noise of the data leaves.

        Parameters
        ----------
        energies, forces
            Separations [angstrom], values [kJ/mol, kJ/mol/angstrom] and uncertainties; at least one kind.
        weight_scale
            Prior standard deviation of every weight [kJ/mol], which makes the least squares regularised.

        Raises
        ------
        DataError
            If there are fewer data than weights, no data, or they are not finite, or an uncertainty is not greater than zero.
        ParameterError
            If the scale is not greater than zero.
        """
        if not weight_scale > 0:
            raise ParameterError(
                f"RadialBasisPair: weight_scale must be greater than zero, found {weight_scale} kJ/mol: correct it"
            )
        number = sum(np.size(known.separation) for known in (energies, forces) if known is not None)
        if 0 < number < len(self.centres):
            raise DataError(
                f"RadialBasisPair: a training range must have as many data as weights, found {number} data for "
                f"{len(self.centres)} weights: add data or take fewer centres"
            )
        return weights_given(self, energies, forces, prior_precision=1 / weight_scale**2)
