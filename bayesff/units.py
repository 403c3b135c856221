"""One internal unit system, and conversion to it at the boundary.

Inside the package: kJ/mol, angstrom, kelvin, g/mol, elementary charge, picosecond, MPa and number density in 1/angstrom^3.
Every quantity has a canonical unit (see `bayesff.quantities`). Conversion happens where numbers enter or leave: data files,
priors, the command line, export.

An energy given in kelvin means Boltzmann's constant times that temperature, as is usual for well depths; an energy per particle
(eV, hartree) and an energy per mole (kJ/mol, kcal/mol) are converted into one another by Avogadro's constant, and so are
a mass density and a number density where a molar mass is given.
"""

GAS_CONSTANT = 8.31446261815324e-3
"""R [kJ/mol/K], exact in the SI of 2019; also Boltzmann's constant for energies per mole."""

AVOGADRO = 6.02214076e23
"""N_A [1/mol], exact in the SI of 2019."""

CUBIC_ANGSTROM_PER_MOLE = AVOGADRO * 1e-24
"""One angstrom^3 per particle in cm^3/mol: 0.602214076."""

PLANCK = 6.62607015e-34
"""h [J s], exact in the SI of 2019."""

HBAR_SQUARED_OVER_MASS = (PLANCK / 6.283185307179586) ** 2 * AVOGADRO**2 * 1e20 * 1e-3 / 1e-3
"""hbar^2 / (1 g/mol) [kJ/mol angstrom^2]: divide by a molar mass in g/mol to get hbar^2/m."""
