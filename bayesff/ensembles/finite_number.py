r"""What a simulation lacks because it has a finite number of particles, which is fixed.

The Helmholtz energy per particle of a box of ``N`` particles differs from that of an infinite fluid by
:math:`k_B T \ln\chi / 2N` with :math:`\chi = \rho k_B T \kappa_T`, and energy and pressure differ by its derivatives. For 256
argon atoms at 85 K that is -0.38 MPa in the pressure. Derivatives of the compressibility are not to be had from simulations at
one density: they are taken from the equation of state of the Lennard-Jones fluid at the same reduced state. For other repulsive
exponents (9 to 16) the derivative of :math:`\ln\chi` in the density of the saturated liquid is the same within 4 % at a reduced
temperature of 0.7 and within 16 % at 0.9; at 1.1 it is 60 % larger or 20 % smaller.

In a small box the periodic images add to it: 108 particles at a reduced temperature of 0.9 and density of 0.8 (depth 1 kJ/mol,
diameter 3.4 angstrom) have 17.65(15) MPa where 864 have 19.82(29), of which this is 0.86.

References
----------
J. L. Lebowitz, J. K. Percus, Phys. Rev. 124, 1673 (1961), doi:10.1103/PhysRev.124.1673
"""

from functools import cache

import numpy as np

from bayesff.ensembles.equation_of_state import EquationOfState
from bayesff.ensembles.references import FiniteNumber, References
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

DOUBT = 0.25
"""Error of what a finite number changes, as a share of it, in a cold liquid within the equation of state; elsewhere all of it."""

_COLD = 0.95
"""Reduced temperature below which a liquid is cold enough to be like that of Lennard-Jones."""


def finite_number(references: References, temperature: float) -> FiniteNumber:
    """Return what the finite number of particles adds to averages over references at a temperature [K]."""
    equation, thermal = _lennard_jones(), GAS_CONSTANT * temperature
    low, high = np.array(equation.polynomials.low)[:2], np.array(equation.polynomials.high)[:2]
    state = np.array([references.depth / thermal, references.density * references.diameter**3])
    known, cold = np.clip(state, low, high), state[0] * _COLD > 1
    of_derivatives, _ = equation.of_finite_number(np.array([[1 / known[0], known[1], 12.0]]), references.num_particles)
    by_energy, by_density, _ = of_derivatives[0]
    pressure = references.density * thermal * MPA_PER_INTERNAL_PRESSURE * by_density
    return FiniteNumber(float(thermal * by_energy), float(pressure), DOUBT if cold and np.all(known == state) else 1.0)


@cache
def _lennard_jones() -> EquationOfState:
    return EquationOfState.learn()
