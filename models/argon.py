"""Does one argon potential serve the dimer, the gas and the liquid, and do three-body forces repair the transfer?

A pair of atoms, second virials, third virials, the structure of the liquid at 85 K and the saturated liquid from 85 to 145 K ask
for the same potential under ever more neighbours. Lennard-Jones and Mie absorb the forces between three atoms into their
parameters; a third candidate has those of Axilrod and Teller beside the Mie potential, with the strength that quantum chemistry
gives them.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Published, Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, Prior, Term

jax.config.update("jax_enable_x64", True)

MOLAR_MASS = 39.948  # g/mol
TRIPLE_DIPOLE = bff.potentials.AxilrodTeller.from_atomic_units(518.3)  # B. Jaeger et al., Mol. Phys. 107, 2181 (2009)
equation = bff.ensembles.EquationOfState.learn()
scattering = bff.observables.ScatteringLiquid(bff.ensembles.MieStructure.learn(), molar_mass=35.9675, quantum_order=1)  # argon-36
# A form with two or three parameters is never exact: the sizes of the discrepancies have priors away from zero, within a factor
# of four of 7 K, 2 cm^3/mol, 50 cm^6/mol^2, 0.02, 0.05 kJ/mol and 2 MPa.
smooth = Prior(dist.LogNormal(-0.7, 0.5))  # correlation length on a logarithmic scale: about a factor of 1.6 in the state

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
    bff.observables.SecondVirial(quantum_order=1, molar_mass=MOLAR_MASS),
    noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
    effects=[
        GroupBias("laboratory", scale=Prior(dist.HalfNormal(2.0), "cm^3/mol")),
        Discrepancy("temperature", scale=Prior(dist.LogNormal(0.7, 0.7), "cm^3/mol"), length=smooth),
    ],
)
measured = bff.datasets.load("argon_liquid_structure_factor").where(quality="ok").between("wavevector", 0.5, 8.0)
# Forces between three atoms change the flanks of the first peak by 0.02 at this density: that is left to the discrepancy.
structure = Term(
    measured.take(np.arange(0, measured.num_data, 4)).with_environment("liquid structure"),  # neighbours say the same
    bff.observables.StructureFactor(scattering),
    effects=[
        Discrepancy(
            "wavevector",
            scale=Prior(dist.LogNormal(-4.0, 0.7), ""),
            length=Prior(dist.LogNormal(-1.2, 0.3), "1/angstrom"),  # the width of a peak
            logarithmic=False,
            num_nodes=25,
        )
    ],
)


def many_atoms(three_body: bff.potentials.AxilrodTeller | None) -> list[Term]:
    """Return the terms that feel forces between three atoms: third virials, and energy and pressure of the saturated liquid."""
    liquid = bff.observables.MieLiquid(equation, MOLAR_MASS, quantum_order=1, three_body=three_body)
    along = {"cold liquid": (None, 112.0), "warm liquid": (112.0, None)}
    return [
        Term(
            bff.datasets.load("argon_third_virial").with_environment("dense gas"),
            bff.observables.ThirdVirial(three_body),
            effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(3.9, 0.7), "cm^6/mol^2"), length=smooth)],
        ),
        Term(
            bff.datasets.load("argon_liquid_internal_energy").where(line="saturated").cut("temperature", along),
            bff.observables.InternalEnergy(liquid),
            effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(-3.0, 0.7), "kJ/mol"), length=smooth)],
        ),
        Term(
            bff.datasets.load("argon_liquid_pressure").where(line="saturated").cut("temperature", along),
            bff.observables.Pressure(liquid),
            effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(0.7, 0.7), "MPa"), length=smooth)],
        ),
    ]


# What a simulation should be told: the dimer's energy within 10 K, a second virial within 3 cm^3/mol, a third within 5 %, the
# structure factor within 0.05, the energy of the liquid within 1 %, its pressure within what 1 % of its density costs at 85 K.
KULAKOVA = "L. Kulakova et al., Sci. Rep. 7, 16576 (2017), doi:10.1038/s41598-017-16314-4"
exponents = [
    Published("repulsive", 6.5, "liquid g(r) and saturated vapour", KULAKOVA),
    Published("repulsive", 12.085, "equation of state of the fluid", "S. Dufal et al., AIChE J. 61, 2891 (2015)"),
    Published("repulsive", 12.7, "quantum dimers", KULAKOVA),
    Published("repulsive", 17.6, "second virials alone", "weighted least squares, 1.5 cm^3/mol, handbook values", sd=1.8),
]
depth = Prior(dist.LogNormal(4.85, 0.2), "K")
size = Prior(dist.LogNormal(1.22, 0.05), "angstrom")
mie = functools.partial(bff.potentials.Mie, attractive=6.0)
of_mie = {"epsilon": depth, "sigma": size, "repulsive": Prior(dist.LogNormal(2.6, 0.2))}
study = bff.Study(
    name="argon",
    question="Does one argon potential serve the dimer, the gas and the liquid, and do three-body forces repair the transfer?",
    problems={
        "lennard_jones": CalibrationProblem(
            bff.potentials.LennardJones, {"epsilon": depth, "sigma": size}, [dimer, virial, structure, *many_atoms(None)]
        ),
        "mie": CalibrationProblem(mie, of_mie, [dimer, virial, structure, *many_atoms(None)]),
        "mie_three_body": CalibrationProblem(mie, of_mie, [dimer, virial, structure, *many_atoms(TRIPLE_DIPOLE)]),
    },
    transfer=Transfer(
        spread_tolerance=0.02,
        tolerances={
            "dimer_energy": Tolerance(10.0, "K"),
            "second_virial": Tolerance(3.0, "cm^3/mol"),
            "third_virial": Tolerance(0.05),
            "structure_factor": Tolerance(0.05, "dimensionless"),
            "internal_energy": Tolerance(0.01),
            "pressure": Tolerance(5.0, "MPa"),
        },
        published={"mie": exponents, "mie_three_body": exponents},
    ),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
