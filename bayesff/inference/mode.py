r"""The mode of a posterior, and coordinates in which the posterior is round there.

Force-field posteriors are long thin valleys: a deeper well with a smaller diameter gives almost the same second virial. The
Laplace approximation at the mode, :math:`N(\hat z, H^{-1})`, knows the valley's direction and width, and a sampler that works in
:math:`w = L^{-1}(z - \hat z)` with :math:`L L^\mathsf{T} = H^{-1}` needs a few steps where it needed fifty.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from scipy.special import expit

from bayesff.inference.target import Observed, Target
from bayesff.observables import Prediction

NUM_STARTS = 2
NUM_PAIRS = 3
"""Pairs of likely prior draws that the search starts from beside the prior median and the likeliest one."""

MAX_STEPS = 100
MAX_ROUNDS = 3

SWELL = 2.0
"""By how much the logarithms of the sizes of errors are raised at a mode, to see whether another one lies beyond.

A form that misses the data by far can put the misfit into one error or into another, and each way has a mode: methane's second
virials by Lennard-Jones without a discrepancy into the noise of every datum, or, better by 105, into the laboratories' biases.
Errors that are larger than needed leave the way from one to the other open.
"""

HOPELESS = 100
"""A search is given up where another one has ended lower by so many times what its next step promises, and `FAR_BELOW`."""

FAR_BELOW = 10.0
"""A mode whose log density is lower by more than this holds nothing of the posterior that would be seen."""

NOTICED = 0.01
"""Share of the posterior from which on another mode counts."""

Energies = Callable[[Float[Array, "problem point dim"], Observed], tuple[Array, Array, dict[str, Prediction]]]
"""Negative log density, its gradient and predictions by term at the same number of points of each of several problems."""


class Mode(eqx.Module):
    """A mode in unconstrained coordinates, with the factor of the Laplace covariance.

    Parameters
    ----------
    location
        Where the log density is largest.
    factor
        ``L``, with ``L L^T`` the inverse of the negative Hessian there.
    log_density
        The log density there.
    converged
        Whether the predicted gain of another step is negligible and the Hessian is positive definite.
    other
        Where another mode is, if one was found that holds at least `NOTICED` of the posterior; else ``location``.
    share
        How much of the posterior that one holds, by the Laplace approximation at both; zero if there is none.
    """

    location: Float[Array, "*problem dim"]
    factor: Float[Array, "*problem dim dim"]
    log_density: Float[Array, "*problem"]
    converged: Bool[Array, "*problem"]
    other: Float[Array, "*problem dim"]
    share: Float[Array, "*problem"]

    def unwhiten(self, w: Float[Array, " dim"]) -> Float[Array, " dim"]:
        """Return the unconstrained coordinates of a point in whitened ones."""
        return self.location + self.factor @ w

    @property
    def reasons(self) -> list[str]:
        """Say why the Gaussian at the mode of one problem is not its posterior, as far as the search shows."""
        found = [] if bool(self.converged) else ["the search for the mode did not converge"]
        return [*found, *([two_modes(float(self.share))] if float(self.share) else [])]


def two_modes(share: float) -> str:
    """Say that another mode holds a share of the posterior, and what to do."""
    return f"another mode holds some {100 * share:.0f} % of the posterior: SMC weighs both"


def find_mode(target: Target, key: PRNGKeyArray, energies: Energies | None = None) -> Mode:
    """Find the mode from the prior median and from the likeliest of some hundred prior draws; the best end is returned.

    One of the draws is the target's own start, if it has one. Another end may be a mode as well: energies that are quadratic in
    charges have two solutions that meet the data, or nearly so.

    From the best end the search goes on with larger errors, see `SWELL`.

    Parameters
    ----------
    target
        The posterior.
    key
        Random key of the prior draws.
    energies
        What `compile_energies` returned for this target, to be used again.
    """
    modes = find_modes(target, key, {name: value[None] for name, value in target.observed.items()}, energies)
    return jax.tree.map(lambda leaf: leaf[0], modes)


def find_modes(target: Target, key: PRNGKeyArray, observed: Observed, energies: Energies | None = None) -> Mode:
    """Find the modes of several posteriors that differ in the measured values only.

    Parameters
    ----------
    target
        The posterior.
    key
        Random key of the prior draws, which are the same for all.
    observed
        Measured values by term, (problem, datum).
    energies
        What `compile_energies` returned for this target, to be used again.

    Returns
    -------
    Mode
        With the leading axis ``problem``.
    """
    energies = compile_energies(target) if energies is None else energies
    num_problems = len(next(iter(observed.values())))
    # The draws come in batches of the size that a Newton step takes: one compiled program serves all.
    batch = num_points(target.size)
    draws = np.array(target.sample_prior(key, math.ceil(100 / batch) * batch))
    if target.start is not None:
        draws[0] = target.start
    shape = (num_problems, batch, target.size)
    parts = [energies(jnp.broadcast_to(part, shape), observed)[0] for part in np.split(draws, len(draws) // batch)]
    values = np.concatenate([np.asarray(part) for part in parts], axis=1)
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), axis=1)
    median = np.broadcast_to(np.median(draws, axis=0), (num_problems, target.size))
    likely = [draws[order[:, place]] for place in range(2 + 2 * NUM_PAIRS)]
    pairs = [(median, likely[0]), *zip(likely[2::2], likely[3::2], strict=True)]
    ends = _minimise(energies, np.stack(pairs[0], axis=1), observed)
    for pair in pairs[1:]:
        ends = _together(ends, _minimise(energies, np.stack(pair, axis=1), observed, _lowest(ends).value))
    for _ in range(MAX_ROUNDS):
        best = _lowest(ends)
        swollen = best.location.copy()
        swollen[:, target.sizes] += SWELL
        again = _minimise(energies, np.stack((swollen, likely[1]), axis=1), observed, best.value)
        ends = _together(ends, again)
        if not (_lowest(again).value < best.value - 1e-3).any():
            break
    best = _expand_at_end(energies, _lowest(ends).location, observed)
    curvature, vectors = np.linalg.eigh(best.hessian)
    # A direction that neither data nor prior fix would have no width: it gets the width 100 in unconstrained units at most.
    widths = 1 / np.sqrt(np.maximum(np.abs(curvature), 1e-4))
    gain = 0.5 * np.sum((_along(vectors, best.gradient) * widths) ** 2, axis=-1)
    converged = (gain < 1e-6) & np.all(curvature > 0, axis=-1)
    other, share = _other_mode(ends, best)
    found = (best.location, vectors * widths[..., None, :], -best.value, converged, other, share)
    return Mode(*(jnp.asarray(leaf) for leaf in found))


def _together(*ends: "_Expansion") -> "_Expansion":
    """Return the ends of several searches, (problem, start), as one."""
    return _Expansion(*(np.concatenate(leaves, axis=1) for leaves in zip(*ends, strict=True)))


def _lowest(ends: "_Expansion") -> "_Expansion":
    """Return for each problem the end at which the negative log density is lowest."""
    return _Expansion(*(leaf[np.arange(len(ends.value)), np.argmin(ends.value, axis=1)] for leaf in ends))


def _other_mode(ends: "_Expansion", best: "_Expansion") -> tuple[np.ndarray, np.ndarray]:
    """Return the end that holds most of the posterior beside the best one, and its share; the best one and zero if none does.

    It is a mode of its own if the density falls on all sides of it and the best one lies outside its standard deviation, and it
    outside that of the best one.
    """
    curvature, vectors = np.linalg.eigh(np.where(np.isfinite(ends.hessian), ends.hessian, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        is_minimum = np.all(curvature > 0, axis=-1) & (np.sum(_along(vectors, ends.gradient) ** 2 / curvature, axis=-1) < 1e-4)
        log_mass = -ends.value - 0.5 * np.sum(np.log(curvature), axis=-1)
    away = ends.location - best.location[:, None]
    distances = [np.einsum("...i,...ij,...j", away, hessian, away) for hessian in (ends.hessian, best.hessian[:, None])]
    is_other = is_minimum & np.all(np.stack(distances) > 1, axis=0)
    best_mass = -best.value - 0.5 * np.linalg.slogdet(best.hessian)[1]
    share = np.where(is_other, expit(np.where(is_other, log_mass, 0.0) - best_mass[:, None]), 0.0)
    rows, which = np.arange(len(share)), np.argmax(share, axis=1)
    noticed = share[rows, which] >= NOTICED
    return np.where(noticed[:, None], ends.location[rows, which], best.location), np.where(noticed, share[rows, which], 0.0)


def num_points(size: int) -> int:
    """Return the number of points of each problem that `compile_energies` evaluates at once, by the number of coordinates."""
    return NUM_STARTS * (1 + size)


def compile_energies(target: Target) -> Energies:
    """Return the negative log density, its gradient and the predictions at `num_points` points of each of several problems."""

    def energy(z: Float[Array, " dim"], observed: Observed) -> tuple[Float[Array, ""], dict[str, Prediction]]:
        log_density, predictions = target.log_density_and_predictions(z, observed)
        return -log_density, predictions

    at_points = jax.vmap(jax.value_and_grad(energy, has_aux=True), in_axes=(0, None))

    def batch(z: Float[Array, "problem point dim"], observed: Observed) -> tuple[Array, Array, dict[str, Prediction]]:
        (values, predictions), gradients = jax.lax.map(lambda problem: at_points(*problem), (z, observed))
        return values, gradients, predictions

    return jax.jit(batch)


def differences(size: int, step: float = 3e-5) -> Float[np.ndarray, "move dim"]:
    """Return the moves of central differences: none, then one forward along every axis, then one back."""
    return step * np.concatenate([np.zeros((1, size)), np.eye(size), -np.eye(size)])


class _Expansion(NamedTuple):
    """A function to second order about points."""

    location: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


def _expand(energies: Energies, location: np.ndarray, observed: Observed) -> _Expansion:
    """Return value, gradient and Hessian at `NUM_STARTS` points, the latter by forward differences of the gradient.

    Differences of exact gradients are good to some five digits here, enough for a step, and one batch of gradients compiles in a
    third of the time of a second derivative.
    """
    size = location.shape[-1]
    moves = differences(size)[: size + 1]
    values, gradients = _evaluate(energies, location[..., None, :] + moves, observed)
    with np.errstate(invalid="ignore"):  # a step may lead to where the density has no gradient; such a point is not used
        hessian = (gradients[..., 1:, :] - gradients[..., :1, :]) / moves.max()
    return _Expansion(location, values[..., 0], gradients[..., 0, :], _symmetric(hessian))


def _expand_at_end(energies: Energies, location: np.ndarray, observed: Observed) -> _Expansion:
    """Return value, gradient and Hessian at one point of each problem, by central differences, good to some eight digits."""
    size = location.shape[-1]
    moves = differences(size)
    spare = np.zeros((num_points(size) - len(moves), size))
    values, gradients = _evaluate(energies, location[:, None] + np.concatenate([moves, spare]), observed)
    hessian = (gradients[:, 1 : size + 1] - gradients[:, size + 1 : len(moves)]) / (2 * moves.max())
    return _Expansion(location, values[:, 0], gradients[:, 0], _symmetric(hessian))


def _evaluate(energies: Energies, points: np.ndarray, observed: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Return values and gradients at the points of each problem, in whatever shape they come."""
    flat = jnp.asarray(points.reshape(len(points), -1, points.shape[-1]))
    values, gradients = (np.asarray(found) for found in energies(flat, observed)[:2])
    return values.reshape(points.shape[:-1]), gradients.reshape(points.shape)


