"""The No-U-Turn sampler, started at the mode in whitened coordinates."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray
from numpyro.infer.hmc import hmc
from numpyro.infer.util import ParamInfo

from bayesff.inference.method import Method
from bayesff.inference.mode import Energies, Mode, compile_energies, find_mode, num_points
from bayesff.inference.posterior import Progress, Sample
from bayesff.inference.target import Observed, Target, silent


class Compiled(NamedTuple):
    """What is compiled for a target: the gradient at a batch of points, and the first and the next states of its chains."""

    energies: Energies
    initialise: Callable[..., Any]
    advance: Callable[..., Any]


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
        compiled = self.compile(target)
        mode = find_mode(target, key_mode, compiled.energies)
        progress("mode", 1, 1)
        return self.sample_from(target, mode, key, progress, compiled)

    def sample_from(
        self, target: Target, mode: Mode, key: PRNGKeyArray, progress: Progress = silent, compiled: Compiled | None = None
    ) -> Sample:
        """Draw from a target whose mode is known; what was ``compiled`` before may be used again."""
        compiled = self.compile(target) if compiled is None else compiled
        modes, observed = jax.tree.map(lambda leaf: leaf[None], (mode, target.observed))
        state = jax.tree.map(lambda leaf: leaf[0], self.start(compiled, modes, observed, key[None]))
        total = self.num_warmup + self.num_draws
        # All chunks have one length, so that one program serves them; what the last one draws too many is cut off.
        chunk = math.ceil(total / 30)
        kept: list[dict[str, Array]] = []
        for done in range(0, total, chunk):
            progress("sampling", done, total)
            state, drawn = compiled.advance(mode, target.observed, state, chunk)
            kept.append(jax.block_until_ready(drawn))
        progress("sampling", total, total)
        drawn = {name: jnp.concatenate([part[name] for part in kept])[self.num_warmup : total] for name in kept[0]}
        swapped = {name: jnp.swapaxes(value, 0, 1) for name, value in drawn.items()}
        attributes = {"method": "NUTS", "mode_converged": int(mode.converged)}
        return Sample(swapped.pop("z"), swapped, attributes)

    def start(self, compiled: Compiled, modes: Mode, observed: Observed, keys: Key[Array, " problem"]) -> Any:
        """Return the states (problem, chain) of all chains of each of several problems, at points drawn about the modes."""
        num_problems, size = modes.location.shape
        split = jax.vmap(jax.random.split)(keys)
        w = jax.vmap(lambda key: jax.random.normal(key, (self.num_chains, size)))(split[:, 0])
        z = jax.vmap(jax.vmap(Mode.unwhiten, in_axes=(None, 0)))(modes, w)
        # The points go in batches of the size that the mode was found with, for which the gradient is compiled.
        batch = num_points(size)
        rounds = math.ceil(self.num_chains / batch)
        filled = jnp.zeros((num_problems, rounds * batch, size)).at[:, : self.num_chains].set(z)
        found = [compiled.energies(part, observed) for part in jnp.split(filled, rounds, axis=1)]
        value, gradient = (jnp.concatenate(part, axis=1)[:, : self.num_chains] for part in zip(*found, strict=True))
        slope = jnp.einsum("pji,pcj->pci", modes.factor, gradient)
        chains = jax.vmap(compiled.initialise, in_axes=(None, None, 0, 0, 0, 0))
        chain_keys = jax.vmap(lambda key: jax.random.split(key, self.num_chains))(split[:, 1])
        return jax.jit(jax.vmap(chains))(modes, observed, w, value, slope, chain_keys)

    def compile(self, target: Target) -> Compiled:
        """Return the functions of a target that are traced and compiled once, when they are first called."""
        initialise, step = self.kernel(target)

        def advance(mode: Mode, observed: Observed, state: Any, num_steps: int) -> tuple[Any, dict[str, Array]]:
            def body(state: Any, _: None) -> tuple[Any, dict[str, Array]]:
                return jax.vmap(step, in_axes=(None, None, 0))(mode, observed, state)

            return jax.lax.scan(body, state, None, length=num_steps)

        return Compiled(compile_energies(target), initialise, jax.jit(advance, static_argnums=3))

    def kernel(self, target: Target) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the functions that initialise and advance one chain, to be batched by the caller.

        ``initialise(mode, observed, w, value, slope, key)`` takes a whitened point with the energy and its slope there and gives
        a state; ``step(mode, observed, state)`` gives the next one and what was drawn. The first has to be called first.
        """

        def energy(mode: Mode, observed: Observed) -> Callable[[Array], Array]:
            return lambda w: -target.log_density(mode.unwhiten(w), observed)

        prepare, proceed = hmc(potential_fn_gen=energy, algo="NUTS")

        def initialise(
            mode: Mode, observed: Observed, w: Float[Array, " dim"], value: Array, slope: Float[Array, " dim"], key: PRNGKeyArray
        ) -> Any:
            return prepare(
                ParamInfo(w, value, slope),
                self.num_warmup,
                dense_mass=True,
                target_accept_prob=self.target_accept_prob,
                max_tree_depth=self.max_tree_depth,
                model_args=(mode, observed),
                rng_key=key,
            )

        def step(mode: Mode, observed: Observed, state: Any) -> tuple[Any, dict[str, Array]]:
            state = proceed(state, (mode, observed))
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

        return initialise, step
