r"""Coordinates in which a posterior is nearly round: whitened at the mode, and again at every size of the errors.

The sizes of the errors decide how tightly the data hold the parameters of the potential, and where: when a discrepancy is small
the parameters are stiff, when it is large they are free. A posterior over both is a funnel, whose neck takes steps many times
smaller than its mouth. With the predictions linear in the parameters at the mode,
:math:`\mu(\theta) \approx \hat\mu + J (\theta - \hat\theta)`, and data of covariance :math:`C(\phi)`, the parameters given the
sizes :math:`\phi` are normal with the precision and the mean

.. math:: F(\phi) = P + J^\mathsf{T} C(\phi)^{-1} J, \qquad
          m(\phi) = \hat\theta + F(\phi)^{-1} J^\mathsf{T}\big[C(\phi)^{-1} - C(\hat\phi)^{-1}\big](y - \hat\mu),

where ``P`` is what remains of the posterior's Hessian at the mode without its data. The spread of a parameter between
environments is a size as well: how far an offset moves the prediction is proportional to it, so that ``J``, known per unit of the
parameters in each environment, and with it the residual depend on :math:`\phi` too. So the sampler moves in
:math:`w_\theta = K^\mathsf{T}(\theta - m(\phi))`, :math:`K K^\mathsf{T} = F(\phi)`, and the determinant of ``K`` enters the
density: the posterior stays exact however rough the linearisation is, only its shape in the new coordinates depends on it.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Bool, Float

from bayesff.covariance import Covariance
from bayesff.inference.mode import Energies, Mode, differences, num_points
from bayesff.inference.target import Observed, Target, seldom_run
from bayesff.observables import Prediction


class Linearised(eqx.Module):
    """The data of terms with common causes at the mode, side by side: residual, Jacobian of the prediction, its numerical error.

    What is not measured has no residual, and its Jacobian is zero. The numerical errors are those of the terms in the order of
    their ``names``, which a dictionary would lose: JAX sorts its keys.
    """

    known: Bool[Array, " datum"]
    residual: Float[Array, " datum"]
    jacobian: Float[Array, "datum parameter"]
    numerical: tuple[Covariance, ...]
    names: tuple[str, ...] = eqx.field(static=True)


class Coordinates(eqx.Module):
    r"""Coordinates ``w`` about a mode, in the order of the unconstrained ones.

    Parameters
    ----------
    mode
        The mode, at ``w = 0``.
    sizes
        Cholesky factor of the Laplace covariance of the sizes of errors.
    terms
        The data, linear in the parameters.
    rest
        Precision ``P`` of the parameters without the data.
    pull
        :math:`J^T C^{-1} (y - \hat\mu)` at the mode, which the prior balances there.
    parameters
        The potential's parameters in the environments at the mode, which the Jacobian refers to.
    """

    mode: Mode
    sizes: Float[Array, "*problem size size"]
    terms: tuple[Linearised, ...]
    rest: Float[Array, "*problem location location"]
    pull: Float[Array, "*problem location"]
    parameters: Float[Array, "*problem parameter"]

    def unwhiten(self, target: Target, w: Float[Array, " dim"]) -> tuple[Float[Array, " dim"], Float[Array, ""]]:
        """Return the unconstrained coordinates of a point, and the log of the volume that a unit of ``w`` has there."""
        return self.unwhiten_with_errors(target, w)[:2]

    def unwhiten_with_errors(
        self, target: Target, w: Float[Array, " dim"]
    ) -> tuple[Float[Array, " dim"], Float[Array, ""], dict[str, Covariance]]:
        """Return what `unwhiten` does, and the `Target.errors` there, which it needs and the density at the point needs too."""
        moved, other = target.locations, target.sizes
        z = self.mode.location.at[other].add(self.sizes @ w[other])
        errors, root, shift = self._given_sizes(target, z)
        move = shift + solve_triangular(root, w[moved], lower=True, trans=1)
        log_volume = jnp.sum(jnp.log(jnp.diag(self.sizes))) - jnp.sum(jnp.log(jnp.diag(root)))
        return z.at[moved].add(move), log_volume, errors

    def whiten(self, target: Target, z: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """Return ``w`` of a point, whatever its distance from the mode: the inverse of `unwhiten`."""
        moved, other = target.locations, target.sizes
        away = z - self.mode.location
        _, root, shift = self._given_sizes(target, self.mode.location.at[other].set(z[other]))
        w = jnp.zeros_like(z).at[other].set(solve_triangular(self.sizes, away[other], lower=True))
        return w.at[moved].set(root.T @ (away[moved] - shift))

    def _given_sizes(
        self, target: Target, z: Float[Array, " dim"]
    ) -> tuple[dict[str, Covariance], Float[Array, "location location"], Float[Array, " location"]]:
        """Return the errors at the sizes in ``z``, and given them the factor of the precision and the move of the mean.

        The locations in ``z`` are those of the mode.
        """
        errors = target.errors(z)
        information, pull = _information(target, self.terms, self.parameters, z, errors)
        root = jnp.linalg.cholesky(self.rest + information)
        return errors, root, cho_solve((root, True), pull - self.pull)


def compile_coordinates(target: Target, energies: Energies) -> Callable[[Mode, Observed], Coordinates]:
    """Return the function that makes the coordinates of several posteriors whose modes are known.

    Parameters
    ----------
    target
        The posterior.
    energies
        What `compile_energies` returned for it: the Jacobian of the predictions is made of differences between its predictions.
    """
    moved, other, moves = target.locations, target.sizes, differences(target.size)
    # The batch is as large as the energies are compiled for; the rest of it repeats the mode.
    moves = np.concatenate([moves, np.zeros((num_points(target.size) - len(moves), target.size))])

    def coordinates(mode: Mode, observed: Observed, predictions: dict[str, Prediction]) -> Coordinates:
        terms = []
        parameters, per_location = _parameters(target, mode.location)
        per_parameter = jnp.linalg.pinv(per_location)
        for names in target.problem.together:
            means = jnp.concatenate([predictions[name].mean for name in names], axis=1)
            values = jnp.concatenate([observed[name] for name in names])
            known = jnp.isfinite(values)
            forward, back = means[1 + moved], means[1 + target.size + moved]
            jacobian = ((forward - back) / (2 * moves.max())).T @ per_parameter
            numerical = tuple(jax.tree.map(lambda part: part[0], predictions[name].covariance) for name in names)
            residual = jnp.where(known, values - means[0], 0.0)
            terms.append(Linearised(known, residual, jnp.where(known[:, None], jacobian, 0.0), numerical, names))
        information, pull = _information(target, tuple(terms), parameters, mode.location, target.errors(mode.location))
        rest = _prior_precision(target, mode) if target.problem.is_pooled_partially else _rest(mode, moved, information)
        covariance = mode.factor @ mode.factor.T
        return Coordinates(mode, jnp.linalg.cholesky(covariance[np.ix_(other, other)]), tuple(terms), rest, pull, parameters)

    several = jax.jit(jax.vmap(coordinates), compiler_options=seldom_run())

    def over(modes: Mode, observed: Observed) -> Coordinates:
        return several(modes, observed, energies(modes.location[:, None] + moves, observed)[2])

    return over


def _rest(mode: Mode, moved: np.ndarray, information: Float[Array, "location location"]) -> Float[Array, "location location"]:
    """Return what is not the data's of the Hessian at the mode: between a thousandth of it and all of it, in every direction."""
    inverse = jnp.linalg.inv(mode.factor)
    root = jnp.linalg.cholesky((inverse.T @ inverse)[np.ix_(moved, moved)])
    share = jnp.eye(len(moved)) - solve_triangular(root, solve_triangular(root, information, lower=True).T, lower=True)
    values, vectors = jnp.linalg.eigh(0.5 * (share + share.T))
    scaled = root @ vectors
    return (scaled * jnp.clip(values, 1e-3, 1.0)) @ scaled.T