def _symmetric(matrices: np.ndarray) -> np.ndarray:
    return 0.5 * (matrices + np.swapaxes(matrices, -1, -2))


def _minimise(energies: Energies, starts: np.ndarray, observed: Observed, ended: np.ndarray | float = np.inf) -> _Expansion:
    """Minimise by Newton steps with the absolute curvature, damped until they descend (Levenberg and Marquardt).

    The Hessian is affordable because a force field has few parameters, and it reaches the bottom of a curved valley where
    quasi-Newton methods from a prior draw stop on its wall: of 16 prior draws of a Mie potential's second-virial posterior, 12
    end at the mode, against 2 with optimistix's BFGS in a trust region. Where others have ``ended`` says which are hopeless.
    """
    size = starts.shape[-1]
    outside = np.full(starts.shape[:-1], np.inf)
    best = _Expansion(starts, outside, np.zeros(starts.shape), np.broadcast_to(np.eye(size), (*starts.shape, size)))
    trial, damping, done = starts, np.ones(outside.shape), np.zeros(outside.shape, dtype=bool)
    for _ in range(MAX_STEPS):
        new = _expand(energies, trial, observed)
        usable = np.isfinite(new.value) & np.all(np.isfinite(new.hessian), axis=(-1, -2))
        better = ~done & usable & (new.value <= best.value)
        curvature, vectors = np.linalg.eigh(best.hessian)
        predicted = _gain(curvature, _along(vectors, best.gradient), _along(vectors, trial - best.location))
        with np.errstate(invalid="ignore"):
            good = better & (best.value - new.value > 0.5 * predicted)
        damping = np.where(good, 0.2 * damping, np.where(better, damping, 5 * damping + 1e-6))
        best = _Expansion(*(_where(better, fresh, old) for fresh, old in zip(new, best, strict=True)))
        curvature, vectors = np.linalg.eigh(best.hessian)
        along = _along(vectors, best.gradient)
        move = -along / (np.abs(curvature) + damping[..., None])
        gain = _gain(curvature, along, move)
        done |= gain < 1e-10
        # A start that creeps along far above where another one has ended is given up.
        lowest = np.minimum(np.min(np.where(done, best.value, np.inf), axis=-1), ended)[:, None]
        with np.errstate(invalid="ignore"):
            done |= best.value - lowest > np.maximum(HOPELESS * gain, FAR_BELOW)
        if done.all():
            break
        trial = best.location + np.einsum("...ij,...j->...i", vectors, move)
    return best


def _along(vectors: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return np.einsum("...ij,...i->...j", vectors, vector)


def _gain(curvature: np.ndarray, along: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Return by how much a move lowers a function whose curvature is taken positive, in the directions of its Hessian."""
    return -np.sum(along * move + 0.5 * np.abs(curvature) * move**2, axis=-1)


def _where(chosen: np.ndarray, fresh: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(chosen.reshape(chosen.shape + (1,) * (fresh.ndim - chosen.ndim)), fresh, old)
