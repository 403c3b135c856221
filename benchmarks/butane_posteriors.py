"""Time thousands of posteriors of butane's torsion, each from its own draw of the data, in one vectorised call.

    python benchmarks/butane_posteriors.py [NUMBER]

The data are those of the gas in the study butane_torsion (populations and profile); the sampler is NUTS from the mode of each
data set, one chain each, as in simulation-based calibration. What it prints: the time of the whole call with and without
compilation, and whether the posteriors are what they should be: the share of true parameters in their 90 % intervals, and R-hat
of the two halves of the chains.
"""

import sys
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from bayesff.inference import NUTS, Target  # noqa: E402
from bayesff.study import load  # noqa: E402


def main(number: int) -> None:
    """Time and check that many posteriors."""
    study = load("butane_torsion")
    target = Target(study.problems["gas"])
    terms, key = study.problems["gas"].terms, jax.random.key(1)
    random = np.random.default_rng(1)
    drawn = target.sample_prior(key, number)
    means = jax.jit(jax.vmap(lambda z: {k: p.mean for k, p in target.problem.predictions(target.latents(z)).items()}))(drawn)
    observed = {
        k: jnp.asarray(np.asarray(mean) + terms[k].uncertainty * random.normal(size=mean.shape)) for k, mean in means.items()
    }
    sampler = NUTS(num_warmup=100, num_draws=100, num_chains=1, max_tree_depth=4)
    with threadpool_limits(limits=1, user_api="blas"):
        for words in ("with compilation", "compiled"):
            start = time.perf_counter()
            draws = np.asarray(jax.block_until_ready(sampler.draw_several(target, observed, key)))[:, 0]
            print(f"{number} posteriors, {words}: {time.perf_counter() - start:.1f} s")
    low, high = np.quantile(draws, [0.05, 0.95], axis=1)
    inside = ((low <= np.asarray(drawn)) & (np.asarray(drawn) <= high)).mean(axis=0)
    halves = draws.reshape(number, 2, -1, draws.shape[-1])
    within, between = halves.var(axis=2, ddof=1).mean(axis=1), halves.mean(axis=2).var(axis=1, ddof=1)
    rhat = np.sqrt((halves.shape[2] - 1) / halves.shape[2] + between / within)
    print("true parameters inside 90 % intervals:", dict(zip(target.scalar_names(), inside.round(3).tolist(), strict=True)))
    print("R-hat of halves, median and 99 %:", np.quantile(rhat, [0.5, 0.99]).round(3).tolist())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
