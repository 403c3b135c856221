"""Does a square well that fits a structure also fit the thermodynamics, and does fitting both at once help?

The nearest neighbour in a dilute gas says where a well is, the second virial coefficient how deep and wide it is together. A
well fitted to one of the two need not give the other. Synthetic data come from a known well; for argon the distances follow from
its ab initio pair potential, and the virial coefficients are measured.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, draws
from bayesff.calibration import CalibrationProblem, Discrepancy, GaussianNoise, Prior, Term
from bayesff.observables import NearestNeighbourDistance, SecondVirial
from bayesff.potentials import SquareWell
from bayesff.reporting.wording import plus_minus, probability
from bayesff.units import convert

jax.config.update("jax_enable_x64", True)

TRUTH = {"epsilon": 93.3, "sigma": 3.067, "width": 1.70}  # K, angstrom: argon's well in J. O. Hirschfelder et al. (1954)
STRUCTURE, THERMODYNAMICS = Tolerance(0.02, "angstrom"), Tolerance(2.0, "cm^3/mol")
TARGET = {"temperature": 200.0, "density": 0.004}  # where both tolerances are asked for
well = SquareWell(convert(TRUTH["epsilon"], "K", "kJ/mol"), TRUTH["sigma"], TRUTH["width"])
distance, virial = NearestNeighbourDistance(), SecondVirial()
gas = np.array([(t, rho) for t in (150.0, 250.0, 400.0) for rho in (0.002, 0.004, 0.006)])


def synthetic(observable, label, state, uncertainty, seed):
    """Return data of the known well."""
    environment = bff.datasets.Environment(label, "model")
    return bff.datasets.synthesise(observable, well, state, uncertainty, seed, environment=environment)


states = {"temperature": gas[:, 0], "density": gas[:, 1]}
neighbours = synthetic(distance, "neighbours", states, 0.01, 1)
cold = synthetic(virial, "cold gas", {"temperature": np.linspace(120.0, 240.0, 7)}, 1.0, 2)
hot = synthetic(virial, "hot gas", {"temperature": np.linspace(300.0, 600.0, 7)}, 1.0, 3)
# Argon: no square well is exact, and the sizes of the discrepancies have priors away from zero. The measurements are those of the
# two laboratories that are most precise over a wide range, 0.1 and 0.3 cm^3/mol.
smooth = Prior(dist.LogNormal(-0.7, 0.5))  # correlation length on a logarithmic scale: about a factor of 1.6 in the temperature
measured = bff.datasets.load("argon_second_virial").where(quality="ok").between("temperature", 110.0, 600.0)
best = measured.take(np.flatnonzero(np.isin(measured.groups["laboratory"], ("Ewing 1992", "Gilgen 1994"))))
argon = [
    Term(
        bff.datasets.load("argon_nearest_neighbour_distance").with_environment("argon neighbours"),
        distance,
        effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(-4.0, 0.7), "angstrom"), length=smooth)],
        name="argon_distance",
    ),
    Term(
        best.cut("temperature", {"cold argon": (None, 240.0), "hot argon": (240.0, None)}),
        virial,
        noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
        effects=[Discrepancy("temperature", scale=Prior(dist.LogNormal(0.7, 0.7), "cm^3/mol"), length=smooth)],
        name="argon_virial",
    ),
]
priors = {
    "epsilon": Prior(dist.LogNormal(4.55, 0.2), "K"),
    "sigma": Prior(dist.LogNormal(1.13, 0.05), "angstrom"),
    "width": Prior(dist.LogNormal(0.53, 0.1)),  # one, where a well ends, is five standard deviations away
}
problem = functools.partial(CalibrationProblem, SquareWell, priors)


@jax.jit
def predict(parameters):
    """Return distance and virial coefficient at the target for draws of (epsilon, sigma, width)."""

    def one(values):
        state = {name: jnp.array([value]) for name, value in TARGET.items()}
        found = SquareWell(*values)
        return jnp.stack([observable.predict(found, state).mean[0] for observable in (distance, virial)])

    return jax.lax.map(one, parameters, batch_size=50)


def both_at_once(trees):
    """Say how likely each fit has structure and thermodynamics within their tolerances, and how the two are traded off."""
    right = predict(jnp.array([[well.epsilon, well.sigma, well.width]]))[0]
    r, b = STRUCTURE.amount, THERMODYNAMICS.amount
    chances, lines, told = {}, [], []
    fits = {"structure": "the distances alone", "thermodynamics": "cold virial coefficients alone", "joint": "both at once"}
    for name, words in fits.items():
        drawn = np.stack([draws(trees[name], "posterior", parameter) for parameter in TRUTH], axis=1)
        far, low = np.asarray(predict(jnp.asarray(drawn[:: max(1, len(drawn) // 400)])) - right).T
        near, apt = np.abs(far) < r, np.abs(low) < b
        chances |= {
            f"p_structure_{name}": near.mean(),
            f"p_thermodynamics_{name}": apt.mean(),
            f"p_both_{name}": (near & apt).mean(),
        }
        errors = f"{plus_minus(far.mean(), far.std(), 'angstrom')} and {plus_minus(low.mean(), low.std(), 'cm^3/mol')}"
        told.append(f"fitted to {words}, {probability((near & apt).mean())} (errors {errors})")
        lines.append(Line(words, far, low, points=True))
    lines.append(Line("within both tolerances", [-r, r, r, -r, -r], [-b, -b, b, b, -b]))
    chart = Chart(
        "Structure against thermodynamics",
        f"Errors of draws of the posteriors at {TARGET['temperature']:g} K and {TARGET['density']:g} / Å³: each fit lies along "
        "what its own data do not fix.",
        "error of the nearest neighbour's distance [Å]",
        "error of the second virial coefficient [cm³/mol]",
        lines,
    )
    text = f"Probability of both the distance within {r:g} Å and the virial coefficient within {b:g} cm³/mol: {'; '.join(told)}."
    return [Finding("both_at_once", text, {name: float(value) for name, value in chances.items()}, chart)]


study = bff.Study(
    name="square_well_joint",
    question="Does a square well that fits a structure also fit the thermodynamics, and does fitting both at once help?",
    problems={
        "joint": problem([Term(neighbours, distance), Term([cold, hot], virial)]),
        "structure": problem([Term(neighbours, distance)]),
        "thermodynamics": problem([Term(cold, virial)]),
        "argon": problem(argon),
    },
    truths=dict.fromkeys(("joint", "structure", "thermodynamics"), TRUTH),
    findings=[both_at_once],
    transfer=Transfer(
        spread_tolerance=0.02,
        tolerances={
            "nearest_neighbour_distance": STRUCTURE,
            "second_virial": THERMODYNAMICS,
            "argon_distance": STRUCTURE,
            "argon_virial": THERMODYNAMICS,
        },
    ),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
