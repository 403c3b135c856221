"""Can factors of the atoms make up for another force field's 1-4 convention, on chains as on rings?

Parameters that were fitted under OPLS's 1-4 factors (half of the Coulomb and of the Lennard-Jones energy) are used under AMBER's
(1/1.2 and 1/2). Charges are multiplied by f and Lennard-Jones strengths, the roots of the depths, by g, one of each for carbons
and for hydrogens. Every molecule is an environment: factors are learnt from energies of its conformations, and carried to others.
"""

from collections.abc import Mapping

import jax
import numpy as np
import numpyro.distributions as dist
import xarray
from jax import Array

import bayesff as bff
from bayesff.assessment import Finding, Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.reporting.wording import probability

jax.config.update("jax_enable_x64", True)

LEARNT, USED = bff.potentials.OPLS_ONE_FOUR, bff.potentials.AMBER_ONE_FOUR  # the convention of the data, and that of the model
UNCERTAINTY, TOLERANCE = 0.1, 0.4  # kJ/mol; 0.4 is a tenth of a kcal/mol
PRECISE = 0.02  # kJ/mol, of the known case: energies are quadratic in charges, and with 0.1 one molecule has two solutions
FACTORS = {"f_carbon": 1.2, "f_hydrogen": 0.9, "g_carbon": 0.98, "g_hydrogen": 1.02}  # known ones, to be found again

# Energies are taken from the first conformation: trans, chair, two chairs. No two hydrogens are nearer than 1.8 angstrom.
MOLECULES = {
    "butane": bff.potentials.alkane([(180.0,), *((float(angle),) for angle in range(0, 180, 15))]),
    "pentane": bff.potentials.alkane(
        [
            (180, 180),
            (180, 150),
            (180, 120),
            (180, 90),
            (180, 60),
            (150, 150),
            (120, 120),
            (90, 90),
            (60, 60),
            (60, 120),
            (60, 150),
        ]
    ),
    "cyclohexane": bff.potentials.cyclohexane(["chair", 0.0, 6.0, 12.0, 18.0, 24.0, 30.0]),
    "decalin": bff.potentials.decalin(
        [
            ("trans", "chair", "chair"),
            ("trans", "chair", "boat_1"),
            ("trans", "boat_1", "boat_1"),
            ("trans", "boat_1", "boat_2"),
            ("cis", "chair", "chair"),
            ("cis", "chair", "boat_2"),
            ("cis", "boat_1", "boat_2"),
        ]
    ),
}

LEARNT_FROM = ("butane", "cyclohexane", "decalin")  # the environments; pentane is only looked at
SKELETONS = {
    **{
        name: (n, bff.potentials.chain_bonds(n)) for n, name in enumerate(("ethane", "propane", "butane", "pentane", "hexane"), 2)
    },
    "cyclohexane": (6, bff.potentials.CYCLOHEXANE_BONDS),
    "decalin": (10, bff.potentials.DECALIN_BONDS),
}


def with_factors(
    f_carbon: float | Array, f_hydrogen: float | Array, g_carbon: float | Array, g_hydrogen: float | Array
) -> bff.potentials.NonbondedForceField:
    """Return OPLS-AA's parameters of alkanes with charges and strengths multiplied."""
    carbons = ("CH3", "CH2", "CH")
    charge, strength = (dict.fromkeys(carbons, c) | {"H": h} for c, h in ((f_carbon, f_hydrogen), (g_carbon, g_hydrogen)))
    return bff.potentials.opls_alkanes().with_factors(charge, strength)


def energies(molecule: str, convention: bff.potentials.OneFourScaling) -> bff.observables.Observable:
    """Return the energies of a molecule's conformations under a 1-4 convention."""
    return bff.observables.Treated(bff.observables.ConformationEnergy(MOLECULES[molecule]), convention)


def states(molecule: str) -> dict[str, np.ndarray]:
    """Return every conformation but the first, and the first one as its reference."""
    numbers = np.arange(1.0, MOLECULES[molecule].num_conformations)
    return {"conformation": numbers, "reference_conformation": np.zeros_like(numbers)}


