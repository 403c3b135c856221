"""Calculate argon's isothermal compressibility from its second and third virial coefficients, and write values.csv.

The second is that of the ab initio pair potential with quantum corrections of the second order, which measurements confirm; the
third is that of the reference equation of state (argon_third_virial). The uncertainty has three parts: 0.3 cm^3/mol of the
second, the stated one of the third, and 4 D rho^3 with D = 3e4 cm^9/mol^3 for the fourth, which is left out.
"""

import csv
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import bayesff as bff  # noqa: E402  (after the numbers are switched to double precision)
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE  # noqa: E402

DENSITIES = (0.0005, 0.001, 0.0015, 0.002)
SECOND_VIRIAL_UNCERTAINTY, FOURTH_VIRIAL = 0.3, 3e4

third = bff.datasets.load("argon_third_virial").between("temperature", 170.0, 510.0)
pair = bff.observables.SecondVirial(quantum_order=2, molar_mass=39.948)
second = np.asarray(pair.predict(bff.potentials.TangToennies.argon(), third.state).mean)
with (Path(__file__).parent / "values.csv").open("w", newline="", encoding="utf-8") as file:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["temperature", "density", "isothermal_compressibility", "uncertainty"])
    for density in DENSITIES:
        molar = density / CUBIC_ANGSTROM_PER_MOLE  # mol/cm^3
        bracket = 1 + 2 * second * molar + 3 * third.values * molar**2
        parts = (2 * SECOND_VIRIAL_UNCERTAINTY * molar, 3 * third.uncertainty * molar**2, 4 * FOURTH_VIRIAL * molar**3)
        error = np.sqrt(sum(part**2 for part in parts))
        values = 1 / (density * GAS_CONSTANT * third.state["temperature"] * MPA_PER_INTERNAL_PRESSURE * bracket)
        for temperature, value, relative in zip(third.state["temperature"], values, error / bracket, strict=True):
            rows.writerow([f"{temperature:g}", f"{density:g}", f"{value:.6g}", f"{value * relative:.3g}"])
