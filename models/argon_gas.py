"""Which pair potential of argon carries over between its dimer, its gas at three temperatures and its viscosity?"""

import functools

import jax
import numpyro.distributions as dist

import bayesff as bff
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, GroupBias, Prior, Term

jax.config.update("jax_enable_x64", True)

gas = bff.datasets.load("argon_second_virial").where(quality="ok")
ranges = {"cold gas": (None, 200.0), "warm gas": (200.0, 500.0), "hot gas": (500.0, None)}
second_virial = Term(
    gas.cut("temperature", ranges),
    bff.observables.SecondVirial(),
    noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
    effects=[
        GroupBias("laboratory", scale=Prior(dist.HalfNormal(2.0), "cm^3/mol")),
        Discrepancy("temperature", scale=Prior(dist.HalfNormal(3.0), "cm^3/mol"), length=Prior(dist.LogNormal(0.0, 0.5))),
    ],
)
epsilon = Prior(dist.LogNormal(4.8, 0.3), "K")
sigma = Prior(dist.LogNormal(1.22, 0.1), "angstrom")
study = bff.Study(
    name="argon_gas",
    question="Do the parameters of an argon pair potential carry over between cold, warm and hot gas?",
    problems={
        "lennard_jones": CalibrationProblem(
            bff.potentials.LennardJones, {"epsilon": epsilon, "sigma": sigma}, [second_virial]
        ),
        "mie": CalibrationProblem(
            functools.partial(bff.potentials.Mie, attractive=6.0),
            {"epsilon": epsilon, "sigma": sigma, "repulsive": Prior(dist.LogNormal(2.6, 0.3))},
            [second_virial],
        ),
    },
)
