"""Is the cutoff of a liquid's simulation part of its force field?

Density and energy of liquid argon, as three simulations would be fitted to them: one with the potential in full, and two that cut
it at 12 and 8.5 angstrom without adding what is beyond. The measured values are the same in all three environments: each fit
alone says which parameters its treatment wants, and what they are worth under another one. The fit to all of them together counts
the data three times; it is what a parameter set that ignores the treatment would be.
"""

import functools

import jax
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Discrepancy, Prior, Term
from bayesff.datasets import Environment

jax.config.update("jax_enable_x64", True)

MOLAR_MASS = 39.948  # g/mol
CUTOFFS = {"in full": None, "cut at 12 angstrom": 12.0, "cut at 8.5 angstrom": 8.5}
equation = bff.ensembles.EquationOfState.learn()
# Without what is beyond 8.5 angstrom there is no liquid at the vapour pressure of 120 K.
density = bff.datasets.load("argon_liquid_density").between("temperature", 85.0, 110.0)
energy = bff.datasets.load("argon_liquid_internal_energy").where(line="saturated").between("temperature", 85.0, 110.0)
pressure = bff.datasets.load("argon_liquid_pressure").where(line="liquid")
smooth = Prior(dist.LogNormal(-0.7, 0.5))  # correlation length on a logarithmic scale: about a factor of 1.6 in the temperature


def terms_of(label: str, cutoff: float | None) -> list[Term]:
    """Return the terms of one treatment."""
    liquid = bff.observables.MieLiquid(equation, MOLAR_MASS, quantum_order=1, cutoff=cutoff)
    treatment = {"cutoff": "none"} if cutoff is None else {"cutoff": f"{cutoff:g} angstrom", "tail": False}
    environment = Environment(label, "liquid", treatment=treatment)
    name = label.replace(" ", "_").replace(".", "_")
    # No form with two or three parameters is exact: by about 0.3 % of the density and 0.05 kJ/mol.
    return [
        Term(
            density.with_environment(environment),
            bff.observables.LiquidDensity(liquid),
            effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(-9.7, 0.7), "1/angstrom^3"), length=smooth)],
            name=f"density_{name}",
        ),
        Term(
            energy.with_environment(environment),
            bff.observables.InternalEnergy(liquid),
            effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(-3.0, 0.7), "kJ/mol"), length=smooth)],
            name=f"energy_{name}",
        ),
        Term(pressure.with_environment(environment), bff.observables.Pressure(liquid), name=f"pressure_{name}"),
    ]


terms = [term for label, cutoff in CUTOFFS.items() for term in terms_of(label, cutoff)]
depth = Prior(dist.LogNormal(4.85, 0.2), "K")
size = Prior(dist.LogNormal(1.22, 0.05), "angstrom")
mie = functools.partial(bff.potentials.Mie, attractive=6.0)
# The density within 1 %, the energy within 1 %, the pressure within what 1 % of the density costs.
tolerance = {"density": Tolerance(0.01), "energy": Tolerance(0.01), "pressure": Tolerance(10.0, "MPa")}
study = bff.Study(
    name="cutoff_liquid",
    question="Is the cutoff of a liquid's simulation part of its force field?",
    problems={
        "lennard_jones": CalibrationProblem(bff.potentials.LennardJones, {"epsilon": depth, "sigma": size}, terms),
        "mie": CalibrationProblem(mie, {"epsilon": depth, "sigma": size, "repulsive": Prior(dist.LogNormal(2.6, 0.2))}, terms),
    },
    transfer=Transfer(spread_tolerance=0.02, tolerances={term.name: tolerance[term.name.split("_")[0]] for term in terms}),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