def _prior_precision(target: Target, mode: Mode) -> Float[Array, "location location"]:
    """Return the precision that the prior gives the locations at the mode.

    What the data hold turns with the spread between environments, and a thousandth of it in a wrong direction would be too much.
    """

    def energy(locations: Float[Array, " location"]) -> Float[Array, ""]:
        return -target.log_prior(mode.location.at[target.locations].set(locations))

    values, vectors = jnp.linalg.eigh(jax.hessian(energy)(mode.location[target.locations]))
    # A flat prior has no curvature, or a little of the wrong sign.
    return (vectors * jnp.maximum(values, 1e-6)) @ vectors.T


def fisher_information(target: Target, coordinates: Coordinates, z: Float[Array, " dim"]) -> Float[Array, "parameter parameter"]:
    r"""Return the Fisher information of the potential's parameters, :math:`J^T C(\phi)^{-1} J`, with ``J`` taken at the mode.

    The parameters are those of `Target.environment_parameters`: logarithms of the positive ones, so that the inverse of an
    eigenvalue's square root is a relative standard deviation. The sizes of the errors are those at the point.
    """
    found, _ = _of_parameters(coordinates.terms, jnp.zeros(len(coordinates.parameters)), target.errors(z))
    if target.problem.is_pooled_partially:
        return found
    per_location = jax.jacfwd(target.environment_parameters)(coordinates.mode.location)[:, target.locations]
    inverse = jnp.linalg.inv(per_location)
    return inverse.T @ found @ inverse


def _parameters(target: Target, z: Float[Array, " dim"]) -> tuple[Float[Array, " parameter"], Float[Array, "parameter location"]]:
    """Return the potential's parameters in the environments, and how they move with the locations, at a point.

    Where nothing is pooled partially, the locations themselves: they depend on no size.
    """
    if not target.problem.is_pooled_partially:
        return z[target.locations], jnp.eye(len(target.locations))
    return target.environment_parameters(z), jax.jacfwd(target.environment_parameters)(z)[:, target.locations]


def _information(
    target: Target,
    terms: tuple[Linearised, ...],
    at_mode: Float[Array, " parameter"],
    z: Float[Array, " dim"],
    errors: dict[str, Covariance],
) -> tuple[Array, Array]:
    """Return what the data say of the locations when errors have the sizes of a point: their precision, and their pull."""
    parameters, per_location = _parameters(target, z)
    information, pull = _of_parameters(terms, parameters - at_mode, errors)
    return per_location.T @ information @ per_location, per_location.T @ pull


def _of_parameters(
    terms: tuple[Linearised, ...], moved: Float[Array, " parameter"], errors: dict[str, Covariance]
) -> tuple[Array, Array]:
    """Return the precision and the pull of the parameters themselves, which have moved from the mode."""
    information, pull = jnp.zeros((len(moved),) * 2), jnp.zeros(len(moved))
    for linear in terms:
        found = [errors[name] + numerical for name, numerical in zip(linear.names, linear.numerical, strict=True)]
        covariance = Covariance.concatenate(found).known(linear.known)
        residual = linear.residual - linear.jacobian @ moved
        products = covariance.weigh(jnp.column_stack([linear.jacobian, residual]))
        information, pull = information + products[:-1, :-1], pull + products[:-1, -1]
    return information, pull
