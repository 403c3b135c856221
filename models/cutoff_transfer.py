"""By what must a Lennard-Jones depth be multiplied where its tail is cut off, and does that restore anything but one number?

Nature is a gas of the potential in full. A treatment is how a modeller computes it: in full, or plainly cut at 8.5 or 6 angstrom.
Each treatment is an environment with its own part of the data (interleaved temperatures), and wants parameters of its own, which
the transfer assessment carries to the others. *Restored*, every cut has at every temperature the factor on its depth that gives
back the second virial coefficient, which then is that in full whatever the cut: the same parameters serve all treatments.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, draws, transferability
from bayesff.calibration import CalibrationProblem, GaussianNoise, NoPooling, Prior, Term
from bayesff.observables import SecondVirial, ThirdVirial, Treated, restoring_factor, single_factor
from bayesff.potentials import ForceShiftedCut, LennardJones, PlainCut, ShiftedCut
from bayesff.reporting.wording import chance_text, rounded

jax.config.update("jax_enable_x64", True)

NEAR, FAR = 6.0, 8.5  # cutoffs [angstrom]; 8.5 angstrom are 2.5 diameters
PLAIN = {cutoff: functools.partial(PlainCut, cutoff=cutoff) for cutoff in (FAR, NEAR)}
# Treatments that findings look at, beside the plain cuts: with the same forces, with continuous ones, and with what lies beyond.
TREATMENTS = {f"plainly cut at {cutoff:g} Å": cut for cutoff, cut in PLAIN.items()} | {
    f"shifted at {FAR:g} Å": functools.partial(ShiftedCut, cutoff=FAR),
    f"force-shifted at {FAR:g} Å": functools.partial(ForceShiftedCut, cutoff=FAR),
    f"cut at {FAR:g} Å with a tail": functools.partial(PlainCut, cutoff=FAR, tail=True),
    f"cut at {NEAR:g} Å with a tail": functools.partial(PlainCut, cutoff=NEAR, tail=True),
}
COLDEST, WARM, HOTTEST = 85.0, 300.0, 1000.0  # K
SHOWN = (100.0, WARM, HOTTEST)
CURVE = {"temperature": np.union1d(np.geomspace(COLDEST, HOTTEST, 21)[:-1], SHOWN)}
NUM_DRAWS = 100  # of the posterior, that findings look at
TOLERANCE = 3.0  # cm^3/mol: 1 % of the density of argon at 10 MPa and 300 K
TRUTH = {"epsilon": 119.8, "sigma": 3.405}  # K, angstrom: Rowley, Nicholson and Parsonage (1975)
NATURE = LennardJones(bff.units.convert(TRUTH["epsilon"], "K", "kJ/mol"), TRUTH["sigma"])

TREATED = {"in full": lambda full: full} | {f"cut at {cutoff:g} Å": cut for cutoff, cut in PLAIN.items()}
# Below 100 K the Lennard-Jones form is some 5 cm^3/mol off argon, above it 2, which the scales of the noise take in.
measured = bff.datasets.load("argon_second_virial").where(quality="ok").between("temperature", 100.0, 1000.0)
measured = measured.take(np.argsort(measured.state["temperature"], kind="stable"))


def terms(kind: str) -> list[Term]:
    """Return a term for each treatment, to which every third temperature belongs."""
    made = []
    for place, (label, treatment) in enumerate(TREATED.items()):
        where = bff.datasets.Environment(label, "gas", treatment={"cutoff": label})
        if kind == "argon":
            data = measured.take(np.arange(place, measured.num_data, 3)).with_environment(label, treatment=where.treatment)
            noise = GaussianNoise(noise_scale=Prior(dist.LogNormal(1.0, 1.0)))
            made.append(Term(data, Treated(SecondVirial(), treatment), noise, name=f"argon_{place}"))
            continue
        state = {"temperature": np.geomspace(COLDEST, HOTTEST, 36)[place::3]}
        data = bff.datasets.synthesise(SecondVirial(), NATURE, state, 1.0, seed=11 + place, environment=where)
        observable = SecondVirial() if kind == "restored" else Treated(SecondVirial(), treatment)
        made.append(Term(data, observable, name=f"synthetic_{place}"))
    return made


def factors(trees):
    """Say by what the depth must be multiplied, and what one factor for all temperatures leaves."""
    nature, columns = natures(trees), np.searchsorted(CURVE["temperature"], SHOWN)
    found = {cutoff: over(nature, restored_by, cut) for cutoff, cut in PLAIN.items()}
    for place, name in enumerate(("Synthetic", "Argon")):
        text, values, lines = [], {}, []
        for cutoff, results in found.items():
            along, best, left = (one[place * NUM_DRAWS : (place + 1) * NUM_DRAWS] for one in results)
            low, middle, high = np.quantile(along, [0.05, 0.5, 0.95], axis=0)
            shown = [f"{middle[n]:.3f} ({low[n]:.3f} to {high[n]:.3f})" for n in columns]
            rms, above = np.sqrt(np.mean(left**2, axis=1)), np.mean(np.all(along[:, columns] > 1, axis=1))
            text.append(
                f"cut at {cutoff:g} Å the depth must be multiplied by {', '.join(shown)} at {SHOWN[0]:g}, {SHOWN[1]:g} and "
                f"{SHOWN[2]:g} K (P(all above 1) {chance_text(above)}); the best single factor, {np.median(best):.3f}, leaves "
                f"{np.median(rms):.1f} cm³/mol (root mean square) from {COLDEST:g} to {HOTTEST:g} K (P(below {TOLERANCE:g}) "
                f"{chance_text(np.mean(rms < TOLERANCE))})"
            )
            values |= {f"factor_{cutoff:g}_at_{t:g}": float(middle[n]) for t, n in zip(SHOWN, columns, strict=True)}
            values |= {f"single_{cutoff:g}": float(np.median(best)), f"single_{cutoff:g}_rms": float(np.median(rms))}
            lines.append(Line(f"{cutoff:g} Å", CURVE["temperature"], middle, low, high))
        title, caption = (
            "Factor on the depth that restores the second virial coefficient",
            "Median and 90 % band of the posterior.",
        )
        chart = Chart(f"{title}: {name.lower()}", caption, "temperature [K]", "factor", lines, logarithmic_x=True)
        yield Finding(f"factor_{name.lower()}", f"{name}: {'; '.join(text)}.", values, chart)


def without_factor(trees):
    """Say which treatments leave the second virial coefficient within tolerance as they are."""
    changes = over(natures(trees), change, tuple(TREATMENTS.values()))
    for place, name in enumerate(("Synthetic", "Argon")):
        fine, rest, values = [], [], {}
        for number, (label, off) in enumerate(zip(TREATMENTS, changes, strict=True)):
            worst = np.abs(off[place * NUM_DRAWS : (place + 1) * NUM_DRAWS]).max(axis=1)
            largest, inside = float(np.median(worst)), float(np.mean(worst < TOLERANCE))
            (fine if inside > 0.9 else rest).append(f"{label} ({largest:.2g} cm³/mol at most, P {chance_text(inside)})")
            values |= {f"largest_{number}": largest, f"within_{number}": inside}
        text = f"{name}: within {TOLERANCE:g} cm³/mol at every temperature without a factor: {', '.join(fine) or 'none'}. "
        yield Finding(f"no_factor_{name.lower()}", text + f"Not so: {', '.join(rest) or 'none'}.", values)


def not_restored(trees):
    """Say what else the factor changes, that restores the second virial coefficient at one temperature."""
    text, values = [], {}
    for cutoff, cut in PLAIN.items():
        some = jax.tree.map(lambda column: column[:NUM_DRAWS:4], natures(trees))
        deeper, off, cold = (float(np.median(column)) for column in over(some, side_effects, cut))
        text.append(
            f"With the factor of {WARM:g} K, cut at {cutoff:g} Å, the well is {100 * deeper:.1f} % deeper, the third virial "
            f"coefficient there {rounded(100 * off, 1)} % off, and the second at {COLDEST:g} K {rounded(cold, 1)} cm³/mol."
        )
        values |= {f"well_{cutoff:g}": deeper, f"third_virial_{cutoff:g}": off, f"cold_{cutoff:g}": cold}
    yield Finding("not_restored", " ".join(text), values)


def carried(trees):
    """Say which depth each treatment wants, and how wrong parameters are that are carried from one to another."""
    for name in ("treated", "argon"):
        depths = bff.units.convert(draws(trees[name], "posterior", "epsilon_environment"), "kJ/mol", "K")
        text, values, matrix = [], {}, transferability(trees[name], "matrix")
        for label, depth in zip(TREATED, depths.T, strict=True):
            low, middle, high = np.quantile(depth, [0.05, 0.5, 0.95])
            text.append(f"{label} {middle:.1f} K ({low:.1f} to {high:.1f})")
            values[f"depth_{label}"] = float(middle)
        text = [f"{name.capitalize()}: the depth wanted is " + ", ".join(text) + "."]
        for label in list(TREATED)[1:] if matrix is not None else ():
            for fitted, tested in (("in full", label), (label, "in full")):
                index = float(matrix["index"].sel(quantile="q50", fitted=fitted, tested=tested))
                values[f"index_{fitted}_to_{tested}"] = index
                text.append(f"Carried from {fitted} to {tested} the error is {index:.1f} times that where it was learnt.")
        yield Finding(f"carried_{name}", " ".join(text), values)


def natures(trees):
    """Return potentials that the posteriors hold of nature, side by side: the synthetic one's, then what argon is in full."""
    columns = []
    for name in TRUTH:
        synthetic, argon = draws(trees["restored"], "posterior", name), draws(trees["argon"], "posterior", f"{name}_environment")
        columns.append(np.concatenate([synthetic[-NUM_DRAWS:], argon[-NUM_DRAWS:, 0]]))
    return LennardJones(*columns)


