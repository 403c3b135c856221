"""A Gaussian process about a physical pair potential."""

import math
import warnings
from functools import lru_cache
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import PairPotential, as_float, parameter, unit_interval_rule
from bayesff.potentials.composition import ascending
from bayesff.potentials.linear import Curve, LinearPair, WeightPosterior, weights_given

LARGEST_CONDITION = 1e10
"""Ratio of the largest to the smallest eigenvalue of a kernel matrix, up to which nothing is added to its diagonal."""

WIDEST_SPACING = 1.2
"""Spacing of the nodes over the correlation length: there they leave out 4 % of the prior variance half-way between two."""

_CORE = 0.75
"""Radius over that of the first node, inside of which the amplitude no longer grows."""


class Kernel(NamedTuple):
    """What follows from the numbers of a process: logarithms of the nodes, and the fold of weights into coefficients."""

    nodes: np.ndarray
    fold: np.ndarray
    jitter: float


class GaussianProcessPair(LinearPair):
    r"""A pair potential that is a Gaussian process about a physical mean, up to a cutoff.

    .. math:: u(r) = m(r) + A(r)\,g(\ln r), \qquad \mathrm{cov}[g(x), g(x')] = e^{-(x-x')^2/2\ell^2}

    The amplitude follows what a pair potential is made of, a repulsion and an attraction, tamed in the core and zero from the
    cutoff on with two continuous derivatives,

    .. math:: A(r) = s\,(\rho^2 + \rho)\Big(1 - \frac{r^2}{r_\mathrm{c}^2}\Big)^3, \qquad
              \rho = \frac{a^6}{r^6 + (\tfrac34 r_1)^6},

    so ``strength`` over :math:`4\epsilon` of a Lennard-Jones mean of the diameter ``length`` is the relative error of either.
    It is held by nodes :math:`r_1 \dots r_K` at equal ratios, the first of them ``inner`` and the last the cutoff: with the lower
    Cholesky factor L of the kernel matrix between them,

    .. math:: u(r) = m(r) + \sum_k w_k\,\phi_k(r), \qquad \phi(r) = A(r)\,k(\ln r)\,L^{-\top}, \qquad w \sim N(0, 1),

    which is the process itself at the nodes, leaves out less than 5 % of its variance between them, and dies out inside the first
    one: further in nothing is claimed to be uncertain, and the potential is its mean. A kernel matrix that is close to singular,
    with nodes much closer than the correlation length, gets a ``jitter`` on its diagonal, with a warning.

    Parameters
    ----------
    mean
        The mean potential m, whose parameters may be inferred too; None for zero.
    weights
        The weights w; each has a standard normal prior.
    strength
        s [kJ/mol], greater than zero.
    length
        a [angstrom], near the diameter of the particles.
    correlation
        :math:`\ell`, the correlation length in the logarithm of the separation.
    inner
        The first node [angstrom].
    cutoff
        The cutoff :math:`r_\mathrm{c}` [angstrom], greater than ``inner``; beyond it the potential is its mean.

    Raises
    ------
    ParameterError
        If a number is not finite and greater than zero, the cutoff is not beyond the first node, or there are too few weights.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press (2006),
    doi:10.7551/mitpress/3206.001.0001

    Example
    -------
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.potentials import LennardJones
    >>> import jax.numpy as jnp
    >>> kernel = {"strength": 0.4, "length": 3.4, "correlation": 0.15, "inner": 2.6, "cutoff": 12.0}
    >>> prior = GaussianProcessPair(LennardJones(epsilon=1.0, sigma=3.4), jnp.zeros(12), **kernel)
    >>> known = prior.condition(energies=Curve([3.4, 3.8, 4.5], [-0.3, -1.1, -0.6], 0.01))
    >>> mean, variance = known.energy([3.8, 8.0])
    >>> mean.round(2).tolist(), (variance**0.5).round(4).tolist()
    ([-1.1, -0.02], [0.01, 0.0004])
    """

    mean: PairPotential | None
    weights: Float[Array, " weight"] = parameter("")
    strength: float = eqx.field(static=True, kw_only=True)
    length: float = eqx.field(static=True, kw_only=True)
    correlation: float = eqx.field(static=True, kw_only=True)
    inner: float = eqx.field(static=True, kw_only=True)
    cutoff: float = eqx.field(static=True, kw_only=True)

    def __check_init__(self) -> None:
        for name in ("strength", "length", "correlation", "inner", "cutoff"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(
                    f"GaussianProcessPair: {name} must be finite and greater than zero, found {value}: correct it"
                )
        if self.cutoff <= self.inner:
            raise ParameterError(
                f"GaussianProcessPair: the cutoff must be beyond the first node, found {self.cutoff} and {self.inner} angstrom: "
                "exchange them"
            )
        wanted = 1 + math.ceil(math.log(self.cutoff / self.inner) / (WIDEST_SPACING * self.correlation))
        if self.weights.ndim != 1 or len(self.weights) < max(wanted, 2):
            raise ParameterError(
                f"GaussianProcessPair: nodes from {self.inner} to {self.cutoff} angstrom with the correlation length "
                f"{self.correlation} need at least {max(wanted, 2)} weights, found the shape {self.weights.shape}: give more, or "
                "a longer correlation"
            )

    @property
    def jitter(self) -> float:
        """What was added to the diagonal of the kernel matrix between the nodes, whose diagonal is one."""
        return self._kernel().jitter

    def _kernel(self) -> Kernel:
        return _kernel(self.inner, self.cutoff, self.correlation, self.weights.shape[-1])

    def amplitude(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Prior standard deviation A(r) [kJ/mol] at the separation ``r`` [angstrom], of the process that the nodes hold."""
        r = jnp.clip(as_float(r), 0.0, self.cutoff)
        ratio = self.length**6 / (r**6 + (_CORE * self.inner) ** 6)
        return self.strength * (ratio + ratio**2) * (1 - (r / self.cutoff) ** 2) ** 3

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        # What does not depend on r comes first: over many separations it is computed once.
        return self.mean_energy(r) + self.amplitude(r) * ((self.weights @ self._kernel().fold) @ self._gaussians(r))

    def basis(self, r: Float[ArrayLike, ""]) -> Float[Array, " weight"]:
        return self.amplitude(r) * (self._kernel().fold @ self._gaussians(r))

    def _gaussians(self, r: ArrayLike) -> Array:
        # Twelve correlation lengths inside the first node nothing is left of the process, and its logarithm is held.
        logarithm = jnp.log(jnp.clip(as_float(r), self.inner * math.exp(-12 * self.correlation), self.cutoff))
        return jnp.exp(-0.5 * ((logarithm - self._kernel().nodes) / self.correlation) ** 2)

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        inner = super().breakpoints() if self.mean is None else self.mean.breakpoints()
        # The well is a third of the way from the contact to the cutoff, and as hard to integrate as all that is beyond it.
        return ascending(*inner, jnp.cbrt(inner[0] ** 2 * self.cutoff), as_float(self.cutoff))

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        start = jnp.minimum(as_float(radius), self.cutoff)
        nodes, weights = unit_interval_rule()
        r = start * jnp.exp(jnp.log(self.cutoff / start) * nodes)
        process = jax.vmap(self.basis)(r) @ self.weights
        process = jnp.log(self.cutoff / start) * jnp.sum(weights * r**3 * process)
        return process if self.mean is None else self.mean.energy_beyond(radius) + process

    def condition(self, *, energies: Curve | None = None, forces: Curve | None = None) -> WeightPosterior:
        """Return the process given energies and forces with independent Gaussian noise, in closed form.

        Parameters
        ----------
        energies, forces
            Separations [angstrom], values [kJ/mol, kJ/mol/angstrom] and uncertainties; at least one kind.

        Raises
        ------
        DataError
            If there are no data, or they are not finite, or an uncertainty is not greater than zero.
        """
        return weights_given(self, energies, forces, prior_precision=1.0)


@lru_cache(maxsize=64)
def _kernel(inner: float, cutoff: float, correlation: float, number: int) -> Kernel:
    """Return the nodes, the inverse of the lower Cholesky factor of the kernel between them, and the jitter it took."""
    nodes = np.linspace(math.log(inner), math.log(cutoff), number)
    between = np.exp(-0.5 * ((nodes[:, None] - nodes) / correlation) ** 2)
    jitter, eigenvalues = 0.0, np.linalg.eigvalsh(between)
    while not eigenvalues[0] + jitter > (eigenvalues[-1] + jitter) / LARGEST_CONDITION:
        jitter = 10 * jitter if jitter else 1e-12
    if jitter:
        warnings.warn(
            f"GaussianProcessPair: {number} nodes with the correlation length {correlation} make a kernel matrix close to a "
            f"singular one, {jitter:.0e} was added to its diagonal: take fewer weights",
            stacklevel=4,
        )
    return Kernel(nodes, np.linalg.inv(np.linalg.cholesky(between + jitter * np.eye(number))), jitter)
