"""Effective samples per second: NUTS from the whitened mode against emcee with scipy.quad, on one posterior.

Argon's second virial with a Mie potential: 25 temperatures, 4 parameters, the same data, priors and machine, one after the other.

    python benchmarks/sampling.py
"""

import math
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import emcee
import jax
import numpy as np
import numpyro.distributions as dist
from arviz_stats.base.array import array_stats
from scipy.integrate import quad

from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.datasets import DataSet, Environment, Source
from bayesff.inference import NUTS, Target, find_mode
from bayesff.observables import SecondVirial
from bayesff.potentials import Mie, TangToennies
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

TEMPERATURE = np.geomspace(100.0, 700.0, 25)
UNCERTAINTY = 1.5
NAMES = ("attractive", "epsilon", "repulsive", "sigma")


def make_data() -> DataSet:
    """Return second virials of the ab initio argon potential with noise of the size of older experiments."""
    truth = np.asarray(
        SecondVirial(quantum_order=2, molar_mass=39.948).predict(TangToennies.argon(), {"temperature": TEMPERATURE}).mean
    )
    return DataSet(
        name="argon_25",
        observable="second_virial",
        substance="argon",
        environment=Environment("gas", "gas"),
        source=Source("ab initio potential of Jaeger et al. 2009 with noise"),
        state={"temperature": TEMPERATURE},
        values=truth + np.random.default_rng(7).normal(0.0, UNCERTAINTY, 25),
        uncertainty=np.full(25, UNCERTAINTY),
    )


def make_problem(data: DataSet) -> CalibrationProblem:
    """Return the calibration problem: normal priors, written out again in `log_density`."""
    priors = {
        "epsilon": Prior(dist.LogNormal(math.log(130.0), 0.2), "K"),
        "sigma": Prior(dist.LogNormal(math.log(3.4), 0.05), "angstrom"),
        "repulsive": Prior(dist.LogNormal(math.log(13.0), 0.2)),
        "attractive": Prior(dist.LogNormal(math.log(6.0), 0.05)),
    }
    return CalibrationProblem(Mie, priors, [Term(data, SecondVirial())])


def second_virial(epsilon: float, sigma: float, n: float, m: float, temperature: float) -> float:
    """Return the second virial of a Mie potential [cm^3/mol] by adaptive quadrature."""
    prefactor = n / (n - m) * (n / m) ** (m / (n - m)) * epsilon / temperature

    def integrand(r: float) -> float:
        return (math.exp(-min(prefactor * ((sigma / r) ** n - (sigma / r) ** m), 700.0)) - 1) * r * r

    inner = quad(integrand, 0.3 * sigma, 2 * sigma, limit=100)[0] + quad(integrand, 2 * sigma, np.inf, limit=100)[0]
    return -2 * math.pi * CUBIC_ANGSTROM_PER_MOLE * (inner - (0.3 * sigma) ** 3 / 3)


def log_density(log_parameters: np.ndarray, values: np.ndarray) -> float:
    """Return the same log posterior in the logarithms of the parameters, as an emcee user would write it."""
    m, epsilon, n, sigma = np.exp(log_parameters)
    centre, width = np.log([6.0, 130.0, 13.0, 3.4]), np.array([0.05, 0.2, 0.2, 0.05])
    log_prior = -0.5 * np.sum(((log_parameters - centre) / width) ** 2)
    if n <= m or m <= 3:
        return -np.inf
    predicted = np.array([second_virial(epsilon, sigma, n, m, temperature) for temperature in TEMPERATURE])
    return log_prior - 0.5 * np.sum(((values - predicted) / UNCERTAINTY) ** 2)


def slowest(draws: np.ndarray) -> float:
    """Return the smallest bulk effective sample size of draws (chain, draw, parameter)."""
    return min(float(array_stats.ess(draws[..., i], chain_axis=0, draw_axis=1, method="bulk")) for i in range(draws.shape[-1]))


def run_emcee(problem: CalibrationProblem, num_steps: int = 1000) -> tuple[float, float]:
    """Return effective samples and seconds of emcee with 16 walkers, started at the mode with its width."""
    values = problem.terms["second_virial"].values
    target = Target(problem)
    mode = find_mode(target, jax.random.key(0))
    start = np.asarray(mode.location) + np.random.default_rng(1).normal(size=(16, 4)) @ np.asarray(mode.factor).T
    start[:, 1] -= np.log(GAS_CONSTANT)
    began = time.perf_counter()
    sampler = emcee.EnsembleSampler(16, 4, log_density, args=(values,))
    sampler.run_mcmc(start, num_steps)
    seconds = time.perf_counter() - began
    chain = sampler.get_chain(discard=num_steps // 10)
    time_scale = float(np.max(emcee.autocorr.integrated_time(chain, quiet=True)))
    return chain.shape[0] * 16 / time_scale, seconds


def run_nuts(problem: CalibrationProblem, num_draws: int = 4000) -> tuple[float, float, float]:
    """Return effective samples, seconds with compilation and seconds of a second run without it."""
    method = NUTS(num_warmup=300, num_draws=num_draws, num_chains=4)
    target, seconds = Target(problem), []
    for _ in range(2):
        began = time.perf_counter()
        if not seconds:
            compiled = method.compile(target)
        mode = find_mode(target, jax.random.key(1), compiled.energies)
        sample = jax.block_until_ready(method.sample_from(target, mode, jax.random.key(2), compiled=compiled))
        seconds.append(time.perf_counter() - began)
    return slowest(np.asarray(sample.draws)), seconds[0], seconds[1]


def main() -> None:
    """Run both on one posterior and print the ratios."""
    problem = make_problem(make_data())
    effective_nuts, with_compilation, without = run_nuts(problem)
    effective_emcee, seconds_emcee = run_emcee(problem)
    peer = effective_emcee / seconds_emcee
    counts = f"({effective_emcee:.0f} in {seconds_emcee:.1f} s)"
    print(f"emcee, 16 walkers, scipy.quad      {peer:10.1f} effective samples/s {counts}")
    for label, seconds in (("with compilation", with_compilation), ("compiled", without)):
        rate = effective_nuts / seconds
        counts = f"({effective_nuts:.0f} in {seconds:.1f} s)"
        print(f"bayesff NUTS, {label:20s} {rate:10.1f} effective samples/s {counts}, {rate / peer:.0f} x")


if __name__ == "__main__":
    main()
