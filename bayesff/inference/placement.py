r"""Reference simulations placed along a posterior, before it is sampled, and again where its draws have gone.

Averages of a liquid are carried to a potential from reference simulations (see `bayesff.ensembles`), and are worth what the
references' overlap with it is worth. So the references must follow the posterior, which is not known before they are there:

1. simulate at the prior's median, find the mode of the posterior that follows, simulate there, until it stays where references
   are (a posterior is confined to their neighbourhood, see `bayesff.calibration.reach`);
2. draw from the Laplace approximation at the mode and, as a posterior is no normal distribution, from wider ones, keep what is as
   likely as all but one in a thousand draws of a normal distribution, and where the effective sample size over these is lowest
   (its 5th percentile), simulate at such a draw, until it exceeds what is required for every state of the liquid, and no draw has
   fewer effective frames than twice the liquid's ``smallest_sample``; then find the mode again, and see whether this still holds;
3. sample, and where its draws have fewer than these, the last without the factor (they may have gone to where the normal
   approximation did not, or found another mode), simulate at such a draw and begin again.

A budget bounds the simulations, and `Placed.shortfall` says when it has run out. Parameters of references are rounded to four
digits: the same simulation is then found again in the store after a run on another machine.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.stats import chi2
from xarray import DataTree

from bayesff.calibration import CalibrationProblem
from bayesff.calibration.reach import (
    LiquidState,
    liquid_states,
    liquids_of,
    pair_potential,
    reduced,
    sample_sizes,
    with_liquids,
)
from bayesff.ensembles import EnsembleStore, PairEnsemble, Simulation
from bayesff.errors import ParameterError
from bayesff.inference.mode import Energies, Mode, compile_energies, find_mode, num_points
from bayesff.inference.target import BATCH, Target, silent

_NUM_PRIOR = 200
"""Prior draws whose median is the start."""

_NUM_REDUCED = 40
"""Draws that decide what the references may leave out."""

_MARGIN = 2.0
"""How many times the liquid's ``smallest_sample`` are effective wherever the posterior may go. With fewer, the error of averages
grows so fast that the likelihood of many data falls steeply, and trajectories that come there diverge."""

_TAIL = 1e-3
"""Share of a posterior that may be as unlikely as where no reference is placed."""

Progress = Callable[[str, int, int], None]


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
    required
        Effective sample size that was required.
    """

    problem: CalibrationProblem
    simulations: tuple[Simulation, ...]
    states: tuple[LiquidState, ...]
    sample_sizes: Float[np.ndarray, " state"]
    shortfall: str
    required: float

    def described(self, tree: DataTree) -> DataTree:
        """Return a posterior of the problem that says what its references are, and whether they serve its draws.

        They were placed along a normal approximation at one mode. A posterior that is wider, or has gone to another mode where
        averages are so uncertain that they fit anything, has draws with fewer effective frames, and has not converged.
        """
        found = tree.copy()
        found["ensembles"].attrs |= {
            "simulations": json.dumps([simulation.description for simulation in self.simulations]),
            "num_simulations": len(self.simulations),
            "shortfall": self.shortfall,
        }
        sizes = found["ensembles"]["effective_sample_size"].quantile(0.05, ("chain", "draw")).to_numpy()
        if not sizes.min() < self.required:
            return found
        state = self.states[int(np.argmin(sizes))]
        reason = (
            f"a twentieth of the draws have fewer than {sizes.min():.0f} effective frames at {state.temperature:g} K and "
            f"{state.density:g} 1/angstrom^3, where the reference simulations were to have {self.required:g}: the draws are not "
            "where those were placed"
        )
        diagnostics = found["diagnostics"].to_dataset()
        before = [diagnostics.attrs["reasons"]] if diagnostics.attrs.get("reasons") else []
        attributes = diagnostics.attrs | {"reasons": "; ".join([*before, reason])}
        found["diagnostics"] = diagnostics.assign(converged=0 * diagnostics["converged"]).assign_attrs(attributes)
        return found


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
        Draws about the mode that the sample sizes are looked at.
    max_rounds
        How often the posterior is sampled at most.

    Raises
    ------
    ParameterError
        If a number is not positive.
    """

    required: float = 200.0
    max_simulations: int = 20
    num_draws: int = 1000
    max_rounds: int = 4

    def __post_init__(self) -> None:
        for name in ("required", "max_simulations", "num_draws", "max_rounds"):
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
        return _Work(self, problem, store, seed, progress).place()

    def sample(
        self,
        problem: CalibrationProblem,
        store: EnsembleStore,
        seed: int,
        progress: Progress,
        sampler: Callable[[CalibrationProblem], DataTree],
    ) -> DataTree:
        """Place the references of a problem, sample it, and place more of them until they serve its draws.

        Parameters
        ----------
        problem
            The problem; a liquid that has references keeps them.
        store
            Where finished simulations are kept.
        seed
            Seed of the simulations and the draws of the normal approximation.
        progress
            Called as ``progress("references", done, budget)``.
        sampler
            Makes the posterior of a problem that has references.

        Returns
        -------
        xarray.DataTree
            The posterior, see `Placed.described`.

        Raises
        ------
        NumericalError
            If a simulation has left the rails.
        """
        work, rounds = _Work(self, problem, store, seed, progress), 0
        while True:
            placed, rounds = work.place(), rounds + 1
            tree = sampler(placed.problem)
            if rounds == self.max_rounds or not work.follow(tree):
                return placed.described(tree)


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
    start: dict[str, Array] | None = None
    """The mode that was found last: there is a narrow one where references are, and wide ones where they are not."""

    def __post_init__(self) -> None:
        self.liquids = liquids_of(self.original)
        self.states = [state for state in liquid_states(self.original) if not self.liquids[state.liquid].references]

    def place(self) -> Placed:
        """Add references until they serve the normal approximation at the mode."""
        if not self.states:
            return Placed(self.original, (), (), np.zeros(0), "", self.placement.required)
        key = jax.random.key(self.seed)
        if not self.simulations:
            start = Target(self.original)
            median = jnp.median(start.sample_prior(key, _NUM_PRIOR), axis=0)
            self._simulate(start.latents(median).parameters, self.states)
        while True:
            problem = self._problem()
            target = Target(problem)
            at_mode, draws = self._about_the_mode(target, key)
            missing = [state for state, size in zip(self.states, at_mode, strict=True) if size < self.placement.required]
            if missing and not self._spent(len(missing)):
                self._simulate({name: values[0] for name, values in draws.items()}, missing)
                continue
            sizes = at_mode[:, None] if missing else self._sizes(draws)
            if not missing and self._serve(draws, sizes, _MARGIN):
                continue
            return self._placed(draws, np.quantile(sizes, 0.05, axis=1))

    def _placed(self, draws: dict[str, Array], lowest: Float[np.ndarray, " state"]) -> Placed:
        """Return the problem with its references, reduced to what these draws need, and what is missing."""
        placement, short = self.placement, ""
        if lowest.min() < placement.required:
            worst = self.states[int(np.argmin(lowest))]
            short = (
                f"the budget of {placement.max_simulations} reference simulations was used up: at {worst.temperature:g} K and "
                f"{worst.density:g} 1/angstrom^3 {float(lowest.min()):.0f} effective frames were left where "
                f"{placement.required:g} are required"
            )
        number = len(next(iter(draws.values())))
        some = np.linspace(0, number - 1, _NUM_REDUCED).astype(int)
        problem = reduced(self._problem(), {name: values[some] for name, values in draws.items()})
        problem.start = self.start
        return Placed(problem, tuple(self.simulations), tuple(self.states), lowest, short, placement.required)

    def follow(self, tree: DataTree) -> bool:
        """Simulate at draws of a posterior where the references do not serve them; return whether there were any.

        To sample again costs more than references, so they are added until they serve these draws, with a margin for the next.
        """
        if not self.states:
            return False
        places, posterior = liquid_states(self.original), tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
        sizes = tree["ensembles"]["effective_sample_size"].stack(sample=("chain", "draw")).to_numpy()
        sites = {name: f"{name}_environment" if f"{name}_environment" in posterior else name for name in self.original.priors}
        draws = {name: jnp.asarray(np.moveaxis(posterior[site].to_numpy(), -1, 0)) for name, site in sites.items()}
        return self._serve(draws, sizes[[places.index(state) for state in self.states]])

    def _about_the_mode(self, target: Target, key: PRNGKeyArray) -> tuple[Float[np.ndarray, " state"], dict[str, Array]]:
        """Find the mode; return the sample sizes there, and parameters where the posterior may go, those of the mode first."""
        energies = compile_energies(target)
        mode = find_mode(target, jax.random.fold_in(key, len(self.simulations)), energies)
        self.start = target.constrain(mode.location)
        draws = self._plausible(target, energies, mode, jax.random.fold_in(key, 1))
        parameters = jax.jit(jax.vmap(lambda at: target.latents(at).parameters))(draws)
        return self._sizes({name: values[:1] for name, values in parameters.items()})[:, 0], parameters

    def _serve(self, draws: dict[str, Array], sizes: Float[np.ndarray, "state draw"], margin: float = 1.0) -> bool:
        """Simulate at the draws that lack a reference most, until none does or the budget is spent; return whether any did.

        The mode is looked for again afterwards only: it hardly moves, and a search takes as long as a simulation.
        """
        found = False
        while not self._spent() and (place := self._unserved(sizes, margin)) is not None:
            state, draw = place
            self._simulate({name: values[draw] for name, values in draws.items()}, [self.states[state]])
            sizes, margin, found = self._sizes(draws), _MARGIN, True
        return found

    def _spent(self, number: int = 1) -> bool:
        """Return whether the budget does not hold so many simulations more."""
        return len(self.simulations) + number > self.placement.max_simulations

    def _unserved(self, sizes: Float[np.ndarray, "state draw"], margin: float) -> tuple[int, int] | None:
        """Return the state and the draw where a reference is missing most; none if all are as large as they have to be."""
        fewest, rank = np.argsort(sizes, axis=1), sizes.shape[1] // 20
        for state in np.argsort(np.quantile(sizes, 0.05, axis=1)):
            here, order = sizes[state], fewest[state]
            if here[order[rank]] < self.placement.required:
                return int(state), int(order[rank])
            if here[order[0]] < margin * self.liquids[self.states[state].liquid].smallest_sample:
                return int(state), int(order[0])
        return None

    def _sizes(self, draws: dict[str, Array]) -> Float[np.ndarray, "state draw"]:
        """Return the effective sample size at every state for the parameters of many draws."""
        problem = self._problem()
        one = jax.jit(lambda draws: jax.lax.map(lambda at: sample_sizes(problem, self.states, at), draws, batch_size=BATCH))
        return np.asarray(one(draws)).T

    def _plausible(self, target: Target, energies: Energies, mode: Mode, key: PRNGKeyArray) -> Float[Array, "draw dim"]:
        """Return draws from the normal approximation at a mode, and wider ones, where the posterior may go; the mode first."""
        tail, batch = chi2.isf(_TAIL, target.size), num_points(target.size)
        number = math.ceil(self.placement.num_draws / batch) * batch
        widths = jnp.linspace(1.0, np.sqrt(tail / target.size), number)
        noise = jax.random.normal(key, (number, target.size)).at[0].set(0.0)
        draws = jax.vmap(mode.unwhiten)(widths[:, None] * noise)
        observed = {name: values[None] for name, values in target.observed.items()}
        values = [energies(part[None], observed)[0][0] for part in jnp.split(draws, number // batch)]
        return draws[np.asarray(jnp.concatenate(values)) <= 0.5 * tail - float(mode.log_density)]

    def _problem(self) -> CalibrationProblem:
        grown = [
            liquid.with_ensembles(self.ensembles[index]) if index in self.ensembles else liquid
            for index, liquid in enumerate(self.liquids)
        ]
        problem = with_liquids(self.original, grown)
        problem.start = self.start
        return problem

    def _simulate(self, parameters: Mapping[str, Array], states: Sequence[LiquidState]) -> None:
        """Simulate some states with the parameters (those of all environments) that they have in their own."""
        for state in states:
            liquid = self.liquids[state.liquid]
            here = {name: _rounded(value) for name, value in self.original.parameters_in(parameters, state.environment).items()}
            seed = (self.seed * 1009 + len(self.simulations)) % 2**31
            simulation = liquid.simulation(pair_potential(self.original, here), state.temperature, state.density, seed)
            self.progress("references", len(self.simulations), self.placement.max_simulations)
            self.ensembles.setdefault(state.liquid, []).append(self.store.get(simulation))
            self.simulations.append(simulation)
        self.progress("references", len(self.simulations), self.placement.max_simulations)


def _rounded(value: Float[Array, ""]) -> float:
    return float(f"{float(value):.4g}")
