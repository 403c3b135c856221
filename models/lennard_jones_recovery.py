"""Are known parameters recovered from a liquid that somebody else has simulated?

NIST's Monte Carlo simulations of the Lennard-Jones fluid are taken for measurements of a liquid whose atoms have a well of 120 K
and a diameter of 3.4 angstrom: no error of a form is left, so the two are to come back, and the exponent 12 with them, from any
density and with one vector for all.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.datasets import DataSet
from bayesff.ensembles import EquationOfState
from bayesff.units import convert

jax.config.update("jax_enable_x64", True)

WELL, DIAMETER = 120.0, 3.4  # K, angstrom
equation = EquationOfState.learn()


def simulated(quantity: str) -> list[DataSet]:
    """Return what was simulated, as atoms of this size and well have it, for an infinite number of them, in two environments."""
    known = bff.datasets.load(f"nist_lennard_jones_{quantity}").where(provenance="confirmed").between("reduced_density", 0.5, 1.0)
    temperature, density = known.state["reduced_temperature"], known.state["reduced_density"]
    states = np.stack([temperature, density, np.full_like(density, 12.0)], axis=1)
    of_energy, of_pressure, _ = equation.of_finite_number(states, num_particles=500)[0].T
    # A quarter of what the finite number changes is in doubt. NIST's tail takes g(r) for 1 beyond three diameters: by what the
    # integral equations of Percus and Yevick and of the hypernetted chain have there, that errs by 0.0004 to 0.0014 in the
    # energy and by 0.0007 to 0.0026 in the pressure.
    finite = temperature * (of_energy if quantity == "energy" else density * of_pressure)
    errors = np.sqrt(known.uncertainty**2 + (0.25 * finite) ** 2 + (0.001 if quantity == "energy" else 0.002) ** 2)
    scale = convert(WELL, "K", "kJ/mol") if quantity == "energy" else convert(WELL / DIAMETER**3, "K/angstrom^3", "MPa")
    whole = DataSet(
        name=known.name,
        observable="internal_energy" if quantity == "energy" else "pressure",
        substance="Lennard-Jones spheres of 120 K and 3.4 angstrom",
        environment=known.environment,
        source=known.source,
        state={"temperature": WELL * temperature, "density": density / DIAMETER**3},
        values=scale * (known.values - finite),
        uncertainty=scale * errors,
    )
    return whole.cut("density", {"liquid": (None, 0.0215), "dense liquid": (0.0215, None)})


liquid = bff.observables.MieLiquid(equation, molar_mass=39.948)
terms = [
    Term(simulated("energy"), bff.observables.InternalEnergy(liquid)),
    Term(simulated("pressure"), bff.observables.Pressure(liquid)),
]
depth = Prior(dist.LogNormal(4.85, 0.2), "K")
size = Prior(dist.LogNormal(1.22, 0.05), "angstrom")
study = bff.Study(
    name="lennard_jones_recovery",
    question="Are known parameters recovered from a liquid that somebody else has simulated?",
    problems={
        "lennard_jones": CalibrationProblem(bff.potentials.LennardJones, {"epsilon": depth, "sigma": size}, terms),
        "mie": CalibrationProblem(
            functools.partial(bff.potentials.Mie, attractive=6.0),
            {"epsilon": depth, "sigma": size, "repulsive": Prior(dist.LogNormal(2.6, 0.1))},
            terms,
        ),
    },
    transfer=Transfer(tolerances={"internal_energy": Tolerance(0.01), "pressure": Tolerance(5.0, "MPa")}),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
