"""Which Lennard-Jones parameters, learnt from the compressibility of a warm dilute gas, hold in a cold or dense one?

The isothermal compressibility of a gas weighs the second virial coefficient with the density: an error of the well that nothing
shows in a warm thin gas grows with the density and towards low temperature. Synthetic data come from known parameters; argon's
compressibility follows from the virial coefficients of its reference equation of state.
"""

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, transferability
from bayesff.calibration import CalibrationProblem, Discrepancy, Prior, Term
from bayesff.observables import IsothermalCompressibility, ThirdVirial
from bayesff.potentials import AxilrodTeller, LennardJones
from bayesff.reporting.wording import anchor, candidate_text, enumerate_words, percent, probability, rounded
from bayesff.units import convert

jax.config.update("jax_enable_x64", True)

TRUTH = {"epsilon": 119.8, "sigma": 3.405}  # K, angstrom
DELTA = Tolerance(0.05)
# Parameters whose fate is asked for [K, angstrom]; a depth that is off by 5 % is one of them.
CANDIDATES = {
    "epsilon + 5 %": (1.05 * TRUTH["epsilon"], TRUTH["sigma"]),
    "epsilon − 5 %": (0.95 * TRUTH["epsilon"], TRUTH["sigma"]),
    "sigma + 2 %": (TRUTH["epsilon"], 1.02 * TRUTH["sigma"]),
    "Rahman 1964": (120.0, 3.4),
    "White 1999": (125.7, 3.345),
    "Magalhães (transport)": (123.55, 3.40744),
    "Poling (viscosity)": (93.3, 3.542),
}
TEMPERATURES, DENSITIES = (160.0, 200.0, 250.0, 300.0, 400.0, 500.0), (0.0005, 0.001, 0.0015, 0.002, 0.0025)  # K, 1/angstrom^3
observable = IsothermalCompressibility()
atoms = LennardJones(convert(TRUTH["epsilon"], "K", "kJ/mol"), TRUTH["sigma"])


def synthetic(label, temperatures, densities, seed):
    """Return compressibilities of the known atoms with an error of 0.5 %."""
    state = dict(zip(("temperature", "density"), np.array([(t, d) for t in temperatures for d in densities]).T, strict=True))
    uncertainty = 0.005 * np.asarray(observable.predict(atoms, state).mean)
    environment = bff.datasets.Environment(label, "gas")
    return bff.datasets.synthesise(observable, atoms, state, uncertainty, seed, environment=environment)


parts = [
    synthetic("warm dilute", (250.0, 300.0, 400.0, 500.0), (0.0005, 0.001), 1),
    synthetic("cold dilute", (160.0, 200.0), (0.0005, 0.001), 2),
    synthetic("warm dense", (300.0, 400.0, 500.0), (0.002, 0.0025), 3),
    synthetic("cold dense", (160.0, 200.0), (0.002, 0.0025), 4),
]
# Argon: forces between three atoms are those of quantum chemistry; no form is exact, by about 1 % of 0.5 / MPa.
triple_dipole = AxilrodTeller.from_atomic_units(518.3)  # B. Jaeger et al., Mol. Phys. 107, 2181 (2009)
known = bff.datasets.load("argon_gas_compressibility")
known = known.take(np.flatnonzero(np.isin(known.state["temperature"], (170.0, 200.0, 250.0, 300.0, 400.0, 500.0))))
argon = [
    Term(
        known.cut("density", {"argon, dilute": (None, 0.0011), "argon, denser": (0.0011, None)}),
        IsothermalCompressibility(bff.observables.SecondVirial(quantum_order=1, molar_mass=39.948), ThirdVirial(triple_dipole)),
        effects=[
            Discrepancy(
                "temperature",
                scale=Prior(dist.LogNormal(-6.2, 0.7), "1/MPa"),
                length=Prior(dist.LogNormal(-0.7, 0.5)),
                num_nodes=6,
            )
        ],
        name="argon_compressibility",
    )
]
priors = {"epsilon": Prior(dist.LogNormal(4.78, 0.1), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.03), "angstrom")}


