"""Calculate the nearest neighbour's distance in dilute argon from the ab initio pair potential, and write values.csv.

The uncertainty is what 0.5 % of the energy, as for the whole curve (argon_dimer_curve), and 0.1 % of all lengths change.
"""

import csv
from pathlib import Path

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

from bayesff.observables import NearestNeighbourDistance  # noqa: E402  (after the numbers are switched to double precision)
from bayesff.potentials import TangToennies  # noqa: E402

TEMPERATURES = (120.0, 150.0, 200.0, 250.0, 300.0, 400.0, 600.0)
DENSITIES = (0.002, 0.004)

argon = TangToennies.argon()
states = [(temperature, density) for density in DENSITIES for temperature in TEMPERATURES]
temperature, density = (jnp.array(column) for column in zip(*states, strict=True))


def distance(potential, density=density):
    """Return the mean distances [angstrom]."""
    return NearestNeighbourDistance().predict(potential, {"temperature": temperature, "density": density}).mean


values = distance(argon)
deeper = distance(1.005 * argon) - values
# With all lengths of the potential stretched by 0.1 %, distances are those of a gas that is denser by 0.3 %, stretched.
longer = 1.001 * distance(argon, 1.001**3 * density) - values
uncertainty = jnp.hypot(deeper, longer)
with (Path(__file__).parent / "values.csv").open("w", newline="", encoding="utf-8") as file:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["temperature", "density", "nearest_neighbour_distance", "uncertainty"])
    for row in zip(temperature, density, values, uncertainty, strict=True):
        rows.writerow([f"{float(row[0]):g}", f"{float(row[1]):g}", f"{float(row[2]):.5f}", f"{float(row[3]):.5f}"])
