r"""Reference simulations placed along a posterior, before it is sampled.

Averages of a liquid are carried to a potential from reference simulations (see `bayesff.ensembles`), and are worth what the
references' overlap with it is worth. So the references must follow the posterior, which is not known before they are there:

1. simulate at the prior's median, find the mode of the posterior that follows, simulate there, until the mode stays where
   references are;
2. draw from the Laplace approximation at the mode, and where the effective sample size over the draws is lowest (its 5th
   percentile), simulate at such a draw, until it exceeds what is required for every state of the liquid.

A budget bounds the simulations, and `Placed.shortfall` says when it has run out. Parameters of references are rounded to four
digits: the same simulation is then found again in the store after a run on another machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.calibration import CalibrationProblem, Latents, Term
from bayesff.ensembles import EnsembleStore, PairEnsemble, Simulation
from bayesff.errors import ParameterError
from bayesff.inference.mode import find_mode
from bayesff.inference.target import Target, silent
from bayesff.observables.liquid import Liquid, LiquidObservable
from bayesff.potentials import PairPotential

Progress = Callable[[str, int, int], None]


class LiquidState(NamedTuple):
    """A state of a liquid that data are predicted at.

    Parameters
    ----------
    liquid
        Which liquid of the problem.
    environment
        Index of the environment whose parameters it takes.
    temperature, density
        Temperature [K] and number density [1/angstrom^3].
    """

    liquid: int
    environment: int
    temperature: float
    density: float


@dataclass(frozen=True)
class Placed:
    """A problem with its references, and how well they serve.

    Parameters
    ----------
    problem
        The problem, whose liquids have references.
    simulations
        What was simulated, or found in the store.
    states
        The states of the liquids.
    sample_sizes
        5th percentile over the last draws of the effective sample size at each state.
    shortfall
        What is missing, in words; empty if the required size was reached.
    """

    problem: CalibrationProblem
    simulations: tuple[Simulation, ...]
    states: tuple[LiquidState, ...]
    sample_sizes: Float[np.ndarray, " state"]
    shortfall: str


@dataclass(frozen=True)
class Placement:
    """How references are placed, see the module.

    Parameters
    ----------
    required
        Effective sample size that the 5th percentile over the draws must reach at every state.
    max_simulations
        Budget of simulations.
    num_draws
        Draws of the Laplace approximation that the sample sizes are looked at.

    Raises
    ------
    ParameterError
        If a number is not positive.
    """

    required: float = 200.0
    max_simulations: int = 20
    num_draws: int = 200

    def __post_init__(self) -> None:
        for name in ("required", "max_simulations", "num_draws"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"Placement: {name} must be greater than zero, found {getattr(self, name)}")

    def place(self, problem: CalibrationProblem, store: EnsembleStore, seed: int, progress: Progress = silent) -> Placed:
        """Place the references of a problem.

        Parameters
        ----------
        problem
            The problem; a liquid that has references keeps them.
        store
            Where finished simulations are kept.
        seed
            Seed of the simulations and the draws.
        progress
            Called as ``progress("references", done, budget)``.

        Raises
        ------
        NumericalError
            If a simulation has left the rails.
        """
        work = _Work(self, problem, store, seed, progress)
        return work.run()


@dataclass
class _Work:
    """What grows while references are placed."""

    placement: Placement
    original: CalibrationProblem
    store: EnsembleStore
    seed: int
    progress: Progress
    simulations: list[Simulation] = field(default_factory=list)
    ensembles: dict[int, list[PairEnsemble]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.liquids = liquids_of(self.original)
        self.states = liquid_states(self.original, self.liquids)

    def run(self) -> Placed:
        key = jax.random.key(self.seed)
        start = Target(self.original)
        where = jnp.median(start.sample_prior(key, 200), axis=0)
        self._simulate(start, where, self.states)
        while True:
            problem = self._problem()
            target = Target(problem)
            mode = find_mode(target, jax.random.fold_in(key, len(self.simulations)))
            at_mode = sample_sizes(target, self.states, mode.location[None])[:, 0]
            missing = [state for state, size in zip(self.states, at_mode, strict=True) if size < self.placement.required]
            if missing:
                where, lowest = mode.location, at_mode
            else:
                noise = jax.random.normal(jax.random.fold_in(key, 1), (self.placement.num_draws, target.size))
                draws = jax.vmap(mode.unwhiten)(noise)
                sizes = sample_sizes(target, self.states, draws)
                lowest = np.quantile(sizes, 0.05, axis=1)
                worst = int(np.argmin(lowest))
                if lowest[worst] >= self.placement.required:
                    return self._placed(problem, lowest, "")
                missing = [self.states[worst]]
                where = draws[int(np.argsort(sizes[worst])[len(draws) // 20])]
            if len(self.simulations) + len(missing) > self.placement.max_simulations:
                worst = self.states[int(np.argmin(lowest))]
                said = (
                    f"the budget of {self.placement.max_simulations} reference simulations was used up: at "
                    f"{worst.temperature:g} K and {worst.density:g} 1/angstrom^3 {float(lowest.min()):.0f} effective frames were "
                    f"left where {self.placement.required:g} are required"
                )
                return self._placed(problem, lowest, said)
            self._simulate(target, where, missing)

    def _placed(self, problem: CalibrationProblem, sizes: np.ndarray, shortfall: str) -> Placed:
        return Placed(problem, tuple(self.simulations), tuple(self.states), sizes, shortfall)

    def _problem(self) -> CalibrationProblem:
        grown = [
            liquid.with_ensembles(self.ensembles[index]) if index in self.ensembles else liquid
            for index, liquid in enumerate(self.liquids)
        ]
        return with_liquids(self.original, self.liquids, grown)

    def _simulate(self, target: Target, where: Float[Array, " dim"], states: Sequence[LiquidState]) -> None:
        """Simulate some states with the parameters that a point of the unconstrained space has in their environments."""
        parameters = target.latents(where).parameters
        for state in states:
            liquid = self.liquids[state.liquid]
            if liquid.references:
                continue
            here = {name: _rounded(value) for name, value in self.original.parameters_in(parameters, state.environment).items()}
            seed = (self.seed * 1009 + len(self.simulations)) % 2**31
            simulation = liquid.simulation(_pair_potential(self.original, here), state.temperature, state.density, seed)
            self.progress("references", len(self.simulations), self.placement.max_simulations)
            self.ensembles.setdefault(state.liquid, []).append(self.store.get(simulation))
            self.simulations.append(simulation)
        self.progress("references", len(self.simulations), self.placement.max_simulations)


def liquids_of(problem: CalibrationProblem) -> list[Liquid]:
    """Return the liquids that the terms of a problem observe, each once."""
    found: dict[int, Liquid] = {}
    for term in problem.terms.values():
        if isinstance(term.observable, LiquidObservable):
            found.setdefault(id(term.observable.liquid), term.observable.liquid)
    return list(found.values())


def liquid_states(problem: CalibrationProblem, liquids: Sequence[Liquid]) -> list[LiquidState]:
    """Return the states at which data of the liquids are predicted, each once."""
    found: dict[LiquidState, None] = {}
    for name, term in problem.terms.items():
        if not isinstance(term.observable, LiquidObservable):
            continue
        index = next(index for index, liquid in enumerate(liquids) if liquid is term.observable.liquid)
        points = problem.points[name]
        rows = zip(points.environment, points.state["temperature"], points.state["density"], strict=True)
        found |= dict.fromkeys(LiquidState(index, int(e), float(t), float(d)) for e, t, d in rows)
    return list(found)


def with_liquids(problem: CalibrationProblem, old: Sequence[Liquid], new: Sequence[Liquid]) -> CalibrationProblem:
    """Return a problem in which each of some liquids is replaced by another one."""

    def changed(term: Term) -> Term:
        if not isinstance(term.observable, LiquidObservable):
            return term
        liquid = next((after for before, after in zip(old, new, strict=True) if before is term.observable.liquid), None)
        if liquid is None:
            return term
        return Term(term.parts, replace(term.observable, liquid=liquid), term.noise, term.effects, term.name)

    terms = [changed(term) for term in problem.terms.values()]
    return CalibrationProblem(problem.potential, problem.priors, terms, problem.pooling)


def sample_sizes(
    target: Target, states: Sequence[LiquidState], draws: Float[Array, "draw dim"]
) -> Float[np.ndarray, "state draw"]:
    """Return the effective sample size at every state for draws in unconstrained coordinates."""
    liquids = liquids_of(target.problem)

    def sizes(latents: Latents, _: Mapping[str, Array], __: None) -> Array:
        found = []
        for state in states:
            potential = _pair_potential(target.problem, target.problem.parameters_in(latents.parameters, state.environment))
            found.append(liquids[state.liquid].sample_size(potential, jnp.asarray(state.temperature), state.density))
        return jnp.stack(found)

    return np.asarray(target.at_draws(sizes)(draws, None)).T


def _pair_potential(problem: CalibrationProblem, parameters: Mapping[str, Any]) -> PairPotential:
    potential = problem.potential(**parameters)
    if not isinstance(potential, PairPotential):
        raise ParameterError(
            f"Placement: a liquid is simulated with a pair potential, found {type(potential).__name__}: leave its terms out, or "
            "calibrate a pair potential"
        )
    return potential


def _rounded(value: Float[Array, ""]) -> float:
    return float(f"{float(value):.4g}")
