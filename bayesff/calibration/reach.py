r"""How far the reference simulations of a problem's liquids reach.

Averages of a liquid are known where many frames of its reference simulations are effective (see `bayesff.observables.Liquid`). A
posterior of few data could hide where nothing is known, because errors are large there; so it is confined to where references
are, see `log_reach`. A posterior that references cover does not feel it; one that does has draws with few effective frames, and
counts as unconverged (`shortfalls`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.calibration.terms import Term
from bayesff.ensembles import PairAverages
from bayesff.errors import ParameterError
from bayesff.observables.fluids import Known, Liquid
from bayesff.observables.liquid import LiquidObservable
from bayesff.potentials import PairPotential

if TYPE_CHECKING:
    from bayesff.calibration.problem import CalibrationProblem


_STEEPNESS = 4.0
"""Standard deviations by which a posterior is confined for a factor of e in the effective sample size."""

_NEGLIGIBLE = 0.02
"""Standard deviation of a reduced energy, and of a datum over its uncertainty, that may be left out of a frame."""


ANYWHERE = -1
"""Stands for the environment where all environments have the same parameters."""

KnownAverages = dict[int, Known]
"""Averages of liquids for one set of parameters, by environment."""


class LiquidState(NamedTuple):
    """A state of a liquid that data are predicted at.

    Parameters
    ----------
    liquid
        Which liquid of the problem, see `liquids_of`.
    environment
        Index of the environment whose parameters it takes.
    temperature, density
        Temperature [K] and number density [1/angstrom^3].
    """

    liquid: int
    environment: int
    temperature: float
    density: float


def _liquid_of(term: Term) -> Liquid | None:
    """Return the liquid that a term observes through reference simulations, if it does."""
    observable = term.observable
    return observable.liquid if isinstance(observable, LiquidObservable) and isinstance(observable.liquid, Liquid) else None


def liquids_of(problem: "CalibrationProblem") -> list[Liquid]:
    """Return the liquids that the terms of a problem observe through reference simulations, each once."""
    found = (_liquid_of(term) for term in problem.terms.values())
    return list({id(liquid): liquid for liquid in found if liquid is not None}.values())


def liquid_states(problem: "CalibrationProblem") -> list[LiquidState]:
    """Return the states at which data of the liquids are predicted, each once."""
    found: dict[LiquidState, None] = {}
    places = {id(liquid): index for index, liquid in enumerate(liquids_of(problem))}
    for name, term in problem.terms.items():
        if (liquid := _liquid_of(term)) is not None:
            index, points = places[id(liquid)], problem.points[name]
            rows = zip(points.environment, points.state["temperature"], points.state["density"], strict=True)
            found |= dict.fromkeys(LiquidState(index, int(e), float(t), float(d)) for e, t, d in rows)
    return list(found)


def with_liquids(problem: "CalibrationProblem", new: Sequence[Liquid]) -> "CalibrationProblem":
    """Return a problem whose liquids, in the order of `liquids_of`, are replaced by others."""
    grown = dict(zip((id(liquid) for liquid in liquids_of(problem)), new, strict=True))

    def changed(term: Term) -> Term:
        if (liquid := _liquid_of(term)) is None:
            return term
        observable = replace(term.observable, liquid=grown[id(liquid)])
        return Term(term.parts, observable, term.noise, term.effects, term.name)

    terms = [changed(term) for term in problem.terms.values()]
    return type(problem)(problem.potential, problem.priors, terms, problem.pooling, problem.start)


def sample_sizes(
    problem: "CalibrationProblem",
    states: Sequence[LiquidState],
    parameters: Mapping[str, Any],
    known: KnownAverages | None = None,
) -> Float[Array, " state"]:
    """Return the effective sample size at every state, at one set of parameters (those of all environments).

    Averages that are in ``known`` for these parameters tell it without another weighing.
    """
    liquids, known = liquids_of(problem), {} if known is None else known
    everywhere = all(jnp.ndim(value) == 0 for value in parameters.values())
    found = []
    for state in states:
        place = liquids[state.liquid].place(state.temperature, state.density)
        averages = known.get(ANYWHERE if everywhere else state.environment, {}).get(place)
        if isinstance(averages, PairAverages):
            found.append(averages.effective_sample_size)
            continue
        potential = pair_potential(problem, problem.parameters_in(parameters, state.environment))
        found.append(liquids[state.liquid].sample_size(potential, jnp.asarray(state.temperature), state.density))
    return jnp.stack(found)


def reduced(problem: "CalibrationProblem", parameters: Mapping[str, Any]) -> "CalibrationProblem":
    """Return a problem whose liquids keep of their references only what its data and weights need.

    Left out is what would change no datum by more than a fiftieth of its uncertainty where the average of a frame is shifted by
    its standard deviation, and no frame's reduced energy by more than a fiftieth; it enters the covariance of the predictions.

    Parameters
    ----------
    problem
        The problem, whose liquids have references.
    parameters
        Parameters (those of all environments) of some draws, which the posterior does not leave by far.
    """
    liquids, states = liquids_of(problem), liquid_states(problem)
    found = []
    for index, liquid in enumerate(liquids):
        smaller = []
        for references in liquid.references:
            near = [one for one in states if one.liquid == index and np.isclose(one.density, references.density, rtol=1e-6)]
            if near:
                slopes = jax.vmap(lambda at, near=near: jnp.concatenate([_slopes(problem, one, at) for one in near]))
                rows = np.concatenate(np.asarray(eqx.filter_jit(slopes)(parameters))) / _NEGLIGIBLE
                references = references.reduced(rows[np.isfinite(rows).all(axis=1)])
            smaller.append(references)
        found.append(replace(liquid, references=tuple(smaller)))
    return with_liquids(problem, found)


def _slopes(problem: "CalibrationProblem", state: LiquidState, parameters: Mapping[str, Any]) -> Float[Array, "function mode"]:
    """Return derivatives in the modes of a frame: of its reduced energy, and of the data at a state over their uncertainty."""
    liquid, temperature = liquids_of(problem)[state.liquid], jnp.asarray(state.temperature)
    potential = pair_potential(problem, problem.parameters_in(parameters, state.environment))
    averages = liquid.averages(potential, state.temperature, state.density)
    rows = [liquid.energy_slope(potential, temperature, state.density)[None]]
    for name, term in problem.terms.items():
        observable, points = term.observable, problem.points[name]
        if not isinstance(observable, LiquidObservable) or observable.liquid is not liquid:
            continue
        columns = {key: np.asarray(column) for key, column in points.state.items()}
        at = (columns["temperature"] == state.temperature) & (columns["density"] == state.density)
        if (at := at & (points.environment == state.environment)).any():
            here = {key: column[at] for key, column in columns.items()}

            def mean(deviation: Array, observable: LiquidObservable = observable, here: dict[str, Any] = here) -> Array:
                return observable.estimate(replace(averages, deviation=deviation), here).mean

            rows.append(jax.jacrev(mean)(averages.deviation) / term.uncertainty[at][:, None])
    return jnp.concatenate(rows)


def log_reach(
    problem: "CalibrationProblem", parameters: Mapping[str, Any], known: KnownAverages | None = None
) -> Float[Array, ""]:
    r"""Return the logarithm of the factor that confines a posterior to where references are; zero without a liquid.

    .. math:: -\tfrac12 \sum_\mathrm{states} \big(4 \max(0, \ln n_\mathrm{min}/n)\big)^2

    with the effective sample size ``n``: nothing where references serve, and beyond a slope that trajectories can turn round on.
    A wall as steep as :math:`(n_\mathrm{min}/n)^2` made one draw in a hundred diverge.
    """
    states = liquid_states(problem)
    if not states:
        return jnp.zeros(())
    liquids = liquids_of(problem)
    least = jnp.array([liquids[state.liquid].smallest_sample for state in states])
    missing = jnp.log(least / sample_sizes(problem, states, parameters, known))
    return -0.5 * jnp.sum((_STEEPNESS * jnp.maximum(missing, 0.0)) ** 2)


def pair_potential(problem: "CalibrationProblem", parameters: Mapping[str, Any]) -> PairPotential:
    """Return the potential of a problem with a liquid.

    Raises
    ------
    ParameterError
        If it is no pair potential.
    """
    potential = problem.potential(**parameters)
    if not isinstance(potential, PairPotential):
        raise ParameterError(
            f"Liquid: particles are simulated with a pair potential, found {type(potential).__name__}: calibrate a pair "
            "potential, or leave the terms of the liquid out"
        )
    return potential


def shortfalls(problem: "CalibrationProblem", states: Sequence[LiquidState], sizes: Float[np.ndarray, "draw state"]) -> list[str]:
    """Return in words at which states the 5th percentile over draws is below what the liquid asks for."""
    liquids, found = liquids_of(problem), []
    for state, size in zip(states, np.quantile(sizes, 0.05, axis=0), strict=True):
        least = liquids[state.liquid].smallest_sample
        if size < least:
            found.append(
                f"a twentieth of the draws have fewer than {size:.0f} effective frames of the reference simulations at "
                f"{state.temperature:g} K and {state.density:g} 1/angstrom^3 (at least {least:g} are needed)"
            )
    return found
