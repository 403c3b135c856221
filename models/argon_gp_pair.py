"""What do argon's second virials and viscosity say of its pair potential, if no form is assumed?

A Gaussian process about krypton's pair potential, scaled by the law of corresponding states, is learnt from the gas alone, and
from the gas with ab initio energies of the dimer. A gas averages over separations: where its averages do not reach, the band of
the energy must stay as wide as it was before, and where they do, one asks whether the ab initio curve lies in it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, draws
from bayesff.calibration import CalibrationProblem, GaussianNoise, GroupBias, Prior, Term, weight_priors
from bayesff.potentials import ConformalPotential, GaussianProcessPair, TangToennies
from bayesff.reporting.wording import percent, significant

jax.config.update("jax_enable_x64", True)

MOLAR_MASS = 39.948  # g/mol
NUM_WEIGHTS = 16
INNER = 2.6  # angstrom; further in, a tenth of a Lennard-Jones wall is a third of the real one, and a draw may have none
UNKNOWN = 0.1  # of repulsion and of attraction, before the data: krypton is not argon
REACHED = 0.5  # of the prior's standard deviation: what is left of it where the data reach
OWN = 0.3  # of an error that neighbouring data have in common, what each has to itself
# Critical points of argon (Tegeler, Span, Wagner 1999) and krypton (Lemmon, Span 2006): nothing else of argon is in the prior.
CRITICAL = {"argon": (150.687, 13.407), "krypton": (209.48, 10.85)}  # K, mol/l
(temperature, density), (other_temperature, other_density) = CRITICAL.values()
mean = ConformalPotential(
    TangToennies.krypton(), energy=temperature / other_temperature, length=(other_density / density) ** (1 / 3)
)
# The sizes of repulsion and attraction: those of a Lennard-Jones fluid with argon's critical temperature, 1.31 epsilon.
strength = UNKNOWN * 4 * bff.units.convert(temperature / 1.31, "K", "kJ/mol")
make = GaussianProcessPair.factory(NUM_WEIGHTS, mean, strength=strength, length=3.4, correlation=0.2, inner=INNER, cutoff=20.0)


def in_common(data: bff.datasets.DataSet, over: str, length: float) -> bff.datasets.DataSet:
    """Return the data with errors that are correlated over the logarithm of a state, but for what each datum has to itself."""
    x, deviation = np.log(data.state[over]), data.standard_deviation
    shared = np.exp(-0.5 * ((x[:, None] - x) / length) ** 2)
    correlation = (1 - OWN**2) * shared + OWN**2 * np.eye(len(x))
    meaning = f"{data.uncertainty_meaning} Here the errors are correlated over a factor of {np.exp(length):.2f} in the {over}."
    return data.with_uncertainty(covariance=np.outer(deviation, deviation) * correlation, meaning=meaning)


virial = Term(
    bff.datasets.load("argon_second_virial")
    .where(quality="ok")
    .cut("temperature", {"cold gas": (None, 250.0), "warm gas": (250.0, None)}),
    bff.observables.SecondVirial(quantum_order=1, molar_mass=MOLAR_MASS),
    noise=GaussianNoise(noise_scale=Prior(dist.LogNormal(0.0, 0.5))),
    effects=[GroupBias("laboratory", scale=Prior(dist.HalfNormal(2.0), "cm^3/mol"))],
)
# Six temperatures from 120 to 1000 K: with errors that go together, more would say the same again.
viscosity = Term(
    in_common(bff.datasets.load("argon_viscosity").take([0, 2, 5, 8, 10, 13]), "temperature", 1.0),
    bff.observables.DiluteViscosity(molar_mass=MOLAR_MASS, resolution=24),
)
curve = bff.datasets.load("argon_dimer_curve").between("separation", 2.8, 12.0)
separation, energy = curve.state["separation"], bff.units.convert(curve.values, "kJ/mol", "K")
# Every second point of the well is shown to the second candidate; the others, the wall and the tail are not.
shown = np.flatnonzero((separation > 3.25) & (separation <= 8.0))[::2]
dimer = Term(in_common(curve.take(shown), "separation", 0.2), bff.observables.DimerEnergy())
PROBLEMS = {"gas": [virial, viscosity], "gas_and_dimer": [virial, viscosity, dimer]}
DEPTH = float(bff.units.convert(bff.datasets.load("argon_dimer_well_depth").values[0], "kJ/mol", "K"))
DISTANCE = float(bff.datasets.load("argon_dimer_well_distance").values[0])
SEEN = {"gas": np.array([], dtype=int), "gas_and_dimer": shown}
FINE = np.linspace(INNER, 12.0, 471)


def bands(trees):
    """Compare the band of the energy with the ab initio curve, and with what was known before."""
    found = {name: learnt(trees[name], FINE) for name in PROBLEMS}
    return [
        *(well(name, found[name][0]) for name in PROBLEMS),
        *(coverage(name, trees[name]) for name in PROBLEMS),
        reach({name: ratio for name, (_, ratio) in found.items()}),
    ]


def learnt(tree, at):
    """Return draws of the energy [K] at separations, and their standard deviation over the prior's."""
    weights = np.stack([draws(tree, "posterior", f"w{k}") for k in range(NUM_WEIGHTS)], axis=1)
    form = make(**{f"w{k}": 0.0 for k in range(NUM_WEIGHTS)})
    rows = np.asarray(jax.vmap(form.basis)(jnp.asarray(at)))
    drawn = np.asarray(jax.vmap(form.pair_energy)(jnp.asarray(at))) + weights @ rows.T
    ratio = drawn.std(axis=0) / np.sqrt(np.sum(rows**2, axis=1))
    return bff.units.convert(drawn, "kJ/mol", "K"), ratio


