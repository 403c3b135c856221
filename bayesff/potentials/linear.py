r"""Pair potentials that are linear in their weights: a physical mean, and functions of the separation that data shape.

.. math:: u(r) = m(r) + \sum_k w_k\,\phi_k(r)

The mean carries the physics: the repulsion of a core that no data reach, and the attraction beyond a cutoff. The known cases are
`GaussianProcessPair`, whose functions make normal weights a Gaussian process, and `RadialBasisPair`, a network of Gaussians.

A calibration infers the weights as ``w0``, ``w1``, ... (`LinearPair.factory`). Energies and forces at separations are linear in
them as well, so that for such data with Gaussian noise the posterior has a closed form, `weights_given`. With prior
:math:`w \sim N(0, \Lambda^{-1})`, a design matrix :math:`\Phi` and noise :math:`D`,

.. math:: P = \Lambda + \Phi^\top D^{-1} \Phi, \qquad \bar w = P^{-1}\,\Phi^\top D^{-1} (y - m), \qquad
          \mathrm{var}\,u(r) = \phi(r)^\top P^{-1} \phi(r),

which by Woodbury's identity is the regression with the kernel :math:`\phi(r)^\top \Lambda^{-1} \phi(r')` between all data.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import DataError, ParameterError
from bayesff.potentials.base import PairPotential, as_float, traced


class Curve(NamedTuple):
    """Energies or forces at separations.

    Parameters
    ----------
    separation
        Separations [angstrom].
    value
        Energies [kJ/mol], or forces [kJ/mol/angstrom].
    uncertainty
        One standard deviation, of each or of all.
    """

    separation: Any
    value: Any
    uncertainty: Any


class LinearPair(PairPotential):
    """A pair potential that is linear in its weights. A new one declares its fields and writes `basis`.

    Its `mean` may be any pair potential, with parameters that are inferred together with the weights, or None for zero.
    """

    mean: eqx.AbstractVar[PairPotential | None]
    weights: eqx.AbstractVar[Float[Array, " weight"]]

    @abstractmethod
    def basis(self, r: Float[ArrayLike, ""]) -> Float[Array, " weight"]:
        """Energy [kJ/mol] at the separation ``r`` [angstrom] that a weight of one adds, of each weight."""

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        return self.mean_energy(r) + self.weights @ self.basis(r)

    def mean_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Energy [kJ/mol] of the mean."""
        return jnp.zeros_like(as_float(r)) if self.mean is None else self.mean.pair_energy(r)

    def with_weights(self, weights: Float[ArrayLike, " weight"]) -> "LinearPair":
        """Return the potential with other weights."""
        return eqx.tree_at(lambda potential: potential.weights, self, as_float(weights))

    def declared_parameters(self) -> dict[str, tuple[str, bool]]:
        unit = self.parameter_units()["weights"]
        return super().declared_parameters() | {f"w{k}": (unit, False) for k in range(self.weights.shape[-1])}

    @classmethod
    def factory(cls, num_weights: int, mean: Any = None, **fixed: Any) -> "LinearFactory":
        """Return what makes such potentials from the keywords ``w0``, ``w1``, ... as a `CalibrationProblem` needs it.

        Parameters
        ----------
        num_weights
            Number of weights.
        mean
            The mean potential, or what makes it from the remaining keywords (a class, or a function).
        fixed
            All other fields.

        Example
        -------
        >>> from bayesff.potentials import LennardJones, RadialBasisPair
        >>> make = RadialBasisPair.factory(2, LennardJones, centres=(3.5, 4.5), width=0.5)
        >>> round(float(make(w0=0.1, w1=0.0, epsilon=1.0, sigma=3.4).pair_energy(3.5)), 4)
        -0.4366
        """
        return LinearFactory(cls, num_weights, mean, tuple(sorted(fixed.items())))


