"""How far do charges that were scaled to fit ion pairs carry over to three ions?

A force field without polarisation puts it into the charges: all of them are multiplied by one factor s. Here the ions K+ and Cl-
have inducible dipoles, and what pairs of them want of s is asked of three: in a row, where the fields of the outer ions cancel at
the centre, and at a right angle, as around an ion of the crystal. The data are synthetic, so that the polarisable form is true.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, transferability
from bayesff.calibration import CalibrationProblem, Discrepancy, Prior, Term
from bayesff.datasets import Environment, synthesise
from bayesff.observables import ClusterEnergy, ManyBodyEnergy, Shape
from bayesff.potentials import BornMayer, InducibleDipoles, PointCharges, SitePair
from bayesff.reporting.wording import anchor, enumerate_words, interval, probability, significant
from bayesff.units import convert

jax.config.update("jax_enable_x64", True)

# Polarisabilities [angstrom^3] and damping (a = 0.39) of AMOEBA: A. Grossfield, P. Ren, J. W. Ponder, J. Am. Chem. Soc. 125,
# 15671 (2003), doi:10.1021/ja037005r. Repulsion c b exp((d1 + d2 - r)/rho) of KCl: M. P. Tosi, F. G. Fumi, J. Phys. Chem. Solids
# 25, 45 (1964), doi:10.1016/0022-3697(64)90160-X, without its dispersion; both candidates know it.
TRUTH = {"anion": 4.00, "cation": 0.78}
UNCERTAINTY = 1.0  # kJ/mol, a good quantum-chemical calculation
strength, hardness, radius = convert(0.338e-19, "J", "kJ/mol"), 0.337, {"K": 1.463, "Cl": 1.585}
repulsion = tuple(
    SitePair(pair, BornMayer(factor * strength * np.exp(sum(radius[kind] for kind in pair) / hardness), hardness))
    for pair, factor in {("K", "Cl"): 1.0, ("K", "K"): 1.25, ("Cl", "Cl"): 0.75}.items()
)
SHAPES = {  # environment and shape of each term
    "pair": ("ion pairs", Shape.dimer("K", "Cl")),
    "row": ("three in a row", Shape.linear("Cl", "K", "Cl")),
    "corner": ("right angle", Shape.bent("Cl", "K", "Cl", 90.0)),
}
PLACES = tuple(label for label, _ in SHAPES.values())
ENDS = ("_q05", "", "_q95")
separation = {"separation": np.linspace(2.5, 3.6, 8)}  # from inside the molecule's 2.67 angstrom to outside the crystal's 3.15


def scaled_charges(scale: float | jax.Array) -> PointCharges:
    """Return ions that are charges alone."""
    return PointCharges(("K", "Cl"), [1.0, -1.0], repulsion, scale)


def polarisable(anion: float | jax.Array, cation: float | jax.Array) -> InducibleDipoles:
    """Return ions with full charges and polarisabilities [angstrom^3]."""
    return InducibleDipoles(scaled_charges(1.0), jnp.stack([jnp.asarray(cation), jnp.asarray(anion)]))


data = {
    name: synthesise(
        ClusterEnergy(shape), polarisable(**TRUTH), separation, UNCERTAINTY, seed, environment=Environment(label, "dimer")
    )
    for seed, (name, (label, shape)) in enumerate(SHAPES.items(), start=1)
}
# One factor is never exact: within a factor of four of 15 kJ/mol, and smoothly along the separation.
effects = [Discrepancy("separation", scale=Prior(dist.LogNormal(2.7, 0.7), "kJ/mol"), length=Prior(dist.LogNormal(-0.7, 0.5)))]
terms = {
    form: [Term(data[name], ClusterEnergy(shape), effects=errors, name=name) for name, (_, shape) in SHAPES.items()]
    for form, errors in {"scaled": effects, "polarisable": []}.items()
}


@jax.jit
def by_least_squares(share: float | jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the factor that pairs want with so large a share of the polarisabilities, and errors [kJ/mol] by environment."""

    def energies(potential):
        return jnp.stack([ClusterEnergy(shape).predict(potential, separation).mean for _, shape in SHAPES.values()])

    true, full = energies(polarisable(*(share * value for value in TRUTH.values()))), energies(scaled_charges(1.0))
    charges = energies(scaled_charges(2**0.5)) - full  # doubles all products of charges
    excess = jnp.sum(charges[0] * (true - full)[0]) / jnp.sum(charges[0] ** 2)
    return jnp.sqrt(1 + excess), jnp.sqrt(jnp.mean((full + excess * charges - true) ** 2, axis=1))


