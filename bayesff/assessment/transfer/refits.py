r"""The refits that a transfer assessment rests on: the same model, calibrated to parts of the data.

Four variants of a problem are refitted:

- ``shared``: one parameter vector for all environments; to all data, to all but one environment, and to each one alone;
- ``pooled``: parameters that vary between environments with a spread that is learnt; to all data, and to all but one environment;
- ``separate``: parameters of its own in each environment; to all data;
- ``bare``: one parameter vector and no discrepancy; to all data, and to all but one environment, to show what the others add.

What a refit leaves out is NaN, so that all refits of a variant have one shape and one compiled program. An environment without
data is predicted as a *new* one: its parameters are drawn from the population, its discrepancy from the prior.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import xarray
from jaxtyping import Array, Float, PRNGKeyArray
from threadpoolctl import threadpool_limits

from bayesff.assessment.transfer.settings import Transfer
from bayesff.assessment.trees import environments
from bayesff.calibration import CalibrationProblem, CompletePooling, Discrepancy, NoPooling, PartialPooling, Pooling
from bayesff.inference import NUTS, Target
from bayesff.inference.nuts import CarefulNUTS
from bayesff.inference.posterior import Assembly
from bayesff.inference.target import Observed

VARIANTS = ("shared", "pooled", "separate", "bare")

NUM_KEPT = 500
"""Draws of the predictions that are kept of a refit."""


@dataclass(frozen=True, order=True)
class Refit:
    """A variant of the problem and the environments that it is fitted to.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    fitted
        Labels of the environments whose data are used.
    """

    variant: str
    fitted: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.variant}, fitted to {' + '.join(self.fitted)}"


Fits = Mapping[Refit, xarray.DataTree]
"""Refits and their posteriors, see `slim`."""


def without_each(fits: Fits, variant: str) -> dict[str, xarray.DataTree]:
    """Return for every environment, in their order, the refit of a variant to all others; without those that are not there."""
    chosen = [(refit.fitted, tree) for refit, tree in fits.items() if refit.variant == variant]
    every = environments(chosen[0][1]) if chosen else []
    return {label: tree for label in every for fitted, tree in chosen if set(fitted) == set(every) - {label}}


def plan(problem: CalibrationProblem) -> list[Refit]:
    """Return the refits of a problem: those of one variant side by side, those of the longest computation first."""
    every = problem.environments
    if len(every) < 2:
        return [Refit("shared", every)]
    without = [tuple(label for label in every if label != left_out) for left_out in every]
    alone = [(label,) for label in every]
    parts = {"pooled": [every, *without], "shared": [every, *without, *alone], "bare": [every, *without], "separate": [every]}
    if not _has_discrepancy(problem):
        del parts["bare"]  # the shared variant is without a discrepancy already
    return [Refit(variant, fitted) for variant, choices in parts.items() for fitted in dict.fromkeys(choices)]


def _has_discrepancy(problem: CalibrationProblem) -> bool:
    return any(isinstance(effect, Discrepancy) for term in problem.terms.values() for effect in term.effects)


def variant_of(problem: CalibrationProblem, variant: str, transfer: Transfer) -> CalibrationProblem:
    """Return a variant of a problem, see the module; a partial pooling that the problem has itself is kept in ``pooled``."""
    pooling: dict[str, Pooling] = {"shared": CompletePooling(), "bare": CompletePooling(), "separate": NoPooling()}
    chosen = {name: pooling[variant] if variant in pooling else _pooled(problem, name, transfer) for name in problem.priors}
    terms = list(problem.terms.values())
    if variant == "bare":
        terms = [term.without(Discrepancy) for term in terms]
    return CalibrationProblem(problem.potential, problem.priors, terms, chosen)


def _pooled(problem: CalibrationProblem, name: str, transfer: Transfer) -> Pooling:
    own, spread = problem.pooling[name], transfer.spread_of(problem, name)
    if isinstance(own, PartialPooling):
        return own
    return CompletePooling() if spread is None else PartialPooling(spread)


Progress = Callable[[Refit, str, int, int], None]


class Refitter:
    """Runs the refits of a problem; what is compiled for a variant is kept for its next refit.

    A refit with divergent draws is run again with smaller steps, see `NUTS`.

    Parameters
    ----------
    problem
        The problem, whose data are taken in parts.
    transfer
        Priors of the spreads, and the sampler.
    side_by_side
        How many refits of one variant run in one vectorised computation: 1 is best on a CPU, all of them on a GPU.
    """

    def __init__(self, problem: CalibrationProblem, transfer: Transfer, side_by_side: int = 1) -> None:
        self._problem, self._transfer, self._side_by_side = problem, transfer, side_by_side
        self._programs: dict[str, _Program] = {}

    def run(
        self,
        refits: Sequence[Refit],
        key: PRNGKeyArray,
        progress: Progress | None = None,
        observed: Observed | None = None,
    ) -> Iterator[tuple[Refit, xarray.DataTree]]:
        """Run refits and give each when it is finished.

        Parameters
        ----------
        refits
            What to fit.
        key
            Random key; the draws of a refit depend on it, on the refit and on those that run side by side with it.
        progress
            Called as ``progress(refit, stage, done, total)``.
        observed
            Values by term in place of the measured ones.

        Yields
        ------
        tuple of Refit and xarray.DataTree
            The posterior of a refit, see `slim`.
        """
        with threadpool_limits(limits=1, user_api="blas"):
            for variant in dict.fromkeys(refit.variant for refit in refits):
                chosen, program = [refit for refit in refits if refit.variant == variant], self._program(variant)
                for first in range(0, len(chosen), self._side_by_side):
                    part = chosen[first : first + self._side_by_side]
                    # Places that are left over repeat the last one: one shape is compiled.
                    places = [*part, *[part[-1]] * (self._side_by_side - len(part))]
                    yield from zip(part, program.run(places, key, progress, observed), strict=False)

    def _program(self, variant: str) -> "_Program":
        if variant not in self._programs:
            problem = variant_of(self._problem, variant, self._transfer)
            self._programs[variant] = _Program(problem, self._transfer.sampler)
        return self._programs[variant]


class _Program:
    """What is compiled once for all refits of a variant."""

    def __init__(self, problem: CalibrationProblem, sampler: NUTS) -> None:
        self._target = Target(problem)
        self._assembly = Assembly(self._target)
        self._sampler = CarefulNUTS(sampler, self._target)

    def run(
        self, refits: Sequence[Refit], key: PRNGKeyArray, progress: Progress | None, observed: Observed | None
    ) -> Iterator[xarray.DataTree]:
        """Run some refits in one computation."""

        def show(stage: str, done: int, total: int) -> None:
            if progress is not None:
                progress(refits[0], stage, done, total)

        values = self._target.observed if observed is None else observed
        parts = [self._part(refit, values) for refit in refits]
        several = {name: jnp.stack([part[name] for part in parts]) for name in values}
        keys = [jax.random.fold_in(key, zlib.crc32(str(refit).encode())) for refit in refits]

        def reported(draws: Float[Array, "problem chain draw dim"]) -> Float[np.ndarray, "problem chain draw scalar"]:
            each = zip(draws, keys, parts, strict=True)
            return np.stack([self._assembly.reported(one, own, part) for one, own, part in each])

        samples = self._sampler.sample_several(several, keys[0], show, reported)
        for refit, sample, part, own in zip(refits, samples, parts, keys, strict=True):
            yield slim(self._assembly.tree(sample, own, show, part, full=values), refit)

    def _part(self, refit: Refit, values: Observed) -> dict[str, Array]:
        """Return the values with NaN in the environments that are not fitted."""
        problem = self._target.problem
        kept = [problem.environments.index(label) for label in refit.fitted]
        inside = {name: np.isin(points.environment, kept) for name, points in problem.points.items()}
        return {name: jnp.where(jnp.asarray(inside[name]), jnp.asarray(column), jnp.nan) for name, column in values.items()}


def slim(tree: xarray.DataTree, refit: Refit) -> xarray.DataTree:
    """Return what of a posterior tree a transfer assessment needs, with fewer draws of the predictions.

    The groups are ``posterior``, ``prior``, ``prior_predictive``, ``posterior_predictive``, ``log_likelihood``, ``sample_stats``
    (only the ``log_likelihood`` of all fitted data), ``observed_data``, ``constant_data``, ``predictions`` with their
    constant data, ``fisher_information`` and ``diagnostics``; the attributes ``variant`` and ``fitted`` say what was fitted.
    """
    groups = {name: child.to_dataset() for name, child in tree.children.items()}
    for name in ("posterior_predictive", "log_likelihood"):
        num_draws = groups[name].sizes["draw"]
        wanted = max(1, min(num_draws, NUM_KEPT // groups[name].sizes["chain"]))
        groups[name] = groups[name].isel(draw=np.linspace(0, num_draws - 1, wanted).astype(int))
    for name in ("posterior_predictive", "prior_predictive"):
        unneeded = [variable for variable in groups[name] if str(variable).endswith(("_left_out", "_expected"))]
        groups[name] = groups[name].drop_vars(unneeded)
    groups["sample_stats"] = groups["sample_stats"][["log_likelihood"]]
    kept = xarray.DataTree.from_dict(groups)
    kept.attrs = dict(tree.attrs) | {"variant": refit.variant, "fitted": json.dumps(list(refit.fitted))}
    return kept


def refit_of(tree: xarray.DataTree) -> Refit:
    """Return the refit that a tree is of."""
    return Refit(str(tree.attrs["variant"]), tuple(json.loads(tree.attrs["fitted"])))