@dataclass(frozen=True)
class LinearFactory:
    """What makes potentials that are linear in their weights; see `LinearPair.factory`."""

    form: type[LinearPair]
    num_weights: int
    mean: Any
    fixed: tuple[tuple[str, Any], ...]

    def __call__(self, **parameters: Any) -> LinearPair:
        """Return the potential with these weights, and the mean's parameters.

        Raises
        ------
        ParameterError
            If a weight is missing, or parameters are left over.
        """
        rest = dict(parameters)
        missing = [name for name in self.weight_names if name not in rest]
        if missing:
            raise ParameterError(
                f"{self.form.__name__}: every weight must be given, found none called {missing[0]!r} of {self.num_weights}: "
                "add its prior"
            )
        weights = jnp.stack([as_float(rest.pop(name)) for name in self.weight_names])
        return self.form(mean=self._mean(rest), weights=weights, **dict(self.fixed))  # pyright: ignore[reportCallIssue]

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the weights."""
        return tuple(f"w{k}" for k in range(self.num_weights))

    def _mean(self, parameters: Mapping[str, Any]) -> PairPotential | None:
        if not isinstance(self.mean, PairPotential | None):
            return self.mean(**parameters)
        if parameters:
            raise ParameterError(
                f"{self.form.__name__}: the mean is fixed and takes no parameters, found {next(iter(parameters))!r}: give what "
                "makes the mean, for example its class"
            )
        return self.mean


class WeightPosterior(eqx.Module):
    r"""The weights of a potential given energies and forces with Gaussian noise; see `weights_given`.

    Parameters
    ----------
    potential
        The potential with the posterior mean of the weights.
    root
        Upper triangle R with the posterior precision :math:`R^\top R` of the weights.
    """

    potential: LinearPair
    root: Float[Array, "weight weight"]

    @property
    def covariance(self) -> Float[Array, "weight weight"]:
        """Posterior covariance of the weights."""
        inverse = solve_triangular(self.root, jnp.eye(len(self.root)))
        return inverse @ inverse.T

    def energy(self, separation: Any) -> tuple[Float[Array, " point"], Float[Array, " point"]]:
        """Return mean and variance of the energy [kJ/mol, its square] at separations [angstrom]."""
        separation = jnp.atleast_1d(as_float(separation))
        return jax.vmap(self.potential.pair_energy)(separation), self._variance(energy_rows(self.potential, separation))

    def force(self, separation: Any) -> tuple[Float[Array, " point"], Float[Array, " point"]]:
        """Return mean and variance of the force [kJ/mol/angstrom, its square] at separations [angstrom]."""
        separation = jnp.atleast_1d(as_float(separation))
        return jax.vmap(self.potential.pair_force)(separation), self._variance(force_rows(self.potential, separation))

    def _variance(self, rows: Array) -> Array:
        return jnp.sum(solve_triangular(self.root, rows.T, trans=1) ** 2, axis=0)


def energy_rows(potential: LinearPair, separation: Float[Array, " point"]) -> Float[Array, "point weight"]:
    """Return what each weight adds to the energy [kJ/mol] at separations [angstrom]."""
    return jax.vmap(potential.basis)(separation)


def force_rows(potential: LinearPair, separation: Float[Array, " point"]) -> Float[Array, "point weight"]:
    """Return what each weight adds to the force [kJ/mol/angstrom] at separations [angstrom]."""
    return -jax.vmap(jax.jacfwd(potential.basis))(separation)


def weights_given(
    potential: LinearPair,
    energies: Curve | None,
    forces: Curve | None,
    prior_precision: float,
) -> WeightPosterior:
    r"""Return the weights given energies and forces, by a QR factorisation of the stacked data and prior.

    Parameters
    ----------
    potential
        The potential; its weights do not count, its mean does.
    energies, forces
        The data, at least one kind.
    prior_precision
        :math:`\Lambda`, one over the prior variance of every weight; zero is least squares.

    Raises
    ------
    DataError
        If there are no data, or they are not finite, or an uncertainty is not greater than zero.
    """
    place, number = type(potential).__name__, len(potential.weights)
    bare = potential.with_weights(jnp.zeros(number))
    blocks = []
    for known, rows, mean in ((energies, energy_rows, bare.pair_energy), (forces, force_rows, bare.pair_force)):
        if known is not None:
            separation, value, uncertainty = _columns(known, place)
            design = rows(bare, separation) / uncertainty[:, None]
            blocks.append((design, (value - jax.vmap(mean)(separation)) / uncertainty))
    if not blocks:
        raise DataError(f"{place}: a regression needs energies or forces, found neither: give at least one of them")
    rows = jnp.concatenate([block[0] for block in blocks] + [np.sqrt(prior_precision) * jnp.eye(number)])
    targets = jnp.concatenate([block[1] for block in blocks] + [jnp.zeros(number)])
    orthogonal, root = jnp.linalg.qr(rows)
    return WeightPosterior(bare.with_weights(solve_triangular(root, orthogonal.T @ targets)), root)


def _columns(known: Curve, place: str) -> tuple[Array, Array, Array]:
    separation, value, uncertainty = (jnp.atleast_1d(as_float(column)) for column in known)
    try:
        value, uncertainty = (jnp.broadcast_to(column, separation.shape) for column in (value, uncertainty))
    except ValueError:
        raise DataError(
            f"{place}: there must be one value and uncertainty for each of {separation.size} separations, found shapes "
            f"{np.shape(known.value)} and {np.shape(known.uncertainty)}: give as many of each"
        ) from None
    for name, column, least in (("separation", separation, 0.0), ("value", value, -np.inf), ("uncertainty", uncertainty, 0.0)):
        if traced(column):
            continue
        numbers = np.asarray(column)
        bad = ~(np.isfinite(numbers) & (numbers > least))
        if bad.any():
            rule = "finite and greater than zero" if least == 0.0 else "finite"
            raise DataError(f"{place}: {name} must be {rule}, found {numbers[bad][0]}: correct it or leave the datum out")
    return separation, value, uncertainty
