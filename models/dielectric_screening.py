"""Which scaled charge stands for a dielectric, and does one that was learnt in one dielectric serve in another?

Two ions of opposite charge attract each other with a force that the medium between them screens: at contact there is no room
for it, far away it has its bulk permittivity. Force fields that have no such medium scale the charges in a vacuum instead, by a
factor that is the same at every distance. Mean forces in a vacuum, a non-polar liquid and water are three environments here; the
data are synthetic, from a permittivity that rises with the distance. One candidate has that form, the other the factor.
"""

import functools

import equinox as eqx
import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, draws, transferability
from bayesff.calibration import CalibrationProblem, NoPooling, Prior, Term
from bayesff.observables import PairForce, Treated
from bayesff.potentials import Coulomb, SigmoidalCoulomb
from bayesff.reporting.wording import chance_text, percent_interval, significant

jax.config.update("jax_enable_x64", True)

MEDIA = {"vacuum": 1.0, "non-polar": 2.0, "water": 78.4}  # relative permittivity of the bulk
CHARGE = 0.8  # e, of either ion: what is scaled
TRUTH = {"charge": CHARGE, "slope": 0.356}  # e, 1/angstrom
NEAREST, FARTHEST = 2.4, 12.0  # angstrom
NOISE, TOLERANCE = 0.02, 0.05  # of a force
GRID = np.geomspace(NEAREST, FARTHEST, 25)


def screened(charge, slope):
    """Return ions in a vacuum, that know how fast a medium comes between them."""
    return SigmoidalCoulomb(-(charge**2), bulk=1.0, slope=slope)


def scaled(factor):
    """Return ions whose known charges are multiplied by a factor, whatever is between them."""
    return Coulomb(-((factor * CHARGE) ** 2))


def immersed(ions, bulk):
    """Return the ions in a medium: scaled charges do not see it."""
    return eqx.tree_at(lambda one: one.bulk, ions, np.asarray(bulk)) if isinstance(ions, SigmoidalCoulomb) else ions


terms = []
for place, (medium, bulk) in enumerate(MEDIA.items()):
    force = Treated(PairForce(), functools.partial(immersed, bulk=bulk))
    state = {"separation": np.geomspace(NEAREST, FARTHEST, 36)[place::3]}
    known = np.abs(force.predict(screened(**TRUTH), state).mean)
    where = bff.datasets.Environment(medium, "model", treatment={"dielectric": bulk})
    data = bff.datasets.synthesise(force, screened(**TRUTH), state, NOISE * known, seed=21 + place, environment=where)
    terms.append(Term(data, force, name=f"force_{place}"))


def learnt(trees):
    """Say which factor each medium wants, and how far the force with it is off."""
    factors, text, values, lines = draws(trees["scaled"], "posterior", "factor_environment"), [], {}, []
    for place, (medium, bulk) in enumerate(MEDIA.items()):
        low, middle, high = np.quantile(factors[:, place], [0.05, 0.5, 0.95])
        off = np.quantile(relative_error(trees, factors[:, place], bulk), [0.05, 0.5, 0.95], axis=0)
        lines.append(Line(medium, GRID, 100 * off[1], 100 * off[0], 100 * off[2]))
        values |= {f"factor_{place}": float(middle), f"nearest_{place}": float(off[1, 0]), f"farthest_{place}": float(off[1, -1])}
        text.append(
            f"In {medium} (permittivity ε = {bulk:g}) the factor is {middle:.3f} ({low:.3f} to {high:.3f}), where 1/√ε is "
            f"{bulk**-0.5:.3f}; with the former the force is {significant(100 * off[1, 0])} % off at {NEAREST:g} Å and "
            f"{significant(100 * off[1, -1])} % at {FARTHEST:g} Å."
        )
    chart = Chart(
        "Error of the force with the factor that each medium wants",
        "Median and 90 % band over the posterior, relative to the force of the fitted distance-dependent dielectric.",
        "separation [Å]",
        "error [%]",
        lines,
    )
    yield Finding("learnt_factor", " ".join(text), values, chart)


