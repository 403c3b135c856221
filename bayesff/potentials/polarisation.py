r"""Inducible point dipoles: sites that the field of all others polarises, which no sum over pairs contains.

Every site has a dipole :math:`\mu_i = \alpha_i (E_i^0 + \sum_j T_{ij}\mu_j)` in the field of the charges and of the other
dipoles,

.. math:: E_i^0 = \sum_{j\ne i} \lambda_3 \frac{q_j r_{ij}}{r_{ij}^3},\qquad
          T_{ij} = \lambda_5 \frac{3 r_{ij} r_{ij}^\mathrm{T}}{r_{ij}^5} - \lambda_3 \frac{1}{r_{ij}^3},

with :math:`r_{ij} = r_i - r_j`. The dipoles solve linear equations, :math:`(1 - \alpha T)\mu = \alpha E^0`, and the energy that
they add is :math:`-\frac{1}{2}\sum_i \mu_i \cdot E_i^0`. Point dipoles that are too close polarise one another without bound:
two of them along their axis where :math:`r^6 \le 4\alpha_i\alpha_j`, the *polarisation catastrophe*. Thole's damping takes the
dipoles, and the charges whose field they are in, for smeared over a volume :math:`\sqrt{\alpha_i\alpha_j}`, by factors of the
distance (the Coulomb energy of the charges is not damped):

======================  ==============================================================================================
`TholeExponential`      :math:`\lambda_3 = 1 - e^{-x}`, :math:`\lambda_5 = 1 - (1 + x)e^{-x}`,
                        :math:`x = a\,r^3/\sqrt{\alpha_i\alpha_j}`: AMOEBA, with a = 0.39
`TholeLinear`           :math:`\lambda_3 = 4v^3 - 3v^4`, :math:`\lambda_5 = v^4`,
                        :math:`v = r/(a\,(\alpha_i\alpha_j)^{1/6}) \le 1`: Thole's own, with a = 1.662
`Undamped`              :math:`\lambda_3 = \lambda_5 = 1`
======================  ==============================================================================================

References
----------
B. T. Thole, Chem. Phys. 59, 341 (1981), doi:10.1016/0301-0104(81)85176-2;
P. Ren, J. W. Ponder, J. Phys. Chem. B 107, 5933 (2003), doi:10.1021/jp027815+
"""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.errors import NumericalError, ParameterError
from bayesff.potentials.base import Potential, as_float, parameter, traced
from bayesff.potentials.clusters import ClusterPotential, PointCharges, checked, lengths
from bayesff.units import COULOMB_CONSTANT

_LIMIT = 1 - 1e-6
"""Largest eigenvalue of the response that counts as below the catastrophe, where it is one."""

_SMALLEST = 1e-30
"""A volume that is smaller [angstrom^3] is that of a site which cannot be polarised."""


