"""Does one pair potential hold the structure, the energy and the pressure of liquid argon at 85 K at once?

Neutron diffraction from liquid argon-36 gives the structure factor; internal energy and pressure are those of the reference
equation of state at the same temperature and density. No particle moves while the posterior is sampled: averages are carried to
every draw from reference simulations that are placed along the posterior first, and kept for the next run.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.calibration import CalibrationProblem, Discrepancy, Prior, Term

jax.config.update("jax_enable_x64", True)

# Argon-36, as in the measurement. At 85 K its de Broglie wavelength adds 0.06 kJ/mol and 4 MPa: quantum_order=1.
liquid = bff.observables.Liquid(
    functools.partial(bff.potentials.PlainCut, cutoff=10.0, tail=True), molar_mass=35.9675, closest=2.4, quantum_order=1
)
measured = bff.datasets.load("argon_liquid_structure_factor").where(quality="ok").between("wavevector", 0.5, 8.0)
structure = Term(
    measured.take(np.arange(0, measured.num_data, 3)),  # the published values are smoothed: neighbours say the same
    bff.observables.StructureFactor(liquid),
    # A form with two or three parameters has no exact structure: by about 0.02, within a factor of four, and smooth over 0.3 per
    # angstrom, the width of a peak.
    effects=[
        Discrepancy(
            "wavevector",
            scale=Prior(dist.LogNormal(-4.0, 0.7), ""),
            length=Prior(dist.LogNormal(-1.2, 0.3), "1/angstrom"),
            logarithmic=False,
            num_nodes=30,
        )
    ],
)
energy = Term(bff.datasets.load("argon_liquid_internal_energy").where(line="liquid"), bff.observables.InternalEnergy(liquid))
pressure = Term(bff.datasets.load("argon_liquid_pressure").where(line="liquid"), bff.observables.Pressure(liquid))

depth = Prior(dist.LogNormal(4.85, 0.2), "K")
size = Prior(dist.LogNormal(1.22, 0.05), "angstrom")
study = bff.Study(
    name="argon_liquid",
    question="Does one pair potential hold the structure, the energy and the pressure of liquid argon at 85 K at once?",
    problems={
        "lennard_jones": CalibrationProblem(
            bff.potentials.LennardJones, {"epsilon": depth, "sigma": size}, [structure, energy, pressure]
        ),
        "mie": CalibrationProblem(
            functools.partial(bff.potentials.Mie, attractive=6.0),
            {"epsilon": depth, "sigma": size, "repulsive": Prior(dist.LogNormal(2.6, 0.2))},
            [structure, energy, pressure],
        ),
    },
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