def well(name, drawn):
    """Say how deep the well is, and where."""
    deepest, depth = vertex(drawn)
    values = {
        "depth": depth.mean(),
        "depth_sd": depth.std(),
        "distance": deepest.mean(),
        "distance_sd": deepest.std(),
        "ab_initio_depth": DEPTH,
        "ab_initio_distance": DISTANCE,
    }
    text = f"From {said(name)}: a well of {depth.mean():.1f} ± {depth.std():.1f} K at {deepest.mean():.3f} ± "
    text += f"{deepest.std():.3f} Å; ab initio, {DEPTH:.1f} K at {DISTANCE:.3f} Å."
    return Finding(f"well_{name}", text, values)


def vertex(drawn):
    """Return where the energy is least and minus how much it is there, by the parabola through the three lowest points."""
    rows, least = np.arange(len(drawn)), np.clip(np.argmin(drawn, axis=1), 1, len(FINE) - 2)
    left, middle, right = (drawn[rows, least + shift] for shift in (-1, 0, 1))
    shift = (left - right) / (2 * (left - 2 * middle + right))
    return FINE[least] + shift * (FINE[1] - FINE[0]), (left - right) * shift / 4 - middle


def coverage(name, tree):
    """Say how many of the ab initio points that were not shown lie inside the bands, and draw the band about them."""
    unseen = np.setdiff1d(np.arange(len(separation)), SEEN[name])
    drawn, ratio = learnt(tree, separation[unseen])
    values, parts = {"num_points": len(unseen)}, []
    for where, rows in (("reached", ratio < REACHED), ("beyond", ratio >= REACHED)):
        values[f"num_{where}"] = int(rows.sum())
        if not rows.any():
            continue
        for level in (0.5, 0.9):
            low, high = np.quantile(drawn[:, rows], [(1 - level) / 2, (1 + level) / 2], axis=0)
            values[f"{where}_{level * 100:.0f}"] = np.mean((low <= energy[unseen][rows]) & (energy[unseen][rows] <= high))
        place = "where the data reach" if where == "reached" else "where they do not"
        parts.append(f"{percent(values[f'{where}_50'])} and {percent(values[f'{where}_90'])} of {rows.sum()} {place}")
    span = f"{separation[unseen].min():.1f} to {separation[unseen].max():.1f} Å"
    text = f"The 50 and 90 % bands from {said(name)} hold {' and '.join(parts)}, of the ab initio energies from {span} that were "
    text += "not shown; neighbours are right or wrong together."
    # Further in, the band is ten times as wide, and nothing of the well would be seen.
    rows = separation[unseen] > 3.15
    low, middle, high = np.quantile(drawn[:, rows], [0.05, 0.5, 0.95], axis=0) - energy[unseen][rows]
    line = Line("learnt less ab initio", separation[unseen][rows], middle, low, high)
    caption = "Median and 90 % band at the ab initio points that were not shown; zero is the ab initio energy."
    title = f"The potential from {said(name)}, less the ab initio curve"
    return Finding(f"coverage_{name}", text, values, Chart(title, caption, "separation [Å]", "difference [K]", [line]))


def reach(ratios):
    """Say where the data have narrowed what was known before, and by how much."""
    values, parts = {}, []
    for name, ratio in ratios.items():
        inside = FINE[ratio < REACHED]
        values |= {f"{name}_least": ratio.min(), f"{name}_least_at": FINE[ratio.argmin()]}
        values |= {f"{name}_at_{at:g}": left for at, left in ends(ratio)}
        if inside.size:
            values |= {f"{name}_from": inside.min(), f"{name}_to": inside.max()}
        span = (
            f"under {percent(REACHED)} from {inside.min():.1f} to {inside.max():.1f} Å"
            if inside.size
            else f"over {percent(REACHED)}"
        )
        least = f"least, {significant(100 * ratio.min())} %, at {FINE[ratio.argmin()]:.2f} Å"
        parts.append(
            f"from {said(name)} it is {span}, {least}, {' and '.join(f'{percent(left)} at {at:g} Å' for at, left in ends(ratio))}"
        )
    lines = [Line(said(name), FINE, ratio) for name, ratio in ratios.items()]
    caption = "One: nothing was learnt there; the band is as wide as before the data."
    chart = Chart("Where the data reach", caption, "separation [Å]", "posterior over prior standard deviation", lines)
    text = f"The standard deviation of the energy, over what it was before the data: {'; '.join(parts)}."
    return Finding("reach", text, values, chart)


def ends(ratio):
    """Return the first and the last separation, each with the ratio there."""
    return [(FINE[index], ratio[index]) for index in (0, -1)]


def said(name):
    """Return the name of a candidate as words."""
    return {"gas": "the gas alone", "gas_and_dimer": "gas and dimer"}[name]


study = bff.Study(
    name="argon_gp_pair",
    question="What do argon's second virials and viscosity say of its pair potential, if no form is assumed?",
    problems={name: CalibrationProblem(make, weight_priors(NUM_WEIGHTS), terms) for name, terms in PROBLEMS.items()},
    transfer=Transfer(
        tolerances={
            "second_virial": Tolerance(3.0, "cm^3/mol"),
            "viscosity": Tolerance(0.02),
            "dimer_energy": Tolerance(10.0, "K"),
        }
    ),
    findings=[bands],
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
