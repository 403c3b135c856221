"""A NumPyro model as a density over an unconstrained vector, with prior and likelihood apart."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro import handlers
from numpyro.distributions.transforms import biject_to

from bayesff.calibration import CalibrationProblem, Latents
from bayesff.calibration.reach import KnownAverages, log_reach
from bayesff.covariance import Covariance
from bayesff.errors import ParameterError
from bayesff.observables import Prediction

Observed = Mapping[str, Any]
"""Measured values by term; a datum that is NaN is left out."""

BATCH = 64
"""Draws at which a function is evaluated at once."""


class Target:
    """The posterior of a calibration problem in unconstrained coordinates.

    Every latent site is mapped to the real line by the bijection that belongs to its support, and all of them are laid side by
    side in one vector.

    Parameters
    ----------
    problem
        The NumPyro model; called with the observed values by term.
    """

    def __init__(self, problem: CalibrationProblem) -> None:
        self.problem = problem
        self.observed = {name: jnp.asarray(term.values) for name, term in problem.terms.items()}
        trace = handlers.trace(handlers.seed(problem.sample, jax.random.key(0))).get_trace()
        sites = {name: site for name, site in trace.items() if site["type"] == "sample"}
        for name, site in sites.items():
            if isinstance(site["fn"], dist.ImproperUniform):
                raise ParameterError(f"{name}: the prior cannot be normalised: give a proper one, for example a wide Uniform")
        self._transforms = {name: biject_to(site["fn"].support) for name, site in sites.items()}
        unconstrained = {name: self._transforms[name].inv(site["value"]) for name, site in sites.items()}
        flat, self._unravel = ravel_pytree(unconstrained)
        self.size = int(flat.size)
        self.start = None
        if problem.start is not None:
            self.start = ravel_pytree({name: self._transforms[name].inv(jnp.asarray(problem.start[name])) for name in sites})[0]
        located = {n: np.full(np.shape(value), n in problem.location_sites) for n, value in unconstrained.items()}
        is_location = np.asarray(ravel_pytree(located)[0], dtype=bool)
        # Samplers evaluate this at several places of their programs: it is traced once.
        self._log_parts = jax.jit(self._parts)
        self.locations, self.sizes = np.flatnonzero(is_location), np.flatnonzero(~is_location)

    def constrain(self, z: Float[Array, " dim"]) -> dict[str, Array]:
        """Return the latent sites at a point of the unconstrained space."""
        return {name: self._transforms[name](value) for name, value in self._unravel(z).items()}

    def latents(self, z: Float[Array, " dim"]) -> Latents:
        """Return everything unknown at a point of the unconstrained space."""
        return self._sample(z)[0]

    def environment_parameters(self, z: Float[Array, " dim"]) -> Float[Array, " parameter"]:
        """Return the potential's parameters in every environment side by side: logarithms of the positive ones."""
        parameters, positive = self.latents(z).parameters, self.problem.positive
        return ravel_pytree({name: jnp.log(v) if name in positive else v for name, v in parameters.items()})[0]

    def parameter_names(self) -> list[str]:
        """Return the names of the entries of `environment_parameters`, with the environment where there is one value in each."""
        found, labels = [], self.problem.environments
        for name, values in sorted(self.latents(jnp.zeros(self.size)).parameters.items()):
            found += [f"{name}[{label}]" for label in labels] if jnp.ndim(values) else [name]
        return found

    def _sample(self, z: Float[Array, " dim"]) -> tuple[Latents, dict[str, Any]]:
        """Return everything unknown, and the sites of the model that say so."""
        with handlers.trace() as trace, handlers.seed(rng_seed=0), handlers.substitute(data=self.constrain(z)):
            latents = self.problem.sample()
        return latents, trace

    def log_jacobians(self, z: Float[Array, " dim"]) -> dict[str, Float[Array, ""]]:
        """Return for each site the log of the Jacobian determinant of `constrain` at a point of the unconstrained space."""
        raw, sites = self._unravel(z), self.constrain(z)
        return {n: jnp.sum(t.log_abs_det_jacobian(raw[n], sites[n])) for n, t in self._transforms.items()}

    def scalar_names(self) -> list[str]:
        """Return the name of every coordinate: the site's, with an index where the site is a vector."""
        shapes = self._unravel(jnp.zeros(self.size))
        return [f"{n}[{i}]" if shapes[n].ndim else n for n in sorted(shapes) for i in range(shapes[n].size)]

    def log_prior(self, z: Float[Array, " dim"]) -> Float[Array, ""]:
        """Return the log prior density of ``z``, with the Jacobian."""
        return self._log_prior(z, self._sample(z)[1])

    def _log_prior(self, z: Float[Array, " dim"], trace: dict[str, Any]) -> Float[Array, ""]:
        found = sum(self.log_jacobians(z).values(), jnp.asarray(0.0))
        return found + sum(jnp.sum(site["fn"].log_prob(site["value"])) for site in trace.values() if site["type"] == "sample")

    def log_parts(self, z: Float[Array, " dim"], observed: Observed | None = None) -> tuple[Array, Array]:
        """Return the log prior density (of ``z``, with the Jacobian) and the log likelihood."""
        log_prior, log_likelihood, _ = self._log_parts(z, observed, None)
        return log_prior, log_likelihood

    def log_density_and_predictions(
        self, z: Float[Array, " dim"], observed: Observed | None = None
    ) -> tuple[Float[Array, ""], dict[str, Prediction]]:
        """Return the log posterior density of ``z``, up to the evidence, and the predictions by term that it rests on."""
        log_prior, log_likelihood, predictions = self._log_parts(z, observed, None)
        return log_prior + log_likelihood, predictions

    def errors(self, z: Float[Array, " dim"]) -> dict[str, Covariance]:
        """Return by term the covariance of effects and measurements: it depends on the coordinates `sizes` only."""
        latents = self.latents(z)
        return {name: self.problem.errors(latents, term) for name, term in self.problem.terms.items()}

    def _parts(
        self, z: Float[Array, " dim"], observed: Observed | None, errors: dict[str, Covariance] | None
    ) -> tuple[Array, Array, dict[str, Prediction]]:
        latents, trace = self._sample(z)
        log_prior = self._log_prior(z, trace)
        known, values = KnownAverages(), self.observed if observed is None else observed
        predictions, log_likelihood = self.problem.predictions(latents, known), jnp.zeros(())
        for joint in self.problem.likelihoods(latents, predictions, errors):
            log_likelihood += joint.likelihood.log_density(joint.values(values))
        log_likelihood += log_reach(self.problem, latents.parameters, known)
        return log_prior, log_likelihood, predictions

    def log_density(
        self, z: Float[Array, " dim"], observed: Observed | None = None, errors: dict[str, Covariance] | None = None
    ) -> Float[Array, ""]:
        """Return the log posterior density of ``z``, up to the evidence; `errors` of ``z`` may be given if they are known."""
        log_prior, log_likelihood, _ = self._log_parts(z, observed, errors)
        return log_prior + log_likelihood

    def sample_prior(self, key: PRNGKeyArray, num_draws: int) -> Float[Array, "draw dim"]:
        """Draw from the prior, in unconstrained coordinates."""

        def one(key: PRNGKeyArray) -> Array:
            trace = handlers.trace(handlers.seed(self.problem.sample, key)).get_trace()
            return ravel_pytree({n: t.inv(trace[n]["value"]) for n, t in self._transforms.items()})[0]

        return jax.vmap(one)(jax.random.split(key, num_draws))

    def at_draws(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the map of ``function(latents, sites, common, *other)`` over draws, compiled once however many draws there are.

        It takes the draws, what they have in ``common``, whatever else has a row a draw, and optionally ``progress(done,
        total)``; it gives NumPy arrays with the draws first. ``sites`` includes deterministic ones.
        """

        def one(z: Array, common: Any, *other: Array) -> Any:
            latents, trace = self._sample(z)
            sites = {n: s["value"] for n, s in trace.items() if s["type"] in ("sample", "deterministic")}
            return function(latents, sites, common, *other)

        @partial(jax.jit, compiler_options=seldom_run())
        def batch(draws: Array, common: Any, *others: Array) -> Any:
            return jax.vmap(one, in_axes=(0, None, *(0 for _ in others)))(draws, common, *others)

        def over(
            draws: Float[Array, "draw dim"], common: Any, *others: Array, progress: Callable[[int, int], None] = silent
        ) -> Any:
            parts = []
            for first in range(0, len(draws), BATCH):
                progress(first, len(draws))
                rows = jnp.minimum(jnp.arange(first, first + BATCH), len(draws) - 1)
                found = batch(draws[rows], common, *(column[rows] for column in others))
                parts.append(jax.tree.map(np.asarray, found))
            progress(len(draws), len(draws))
            return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(draws)], *parts)

        return over


def seldom_run() -> dict[str, Any]:
    """Return the compiler's options for a program that runs some dozens of times: on a CPU, without optimising its code.

    Such a program compiles in as little as half the time, and runs a quarter to two thirds slower.
    """
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}


def silent(*_: object) -> None:
    """Show no progress."""


def to_numpy(tree: Any) -> Any:
    """Return a tree of arrays as NumPy arrays."""
    return jax.tree.map(np.asarray, tree)
