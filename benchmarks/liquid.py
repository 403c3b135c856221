"""Time the likelihood of liquid argon's structure factor, energy and pressure, with 12,000 frames of reference simulations.

Run ``OMP_NUM_THREADS=1 python benchmarks/liquid.py FOLDER``; six simulations are kept in the folder and found there by the next
run. The figures are median and least times of one call, in milliseconds, with all modes of the pair statistics and with those
that a run keeps.
"""

import sys
import time
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from bayesff import study
from bayesff.calibration.reach import liquids_of, reduced, with_liquids
from bayesff.ensembles import EnsembleStore
from bayesff.inference.target import Target
from bayesff.potentials import LennardJones

PLACES = [(0.975, 3.388), (0.985, 3.388), (0.995, 3.388), (0.975, 3.394), (0.985, 3.394), (0.995, 3.394)]
"""Depth [kJ/mol] and diameter [angstrom] of the reference potentials, about the posterior's mode."""


def _times(function, place, num_calls=200):
    start = time.perf_counter()
    jax.block_until_ready(function(place))
    compiled, times = time.perf_counter() - start, []
    for _ in range(num_calls):
        start = time.perf_counter()
        jax.block_until_ready(function(place))
        times.append(time.perf_counter() - start)
    return 1e3 * np.median(times), 1e3 * np.min(times), compiled


def main(folder):
    """Print two lines for each set of modes."""
    problem = study.load("argon_liquid").problems["lennard_jones"]
    (liquid,), store = liquids_of(problem), EnsembleStore(folder)
    simulations = [
        liquid.simulation(LennardJones(*place), 85.0, 0.02125, seed=zlib.crc32(repr(place).encode()) % 2**31) for place in PLACES
    ]
    known = with_liquids(problem, [liquid.with_ensembles([store.get(one) for one in simulations])])
    draws = [{"epsilon": jnp.asarray(epsilon), "sigma": jnp.asarray(sigma)} for epsilon, sigma in PLACES]
    near = jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws)
    for name, one in (("all modes", known), ("modes that a run keeps", reduced(known, near))):
        frames, modes = liquids_of(one)[0].references[0].modes.shape
        target = Target(one)
        place = jnp.median(target.sample_prior(jax.random.key(0), 200), axis=0)
        for kind, function in (("value", target.log_density), ("value and gradient", jax.value_and_grad(target.log_density))):
            median, least, compiled = _times(jax.jit(function), place)
            print(f"{name} ({modes}), {frames} frames: {kind} {median:.2f} ms (least {least:.2f}), compiled in {compiled:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1])
