"""Time thousands of posteriors of butane's torsion, each from its own draw of the data, in one vectorised call.

    python benchmarks/butane_posteriors.py [NUMBER]

The data are those of the gas in the study butane_torsion (populations and profile), made from parameters drawn from the prior.
Two methods: modes with their Laplace approximation, and NUTS from the modes, one chain of 100 draws each. What it prints: the
time of the whole call, compilation included, and whether the posteriors are what they should be: the share of true parameters in
their 90 % intervals.
"""

import sys
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from bayesff.inference import NUTS, Target  # noqa: E402
from bayesff.inference.mode import find_modes  # noqa: E402
from bayesff.study import load  # noqa: E402


def main(number: int) -> None:
    """Time and check that many posteriors."""
    target, key, random = Target(load("butane_torsion").problems["gas"]), jax.random.key(1), np.random.default_rng(1)
    true = target.sample_prior(key, number)
    means = jax.jit(jax.vmap(lambda z: {k: p.mean for k, p in target.problem.predictions(target.latents(z)).items()}))(true)
    spread = {name: term.uncertainty for name, term in target.problem.terms.items()}
    observed = {k: jnp.asarray(np.asarray(mean) + spread[k] * random.normal(size=mean.shape)) for k, mean in means.items()}

    def say(method: str, start: float, inside: np.ndarray) -> None:
        shares = ", ".join(f"{name} {share:.3f}" for name, share in zip(target.scalar_names(), inside.mean(axis=0), strict=True))
        print(
            f"{number} posteriors by {method}: {time.perf_counter() - start:.1f} s; true parameters in 90 %: {shares}", flush=True
        )

    with threadpool_limits(limits=1, user_api="blas"):
        start = time.perf_counter()
        modes = find_modes(target, key, observed)
        width = np.linalg.norm(np.asarray(modes.factor), axis=-1)
        say("Laplace", start, np.abs(np.asarray(true - modes.location)) < 1.6449 * width)
        start = time.perf_counter()
        sampler = NUTS(num_warmup=100, num_draws=100, num_chains=1, max_tree_depth=4)
        low, high = np.quantile(np.asarray(sampler.draw_several(target, observed, key)[0])[:, 0], [0.05, 0.95], axis=1)
        say("NUTS", start, (low <= np.asarray(true)) & (np.asarray(true) <= high))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
