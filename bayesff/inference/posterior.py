"""From draws to the posterior: every sampler's result becomes the same tree of groups."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import arviz_base
import jax
import jax.numpy as jnp
import numpy as np
import xarray
from jaxtyping import Array, Float, PRNGKeyArray

from bayesff import quantities
from bayesff.calibration import GroupBias, Latents, Points, Term
from bayesff.inference.diagnostics import diagnose
from bayesff.inference.target import Target

Progress = Callable[[str, int, int], None]

NUM_PRIOR_DRAWS = 500
NUM_CURVE_DRAWS = 400
NUM_GRID_POINTS = 60


def silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Sample:
    """Draws of a method of inference in unconstrained coordinates.

    Parameters
    ----------
    draws
        The draws.
    statistics
        One number a draw each, under ArviZ's names (``diverging``, ``energy``, ...); may be empty.
    attributes
        Facts about the run as a whole, such as its method and the evidence.
    """

    draws: Float[Array, "chain draw dim"]
    statistics: dict[str, Array] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


def assemble(target: Target, sample: Sample, key: PRNGKeyArray, progress: Progress = silent) -> xarray.DataTree:
    """Return the posterior tree: parameters, predictions, log likelihood, data and diagnostics.

    Parameters
    ----------
    target
        The posterior that was sampled.
    sample
        The draws.
    key
        Random key of the replicated data and of the prior draws.
    progress
        Called as ``progress(stage, done, total)``.
    """
    problem = target.problem
    key_posterior, key_prior, key_curve = jax.random.split(key, 3)
    shape = sample.draws.shape[:2]
    flat = sample.draws.reshape(-1, target.size)
    progress("predictions", 0, 3)
    groups = _posterior(target, flat, key_posterior)
    groups = {name: {k: v.reshape(shape + v.shape[1:]) for k, v in group.items()} for name, group in groups.items()}
    progress("predictions", 1, 3)
    prior = _prior(target, key_prior)
    groups |= {name: {k: v[None] for k, v in group.items()} for name, group in prior.items()}
    progress("predictions", 2, 3)
    curves = _curves(target, flat, key_curve)
    progress("predictions", 3, 3)
    if sample.statistics:
        groups["sample_stats"] = {name: np.asarray(value) for name, value in sample.statistics.items()}
    groups["observed_data"] = {name: term.values for name, term in problem.terms.items()}
    groups["constant_data"] = _constant_data(target)
    tree = arviz_base.from_dict(
        groups | curves,
        coords=_coordinates(target),
        dims=_dims(target, groups, "datum"),
        pred_dims=_dims(target, curves, "grid"),
    )
    for group in tree.children.values():
        for variable in group.data_vars:
            group[str(variable)].attrs["units"] = _unit(target, str(variable))
    for name, prior_of in problem.priors.items():
        for site in (name, f"{name}_environment"):
            if site in tree["posterior"]:
                tree["posterior"][site].attrs["display_units"] = prior_of.unit
    tree["diagnostics"] = diagnose(tree, sample.attributes)
    tree.attrs["environments"] = json.dumps(list(problem.environments))
    tree.attrs["terms"] = json.dumps({n: term.observable.quantity for n, term in problem.terms.items()})
    tree.attrs["parameters"] = json.dumps(list(problem.priors))
    # NetCDF has no booleans.
    facts = {name: int(value) if isinstance(value, bool) else value for name, value in sample.attributes.items()}
    tree.attrs |= {name: value for name, value in facts.items() if isinstance(value, str | float | int)}
    return tree


def _posterior(target: Target, flat: Array, key: PRNGKeyArray) -> dict[str, dict[str, np.ndarray]]:
    """Return posterior, predictive and pointwise log-likelihood arrays, each with draws first."""
    problem = target.problem

    def at(latents: Latents, sites: dict[str, Array], key: Array) -> dict[str, dict[str, Array]]:
        posterior, predictive, log_likelihood = dict(sites), {}, {}
        for index, (name, term) in enumerate(problem.terms.items()):
            likelihood, values = problem.likelihood(latents, term), target.observed[name]
            key_causes, key_noise, key_left_out = jax.random.split(jax.random.fold_in(key, index), 3)
            causes = likelihood.sample_causes(key_causes, values)
            predictive[name] = likelihood.replicate(key_noise, causes)
            predictive[f"{name}_left_out"] = likelihood.left_out(values).sample(key_left_out)
            predictive[f"{name}_mean"] = problem.predict(latents.parameters, term.observable, problem.points[name]).mean
            predictive[f"{name}_expected"] = likelihood.mean + likelihood.covariance.factor @ causes
            log_likelihood[name] = likelihood.log_likelihood(values)
            posterior |= _biases(target, term, latents, causes)
        return {"posterior": posterior, "posterior_predictive": predictive, "log_likelihood": log_likelihood}

    return jax.tree.map(np.asarray, target.at_draws(at, flat, jax.random.split(key, len(flat))))


def _biases(target: Target, term: Term, latents: Latents, causes: Array) -> dict[str, Array]:
    """Return the offset of every member of a group, cut out of the causes of the term."""
    errors, points, found, first = latents.errors[term.name], target.problem.points[term.name], {}, 0
    sampled = causes if errors.causes is None else errors.causes
    for effect, scales in zip(term.effects, errors.scales, strict=True):
        num_columns = effect.columns(scales, points, points).factor.shape[1]
        if isinstance(effect, GroupBias):
            found[f"{term.name}_{effect.group}_bias"] = scales["scale"] * sampled[first : first + num_columns]
        first += num_columns
    return found


def _prior(target: Target, key: PRNGKeyArray) -> dict[str, dict[str, np.ndarray]]:
    problem = target.problem
    key_draws, key_data = jax.random.split(key)

    def at(latents: Latents, sites: dict[str, Array], key: Array) -> dict[str, dict[str, Array]]:
        predictive = {}
        for index, (name, term) in enumerate(problem.terms.items()):
            likelihood = problem.likelihood(latents, term)
            key_causes, key_noise = jax.random.split(jax.random.fold_in(key, index))
            causes = jax.random.normal(key_causes, likelihood.covariance.factor.shape[1:])
            predictive[name] = likelihood.replicate(key_noise, causes)
        return {"prior": sites, "prior_predictive": predictive}

    draws = target.sample_prior(key_draws, NUM_PRIOR_DRAWS)
    return jax.tree.map(np.asarray, target.at_draws(at, draws, jax.random.split(key_data, NUM_PRIOR_DRAWS)))


def _grids(target: Target) -> dict[str, Points]:
    """Return the states on which curves are drawn: each environment's range of the state, for terms over one state variable."""
    found = {}
    for name, term in target.problem.terms.items():
        columns = quantities.get(term.observable.quantity).states
        if len(columns) != 1:
            continue
        data, parts = target.problem.points[name], []
        for environment in np.unique(data.environment):
            column = data.state[columns[0]][data.environment == environment]
            parts.append((environment, np.geomspace(column.min(), column.max(), NUM_GRID_POINTS)))
        found[name] = Points(
            name=name,
            unit=data.unit,
            state={columns[0]: np.concatenate([part for _, part in parts])},
            groups={},
            environment=np.concatenate([np.full(len(part), environment) for environment, part in parts]),
            environments=data.environments,
        )
    return found


