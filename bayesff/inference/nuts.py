"""The No-U-Turn sampler, started at the mode in whitened coordinates."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.infer.hmc import hmc

from bayesff.inference.method import Method
from bayesff.inference.mode import Mode, find_mode
from bayesff.inference.posterior import Progress, Sample, silent
from bayesff.inference.target import Observed, Target

Chains = tuple[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True)
class NUTS(Method):
    """NUTS (NumPyro's) in coordinates whitened by the Laplace approximation at the mode.

    Parameters
    ----------
    num_warmup
        Steps of each chain in which the step size and the mass matrix adapt; they are discarded.
    num_draws
        Draws of each chain.
    num_chains
        Number of chains; they run side by side in one vectorised computation, from points drawn about the mode.
    target_accept_prob
        Acceptance probability that the step size is adapted to.
    max_tree_depth
        Doublings of a trajectory at most.

    References
    ----------
    M. D. Hoffman, A. Gelman, J. Mach. Learn. Res. 15, 1593 (2014).
    """

    num_warmup: int = 500
    num_draws: int = 1000
    num_chains: int = 4
    target_accept_prob: float = 0.85
    max_tree_depth: int = 10

    def sample(self, target: Target, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        key_mode, key = jax.random.split(key)
        progress("mode", 0, 1)
        mode = jax.block_until_ready(jax.jit(lambda key: find_mode(target, key))(key_mode))
        progress("mode", 1, 1)
        return self.sample_from(target, mode, key, progress)

    def sample_from(
        self, target: Target, mode: Mode, key: PRNGKeyArray, progress: Progress = silent, chains: Chains | None = None
    ) -> Sample:
        """Draw from a target whose mode is known; ``chains`` compiled before may be used again."""
        start, advance = self.compile(target) if chains is None else chains
        key_start, key_chains = jax.random.split(key)
        w = jax.random.normal(key_start, (self.num_chains, target.size))
        state = start(mode, target.observed, w, jax.random.split(key_chains, self.num_chains))
        total = self.num_warmup + self.num_draws
        # All chunks have one length, so that one program serves them; what the last one draws too many is cut off.
        chunk = math.ceil(total / 30)
        kept: list[dict[str, Array]] = []
        for done in range(0, total, chunk):
            progress("sampling", done, total)
            state, drawn = advance(mode, target.observed, state, chunk)
            kept.append(jax.block_until_ready(drawn))
        progress("sampling", total, total)
        drawn = {name: jnp.concatenate([part[name] for part in kept])[self.num_warmup : total] for name in kept[0]}
        swapped = {name: jnp.swapaxes(value, 0, 1) for name, value in drawn.items()}
        attributes = {"method": "NUTS", "mode_converged": int(mode.converged)}
        return Sample(swapped.pop("z"), swapped, attributes)

    def compile(self, target: Target) -> Chains:
        """Return jitted functions that start all chains and advance them by a number of steps."""
        start, step = self.kernel(target)

        def advance(mode: Mode, observed: Observed, state: Any, num_steps: int) -> tuple[Any, dict[str, Array]]:
            def body(state: Any, _: None) -> tuple[Any, dict[str, Array]]:
                return jax.vmap(step, in_axes=(None, None, 0))(mode, observed, state)

            return jax.lax.scan(body, state, None, length=num_steps)

        return jax.jit(jax.vmap(start, in_axes=(None, None, 0, 0))), jax.jit(advance, static_argnums=3)

    def kernel(self, target: Target) -> Chains:
        """Return the functions that start and advance one chain, to be batched by the caller.

        ``start(mode, observed, w, key)`` gives a state, ``step(mode, observed, state)`` the next one and what was drawn.
        """

        def energy(mode: Mode, observed: Observed) -> Callable[[Array], Array]:
            return lambda w: -target.log_density(mode.unwhiten(w), observed)

        initialise, advance = hmc(potential_fn_gen=energy, algo="NUTS")

        def start(mode: Mode, observed: Observed, w: Float[Array, " dim"], key: PRNGKeyArray) -> Any:
            return initialise(
                w,
                self.num_warmup,
                dense_mass=True,
                target_accept_prob=self.target_accept_prob,
                max_tree_depth=self.max_tree_depth,
                model_args=(mode, observed),
                rng_key=key,
            )

        def step(mode: Mode, observed: Observed, state: Any) -> tuple[Any, dict[str, Array]]:
            state = advance(state, (mode, observed))
            drawn = {
                "z": mode.unwhiten(state.z),
                "diverging": state.diverging,
                "energy": state.energy,
                "n_steps": state.num_steps,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
                "lp": -state.potential_energy,
            }
            return state, drawn

        return start, step
