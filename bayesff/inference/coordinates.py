r"""Coordinates in which a posterior is nearly round: whitened at the mode, and again at every size of the errors.

The sizes of the errors decide how tightly the data hold the parameters of the potential, and where: when a discrepancy is small
the parameters are stiff, when it is large they are free. A posterior over both is a funnel, whose neck takes steps many times
smaller than its mouth. With the predictions linear in the parameters at the mode,
:math:`\mu(\theta) \approx \hat\mu + J (\theta - \hat\theta)`, and data of covariance :math:`C(\phi)`, the parameters given the
sizes :math:`\phi` are normal with the precision and the mean

.. math:: F(\phi) = P + J^\mathsf{T} C(\phi)^{-1} J, \qquad
          m(\phi) = \hat\theta + F(\phi)^{-1} J^\mathsf{T}\big[C(\phi)^{-1} - C(\hat\phi)^{-1}\big](y - \hat\mu),

where ``P`` is what remains of the posterior's Hessian at the mode without its data. So the sampler moves in
:math:`w_\theta = K^\mathsf{T}(\theta - m(\phi))`, :math:`K K^\mathsf{T} = F(\phi)`, and the determinant of ``K`` enters the
density: the posterior stays exact however rough the linearisation is, only its shape in the new coordinates depends on it.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Float

from bayesff.calibration import Latents
from bayesff.covariance import Covariance
from bayesff.inference.mode import Energies, Mode, differences, num_points
from bayesff.inference.target import Observed, Target, seldom_run
from bayesff.observables import Prediction


class Linearised(eqx.Module):
    """The data of one term at the mode: residual, Jacobian of the prediction, numerical error of the prediction."""

    residual: Float[Array, " datum"]
    jacobian: Float[Array, "datum location"]
    numerical: Covariance


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
    """

    mode: Mode
    sizes: Float[Array, "*problem size size"]
    terms: dict[str, Linearised]
    rest: Float[Array, "*problem location location"]
    pull: Float[Array, "*problem location"]

    def unwhiten(self, target: Target, w: Float[Array, " dim"]) -> tuple[Float[Array, " dim"], Float[Array, ""]]:
        """Return the unconstrained coordinates of a point, and the log of the volume that a unit of ``w`` has there."""
        moved, other = target.locations, target.sizes
        z = self.mode.location.at[other].add(self.sizes @ w[other])
        information, pull = _information(target, self.terms, z)
        root = jnp.linalg.cholesky(self.rest + information)
        move = cho_solve((root, True), pull - self.pull) + solve_triangular(root, w[moved], lower=True, trans=1)
        log_volume = jnp.sum(jnp.log(jnp.diag(self.sizes))) - jnp.sum(jnp.log(jnp.diag(root)))
        return z.at[moved].add(move), log_volume


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
        terms = {}
        for name, prediction in predictions.items():
            forward, back = prediction.mean[1 + moved], prediction.mean[1 + target.size + moved]
            jacobian = ((forward - back) / (2 * moves.max())).T
            known = prediction.covariance
            numerical = Covariance(known.diagonal[0], known.factor[0])
            terms[name] = Linearised(observed[name] - prediction.mean[0], jacobian, numerical)
        information, pull = _information(target, terms, mode.location)
        inverse = jnp.linalg.inv(mode.factor)
        hessian = (inverse.T @ inverse)[np.ix_(moved, moved)]
        # What is not the data's: between a thousandth of the whole and the whole, in every direction.
        root = jnp.linalg.cholesky(hessian)
        share = jnp.eye(len(moved)) - solve_triangular(root, solve_triangular(root, information, lower=True).T, lower=True)
        values, vectors = jnp.linalg.eigh(0.5 * (share + share.T))
        scaled = root @ vectors
        rest = (scaled * jnp.clip(values, 1e-3, 1.0)) @ scaled.T
        covariance = mode.factor @ mode.factor.T
        return Coordinates(mode, jnp.linalg.cholesky(covariance[np.ix_(other, other)]), terms, rest, pull)

    several = jax.jit(jax.vmap(coordinates), compiler_options=seldom_run())

    def over(modes: Mode, observed: Observed) -> Coordinates:
        return several(modes, observed, energies(modes.location[:, None] + moves, observed)[2])

    return over


def _information(target: Target, terms: dict[str, Linearised], z: Float[Array, " dim"]) -> tuple[Array, Array]:
    """Return what the data say of the parameters when errors have the sizes of a point: their precision, and their pull."""
    latents: Latents = target.latents(z)
    information, pull = jnp.zeros((len(target.locations),) * 2), jnp.zeros(len(target.locations))
    for name, known in terms.items():
        term, errors = target.problem.terms[name], latents.errors[name]
        effects = target.problem.effects(term, errors.scales, target.problem.points[name])
        covariance = effects + term.measurement_covariance().scale(errors.noise_scale) + known.numerical
        weighed = covariance.solve(jnp.column_stack([known.jacobian, known.residual]))
        found = known.jacobian.T @ weighed
        information, pull = information + found[:, :-1], pull + found[:, -1]
    return information, pull
