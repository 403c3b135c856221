"""May butane's torsion, learnt in the gas, be carried into surroundings that add an energy of their own?

A solvent adds an energy W(phi) to the torsion, and populations, free energies and enthalpies of the conformers follow the sum.
Synthetic data come from a known torsion in a gas and in two surroundings; for butane the enthalpies are measured in the gas, in
liquid argon and xenon and in the neat liquid, and the torsion may differ between them.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, draws, transferability
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.observables import (
    GAUCHE_MINUS,
    GAUCHE_PLUS,
    TRANS,
    ConformerEnthalpy,
    ConformerFreeEnergy,
    ConformerPopulation,
    TorsionEnergy,
    Treated,
)
from bayesff.potentials import OPLSTorsion
from bayesff.reporting.wording import anchor, enumerate_words, interval, probability, significant
from bayesff.units import convert

jax.config.update("jax_enable_x64", True)

TRUTH = {
    "v1": 1.411,
    "v2": -0.271,
    "v3": 3.145,
}  # kcal/mol: TraPPE, M. G. Martin, J. I. Siepmann, J. Phys. Chem. B 102, 2569 (1998)
SURROUNDINGS = {
    "favour gauche": {"v1": -0.4, "v2": 0.1, "v3": 0.0},
    "favour trans": {"v1": 0.3, "v2": 0.0, "v3": 0.1},
}  # kcal/mol
POPULATIONS, FREE_ENERGIES, ROOM = 0.02, convert(0.1, "kcal/mol", "kJ/mol"), 298.15  # thresholds, and the temperature [K]


def torsion(v1, v2, v3):
    """Return the torsion with these coefficients [kcal/mol]."""
    return OPLSTorsion(*(convert(value, "kcal/mol", "kJ/mol") for value in (v1, v2, v3)))


def within(surroundings, potential):
    """Return the torsion with what the surroundings add."""
    return potential + surroundings


fields = {name: functools.partial(within, torsion(**added)) for name, added in SURROUNDINGS.items()}
treatments = {"gas": functools.partial(within, torsion(0.0, 0.0, 0.0)), **fields}
MEASURED = {  # observable, states, uncertainty
    "population": (ConformerPopulation(TRANS), {"temperature": np.array([200.0, 250.0, 300.0, 350.0, 400.0])}, 0.01),
    "profile": (TorsionEnergy(), {"torsion_angle": np.array([0.0, 30.0, 60.0, 90.0, 120.0])}, 0.4),
}


def measured(name, label):
    """Return data of an environment, made from the known torsion with what the environment adds to it."""
    observable, state, uncertainty = MEASURED[name]
    seed = 10 * list(MEASURED).index(name) + list(treatments).index(label)
    seen, environment = Treated(observable, treatments[label]), bff.datasets.Environment(label, "model")
    return bff.datasets.synthesise(seen, torsion(**TRUTH), state, uncertainty, seed, environment=environment)


def as_in_the_gas(labels):
    """Return the data of environments, as one predicts them who knows nothing of what they add."""
    return [Term([measured(name, label) for label in labels], observable) for name, (observable, *_) in MEASURED.items()]


with_surroundings = [
    Term(measured(name, label), Treated(observable, treatments[label]), name=f"{name}_{anchor(label)}")
    for name, (observable, *_) in MEASURED.items()
    for label in treatments
]
# Butane: the enthalpies fix one combination of the coefficients and the barrier another, so v2 is that of TraPPE.
enthalpies = bff.datasets.load("butane_conformer_enthalpy")
media = ("gas", "liquid argon", "liquid xenon", "neat liquid")
butane = [
    Term([enthalpies.where(medium=one).with_environment(f"butane, {one}") for one in media], ConformerEnthalpy(GAUCHE_PLUS)),
    Term(bff.datasets.load("butane_torsion_barrier").with_environment("butane, gas"), TorsionEnergy()),
]
priors = {
    "v1": Prior(dist.Normal(1.5, 0.5), "kcal/mol"),
    "v2": Prior(dist.Normal(-0.2, 0.3), "kcal/mol"),
    "v3": Prior(dist.Normal(3.2, 0.5), "kcal/mol"),
}


@jax.jit
def conformers(coefficients, added):
    """Return populations and free energies [kJ/mol] of trans, gauche+ and gauche- for coefficients [kJ/mol]."""
    potential, state = OPLSTorsion(*coefficients) + OPLSTorsion(*added), {"temperature": jnp.array([ROOM])}
    shares = jnp.stack([ConformerPopulation(b).predict(potential, state).mean[0] for b in (TRANS, GAUCHE_PLUS, GAUCHE_MINUS)])
    energies = [
        ConformerFreeEnergy(b, (0.0, 360.0)).predict(potential, state).mean[0] for b in (TRANS, GAUCHE_PLUS, GAUCHE_MINUS)
    ]
    return shares, jnp.stack(energies)


def what_the_gas_says_elsewhere(trees):
    """Say how far off the torsion of the gas is in each surroundings, and with which probability it is good enough."""
    drawn = jnp.asarray(np.stack([draws(trees["gas"], "posterior", name) for name in TRUTH], axis=1)[::10])
    alone = jax.vmap(lambda one: conformers(one, jnp.zeros(3)))(drawn)
    unit, values, told = convert(1.0, "kcal/mol", "kJ/mol"), {}, []
    for label, added in {"gas": dict.fromkeys(TRUTH, 0.0), **SURROUNDINGS}.items():
        right = conformers(*(unit * jnp.array(list(one.values())) for one in (TRUTH, added)))
        of_p = np.sqrt(np.mean((alone[0] - right[0]) ** 2, axis=1))
        of_g = np.max(np.abs(alone[1] - right[1]), axis=1)
        both = float(np.mean((of_p < POPULATIONS) & (of_g < FREE_ENERGIES)))
        (p_low, p_high), (g_low, g_high) = np.quantile(of_p, [0.05, 0.95]), np.quantile(of_g, [0.05, 0.95])
        key = anchor(label)
        values |= {f"epsilon_p_{key}": float(np.median(of_p)), f"epsilon_g_{key}": float(np.median(of_g)), f"p_both_{key}": both}
        told.append(
            f"in “{label}” ε_p = {interval(p_low, p_high)}, ε_G = {interval(g_low, g_high, 'kJ/mol')}, both below "
            f"their thresholds with probability {probability(both)}"
        )
    text = (
        f"The torsion learnt in the gas errs at {ROOM:g} K ({POPULATIONS:g} in the populations, root mean square, and "
        f"{significant(FREE_ENERGIES)} kJ/mol in a free energy are the thresholds): {'; '.join(told)}."
    )
    return [Finding("from_the_gas", text, values)]


def how_the_torsion_differs(trees):
    """Say how much the measured torsion differs between the gas and the liquids, by its enthalpies."""
    spread = transferability(trees["butane"], "spread")
    if spread is None:
        return []
    row = spread.sel(parameter="v1")
    low, high = float(row["q05"]), float(row["q95"])
    unit = str(row["unit"].item())
    where = [str(label) for label in row["environment"].to_numpy()]
    middle, ends = row["value"].to_numpy(), np.stack([row["value_q05"].to_numpy(), row["value_q95"].to_numpy()])
    told = enumerate_words([f"{interval(a, b, unit)} in “{label}”" for label, a, b in zip(where, *ends, strict=True)])
    chart = Chart(
        "Butane's torsion in gas and liquids",
        "The coefficient v1, which moves gauche against trans, by partial pooling: median and 90 % interval.",
        "surroundings",
        f"v1 [{unit}]",
        [Line("v1", [label.removeprefix("butane, ") for label in where], middle, ends[0], ends[1], points=True)],
    )
    text = f"The spread of v1 between butane's surroundings is {interval(low, high, unit)}; v1 is {told}."
    return [Finding("spread_of_the_torsion", text, {"spread_q05": low, "spread_q95": high}, chart)]


study = bff.Study(
    name="butane_torsion",
    question="May butane's torsion, learnt in the gas, be carried into surroundings that add an energy of their own?",
    problems={
        "gas": CalibrationProblem(OPLSTorsion, priors, as_in_the_gas(["gas"])),
        "as_in_the_gas": CalibrationProblem(OPLSTorsion, priors, as_in_the_gas(treatments)),
        "with_surroundings": CalibrationProblem(OPLSTorsion, priors, with_surroundings),
        "butane": CalibrationProblem(
            functools.partial(OPLSTorsion, v2=convert(TRUTH["v2"], "kcal/mol", "kJ/mol")),
            {name: priors[name] for name in ("v1", "v3")},
            butane,
        ),
    },
    truths={"gas": TRUTH, "with_surroundings": TRUTH},
    findings=[what_the_gas_says_elsewhere, how_the_torsion_differs],
    transfer=Transfer(
        # What moves gauche against trans differs between surroundings, by some tenths of a kcal/mol.
        spread={"v1": Prior(dist.HalfNormal(0.3), "kcal/mol")},
        spread_tolerance=0.1,
        tolerances={
            "conformer_enthalpy": Tolerance(0.1, "kcal/mol"),
            "torsion_energy": Tolerance(0.2, "kcal/mol"),
        },
    ),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