def choices(trees):
    """Compare factors that are taken as they are, and those learnt in each medium, in every medium."""
    factors, text, values = draws(trees["scaled"], "posterior", "factor_environment"), [], {}
    for place, (medium, bulk) in enumerate(MEDIA.items()):
        tried = {"as it is": 1.0, "1/√ε": bulk**-0.5}
        tried |= {f"learnt in {other}": factors[:, column] for column, other in enumerate(MEDIA)}
        parts = []
        for number, (label, factor) in enumerate(tried.items()):
            off = relative_error(trees, factor, bulk)
            rms = np.sqrt(np.mean(off**2, axis=1))
            low, middle, high = np.quantile(rms, [0.05, 0.5, 0.95])
            within = float(np.mean(np.all(np.abs(off) < TOLERANCE, axis=1)))
            parts.append(f"{label}, {significant(100 * middle)} % ({percent_interval(low, high)}; P {chance_text(within)})")
            values |= {f"rms_{place}_{number}": float(middle), f"within_{place}_{number}": within}
        text.append(f"In {medium}: {'; '.join(parts)}.")
    intro = "Root mean square error of the force by the factor on the charge, and the probability P that it is within "
    intro += f"{100 * TOLERANCE:g} % at every distance. "
    yield Finding("choices", intro + " ".join(text), values)


def one_for_all(trees):
    """Say whether what is learnt in all other media serves in one."""
    for name in trees:
        within = transferability(trees[name], "within")
        if within is None:
            continue
        chances = {medium: float(within["p_within"].sel(fitted="all others", tested=medium)) for medium in MEDIA}
        groups = {"serves": (0.9, 1.1), "is not known well enough": (0.1, 0.9), "does not serve": (-1.0, 0.1)}
        verdicts = []
        for verdict, (low, high) in groups.items():
            media = [medium for medium, chance in chances.items() if low < chance <= high]
            verdicts += [f"it {verdict} in {', '.join(media)}"] if media else []
        shown = ", ".join(f"P {chance_text(chance)} in {medium}" for medium, chance in chances.items())
        text = f"{name.capitalize()}: learnt in the other two media, the force is within {100 * TOLERANCE:g} % with {shown}: "
        values = {f"within_{place}": chance for place, chance in enumerate(chances.values())}
        yield Finding(f"carried_{name}", f"{text}{'; '.join(verdicts)}.", values)


def relative_error(trees, factor, bulk, number=400):
    """Return for draws of the dielectric and of a factor how far the scaled charges' force is off along the grid."""
    charge, slope = (draws(trees["screened"], "posterior", name)[-number:] for name in TRUTH)
    true = jax.vmap(lambda *one: along(immersed(screened(*one), bulk)))(charge, slope)
    tried = jax.vmap(lambda one: along(scaled(one)))(np.broadcast_to(factor, np.shape(factor) or len(charge))[-number:])
    return np.asarray(tried / true - 1)


def along(ions):
    """Return the force along the grid."""
    return PairForce().evaluate(ions, {"separation": GRID})[0]


study = bff.Study(
    name="dielectric_screening",
    question="Which scaled charge stands for a dielectric, and does one that was learnt in one dielectric serve in another?",
    problems={
        "screened": CalibrationProblem(
            screened,
            {"charge": Prior(dist.LogNormal(-0.1, 0.2), "e"), "slope": Prior(dist.LogNormal(-1.2, 0.4), "1/angstrom")},
            terms,
        ),
        "scaled": CalibrationProblem(scaled, {"factor": Prior(dist.LogNormal(-0.7, 0.8))}, terms, NoPooling()),
    },
    # A factor may be anything between media; the charge and the slope are ideas of their own and should vary little.
    transfer=Transfer(
        spread={
            "charge": Prior(dist.HalfNormal(0.05)),
            "slope": Prior(dist.HalfNormal(0.1)),
            "factor": Prior(dist.HalfNormal(1.0)),
        },
        tolerances={term.name: Tolerance(TOLERANCE) for term in terms},
    ),
    truths={"screened": TRUTH},
    findings=[learnt, choices, one_for_all],
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
