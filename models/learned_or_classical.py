"""Does a learnt pair potential carry further than a classical form, and does it know where it ends?

Forces of a Lennard-Jones potential with a dip in its tail, measured at separations from 3 to 5 angstrom, and three ranges that no
form was fitted to: nearer, much nearer, and farther. The forms have from two parameters to fourteen. Those with few carry an
assumption about the whole curve (their inductive bias), those with many fit what they were shown; each says how sure it is.
"""

import functools

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Chart, Finding, Line, Tolerance, Transfer, transferability
from bayesff.calibration import CalibrationProblem, Prior, Term, weight_priors
from bayesff.potentials import GaussianProcessPair, LennardJones, Mie, RadialBasisPair, ShiftedCut
from bayesff.reporting.wording import candidate_text, interval, percent, rounded, significant

jax.config.update("jax_enable_x64", True)

TRAINING, NEAR, CORE, FAR = "training range", "near range", "core range", "far range"
# Separations [angstrom] of each range, and how many forces it holds.
RANGES = {TRAINING: (3.0, 5.0, 25), NEAR: (2.8, 2.98, 10), CORE: (2.4, 2.78, 12), FAR: (5.1, 8.0, 12)}
TRUTH = {"epsilon": 1.0, "sigma": 3.4, "w0": -0.15}  # kJ/mol, angstrom; the dip is 0.15 kJ/mol deep
DIP = {"centres": (4.4,), "width": 0.5}
LEVEL = 0.9


