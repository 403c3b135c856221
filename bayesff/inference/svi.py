r"""Stochastic variational inference: the Gaussian nearest to the posterior, found by gradient steps.

It minimises :math:`\mathrm{KL}(q \,\|\, p)`, where the Laplace approximation takes only the curvature at the mode; for a skewed
posterior its mean is better. NumPyro's SVI runs on the calibration problem as it stands.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.infer import SVI as NumPyroSVI  # noqa: N811
from numpyro.infer import Trace_ELBO

from bayesff.inference.laplace import check_importance, deal, verdict
from bayesff.inference.method import Method
from bayesff.inference.mode import Mode, find_mode
from bayesff.inference.posterior import Progress, Sample
from bayesff.inference.target import Target, silent

NUM_CHUNKS = 20
MAX_RISE = 0.1


@dataclass(frozen=True)
class SVI(Method):
    r"""A multivariate Gaussian in unconstrained coordinates that maximises the evidence lower bound.

    The Gaussian starts at the Laplace approximation and is parametrised relative to it, so that one learning rate fits all
    directions of a narrow valley. Draws are independent. The run counts as converged if the bound has stopped rising and the
    Pareto k of the importance weights is at most 0.7. Attributes of the result: ``elbo``, the bound; ``pareto_k``,
    ``log_z_importance`` and ``log_z_importance_sd`` from the importance weights; ``approximate`` says in words what was
    approximated.

    Parameters
    ----------
    num_steps
        Gradient steps (Adam, with a learning rate that falls a hundredfold from start to end).
    num_samples
        Draws of the bound's gradient at each step.
    learning_rate
        Learning rate of the first step, in standard deviations of the Laplace approximation.
    num_draws
        Draws of each chain.
    num_chains
        Number of chains that the draws are dealt out to.

    References
    ----------
    A. Kucukelbir et al., J. Mach. Learn. Res. 18, 14 (2017)
    """

    num_steps: int = 2000
    num_samples: int = 16
    learning_rate: float = 0.02
    num_draws: int = 1000
    num_chains: int = 4

    def sample(self, target: Target, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        key_mode, key = jax.random.split(key)
        progress("mode", 0, 1)
        mode = find_mode(target, key_mode)
        progress("mode", 1, 1)
        return self.sample_from(target, mode, key, progress)

    def sample_from(self, target: Target, mode: Mode, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        """Fit the Gaussian and draw from it."""
        key_fit, key_draws = jax.random.split(key)
        gaussian, losses = self._fit(target, mode, key_fit, progress)
        draws = gaussian.sample(key_draws, (self.num_chains * self.num_draws,))
        log_density, checked = check_importance(target, draws, gaussian.log_prob(draws))
        elbo, rise, uncertainty = _trend(losses)
        reasons = mode.reasons
        if not rise + 3 * uncertainty < MAX_RISE:
            reasons.append(
                f"the evidence lower bound changed by {rise:.2g} with a standard error of {uncertainty:.2g} between the last two "
                f"tenths of the steps (must certainly be below {MAX_RISE}): take more steps"
            )
        reasons += [checked.pop("reason")] if "reason" in checked else []
        attributes = {
            "method": "SVI",
            "approximate": "Gaussian in unconstrained coordinates that maximises the evidence lower bound",
            "elbo": elbo,
            **checked,
            **verdict(reasons),
        }
        return Sample(deal(draws, self.num_chains), {"lp": deal(log_density, self.num_chains)}, attributes)

    def _fit(
        self, target: Target, mode: Mode, key: PRNGKeyArray, progress: Progress
    ) -> tuple[dist.MultivariateNormal, Float[np.ndarray, " step"]]:
        chunk = -(-self.num_steps // NUM_CHUNKS)
        rate = optax.exponential_decay(self.learning_rate, chunk * NUM_CHUNKS, 0.01)
        svi = NumPyroSVI(target.problem, gaussian_guide(target, mode), optax.adam(rate), Trace_ELBO(self.num_samples))

        @jax.jit
        def advance(state: Any) -> tuple[Any, Array]:
            return jax.lax.scan(lambda state, _: svi.update(state), state, None, length=chunk)

        state, losses = svi.init(key), []
        for index in range(NUM_CHUNKS):
            progress("variational steps", index * chunk, NUM_CHUNKS * chunk)
            state, found = advance(state)
            losses.append(np.asarray(found))
        progress("variational steps", NUM_CHUNKS * chunk, NUM_CHUNKS * chunk)
        fitted = svi.get_params(state)
        return gaussian_at(mode, fitted["shift"], fitted["stretch"]), np.concatenate(losses)


def gaussian_at(mode: Mode, shift: Float[Array, " dim"], stretch: Float[Array, "dim dim"]) -> dist.MultivariateNormal:
    """Return the Gaussian that has this mean and Cholesky factor in the coordinates that the Laplace approximation whitens."""
    lower = jnp.linalg.cholesky(mode.factor @ mode.factor.T)
    return dist.MultivariateNormal(mode.location + lower @ shift, scale_tril=lower @ stretch)


def gaussian_guide(target: Target, mode: Mode) -> Any:
    """Return a NumPyro guide for the calibration problem: a Gaussian in the coordinates of the target.

    Its parameters ``shift`` and ``stretch`` start at zero and one, which is the Laplace approximation.
    """

    def guide(*_: Any) -> None:
        shift = jnp.asarray(numpyro.param("shift", jnp.zeros(target.size)))
        triangle = dist.constraints.lower_cholesky
        stretch = jnp.asarray(numpyro.param("stretch", jnp.eye(target.size), constraint=triangle))
        gaussian = gaussian_at(mode, shift, stretch)
        z = jnp.asarray(numpyro.sample("_unconstrained", gaussian, infer={"is_auxiliary": True}))
        jacobians = target.log_jacobians(z)
        for name, value in target.constrain(z).items():
            numpyro.sample(name, dist.Delta(value, log_density=-jacobians[name], event_dim=jnp.ndim(value)))

    return guide


def _trend(losses: Float[np.ndarray, " step"]) -> tuple[float, float, float]:
    """Return the bound at the end, by how much the last tenth of the steps differs from the tenth before, and its uncertainty."""
    tenth = max(len(losses) // 10, 2)
    before, after = -losses[-2 * tenth : -tenth], -losses[-tenth:]
    uncertainty = np.sqrt(before.var(ddof=1) / tenth + after.var(ddof=1) / tenth)
    return float(after.mean()), float(abs(after.mean() - before.mean())), float(uncertainty)