def term(molecule: str, seed: int, convention: bff.potentials.OneFourScaling, factors: Mapping[str, float], kind: str) -> Term:
    """Return energies made with known factors under one convention, to be met under the other."""
    data = bff.datasets.synthesise(
        energies(molecule, convention),
        with_factors(**factors),
        states(molecule),
        UNCERTAINTY if kind == "opls" else PRECISE,
        seed=seed,
        name=f"{kind}_{molecule}",
        substance=molecule,
        environment=bff.datasets.Environment(
            molecule if kind == "opls" else f"{molecule}, {kind}",
            "model",
            treatment={"Coulomb of 1-4 pairs": convention.coulomb, "Lennard-Jones of 1-4 pairs": convention.lennard_jones},
        ),
    )
    return Term(data, energies(molecule, USED), name=f"{kind}_{molecule}")


def problem(
    convention: bff.potentials.OneFourScaling, factors: Mapping[str, float], kind: str, seed: int, width: float
) -> CalibrationProblem:
    """Return the calibration of the factors, whose priors for charges have this width in the logarithm.

    A ring alone leaves the factors of charges and of strengths in a curved valley, in which draws diverge if it is very long.
    """
    f, g = Prior(dist.LogNormal(0.0, width)), Prior(dist.LogNormal(0.0, 0.05))
    priors = {"f_carbon": f, "f_hydrogen": f, "g_carbon": g, "g_hydrogen": g}
    return CalibrationProblem(
        with_factors, priors, [term(name, seed + place, convention, factors, kind) for place, name in enumerate(LEARNT_FROM)]
    )


opls = problem(LEARNT, dict.fromkeys(FACTORS, 1.0), "opls", seed=1, width=0.2)


def solvability(trees: Mapping[str, xarray.DataTree]) -> list[Finding]:
    """Say where atom by atom factors of the charges exist that give all pairs what they ask for; it follows from the bonds."""
    ratio, values, verdicts, rooted = LEARNT.over(USED).coulomb, {}, {True: [], False: []}, []
    for name, (number, bonds) in SKELETONS.items():
        for kind, build in (("united atoms", bff.potentials.united_atoms), ("all atoms", bff.potentials.all_atoms)):
            topology = build(number, bonds)
            system = bff.potentials.FactorSystem.of_one_four(topology, ratio)
            rooted.append(bff.potentials.FactorSystem.of_one_four(topology, ratio, beyond=False).solvable)
            facts = {"atoms": topology.num_atoms, "pairs": len(system.pairs), "rank": system.rank, "residual": system.residual}
            values |= {f"{name}_{kind.replace(' ', '_')}_{key}": value for key, value in facts.items()}
            left = "" if system.solvable else f", residual {system.residual:.2f}"
            verdicts[system.solvable].append(f"{name} ({kind}, rank {system.rank} of {len(system.pairs)} equations{left})")
    text = (
        f"If only 1-4 pairs mattered, the root of the ratio {ratio:.2f} on all charges would solve {sum(rooted)} of "
        f"{len(rooted)} systems, chains and rings. With pairs farther apart left as they are, factors exist for "
        f"{'; '.join(verdicts[True])}. "
        f"They do not for {'; '.join(verdicts[False])}."
    )
    return [Finding("solvability", text, {"ratio": ratio} | values)]


def error(name: str, predicted: np.ndarray) -> np.ndarray:
    """Return the root mean square error [kJ/mol] of predictions of OPLS's data, along the last axis."""
    return np.sqrt(np.mean((predicted - opls.terms[f"opls_{name}"].values) ** 2, axis=-1))


def without_factors(name: str) -> float:
    """Return the error [kJ/mol] of AMBER's convention with the parameters as they are."""
    one = opls.terms[f"opls_{name}"]
    return float(
        error(name, np.asarray(one.observable.predict(with_factors(1, 1, 1, 1), one.points(one.environments).state).mean))
    )