def what_the_polarisability_does(trees):
    """Follow the factor and the errors from no polarisability to that of the ions, and say which factor the data want."""
    shares = np.linspace(0.0, 1.0, 11)
    factors, errors = (np.stack(found) for found in zip(*map(by_least_squares, shares), strict=True))
    grow = "grow" if np.all(np.diff(errors[:, 1:], axis=0) > 0) else "do not both grow"
    told = enumerate_words([f"{significant(error)} kJ/mol in “{label}”" for label, error in zip(PLACES, errors[-1], strict=True)])
    text = (
        f"By least squares ion pairs want charges times {factors[-1]:.3f}, with which energies err by {told} (root mean square). "
        f"The errors of three ions {grow} with the polarisability throughout; without any the factor is {factors[0]:.3f} and the "
        f"largest error {significant(errors[0].max())} kJ/mol."
    )
    values = {f"error_{anchor(label)}": float(error) for label, error in zip(PLACES, errors[-1], strict=True)}
    values |= {"factor": float(factors[-1]), "factor_without": float(factors[0]), "error_without": float(errors[0].max())}
    caption = "Charges are scaled to fit ion pairs by least squares, while the polarisabilities of both ions grow in proportion."
    x, x_label = shares * TRUTH["anion"], "polarisability of the anion [Å³]"
    lines = [Line(label, x, column) for label, column in zip(PLACES, errors.T, strict=True)]
    chart = Chart("Errors of scaled charges", caption, x_label, "root mean square error [kJ/mol]", lines)
    found, line = [Finding("error_by_polarisability", text, values, chart)], Line("least squares, pairs", x, factors)
    table = transferability(trees["scaled_charges"], "values")
    if table is None:
        return found
    rows = {label: [float(table[key].sel(fitted=label, parameter="scale")) for key in ("q50", "q05", "q95")] for label in PLACES}
    told = enumerate_words([f"“{label}” {interval(low, high)}" for label, (_, low, high) in rows.items()])
    text = f"Fitted alone, with the error that the form has in it, the environments want charges times (90 %): {told}."
    points = [Line(label, x[-1:], *([number] for number in row), points=True) for label, row in rows.items()]
    chart = Chart("Factor of the charges", caption, x_label, "factor of the charges", [line, *points])
    values = {f"{anchor(label)}_{key}": row[k] for label, row in rows.items() for k, key in enumerate(("q50", "q05", "q95"))}
    return [*found, Finding("factor", text, values, chart)]


def what_carries_over(trees):
    """Say how far off three ions are by what was learnt from pairs, and whether the polarisable form repairs it."""
    values, told, ends, held = {}, [], {}, []
    pairs, *others = PLACES
    for form, tree in trees.items():
        matrix, within = transferability(tree, "matrix"), transferability(tree, "within")
        if matrix is None or within is None:
            return []
        for label in others:
            place = {"fitted": pairs, "tested": label}
            low, middle, high = (UNCERTAINTY * float(matrix[f"rmse_over_uncertainty{end}"].sel(place)) for end in ENDS)
            share = float(within["p_within"].sel(place))
            values |= {f"{form}_{anchor(label)}_error": middle, f"{form}_{anchor(label)}_within": share}
            ends[form, label] = low, high
            told.append(
                f"{form.replace('_', ' ')} in “{label}” by {interval(low, high, 'kJ/mol')} (all within a kilocalorie a mole "
                f"with probability {probability(share)})"
            )
            covered = matrix.sel(place).sel(level=0.9)
            held += [float(covered["coverage_low"]) <= 0.9 <= float(covered["coverage_high"])] if form == "polarisable" else []
    smaller = all(ends["polarisable", label][1] < ends["scaled_charges", label][0] for label in others)
    text = (
        f"Learnt from ion pairs alone, energies of three ions err: {'; '.join(told)}. The errors of the polarisable form are "
        f"{'smaller throughout' if smaller else 'not smaller throughout'}, and its 90 % intervals "
        f"{'hold' if all(held) else 'do not hold'} the energies as often as they say: it "
        f"{'repairs the transfer, to what pairs leave open' if smaller and all(held) else 'does not repair the transfer'}."
    )
    return [Finding("three_ions", text, values)]


def what_no_pairs_have(trees):
    """Say how much of the energy of three ions is no sum over pairs, whatever the pair potential."""
    parts = {label: ManyBodyEnergy(shape).predict(polarisable(**TRUTH), separation).mean for label, shape in SHAPES.values()}
    sizes = {label: float(jnp.sqrt(jnp.mean(parts[label] ** 2))) for label in PLACES[1:]}
    told = enumerate_words([f"{significant(size)} kJ/mol in “{label}”" for label, size in sizes.items()])
    text = f"No sum over pairs has a part of the energy of three ions, whatever the pair potential: {told} (root mean square)."
    return [Finding("many_body", text, {anchor(label): size for label, size in sizes.items()})]


study = bff.Study(
    name="polarization_trimer",
    question="How far do charges that were scaled to fit ion pairs carry over to three ions?",
    problems={
        "scaled_charges": CalibrationProblem(scaled_charges, {"scale": Prior(dist.LogNormal(0.0, 0.1))}, terms["scaled"]),
        # Free chloride has 5.5 angstrom^3, chloride in crystals 3; potassium 0.8 to 1.3.
        "polarisable": CalibrationProblem(
            polarisable,
            {
                "anion": Prior(dist.LogNormal(1.3, 0.3), "angstrom^3"),
                "cation": Prior(dist.LogNormal(0.0, 0.4), "angstrom^3"),
            },
            terms["polarisable"],
        ),
    },
    # A kilocalorie a mole
    transfer=Transfer(
        # The cation's dipole is a fifth of the anion's: where it alone differed could not be told.
        spread=dict.fromkeys(("scale", "anion"), Prior(dist.HalfNormal(0.1))),
        spread_tolerance=0.02,
        tolerances=dict.fromkeys(SHAPES, Tolerance(1.0, "kcal/mol")),
    ),
    truths={"polarisable": TRUTH},
    findings=[what_the_polarisability_does, what_carries_over, what_no_pairs_have],
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
