"""Time the dilute viscosity, value and gradient, at 14 temperatures, for several resolutions.

Run on one core: ``JAX_ENABLE_X64=1 taskset -c 0 python benchmarks/viscosity.py``. A line gives the median times of a call
in microseconds, and the largest relative error, true (against resolution 60) and as reported.
"""

import os
import time

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np

from bayesff.observables import DiluteViscosity
from bayesff.potentials import LennardJones, Mie, TangToennies

TEMPERATURE = jnp.linspace(120.0, 1000.0, 14)
POTENTIALS = {
    "LennardJones": (LennardJones(epsilon=1.0, sigma=3.4), (16, 24, 36)),
    "Mie": (Mie(epsilon=1.0, sigma=3.4, repulsive=13.0, attractive=6.0), (16, 24, 36)),
    "TangToennies": (TangToennies.argon(), (24,)),
}


def _median(function, *arguments, num_calls=300):
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(num_calls):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    return 1e6 * np.median(times), 1e6 * np.min(times)


@jax.jit
def _predict(observable, potential):
    prediction = observable.predict(potential, {"temperature": TEMPERATURE})
    return prediction.mean, jnp.sqrt(prediction.covariance.variance)


@jax.jit
def _gradient(observable, potential):
    return jax.value_and_grad(lambda p: jnp.sum(_predict(observable, p)[0]) + jnp.sum(_predict(observable, p)[1]))(potential)


def main():
    """Print one line a potential and resolution."""
    for name, (potential, resolutions) in POTENTIALS.items():
        best, _ = _predict(DiluteViscosity(39.948, resolution=60), potential)
        for resolution in resolutions:
            observable = DiluteViscosity(39.948, resolution=resolution)
            mean, error = _predict(observable, potential)
            true, reported = np.max(np.abs(mean / best - 1)), np.max(error / mean)
            value, fastest = _median(_predict, observable, potential)
            both, both_fastest = _median(_gradient, observable, potential)
            print(
                f"{name:13} resolution {resolution:2}: value {value:5.0f} us (fastest {fastest:.0f}), value and gradient "
                f"{both:5.0f} us (fastest {both_fastest:.0f}), error {true:.0e}, reported {reported:.0e}"
            )


if __name__ == "__main__":
    main()