def energies_left(trees: Mapping[str, xarray.DataTree]) -> list[Finding]:
    """Say how far off the energies are with factors learnt on all molecules, and on each and carried to the others."""
    tree, words, values = trees["opls"], [], {}
    for name in LEARNT_FROM:
        off = np.quantile(error(name, bff.assessment.draws(tree, "posterior_predictive", f"opls_{name}_mean")), [0.05, 0.5, 0.95])
        bare = without_factors(name)
        values |= {f"{name}_{key}": float(x) for key, x in zip(("q05", "q50", "q95", "bare"), (*off, bare), strict=True)}
        words.append(f"{name} {off[1]:.2f} ({off[0]:.2f} to {off[2]:.2f}; {bare:.2f} without factors)")
    drawn = {name: bff.assessment.draws(tree, "posterior", name) for name in FACTORS}
    charge = 0.06 * 10 * (drawn["f_hydrogen"] - drawn["f_carbon"])
    text = (
        f"Factors learnt on all molecules leave errors [kJ/mol, root mean square, where noise alone leaves {UNCERTAINTY}] of "
        f"{', '.join(words)}. They give butane a net charge of {np.mean(charge):.2f} ± {np.std(charge):.2f} e."
    )
    found = [Finding("shared_factors", text, values | {"butane_net_charge": float(np.mean(charge))})]
    parts = [bff.assessment.transferability(tree, part) for part in ("matrix", "within", "values")]
    return found if any(part is None for part in parts) else [*found, *(carried(name, *parts) for name in LEARNT_FROM)]


def carried(learnt: str, matrix: xarray.Dataset, within: xarray.Dataset, known: xarray.Dataset) -> Finding:
    """Say what factors that were learnt on one molecule do in each, and in a chain that no factors were learnt on."""
    words, values, worse = [], {}, []
    for name in LEARNT_FROM:
        off, sure = matrix.sel(fitted=learnt, tested=name), float(within["p_within"].sel(fitted=learnt, tested=name))
        size, low, high = (UNCERTAINTY * float(off[f"rmse_over_uncertainty{part}"]) for part in ("", "_q05", "_q95"))
        values |= {f"{name}_error": size, f"{name}_index": float(off["index"].sel(quantile="q50")), f"{name}_p_within": sure}
        words.append(
            f"{name} {size:.2f} ({low:.2f} to {high:.2f}; all within {TOLERANCE} kJ/mol with probability {probability(sure)})"
        )
        worse += [name] if size > without_factors(name) else []
    wanted, bare, made = (
        energies("pentane", convention).predict(with_factors(*factors), states("pentane")).mean
        for convention, factors in (
            (LEARNT, (1, 1, 1, 1)),
            (USED, (1, 1, 1, 1)),
            (USED, known["q50"].sel(fitted=learnt).to_numpy()),
        )
    )
    values |= {f"pentane_{key}": float(np.sqrt(np.mean((one - wanted) ** 2))) for key, one in (("error", made), ("bare", bare))}
    text = (
        f"Learnt on {learnt} alone, the errors [kJ/mol] are {', '.join(words)}; "
        f"{' and '.join(worse) or 'no molecule'} would be better off without factors. The medians of the factors leave pentane "
        f"{values['pentane_error']:.2f} off, without noise ({values['pentane_bare']:.2f} without factors)."
    )
    return Finding(f"learnt_on_{learnt}", text, values)


study = bff.Study(
    name="one_four_scaling",
    question="Can factors of the atoms make up for another force field's 1-4 convention, on chains as on rings?",
    problems={
        "opls": opls,
        "known": problem(USED, FACTORS, "known", seed=101, width=0.15),
    },
    truths={"known": FACTORS},
    transfer=Transfer(
        # A ring by itself fixes products of factors better than the factors: a bent valley, which takes small steps.
        sampler=bff.inference.NUTS(num_warmup=300, num_draws=300, max_draws=2400, target_accept_prob=0.99),
        # The two conventions treat Lennard-Jones energies alike: only the factors of charges may differ between molecules.
        spread={name: Prior(dist.HalfNormal(0.2)) for name in ("f_carbon", "f_hydrogen")},
        tolerances={f"{kind}_{name}": Tolerance(TOLERANCE, "kJ/mol") for kind in ("opls", "known") for name in LEARNT_FROM},
    ),
    findings=[solvability, energies_left],
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
