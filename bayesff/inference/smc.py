r"""Tempered sequential Monte Carlo: from the prior to the posterior through powers of the likelihood, with the evidence.

A population of particles starts in the prior :math:`\pi(z)` and follows :math:`\pi(z)\,p(y \mid z)^\lambda` from
:math:`\lambda = 0` to 1. At each temperature the particles are weighted, resampled and moved by Hamiltonian Monte Carlo
whose mass matrix is the inverse of their own covariance. The product of the mean weights is an unbiased estimate of the
evidence. Unlike a chain from the mode, a population finds several modes if the prior draws lie in the basins of all.
"""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import hmc
from blackjax.smc import ess, from_mcmc, resampling, solver
from blackjax.smc.base import SMCState
from jax.scipy.special import logsumexp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from bayesff.inference.laplace import verdict
from bayesff.inference.method import Method
from bayesff.inference.posterior import Progress, Sample
from bayesff.inference.target import Target, silent

MIN_ACCEPTANCE = 0.3
MAX_LOG_Z_SD = 0.5
TARGET_ACCEPTANCE = 0.8
MAX_REPEATS = 20
"""How often the particles are moved again at a temperature, with smaller steps, while too few moves are accepted.

The particles in two modes that lie far apart have a covariance as wide as what is between them, and steps as long.
"""

NEVER = -1e250
"""Log likelihood of a particle that the model excludes: finite, so that it times a power of zero is zero."""


class Population(NamedTuple):
    """Particles on their way from the prior to the posterior."""

    particles: Float[Array, "particle dim"]
    log_likelihood: Float[Array, " particle"]
    power: Float[Array, ""]
    log_z: Float[Array, ""]
    step_size: Float[Array, ""]
    acceptance: Float[Array, " particle"]