def problems(dip: float, seed: int) -> dict[str, CalibrationProblem]:
    """Return the candidates for forces of a Lennard-Jones potential with a dip of a depth [kJ/mol]."""
    true_form = RadialBasisPair.factory(1, LennardJones, **DIP)
    truth, force = true_form(**(TRUTH | {"w0": -dip})), bff.observables.PairForce()
    data = []
    for place, (label, (first, last, number)) in enumerate(RANGES.items()):
        state = {"separation": np.linspace(first, last, number)}
        uncertainty = 0.02 + 0.01 * np.abs(np.asarray(force.predict(truth, state).mean))
        environment = bff.datasets.Environment(label, "dimer", treatment={"separations": f"{first} to {last} angstrom"})
        data.append(
            bff.datasets.synthesise(
                force, truth, state, uncertainty, np.random.default_rng([seed, place]), environment=environment
            )
        )
    terms = [Term(data, force)]
    # Within a factor of 1.2 and 1.05 (one standard deviation), an exponent as known of real atoms.
    size = {"epsilon": Prior(dist.LogNormal(0.0, 0.2), "kJ/mol"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
    # A fifth of repulsion and attraction is unknown, over a seventh of the separation; nodes from the core to where forces end.
    process = GaussianProcessPair.factory(12, LennardJones, strength=0.8, length=3.4, correlation=0.12, inner=2.3, cutoff=10.0)
    # The network stands on a purely repulsive core that is somewhat smaller than the particles are.
    core = ShiftedCut(LennardJones(epsilon=1.0, sigma=3.3), cutoff=3.3 * 2 ** (1 / 6))
    network = RadialBasisPair.factory(10, core, centres=tuple(np.linspace(2.8, 5.2, 10)), width=0.35)
    return {
        "lennard_jones": CalibrationProblem(LennardJones, size, terms),
        "mie": CalibrationProblem(
            functools.partial(Mie, attractive=6.0), size | {"repulsive": Prior(dist.LogNormal(2.5, 0.2))}, terms
        ),
        "gaussian_process": CalibrationProblem(process, size | weight_priors(12), terms),
        "radial_basis": CalibrationProblem(network, weight_priors(10, 10.0, "kJ/mol"), terms),
        "true_form": CalibrationProblem(true_form, size | weight_priors(1, 0.3, "kJ/mol"), terms),
    }


def carried(trees):
    """Say how a fit to the training range errs in the others, and whether its own uncertainty warned."""
    found = {name: transferability(tree, "matrix") for name, tree in trees.items()}
    if any(matrix is None for matrix in found.values()):
        return []
    rows = {name: matrix.sel(fitted=TRAINING) for name, matrix in found.items()}
    numbers = {name: len(bff.assessment.parameter_names(trees[name])) for name in rows}
    made = [_errors(name, row, numbers[name]) for name, row in rows.items()]
    return [*made, _bias(rows, numbers), _picture(rows)]


def _errors(name, row, number):
    values, parts = {}, []
    for label in (NEAR, CORE, FAR):
        key, at = label.split()[0], row.sel(tested=label)
        low, middle, high = (float(at["index"].sel(quantile=q)) for q in ("q05", "q50", "q95"))
        share, most = (float(at[column].sel(level=LEVEL)) for column in ("coverage", "coverage_high"))
        values |= {f"{key}_index_q05": low, f"{key}_index_q50": middle, f"{key}_index_q95": high, f"{key}_coverage": share}
        said = "it had said how sure it was" if most >= LEVEL else "it had not warned"
        parts.append(
            f"{interval(low, high)} in the {label}, where {percent(share)} of the forces lie in its {percent(LEVEL)} band: {said}"
        )
    own = row.sel(tested=TRAINING)
    values |= {
        "training_error": float(own["rmse_over_uncertainty"]),
        "training_coverage": float(own["coverage"].sel(level=LEVEL)),
    }
    text = f"{candidate_text(name)} ({number} parameters) misses its training range by {significant(values['training_error'])} "
    text += f"standard deviations. Its error, as a 90 % interval, is that times {'; '.join(parts)}."
    return Finding(f"carried_{name}", text, values)


def _bias(rows, numbers):
    def order(label):
        return sorted(rows, key=lambda name: float(rows[name].sel(tested=label)["rmse_over_uncertainty"]))

    def listed(label):
        errors = {name: float(rows[name].sel(tested=label)["rmse_over_uncertainty"]) for name in order(label)}
        return ", ".join(f"{candidate_text(name)} {significant(error)}" for name, error in errors.items())

    values, wrong = {}, [name for name in rows if name != "true_form"]
    for label in RANGES:
        errors = [float(rows[name].sel(tested=label)["rmse_over_uncertainty"]) for name in wrong]
        ranks = np.corrcoef(np.argsort(np.argsort(errors)), np.argsort(np.argsort([numbers[name] for name in wrong])))[0, 1]
        values[f"{label.split()[0]}_rank_correlation"] = float(ranks)
    text = "Errors in standard deviations, least first: " + "; ".join(f"{label}: {listed(label)}" for label in RANGES)
    ranked = ", ".join(f"{rounded(values[f'{label.split()[0]}_rank_correlation'], 1)} in the {label}" for label in RANGES)
    text += f". The rank of the error goes with that of the number of parameters, without the true form, as {ranked}."
    return Finding("bias_against_flexibility", text, values)


def _picture(rows):
    lines = []
    for name, row in rows.items():
        index = {
            q: [float(row.sel(tested=one)["index"].sel(quantile=q)) for one in (CORE, NEAR, FAR)] for q in ("q05", "q50", "q95")
        }
        labels = [f"{one}: {RANGES[one][0]} to {RANGES[one][1]} Å" for one in (CORE, NEAR, FAR)]
        lines.append(Line(candidate_text(name), labels, *(np.log10(index[q]) for q in ("q50", "q05", "q95")), points=True))
    worst = max(rows, key=lambda name: float(rows[name]["index"].sel(quantile="q50").max()))
    caption = "Zero is as good as in the training range; medians and 90 % intervals."
    chart = Chart("How a fit to 3 to 5 angstrom carries", caption, "separations", "log10 of the index", lines)
    largest = float(rows[worst]["index"].sel(quantile="q50").max())
    text = f"The largest index is that of {candidate_text(worst)}, {significant(largest)}."
    return Finding("largest_index", text, {"index": largest}, chart)


study = bff.Study(
    name="learned_or_classical",
    question="Does a learnt pair potential carry further than a classical form, and does it know where it ends?",
    problems=problems(-TRUTH["w0"], seed=1),
    transfer=Transfer(tolerances={"pair_force": Tolerance(0.05)}),
    truths={"true_form": TRUTH},
    findings=[carried],
)

if __name__ == "__main__":
    bff.cli.run_file(__file__)
