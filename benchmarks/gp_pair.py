"""Time a second-virial likelihood, value and gradient at 25 temperatures: a Gaussian-process pair potential against Mie.

Both are timed in turns in one process, because other programs slow a processor down by as much as they differ. Run it on one
core: ``taskset -c 0 python benchmarks/gp_pair.py``.
"""

import jax
import jax.numpy as jnp
import numpy as np
from second_virial import microseconds

from bayesff.observables import SecondVirial
from bayesff.potentials import GaussianProcessPair, LennardJones, Mie, PairPotential

NUM_WEIGHTS = 10


def process(weights: jax.Array) -> PairPotential:
    """Return the process about a Lennard-Jones potential that is fixed."""
    mean = LennardJones(epsilon=1.0, sigma=3.4)
    return GaussianProcessPair(mean, weights, strength=0.3, length=3.4, correlation=0.16, inner=2.7, cutoff=12.0)


def process_and_mean(parameters: jax.Array) -> PairPotential:
    """Return the process about a Lennard-Jones potential that is inferred too."""
    mean = LennardJones(epsilon=parameters[0], sigma=parameters[1])
    return GaussianProcessPair(mean, parameters[2:], strength=0.3, length=3.4, correlation=0.16, inner=2.7, cutoff=12.0)


def log_likelihood(potential: PairPotential) -> jax.Array:
    """Gaussian log likelihood of 25 second virials, with the numerical variance added to that of the measurement."""
    observed = jnp.linspace(-180.0, 20.0, 25)
    prediction = SecondVirial().predict(potential, {"temperature": jnp.linspace(100.0, 700.0, 25)})
    variance = prediction.covariance.variance + 1.5**2
    return -0.5 * jnp.sum((observed - prediction.mean) ** 2 / variance + jnp.log(variance))


def main() -> None:
    """Print least times of a call in microseconds, and the ratios to Mie."""
    jax.config.update("jax_enable_x64", True)
    weights = jnp.asarray(0.3 * np.random.default_rng(1).standard_normal(NUM_WEIGHTS))
    forms = {
        "Mie": (lambda parameters: Mie(*parameters), jnp.array([1.0, 3.4, 12.0, 6.0])),
        "process": (process, weights),
        "process and mean": (process_and_mean, jnp.concatenate([jnp.array([1.0, 3.4]), weights])),
    }
    functions = {
        (name, kind): (jax.jit(change(lambda parameters, make=make: log_likelihood(make(parameters)))), parameters)
        for name, (make, parameters) in forms.items()
        for kind, change in {"value": lambda f: f, "value and gradient": jax.value_and_grad}.items()
    }
    least = dict.fromkeys(functions, np.inf)
    for _ in range(10):
        for name, (function, parameters) in functions.items():
            least[name] = min(least[name], microseconds(function, parameters, num_repeats=5, num_calls=40)[0])
    for (name, kind), time in least.items():
        print(f"{name:17s} {kind:19s} {time:7.1f} us, {time / least['Mie', kind]:.2f} of Mie")


if __name__ == "__main__":
    main()
