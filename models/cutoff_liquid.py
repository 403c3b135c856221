"""What does a cutoff do to the density and the pressure of liquid argon, and which parameters does it want?

A simulation leaves out all pairs beyond a cutoff. Their attraction is small for a pair and large for a liquid: without it the
pressure is higher, at a given pressure the density lower, and parameters that were fitted with one cutoff are not those of
another. Here every treatment is an environment: the same saturated liquid from 85 to 120 K, simulated with the potential in full,
and plainly cut at 12 and at 8.5 angstrom without a correction for what is beyond.
"""

import functools

import jax
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Discrepancy, Prior, Term

jax.config.update("jax_enable_x64", True)

# Environment and cutoff [angstrom] of every treatment; 8.5 angstrom are 2.5 diameters.
TREATMENTS = {"full": ("in full", None), "cut_12": ("cut at 12 Å", 12.0), "cut_8_5": ("cut at 8.5 Å", 8.5)}
equation = bff.ensembles.EquationOfState.learn()
smooth = Prior(dist.LogNormal(-0.7, 0.5))  # correlation length on a logarithmic scale: about a factor of 1.6 in temperature
# Density at a pressure and pressure at a density say the same: each is taken at every other temperature.
density = bff.datasets.load("argon_liquid_density").between("temperature", 85.0, 125.0).take([0, 2, 4, 6])
pressure = (
    bff.datasets.load("argon_liquid_pressure").where(line="saturated").between("temperature", 85.0, 125.0).take([1, 3, 5, 7])
)
energy = bff.datasets.load("argon_liquid_internal_energy").where(line="saturated").between("temperature", 85.0, 125.0)


def simulated(name: str, label: str, cutoff: float | None) -> list[Term]:
    """Return the terms of the saturated liquid as a simulation with a cutoff, or without one, has it."""
    liquid = bff.observables.MieLiquid(equation, molar_mass=39.948, quantum_order=1, cutoff=cutoff)

    def term(data: bff.datasets.DataSet, observable: bff.observables.Observable, size: float, unit: str) -> Term:
        scale = Prior(dist.LogNormal(size, 0.7), unit)
        effects = [Discrepancy("temperature", scale=scale, length=smooth)]
        return Term(data.with_environment(label), observable, effects=effects, name=f"{observable.quantity}_{name}")

    # A form with two or three parameters is never exact: within a factor of four of 1 % of the density, 2 MPa and 0.05 kJ/mol.
    return [
        term(density, bff.observables.LiquidDensity(liquid), -8.5, "1/angstrom^3"),
        term(pressure, bff.observables.Pressure(liquid), 0.7, "MPa"),
        term(energy, bff.observables.InternalEnergy(liquid), -3.0, "kJ/mol"),
    ]


terms = [term for name, treatment in TREATMENTS.items() for term in simulated(name, *treatment)]
depth = Prior(dist.LogNormal(4.85, 0.2), "K")
size = Prior(dist.LogNormal(1.22, 0.05), "angstrom")
study = bff.Study(
    name="cutoff_liquid",
    question="What does a cutoff do to the density and the pressure of liquid argon, and which parameters does it want?",
    problems={
        "lennard_jones": CalibrationProblem(bff.potentials.LennardJones, {"epsilon": depth, "sigma": size}, terms),
        "mie": CalibrationProblem(
            functools.partial(bff.potentials.Mie, attractive=6.0),
            {"epsilon": depth, "sigma": size, "repulsive": Prior(dist.LogNormal(2.6, 0.2))},
            terms,
        ),
    },
    # The density within 1 %, the pressure within what that costs at 85 K, the energy within 1 %.
    transfer=Transfer(
        spread_tolerance=0.02,
        tolerances={
            f"{quantity}_{name}": tolerance
            for name in TREATMENTS
            for quantity, tolerance in {
                "liquid_density": Tolerance(0.01),
                "pressure": Tolerance(5.0, "MPa"),
                "internal_energy": Tolerance(0.01),
            }.items()
        },
    ),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