@dataclass(frozen=True)
class SMC(Method):
    r"""Adaptive tempered SMC in several independent populations, with blackjax's resampling and Hamiltonian moves.

    The evidence is the mean of the populations' estimates, :math:`\hat Z = \tfrac1R\sum_r \hat Z_r`, which keeps it unbiased;
    ``log_z_sd`` is the standard error of that mean, from the scatter between the populations (so it has R - 1 degrees of
    freedom), relative to it. The run counts as converged if R-hat and effective sample sizes pass between the populations, the
    standard error of log Z is below 0.5, and at every temperature 30 % of the moves were accepted at last. Attributes:
    ``log_z``, ``log_z_sd``, ``log_z_populations`` (JSON), ``num_temperatures`` and ``min_acceptance``.

    Parameters
    ----------
    num_particles
        Particles of each population; each population is one chain of the result.
    num_populations
        Independent populations, two at least.
    num_moves
        Hamiltonian trajectories at each temperature.
    num_leapfrog
        Leapfrog steps of a trajectory; its length is a quarter of a period of the particles' Gaussian at most.
    target_ess
        Fraction of effective particles that the next temperature is chosen for.
    max_temperatures
        Temperatures after which the run stops, not converged, wherever it is.

    References
    ----------
    P. Del Moral, A. Doucet, A. Jasra, J. R. Stat. Soc. B 68, 411 (2006), doi:10.1111/j.1467-9868.2006.00553.x
    """

    num_particles: int = 1000
    num_populations: int = 4
    num_moves: int = 3
    num_leapfrog: int = 4
    target_ess: float = 0.6
    max_temperatures: int = 200

    def sample(self, target: Target, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        key_start, key_steps = jax.random.split(key)
        start = jax.jit(jax.vmap(partial(self._start, target)))
        advance = jax.jit(jax.vmap(partial(self._advance, target)))
        population = start(jax.random.split(key_start, self.num_populations))
        first, acceptance, num_temperatures = 1.0, [], 0
        while num_temperatures < self.max_temperatures and float(population.power.min()) < 1:
            progress("tempering", _percent(float(population.power.min()), first), 100)
            key_temperature = jax.random.fold_in(key_steps, num_temperatures)
            accepted, repeat = 0.0, 0
            while accepted <= MIN_ACCEPTANCE and repeat <= MAX_REPEATS:
                keys = jax.random.split(jax.random.fold_in(key_temperature, repeat), self.num_populations)
                population = advance(population, keys, jnp.full(self.num_populations, repeat > 0))
                accepted, repeat = float(population.acceptance.mean(axis=1).min()), repeat + 1
            acceptance.append(accepted)
            first = float(population.power.min()) if num_temperatures == 0 else first
            num_temperatures += 1
        progress("tempering", 100, 100)
        return Sample(
            population.particles,
            {"acceptance_rate": population.acceptance, "log_likelihood": population.log_likelihood},
            {
                "method": "SMC",
                "num_temperatures": num_temperatures,
                "min_acceptance": min(acceptance),
                **_evidence(np.asarray(population.log_z)),
                **verdict(self._reasons(population, acceptance)),
            },
        )

    def _start(self, target: Target, key: PRNGKeyArray) -> Population:
        particles = target.sample_prior(key, self.num_particles)
        return Population(
            particles,
            jax.vmap(partial(_log_likelihood, target))(particles),
            power=jnp.asarray(0.0),
            log_z=jnp.asarray(0.0),
            step_size=jnp.asarray(self._longest_step),
            acceptance=jnp.zeros(self.num_particles),
        )

    @property
    def _longest_step(self) -> float:
        return 0.5 * np.pi / self.num_leapfrog

    def _advance(self, target: Target, population: Population, key: PRNGKeyArray, stay: Bool[Array, ""]) -> Population:
        """Weight, resample and move the particles of one population; where they are to ``stay``, or at the power 1, only move."""
        key_move, key_step = jax.random.split(key)
        likelihoods, power = population.log_likelihood, population.power
        gain = ess.ess_solver(lambda values: values, likelihoods, self.target_ess, 1 - power, solver.dichotomy)
        gain = jnp.where(stay, 0.0, jnp.clip(gain, 0.0, 1 - power))
        power = jnp.where(1 - power - gain < 1e-12, 1.0, power + gain)
        log_weights = gain * likelihoods
        log_mean_weight = logsumexp(log_weights) - jnp.log(self.num_particles)
        weights = jax.nn.softmax(log_weights)
        centred = population.particles - weights @ population.particles
        covariance = (centred.T * weights) @ centred
        # The sliver keeps the Cholesky factor real if the particles happen to lie in a plane.
        covariance = covariance + 1e-10 * jnp.diag(jnp.diag(covariance))

        def tempered(z: Float[Array, " dim"]) -> Float[Array, ""]:
            log_prior, log_likelihood = target.log_parts(z)
            return log_prior + power * jnp.maximum(jnp.nan_to_num(log_likelihood, nan=NEVER), NEVER)

        # Steps of different lengths, one a particle, so that no direction has a trajectory of exactly one period.
        steps = population.step_size * jax.random.uniform(key_step, (self.num_particles,), minval=0.6, maxval=1.4)
        move = from_mcmc.build_kernel(
            partial(hmc.build_kernel(), num_integration_steps=self.num_leapfrog), hmc.init, resampling.systematic
        )
        parameters = {"step_size": steps, "inverse_mass_matrix": covariance[None]}
        state, info = move(
            key_move,
            SMCState(population.particles, weights, {}),
            self.num_moves,
            parameters,
            tempered,
            lambda z: jnp.zeros(()),
        )
        acceptance = jnp.mean(info.update_info.acceptance_rate, axis=1)
        return Population(
            state.particles,
            jax.vmap(partial(_log_likelihood, target))(state.particles),
            power,
            population.log_z + log_mean_weight,
            jnp.minimum(population.step_size * jnp.exp(jnp.mean(acceptance) - TARGET_ACCEPTANCE), self._longest_step),
            acceptance,
        )

    def _reasons(self, population: Population, acceptance: list[float]) -> list[str]:
        reasons = []
        if float(population.power.min()) < 1:
            reasons.append(
                f"tempering reached the power {float(population.power.min()):.2g} of the likelihood after "
                f"{self.max_temperatures} temperatures (must reach 1)"
            )
        if not min(acceptance) > MIN_ACCEPTANCE:
            reasons.append(
                f"only {min(acceptance):.2f} of the moves at one temperature were accepted (must exceed {MIN_ACCEPTANCE})"
            )
        log_z_sd = _evidence(np.asarray(population.log_z))["log_z_sd"]
        if not log_z_sd < MAX_LOG_Z_SD:
            reasons.append(f"the standard error of log Z is {log_z_sd:.2f} (must be below {MAX_LOG_Z_SD})")
        return reasons


def _log_likelihood(target: Target, z: Float[Array, " dim"]) -> Float[Array, ""]:
    return jnp.maximum(jnp.nan_to_num(target.log_parts(z)[1], nan=NEVER), NEVER)


def _evidence(log_z: Float[np.ndarray, " population"]) -> dict[str, Any]:
    """Return the log of the mean evidence of the populations, and its standard error relative to that mean."""
    ratios = np.exp(log_z - log_z.max())
    return {
        "log_z": float(log_z.max() + np.log(ratios.mean())),
        "log_z_sd": float(ratios.std(ddof=1) / (ratios.mean() * np.sqrt(ratios.size))),
        "log_z_populations": json.dumps(log_z.tolist()),
    }


def _percent(power: float, first: float) -> int:
    """Return how far tempering is; the logarithm of the power grows evenly once the first step is taken."""
    return int(100 * np.log1p(power / first) / np.log1p(1 / first)) if power else 0