def _curves(target: Target, flat: Array, key: PRNGKeyArray) -> dict[str, dict[str, np.ndarray]]:
    """Return, on the grids, the potential's prediction and the same with the discrepancy that the data showed."""
    problem, grids = target.problem, _grids(target)
    if not grids:
        return {}
    flat = flat[np.linspace(0, len(flat) - 1, min(NUM_CURVE_DRAWS, len(flat))).astype(int)]

    def at(latents: Latents, sites: dict[str, Array], key: Array) -> dict[str, Array]:
        found = {}
        for index, (name, grid) in enumerate(grids.items()):
            term, errors = problem.terms[name], latents.errors[name]
            mean = problem.predict(latents.parameters, term.observable, grid).mean
            key_causes, key_rest = jax.random.split(jax.random.fold_in(key, index))
            causes = errors.causes
            if causes is None:
                causes = problem.likelihood(latents, term).sample_causes(key_causes, target.observed[name])
            effects = problem.effects(term, errors.scales, grid)
            rest = jnp.sqrt(effects.diagonal) * jax.random.normal(key_rest, mean.shape)
            found[f"{name}_mean"] = mean
            found[name] = mean + effects.factor @ causes[: effects.factor.shape[1]] + rest
        return found

    curves = jax.tree.map(np.asarray, target.at_draws(at, flat, jax.random.split(key, len(flat))))
    return {
        "predictions": {name: curve[None] for name, curve in curves.items()},
        "predictions_constant_data": {k: v for name, grid in grids.items() for k, v in _columns(name, grid).items()},
    }


def _columns(name: str, points: Points) -> dict[str, np.ndarray]:
    """Return state, group and environment columns of a term under the names they have in the file."""
    found: dict[str, np.ndarray] = {f"{name}_{key}": column for key, column in (points.state | points.groups).items()}
    found[f"{name}_environment"] = np.asarray(points.environments)[points.environment]
    return found


def _constant_data(target: Target) -> dict[str, np.ndarray]:
    found = {}
    for name, term in target.problem.terms.items():
        found |= _columns(name, target.problem.points[name])
        found[f"{name}_uncertainty"] = term.uncertainty
    return found


def _dims(target: Target, groups: dict[str, dict[str, Any]], along: str) -> dict[str, list[str]]:
    """Return the dimensions of every variable; what belongs to a term runs ``along`` its data or its grid."""
    dims = target.problem.site_dims
    fixed = [name for group in groups if group.endswith("constant_data") for name in groups[group]]
    for name in target.problem.terms:
        columns = (*target.problem.points[name].state, *target.problem.points[name].groups, "environment", "uncertainty")
        own = (name, *(f"{name}_{rest}" for rest in ("mean", "expected", "left_out", *columns)))
        dims |= {key: [f"{name}_{along}"] for key in own if key in fixed or not key.endswith("_environment")}
    return dims


def _coordinates(target: Target) -> dict[str, Any]:
    problem = target.problem
    coordinates: dict[str, Any] = {"environment": list(problem.environments)}
    for name, term in problem.terms.items():
        points = problem.points[name]
        coordinates[f"{name}_environment"] = [problem.environments[index] for index in np.unique(points.environment)]
        for effect in term.effects:
            if isinstance(effect, GroupBias):
                coordinates[f"{name}_{effect.group}"] = list(effect.members(points))
    return coordinates


def _unit(target: Target, variable: str) -> str:
    """Return the unit of a variable of the tree; what is not a site is a prediction, a state column or a label."""
    known = target.problem.site_units
    if variable in known:
        return known[variable]
    for name in sorted(target.problem.terms, key=len, reverse=True):
        if not variable.startswith(f"{name}_"):
            continue
        rest, points = variable.removeprefix(f"{name}_"), target.problem.points[name]
        if rest in ("mean", "expected", "left_out", "uncertainty"):
            return points.unit
        if rest in points.state:
            return quantities.get(rest).unit
    return ""
