"""Time posteriors that are evaluated side by side, by processes that use all processors and by processes that keep to one each.

A process evaluates the posterior of the Mie potential in the study ``argon``, value and gradient, for four chains at once. The
figures are milliseconds a step, the median of five rounds of a hundred steps, of one process alone and of one process for every
processor.

    python benchmarks/processors.py
"""

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from bayesff import processors

NUM_CHAINS, NUM_STEPS, NUM_ROUNDS = 4, 100, 5


def milliseconds_a_step(together) -> float:
    """Return how long a step takes in this process, when the others have compiled as well."""
    os.environ |= {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    import jax
    import jax.numpy as jnp

    from bayesff import study
    from bayesff.inference.target import Target

    target = Target(study.load("argon").problems["mie"])

    @jax.jit
    def steps(points):
        def body(points, _):
            values, slopes = jax.vmap(jax.value_and_grad(lambda z: -target.log_density(z)))(points)
            return points - 1e-9 * slopes, values

        return jax.lax.scan(body, points, None, length=NUM_STEPS)

    middle = jnp.median(target.sample_prior(jax.random.key(0), 200), axis=0)
    points = middle + 1e-3 * jax.random.normal(jax.random.key(1), (NUM_CHAINS, target.size))
    jax.block_until_ready(steps(points))
    together.wait()
    times = []
    for _ in range(NUM_ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(steps(points))
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times)) / NUM_STEPS


def measured(number: int, alone: bool) -> str:
    """Return in words how long a step takes in every one of so many processes."""
    spawn = multiprocessing.get_context("spawn")
    keep = {"initializer": processors.keep_to_one, "initargs": (processors.turns(spawn),)} if alone else {}
    with multiprocessing.Manager() as manager, ProcessPoolExecutor(number, spawn, **keep) as pool:
        together = manager.Barrier(number)
        found = list(pool.map(milliseconds_a_step, [together] * number))
    return ", ".join(f"{one:.1f}" for one in found)


def main() -> None:
    """Print one line for each way to run."""
    number = len(processors.available())
    if number < 2:
        sys.exit("benchmarks/processors.py: at least two processors are needed, found one: run it on a machine with more")
    for processes in (1, number):
        for alone in (False, True):
            way = "keeps to one processor" if alone else "uses every processor"
            print(f"{processes} at once, each {way}: {measured(processes, alone)} ms a step", flush=True)


if __name__ == "__main__":
    main()
