"""Does one argon pair potential serve a pair of atoms, the gas and the liquid?

The short version of the studies `argon` and `argon_liquid`: the ab initio dimer, measured second virials, and the structure,
energy and pressure of the liquid at 85 K. The reference simulations that carry the liquid to every draw come with the package;
``--fresh`` simulates them again.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, Prior, Term

jax.config.update("jax_enable_x64", True)

# A form with two or three parameters is never exact: the sizes of the discrepancies have priors away from zero, within a factor
# of four of 7 K, 2 cm^3/mol and 0.02.
dimer = Term(
    bff.datasets.load("argon_dimer_curve").between("separation", 3.3, 8.0),
    bff.observables.DimerEnergy(),
    effects=[
        Discrepancy(
            "separation", scale=Prior(dist.LogNormal(2.0, 0.7), "K"), length=Prior(dist.LogNormal(-1.9, 0.3)), num_nodes=10
        )
    ],
)
virial = Term(
    bff.datasets.load("argon_second_virial").where(quality="ok").between("temperature", 80.0, 500.0),
    bff.observables.SecondVirial(quantum_order=1, molar_mass=39.948),
    noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
    effects=[
        GroupBias("laboratory", scale=Prior(dist.HalfNormal(2.0), "cm^3/mol")),
        Discrepancy("temperature", scale=Prior(dist.LogNormal(0.7, 0.7), "cm^3/mol"), length=Prior(dist.LogNormal(-0.7, 0.5))),
    ],
)
liquid = bff.observables.Liquid(
    functools.partial(bff.potentials.PlainCut, cutoff=10.0, tail=True), molar_mass=35.9675, closest=2.4, quantum_order=1
)
measured = bff.datasets.load("argon_liquid_structure_factor").where(quality="ok").between("wavevector", 0.5, 8.0)
structure = Term(
    measured.take(np.arange(0, measured.num_data, 6)),
    bff.observables.StructureFactor(liquid),
    effects=[
        Discrepancy(
            "wavevector",
            scale=Prior(dist.LogNormal(-4.0, 0.7), ""),
            length=Prior(dist.LogNormal(-1.2, 0.3), "1/angstrom"),
            logarithmic=False,
            num_nodes=25,
        )
    ],
)
energy = Term(bff.datasets.load("argon_liquid_internal_energy").where(line="liquid"), bff.observables.InternalEnergy(liquid))
pressure = Term(bff.datasets.load("argon_liquid_pressure").where(line="liquid"), bff.observables.Pressure(liquid))

depth = Prior(dist.LogNormal(4.85, 0.2), "K")
size = Prior(dist.LogNormal(1.22, 0.05), "angstrom")
terms = [dimer, virial, structure, energy, pressure]
study = bff.Study(
    name="argon_demo",
    question="Does one argon pair potential serve a pair of atoms, the gas and the liquid?",
    problems={
        "lennard_jones": CalibrationProblem(bff.potentials.LennardJones, {"epsilon": depth, "sigma": size}, terms),
        "mie": CalibrationProblem(
            functools.partial(bff.potentials.Mie, attractive=6.0),
            {"epsilon": depth, "sigma": size, "repulsive": Prior(dist.LogNormal(2.6, 0.2))},
            terms,
        ),
    },
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