def over(potentials, function, about):
    """Return what a function of a potential is for each of many."""
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(lambda one: function(one, about)))(potentials))


def restored_by(potential, cut):
    """Return the factor at each temperature, and the best one for all with what it leaves."""
    each = restoring_factor(SecondVirial(), potential, cut, CURVE)
    return each, *single_factor(SecondVirial(), potential, cut, CURVE)


def change(potential, treatments):
    """Return by how much treatments change the second virial coefficient along the curve."""
    return [virial(treatment(potential)) - virial(potential) for treatment in treatments]


def side_effects(potential, cut):
    """Return what the factor of a warm gas does to the well, the third virial coefficient, and the second in the cold."""
    warm = {"temperature": np.array([WARM])}
    by = restoring_factor(SecondVirial(), potential, cut, warm)[0]
    full, treated = (ThirdVirial().evaluate(one, warm)[0][0] for one in (potential, cut(potential.scale(by))))
    return by - 1, treated / full - 1, (virial(cut(potential.scale(by))) - virial(potential))[0]


def virial(potential):
    """Return the second virial coefficient along the curve."""
    return SecondVirial().evaluate(potential, CURVE)[0]


priors = {"epsilon": Prior(dist.LogNormal(4.85, 0.2), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
study = bff.Study(
    name="cutoff_transfer",
    question="By what must a Lennard-Jones depth be multiplied where its tail is cut off, and does that restore anything else?",
    problems={
        "restored": CalibrationProblem(LennardJones, priors, terms("restored")),
        "treated": CalibrationProblem(LennardJones, priors, terms("treated"), NoPooling()),
        "argon": CalibrationProblem(LennardJones, priors, terms("argon"), NoPooling()),
    },
    transfer=Transfer(
        tolerances={f"{of}_{n}": Tolerance(TOLERANCE, "cm^3/mol") for of in ("synthetic", "argon") for n in range(3)}
    ),
    truths={"restored": TRUTH},
    findings=[factors, without_factor, not_restored, carried],
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