def errors(epsilon, sigma, temperature, density):
    """Return the relative error of the compressibility that parameters [K, angstrom] make."""
    state = {"temperature": np.asarray(temperature), "density": np.asarray(density)}
    wrong = observable.predict(LennardJones(convert(epsilon, "K", "kJ/mol"), sigma), state).mean
    return np.asarray(wrong / observable.predict(atoms, state).mean - 1)


def which_stay_within(trees):
    """Say which of the listed parameters stay within the tolerance everywhere, and where the others fail."""
    grid = np.array([(t, d) for t in TEMPERATURES for d in DENSITIES]).T
    worst, held, failed = {}, [], []
    for name, parameters in CANDIDATES.items():
        off = errors(*parameters, *grid)
        place = int(np.argmax(np.abs(off)))
        worst[anchor(name)] = float(off[place])
        where = f"{name} ({rounded(100 * off[place], 1)} % at {grid[0, place]:g} K and {grid[1, place]:g} / Å³)"
        (held if abs(off[place]) <= DELTA.amount else failed).append(where)
    text = (
        f"Of {len(CANDIDATES)} sets of parameters stay within {percent(DELTA.amount)} everywhere: "
        f"{enumerate_words(held) or 'none'}. Beyond it go {enumerate_words(failed) or 'none'}. In brackets the worst error."
    )
    return [Finding("candidates", text, worst)]


def where_a_depth_fails_first(trees):
    """Say from which density on a depth that is off by 5 % breaks the tolerance, at each temperature."""
    densities, values, lines, told, ordered = np.linspace(1e-5, DENSITIES[-1], 250), {}, [], [], True
    every = sorted({*TEMPERATURES, *np.arange(TEMPERATURES[0], TEMPERATURES[2], 5.0)})
    for name in [name for name in CANDIDATES if name.startswith("epsilon")]:
        over = {t: np.abs(errors(*CANDIDATES[name], np.full(250, t), densities)) > DELTA.amount for t in every}
        along = {t: float(densities[np.argmax(broken)]) for t, broken in over.items() if broken.any()}
        first = {t: along[t] for t in TEMPERATURES if t in along}
        ordered &= list(first.values()) == sorted(first.values()) and list(first) == list(TEMPERATURES[: len(first)])
        values |= {f"{anchor(name)}_{t:g}": d for t, d in first.items()}
        lines.append(Line(name, list(along), list(along.values())))
        told.append(
            f"{name} from " + (enumerate_words([f"{d:.4f} / Å³ at {t:g} K" for t, d in first.items()]) or "no density on")
        )
    chart = Chart(
        "Where a depth that is off by 5 % fails",
        f"The density from which on the compressibility is off by more than {percent(DELTA.amount)}, where it is below "
        f"{DENSITIES[-1]:g} / Å³.",
        "temperature [K]",
        "density [1/Å³]",
        lines,
    )
    order = "fails at low temperature and high density first" if ordered else "does not fail in the order of the temperatures"
    return [Finding("depth_off", f"A depth that is off by 5 % {order}: {'; '.join(told)}.", values, chart)]


def how_the_posterior_fares(trees):
    """Say with which probability the posterior of each environment is within tolerance in all others."""
    found = []
    for name, within in [(name, transferability(tree, "within")) for name, tree in trees.items()]:
        if within is not None:
            labels = [str(label) for label in within["tested"].to_numpy()]
            chances = {label: float(within["p_within_everywhere"].sel(fitted=label)) for label in labels}
            told = enumerate_words([f"{probability(chance)} fitted to “{label}”" for label, chance in chances.items()])
            text = f"{candidate_text(name)} is within {percent(DELTA.amount)} in all other environments with probability {told}."
            found.append(Finding(f"within_{name}", text, {anchor(label): chance for label, chance in chances.items()}))
    return found


study = bff.Study(
    name="compressibility_transfer",
    question="Which Lennard-Jones parameters, learnt from the compressibility of a warm dilute gas, hold in a cold or dense one?",
    problems={
        "lennard_jones": CalibrationProblem(LennardJones, priors, [Term(parts, observable)]),
        "argon": CalibrationProblem(LennardJones, priors, argon),
    },
    truths={"lennard_jones": TRUTH},
    findings=[which_stay_within, where_a_depth_fails_first, how_the_posterior_fares],
    transfer=Transfer(spread_tolerance=0.02, tolerances={"isothermal_compressibility": DELTA, "argon_compressibility": DELTA}),
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
