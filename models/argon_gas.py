"""Does one argon pair potential serve the dimer, the cold, warm and hot gas, and transport?

Three functional forms are calibrated jointly to the ab initio dimer curve, to 260 measured second virials of 30 laboratories
and to the viscosity of the dilute gas. Every laboratory may have a bias of its own, and in every environment the form may be
wrong by a smooth discrepancy: its size says how much of the data the form cannot hold.
"""

import functools

import jax
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Published, Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, Prior, Term

jax.config.update("jax_enable_x64", True)

MOLAR_MASS = 39.948  # g/mol
# A form with two or three parameters is never exact: the sizes of the discrepancies have priors away from zero, within a factor
# of four of 2 cm^3/mol, 7 K and 0.2 uPa*s.
smooth = Prior(dist.LogNormal(-0.7, 0.5))  # correlation length on a logarithmic scale: about a factor of 1.6 in the state

virial = Term(
    bff.datasets.load("argon_second_virial")
    .where(quality="ok")
    .cut("temperature", {"cold gas": (None, 200.0), "warm gas": (200.0, 500.0), "hot gas": (500.0, None)}),
    bff.observables.SecondVirial(quantum_order=1, molar_mass=MOLAR_MASS),
    noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
    effects=[
        GroupBias("laboratory", scale=Prior(dist.HalfNormal(2.0), "cm^3/mol")),
        Discrepancy("temperature", scale=Prior(dist.LogNormal(0.7, 0.7), "cm^3/mol"), length=smooth),
    ],
)
# The wall above 3.3 angstrom and the well: what a gas below 1000 K explores.
dimer = Term(
    bff.datasets.load("argon_dimer_curve").between("separation", 3.3, 8.0),
    bff.observables.DimerEnergy(),
    effects=[
        Discrepancy(
            "separation", scale=Prior(dist.LogNormal(2.0, 0.7), "K"), length=Prior(dist.LogNormal(-1.9, 0.3)), num_nodes=10
        )
    ],
)
viscosity = Term(
    bff.datasets.load("argon_viscosity"),
    bff.observables.DiluteViscosity(molar_mass=MOLAR_MASS, resolution=20),
    effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(-1.6, 0.7), "uPa*s"), length=smooth)],
)
# What a simulation of the gas should be told: a second virial within 3 cm^3/mol (1 % of a gas's density at 10 MPa and 300 K), a
# viscosity within 2 %, the dimer's energy within 10 K.
KULAKOVA = "L. Kulakova et al., Sci. Rep. 7, 16576 (2017), doi:10.1038/s41598-017-16314-4"
transfer = Transfer(
    spread_tolerance=0.02,
    tolerances={
        "second_virial": Tolerance(3.0, "cm^3/mol"),
        "viscosity": Tolerance(0.02),
        "dimer_energy": Tolerance(10.0, "K"),
    },
    # Exponents of the wall that disagree, all of them beside an attraction that falls with the sixth power.
    published={
        "mie": [
            Published("repulsive", 6.5, "liquid g(r) and saturated vapour", KULAKOVA),
            Published("repulsive", 12.085, "equation of state of the fluid", "S. Dufal et al., AIChE J. 61, 2891 (2015)"),
            Published("repulsive", 12.7, "quantum dimers", KULAKOVA),
            Published("repulsive", 17.6, "second virials alone", "weighted least squares, 1.5 cm^3/mol, handbook values", sd=1.8),
        ]
    },
)
depth = Prior(dist.LogNormal(4.85, 0.2), "K")
study = bff.Study(
    name="argon_gas",
    question="Does one argon pair potential serve the dimer, the cold, warm and hot gas, and transport?",
    problems={
        "lennard_jones": CalibrationProblem(
            bff.potentials.LennardJones,
            {"epsilon": depth, "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")},
            [dimer, virial, viscosity],
        ),
        "mie": CalibrationProblem(
            functools.partial(bff.potentials.Mie, attractive=6.0),
            {
                "epsilon": depth,
                "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom"),
                "repulsive": Prior(dist.LogNormal(2.6, 0.2)),
            },
            [dimer, virial, viscosity],
        ),
        "buckingham": CalibrationProblem(
            bff.potentials.Buckingham,
            {
                "epsilon": depth,
                "distance": Prior(dist.LogNormal(1.33, 0.05), "angstrom"),
                "steepness": Prior(dist.LogNormal(2.6, 0.1)),
            },
            [dimer, virial, viscosity],
        ),
    },
    transfer=transfer,
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
