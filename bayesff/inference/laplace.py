r"""The Laplace approximation, and the check by importance weights of any approximation that has a density.

An approximation :math:`q(z)` of a posterior can be questioned without a sampler: draw from it and look at the weights
:math:`w = \pi(z)\,p(y \mid z)/q(z)`. Their mean is an unbiased estimate of the evidence, and the shape ``k`` of the generalised
Pareto distribution that fits their upper tail says whether that mean, and with it the approximation, can be relied on.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from bayesff.inference.method import Method
from bayesff.inference.mode import Mode, find_mode
from bayesff.inference.posterior import Progress, Sample
from bayesff.inference.target import Target, silent

MAX_PARETO_K = 0.7


@dataclass(frozen=True)
class Laplace(Method):
    r"""A Gaussian at the mode, in unconstrained coordinates.

    The evidence is :math:`\log Z = \log p(y, \hat z) + \tfrac d2\log 2\pi - \tfrac12\log\det H` with the normalised prior
    density of the unconstrained coordinates in :math:`p(y, z)`, so that it compares with the evidence of other methods and
    models. Valid where the posterior is Gaussian within a few standard deviations; the attribute ``pareto_k`` tests that, and
    above 0.7 the run counts as not converged. Draws are independent. Attributes of the result: ``log_z``; ``pareto_k``,
    ``log_z_importance`` and ``log_z_importance_sd`` from the importance weights; ``approximate`` says in words what was
    approximated.

    Parameters
    ----------
    num_draws
        Draws of each chain.
    num_chains
        Number of chains that the draws are dealt out to, so that the result has the form of a sampler's.

    References
    ----------
    L. Tierney, J. B. Kadane, J. Am. Stat. Assoc. 81, 82 (1986), doi:10.1080/01621459.1986.10478240
    """

    num_draws: int = 1000
    num_chains: int = 4

    def sample(self, target: Target, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        key_mode, key = jax.random.split(key)
        progress("mode", 0, 1)
        mode = find_mode(target, key_mode)
        progress("mode", 1, 1)
        return self.sample_from(target, mode, key)

    def sample_from(self, target: Target, mode: Mode, key: PRNGKeyArray) -> Sample:
        """Draw from the Gaussian at a mode that is known."""
        w = jax.random.normal(key, (self.num_chains * self.num_draws, target.size))
        draws = jax.vmap(mode.unwhiten)(w)
        log_det = jnp.linalg.slogdet(mode.factor)[1]
        log_z = mode.log_density + 0.5 * target.size * jnp.log(2 * jnp.pi) + log_det
        log_proposal = -0.5 * jnp.sum(w**2, axis=1) - 0.5 * target.size * jnp.log(2 * jnp.pi) - log_det
        log_density, checked = check_importance(target, draws, log_proposal)
        reasons = mode.reasons
        reasons += [checked.pop("reason")] if "reason" in checked else []
        attributes = {
            "method": "Laplace",
            "approximate": "Gaussian at the mode in unconstrained coordinates; log_z is its Laplace approximation",
            "log_z": float(log_z),
            **checked,
            **verdict(reasons),
        }
        return Sample(deal(draws, self.num_chains), {"lp": deal(log_density, self.num_chains)}, attributes)


def verdict(reasons: list[str]) -> dict[str, Any]:
    """Return the attributes by which a method says whether it converged, and if not, why."""
    return {"converged": int(not reasons)} | ({"reason": "; ".join(reasons)} if reasons else {})


def deal(draws: Float[Array, "total ..."], num_chains: int) -> Float[Array, "chain draw ..."]:
    """Return independent draws dealt out to chains."""
    return draws.reshape(num_chains, -1, *draws.shape[1:])


def check_importance(
    target: Target, draws: Float[Array, "total dim"], log_proposal: Float[Array, " total"]
) -> tuple[Float[Array, " total"], dict[str, Any]]:
    """Question an approximate posterior by the importance weights of its own draws.

    Parameters
    ----------
    target
        The posterior.
    draws
        Independent draws from the approximation, in unconstrained coordinates.
    log_proposal
        Its log density there.

    Returns
    -------
    log_density : jax.Array
        Log posterior density (with the evidence) at the draws.
    found : dict
        ``pareto_k``, ``log_z_importance`` with its standard error ``log_z_importance_sd``, and a ``reason`` where k exceeds 0.7.

    References
    ----------
    Y. Yao, A. Vehtari, D. Simpson, A. Gelman, Proc. Mach. Learn. Res. 80, 5581 (2018);
    A. Vehtari et al., J. Mach. Learn. Res. 25, 72 (2024)
    """
    log_density = jax.jit(lambda draws: jax.lax.map(target.log_density, draws, batch_size=64))(draws)
    # A draw where the model has no finite density has the weight zero: the approximation is too wide there, not too narrow.
    log_weights = np.nan_to_num(np.asarray(log_density - log_proposal), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    k = pareto_k(log_weights)
    largest = log_weights.max()
    weights = np.exp(log_weights - largest) if np.isfinite(largest) else np.zeros_like(log_weights)
    mean = weights.mean() if weights.any() else np.nan
    found: dict[str, Any] = {
        "pareto_k": k,
        "log_z_importance": float(largest + np.log(mean)),
        "log_z_importance_sd": float(weights.std(ddof=1) / (mean * np.sqrt(weights.size))),
    }
    if not k <= MAX_PARETO_K:
        found["reason"] = (
            f"the Pareto k of the importance weights is {k:.2f} (must not exceed {MAX_PARETO_K}): the posterior is not close "
            "to the approximation, sample it with NUTS or SMC"
        )
    return log_density, found


def pareto_k(log_weights: Float[np.ndarray, " total"]) -> float:
    """Return the Pareto shape of the upper tail of importance weights; infinite where it cannot be fitted."""
    from arviz_stats.base.array import array_stats

    largest = log_weights.max()
    if not np.isfinite(largest) or log_weights.size < 25:
        return np.inf
    if largest == log_weights.min():
        return -np.inf  # equal weights, to the last digit, have no tail
    # psislw takes log likelihoods of data left out, whose negatives are the log weights.
    return float(array_stats.psislw(-np.maximum(log_weights, largest - 700.0))[1])
