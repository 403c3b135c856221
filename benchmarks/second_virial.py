"""Time the value and the gradient of a second-virial likelihood: Mie potential, 25 temperatures, 4 parameters.

Run it on one core: ``taskset -c 0 python benchmarks/second_virial.py``.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesff.observables import SecondVirial
from bayesff.potentials import Mie

PARAMETERS = (1.0, 3.4, 12.0, 6.0)


def log_likelihood(parameters: jax.Array) -> jax.Array:
    """Gaussian log likelihood of 25 second virials, with the numerical variance added to that of the measurement."""
    temperature = jnp.linspace(100.0, 700.0, 25)
    observed = jnp.linspace(-180.0, 20.0, 25)
    prediction = SecondVirial().predict(Mie(*parameters), {"temperature": temperature})
    variance = prediction.covariance.variance + 1.5**2
    return -0.5 * jnp.sum((observed - prediction.mean) ** 2 / variance + jnp.log(variance))


def microseconds(
    function: Callable[[Any], Any], argument: Any, *, num_repeats: int = 30, num_calls: int = 100
) -> tuple[float, float]:
    """Return the least and the median time of one call, dispatch included, over repeats of many calls."""
    jax.block_until_ready(function(argument))
    times = []
    for _ in range(num_repeats):
        start = time.perf_counter()
        for _ in range(num_calls):
            jax.block_until_ready(function(argument))
        times.append((time.perf_counter() - start) / num_calls * 1e6)
    return float(np.min(times)), float(np.median(times))


def value_and_gradient_times() -> dict[str, tuple[float, float]]:
    """Return least and median microseconds of an empty call, the likelihood, and the likelihood with its gradient."""
    parameters = jnp.array(PARAMETERS)
    functions = {
        "empty call": jax.jit(lambda x: x[0]),
        "value": jax.jit(log_likelihood),
        "value and gradient": jax.jit(jax.value_and_grad(log_likelihood)),
    }
    return {name: microseconds(function, parameters) for name, function in functions.items()}


def main() -> None:
    """Print the times and the ratio of the least ones."""
    jax.config.update("jax_enable_x64", True)
    times = value_and_gradient_times()
    for name, (least, median) in times.items():
        print(f"{name:20s} {least:7.1f} us least {median:7.1f} us median")
    print(f"value and gradient / value {times['value and gradient'][0] / times['value'][0]:.2f}")


if __name__ == "__main__":
    main()