class Damping(Potential):
    """How the field of a site is weakened nearby; a new form writes `of_ratio`."""

    @abstractmethod
    def of_ratio(self, ratio: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        r"""Return the factors :math:`\lambda_3, \lambda_5` where :math:`r^3/\sqrt{\alpha_i\alpha_j}` is this."""

    def factors(
        self, distance: Float[Array, "*batch"], product: Float[Array, "*batch"]
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        r"""Return the factors :math:`\lambda_3, \lambda_5`.

        Parameters
        ----------
        distance
            Distances [angstrom].
        product
            Products :math:`\alpha_i\alpha_j` of the polarisabilities [angstrom^6]; where one is zero nothing is damped.
        """
        smeared = product > _SMALLEST**2
        volume = jnp.sqrt(jnp.where(smeared, product, 1.0))
        near = self.of_ratio(distance**3 / volume)
        return jnp.where(smeared, near[0], 1.0), jnp.where(smeared, near[1], 1.0)


class Undamped(Damping):
    """Point dipoles and point charges as they are."""

    def of_ratio(self, ratio: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        return jnp.ones_like(ratio), jnp.ones_like(ratio)


class TholeExponential(Damping):
    """The exponential damping of AMOEBA, see the module. A pair is below the catastrophe at any distance if ``thole`` is below 1.

    Parameters
    ----------
    thole
        Thole's parameter a; larger damps less.
    """

    thole: Float[Array, ""] = parameter("", positive=True, default=0.39)

    def of_ratio(self, ratio: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        x = jnp.minimum(self.thole * ratio, 700.0)  # exp(-700) is zero
        return -jnp.expm1(-x), -jnp.expm1(-x) - x * jnp.exp(-x)


class TholeLinear(Damping):
    """The damping by a density that falls linearly, see the module; beyond its edge nothing is damped.

    Parameters
    ----------
    thole
        Thole's parameter a; smaller damps less.
    """

    thole: Float[Array, ""] = parameter("", positive=True, default=1.662)

    def of_ratio(self, ratio: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        v = jnp.minimum(ratio ** (1 / 3) / self.thole, 1.0)
        return 4 * v**3 - 3 * v**4, v**4


class InducibleDipoles(ClusterPotential):
    r"""Charged sites that polarise one another, see the module; without polarisabilities they are the `PointCharges`.

    Parameters
    ----------
    sites
        The charges and the pair potentials between the sites.
    polarisabilities
        Polarisability :math:`\alpha` [angstrom^3] of each kind, zero or more.
    damping
        How the fields are weakened at short distances.

    Raises
    ------
    ParameterError
        If there are not as many polarisabilities as kinds, or one is negative.
    NumericalError
        By `energy`, `dipoles` and `polarisability`, at a polarisation catastrophe of plain numbers: if the largest eigenvalue of
        :math:`\alpha^{1/2} T \alpha^{1/2}` is one or more. While JAX traces no exception can depend on it: the
        polarisabilities are then those at the catastrophe, where the energy is at most a million times that of independent
        dipoles, and beyond it the energy grows with the square of the eigenvalue, so that a likelihood turns a sampler round.

    Example
    -------
    >>> salt = PointCharges(kinds=("K", "Cl"), charges=[1.0, -1.0])
    >>> ions = InducibleDipoles(salt, polarisabilities=[0.78, 4.0])
    >>> pair = [[0.0, 0.0, 0.0], [2.667, 0.0, 0.0]], ("K", "Cl")
    >>> round(float(ions.energy(*pair) - salt.energy(*pair)), 2)
    -73.47
    """

    sites: PointCharges
    polarisabilities: Float[Array, " kind"] = parameter("angstrom^3")
    damping: Damping = eqx.field(default_factory=TholeExponential)

    def __check_init__(self) -> None:
        alpha, kinds = self.polarisabilities, self.sites.kinds
        if alpha.shape[-1:] != (len(kinds),):
            raise ParameterError(
                f"InducibleDipoles: there must be one polarisability for each of the kinds {', '.join(kinds)}, found the shape "
                f"{alpha.shape}: give {len(kinds)} numbers"
            )
        if not traced(alpha) and bool(np.any(np.asarray(alpha) < 0)):
            raise ParameterError(
                f"InducibleDipoles: a polarisability must be zero or more, found {np.min(alpha)} angstrom^3: correct the number"
            )

    def energy(self, positions: Any, kinds: Sequence[str]) -> Float[Array, ""]:
        return self.sites.energy(positions, kinds) + self.induction_energy(positions, kinds)

    def induction_energy(self, positions: Any, kinds: Sequence[str]) -> Float[Array, ""]:
        """Energy [kJ/mol] that the dipoles add to that of the charges and the pair potentials."""
        positions = checked(positions, kinds)
        if len(kinds) == 1:
            return jnp.zeros_like(positions[0, 0])
        beyond, dipoles, field = self._response(positions, kinds)
        return -0.5 * COULOMB_CONSTANT * beyond**2 * jnp.sum(dipoles * field)

    def dipoles(self, positions: Any, kinds: Sequence[str]) -> Float[Array, "site 3"]:
        """Dipole [e angstrom] of every site."""
        return self._response(checked(positions, kinds), kinds)[1]

    def polarisability(self, positions: Any, kinds: Sequence[str]) -> Float[Array, "3 3"]:
        """Polarisability [angstrom^3] of the cluster: the sum of the dipoles in a uniform field."""
        positions = checked(positions, kinds)
        with jax.ensure_compile_time_eval():
            stack = positions[None]
        self.check(stack, kinds)
        alpha, _, tensor = self.fields(positions, kinds)
        return jnp.sum(_solve(alpha, tensor, jnp.tile(jnp.eye(3), (len(kinds), 1))).reshape(len(kinds), 3, 3), axis=0)

    def check(self, positions: Any, kinds: Sequence[str]) -> None:
        if traced(*jax.tree.leaves((self, positions))) or len(kinds) == 1:
            return
        with jax.ensure_compile_time_eval():  # plain numbers stay numbers inside a traced function
            stack = as_float(positions)
            largest = np.asarray(_responses(self, stack, tuple(kinds)))
            if np.max(largest) > _LIMIT:
                self._refuse(stack[np.argmax(largest)], kinds, np.max(largest))

    def _refuse(self, positions: Float[Array, "site 3"], kinds: Sequence[str], largest: float) -> None:
        """Raise the error of a polarisation catastrophe; the pair that causes it has the largest response of its own."""
        alpha, _, tensor = (np.asarray(part) for part in self.fields(positions, kinds))
        sizes = {
            (i, j): np.sqrt(alpha[i] * alpha[j]) * np.linalg.norm(tensor[i, j], 2) for i, j in combinations(range(len(kinds)), 2)
        }
        i, j = max(sizes, key=lambda pair: sizes[pair])
        apart, closest = np.linalg.norm(positions[i] - positions[j]), (4 * alpha[i] * alpha[j]) ** (1 / 6)
        raise NumericalError(
            f"InducibleDipoles: the response must be below 1 or the dipoles grow without bound, found {largest:.4g} in the "
            f"cluster {'-'.join(kinds)}, and {sizes[i, j]:.4g} of its sites {i} ({kinds[i]}) and {j} ({kinds[j]}) alone, which "
            f"are {apart:.4g} angstrom apart with {alpha[i]:.4g} and {alpha[j]:.4g} angstrom^3: lower a polarisability, damp, "
            f"or move them apart (undamped to more than {closest:.4g} angstrom)"
        )

    def _response(self, positions: Float[Array, "site 3"], kinds: Sequence[str]) -> tuple[Array, Array, Array]:
        """Return how far the eigenvalue is beyond the limit (1 if it is not), the dipoles, and the field of the charges."""
        with jax.ensure_compile_time_eval():
            stack = positions[None]
        self.check(stack, kinds)
        return _answer(self, positions, tuple(kinds))

    def fields(self, positions: Float[Array, "site 3"], kinds: Sequence[str]) -> tuple[Array, Array, Array]:
        """Return the polarisabilities, the field of the charges [e/angstrom^2] and the dipoles' field tensor [1/angstrom^3]."""
        alpha, charges = self.polarisabilities[self.sites.indices(kinds)], self.sites.charges_of(kinds)
        vectors = positions[:, None] - positions[None]
        distances = lengths(vectors)
        far, near = self.damping.factors(distances, alpha[:, None] * alpha)
        other = 1.0 - jnp.eye(len(kinds))
        weaker = other * far / distances**3
        dyads = vectors[..., :, None] * vectors[..., None, :] / distances[..., None, None] ** 2
        tensor = 3 * (other * near / distances**3)[..., None, None] * dyads - weaker[..., None, None] * jnp.eye(3)
        return alpha, jnp.einsum("ij,ijk,j->ik", weaker, vectors, charges), tensor


@eqx.filter_jit
def _answer(
    potential: InducibleDipoles, positions: Float[Array, "site 3"], kinds: tuple[str, ...]
) -> tuple[Float[Array, ""], Float[Array, "site 3"], Float[Array, "site 3"]]:
    alpha, field, tensor = potential.fields(positions, kinds)
    beyond = jnp.maximum(_largest(alpha, tensor) / _LIMIT, 1.0)
    return beyond, _solve(alpha / beyond, tensor, field.reshape(-1, 1)).reshape(-1, 3), field


@eqx.filter_jit
def _responses(
    potential: InducibleDipoles, positions: Float[Array, "configuration site 3"], kinds: tuple[str, ...]
) -> Float[Array, " configuration"]:
    return jax.vmap(lambda one: _largest(*potential.fields(one, kinds)[::2]))(positions)


def _matrix(tensor: Float[Array, "site site 3 3"]) -> Float[Array, "row row"]:
    return jnp.swapaxes(tensor, 1, 2).reshape(3 * len(tensor), -1)


def _solve(alpha: Array, tensor: Array, field: Float[Array, "row column"]) -> Float[Array, "row column"]:
    """Return the dipoles in a field; so written that a polarisability may be zero."""
    repeated = jnp.repeat(alpha, 3)[:, None]
    return jnp.linalg.solve(jnp.eye(len(repeated)) - repeated * _matrix(tensor), repeated * field)


def _largest(alpha: Float[Array, " site"], tensor: Float[Array, "site site 3 3"]) -> Float[Array, ""]:
    """Return the largest eigenvalue of the response; its derivative is that for a fixed eigenvector, which is exact."""
    some = alpha > _SMALLEST
    root = jnp.repeat(jnp.where(some, jnp.sqrt(jnp.where(some, alpha, 1.0)), 0.0), 3)
    response = root[:, None] * _matrix(tensor) * root
    vector = jnp.linalg.eigh(jax.lax.stop_gradient(response))[1][:, -1]
    return vector @ response @ vector
