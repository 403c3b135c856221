r"""Reference simulations of the Mie fluid over its reduced states, and what each says of the Helmholtz energy.

In units of its depth and its diameter a Mie fluid is the same at every state with the same :math:`\epsilon/k_B T`,
:math:`\rho\sigma^3` and exponents. The residual Helmholtz energy per particle :math:`f = A_\mathrm{res}/N k_B T` is a function
of these, and its derivatives are averages over a simulation:

.. math:: \frac{\partial f}{\partial \ln\epsilon} = \frac{\langle U\rangle}{N k_B T}, \qquad
          \frac{\partial f}{\partial \ln\rho} = \frac{p}{\rho k_B T} - 1, \qquad
          \frac{\partial f}{\partial n} = \frac{1}{N k_B T}\Big\langle\frac{\partial U}{\partial n}\Big\rangle.

The potential is that without a cutoff: pairs up to three diameters are simulated and the rest are spread evenly, so that no
frame has more of it than another.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.ensembles.pair_fluid import PairFluid
from bayesff.ensembles.references import PairEnsemble
from bayesff.ensembles.simulation import Simulation
from bayesff.potentials import Mie, PlainCut
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

ATTRACTIVE = 6.0
"""The attractive exponent, that of the dispersion."""

CUTOFF = 3.0
"""Cutoff of the simulations, in diameters."""

_EPSILON, _SIGMA, _MASS = 1.0, 3.4, 40.0  # kJ/mol, angstrom, g/mol: argon's pace
_CLOSEST = {8.0: 0.62, 24.0: 0.80}  # diameters


class ReducedState(NamedTuple):
    """A state of a Mie fluid: temperature over the depth, density times the cubed diameter, repulsive exponent."""

    temperature: float
    density: float
    repulsive: float


def simulation(state: ReducedState, seed: int) -> Simulation:
    """Return a reference simulation of a state."""
    potential = Mie(epsilon=_EPSILON, sigma=_SIGMA, repulsive=state.repulsive, attractive=ATTRACTIVE)
    kelvin = state.temperature * _EPSILON / GAS_CONSTANT
    fluid = PairFluid(PlainCut(potential, CUTOFF * _SIGMA, tail=True), kelvin, state.density / _SIGMA**3, _MASS)
    closest = np.interp(state.repulsive, list(_CLOSEST), list(_CLOSEST.values()))
    return Simulation(fluid, fluid.grid(float(closest) * _SIGMA, 0.05), seed)


def derivatives(ensemble: PairEnsemble) -> tuple[Float[np.ndarray, "4"], Float[np.ndarray, "4 4"]]:
    r"""Return averages over a simulation of a Mie fluid, and the covariance of their statistical errors.

    They are the three derivatives of the Helmholtz energy (see the module), and the mean Laplacian of the energy of a particle,
    :math:`\langle\sum_{i<j}\nabla^2 u\rangle\sigma^2/N\epsilon`, that a quantum correction needs.
    """
    sampled = ensemble.potential
    mie, radius = sampled.potential, sampled.cutoff
    assert isinstance(mie, Mie)
    number, density, grid = ensemble.num_particles, ensemble.density, ensemble.grid

    def with_exponent(repulsive: Array) -> PlainCut:
        return PlainCut(Mie(mie.epsilon, mie.sigma, repulsive, mie.attractive), radius, tail=True)

    def energy(repulsive: Array) -> tuple[Array, Array]:
        cut = with_exponent(repulsive)
        return grid.values(cut.energy_inside), cut.tail_energy(density)

    (inside, tail), (slope, tail_slope) = jax.jvp(energy, (mie.repulsive,), (jnp.ones_like(mie.repulsive),))
    force = jax.grad(mie.pair_energy)
    first = grid.values(lambda r: r * force(r))
    laplacian = grid.values(lambda r: jax.grad(force)(r) + 2 * force(r) / r)
    thermal, scale = GAS_CONSTANT * ensemble.temperature, mie.sigma**2 / mie.epsilon
    tail_pressure = with_exponent(mie.repulsive).tail_pressure(density) / MPA_PER_INTERNAL_PRESSURE
    beyond = -2 * np.pi * density * radius**2 * force(radius)  # of the Laplacian, by the divergence theorem
    columns = [
        (inside / (number * thermal), tail / thermal),
        (-first / (3 * number * thermal), tail_pressure / (density * thermal)),
        (slope / (number * thermal), tail_slope / thermal),
        (laplacian * scale / number, beyond * scale),
    ]
    values = jnp.stack([jnp.where(grid.below(radius), column, 0.0) for column, _ in columns], axis=1)
    counts, constants = np.asarray(ensemble.pair_counts, float), np.array([float(constant) for _, constant in columns])
    frames = counts @ np.asarray(values)
    covariance = np.cov(frames, rowvar=False) * ensemble.inefficiency / len(frames)
    return frames.mean(axis=0) + constants, covariance
