"""From draws to the posterior: every sampler's result becomes the same tree of groups."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import arviz_base
import jax
import jax.numpy as jnp
import numpy as np
import xarray
from jaxtyping import Array, Float, Key, PRNGKeyArray

from bayesff import quantities
from bayesff.calibration import GroupBias, Latents, Points, Term
from bayesff.calibration.reach import KnownAverages, liquid_states, liquids_of, sample_sizes, shortfalls
from bayesff.inference.diagnostics import diagnose
from bayesff.inference.target import Observed, Target, silent

Progress = Callable[[str, int, int], None]

NUM_PRIOR_DRAWS = 500
NUM_CURVE_DRAWS = 400
NUM_GRID_POINTS = 60


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
    information
        Fisher information of the potential's parameters at the sizes that the errors have in some of the draws, where the method
        knows it; see `bayesff.inference.coordinates.fisher_information`.
    """

    draws: Float[Array, "chain draw dim"]
    statistics: dict[str, Array] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    information: Float[np.ndarray, "point parameter parameter"] | None = None


class Assembly:
    """Makes the posterior trees of a target, each from a sample: parameters, predictions, log likelihood, data, diagnostics.

    What is computed at a draw is compiled once, for all samples.

    Parameters
    ----------
    target
        The posterior that is sampled.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._grids = target, _grids(target)
        self._at_draws = target.at_draws(partial(_at_draw, target, self._grids))

    def tree(
        self,
        sample: Sample,
        key: PRNGKeyArray,
        progress: Progress = silent,
        observed: Observed | None = None,
        full: Observed | None = None,
    ) -> xarray.DataTree:
        """Return the posterior tree of a sample.

        Parameters
        ----------
        sample
            The draws.
        key
            Random key of the replicated data and of the prior draws.
        progress
            Called as ``progress(stage, done, total)``.
        observed
            Measured values by term, NaN for the data that the sample left out: they are predicted as if they had never been
            measured, and their log likelihood is that of these predictions. All data if not given.
        full
            Values by term with those that were left out, which the predictions are judged by; the measured ones if not given.
        """
        target, problem = self._target, self._target.problem
        shape = sample.draws.shape[:2]
        flat = sample.draws.reshape(-1, target.size)
        every = jnp.concatenate([flat, target.sample_prior(jax.random.split(key)[1], NUM_PRIOR_DRAWS)])
        is_prior = jnp.arange(len(every)) >= len(flat)
        keys = _keys(key, len(flat))
        values = dict(target.observed if full is None else full)
        known = values if observed is None else dict(observed)
        found = self._at_draws(every, (known, values), keys, is_prior, progress=partial(progress, "predictions"))
        groups: dict[str, dict[str, Any]] = {
            name: {k: v[: len(flat)].reshape(shape + v.shape[1:]) for k, v in found[name].items()}
            for name in ("posterior", "posterior_predictive", "log_likelihood")
        }
        groups["prior"] = {name: value[None, len(flat) :] for name, value in found["posterior"].items()}
        groups["prior_predictive"] = {name: found["posterior_predictive"][name][None, len(flat) :] for name in problem.terms}
        if sample.statistics:
            groups["sample_stats"] = {name: np.asarray(value) for name, value in sample.statistics.items()}
            groups["sample_stats"]["log_likelihood"] = found["total"][: len(flat)].reshape(shape)
        groups["observed_data"] = {name: np.asarray(values[name]) for name in problem.terms}
        groups["constant_data"] = _constant_data(target)
        curves = _curves(self._grids, {name: value[: len(flat)] for name, value in found["predictions"].items()})
        tree = arviz_base.from_dict(
            groups | curves,
            coords=_coordinates(target),
            dims=_dims(target, groups, "datum"),
            pred_dims=_dims(target, curves, "grid"),
        )
        if sample.information is not None:
            tree["fisher_information"] = _information(target, sample.information)
        attributes = dict(sample.attributes)
        if "ensembles" in found:
            sizes = found["ensembles"]["effective_sample_size"][: len(flat)]
            tree["ensembles"] = _ensembles(target, sizes.reshape(*shape, -1))
            missing = shortfalls(problem, liquid_states(problem), sizes)
            if missing:
                before = (
                    [str(attributes.get("reason", "the method did not converge"))]
                    if not attributes.get("converged", True)
                    else []
                )
                attributes |= {"converged": 0, "reason": "; ".join([*before, *missing])}
        return _described(tree, target, attributes)

    def reported(
        self, draws: Float[Array, "chain draw dim"], key: PRNGKeyArray, observed: Observed
    ) -> Float[np.ndarray, "chain draw scalar"]:
        """Return every scalar of the group ``posterior`` in the `tree` of these draws, this key and these values."""
        flat = draws.reshape(-1, self._target.size)
        keys, none = _keys(key, len(flat))[: len(flat)], jnp.zeros(len(flat), bool)
        found = self._at_draws(flat, (dict(observed), dict(observed)), keys, none)["posterior"]
        return np.concatenate([column.reshape(*draws.shape[:2], -1) for column in found.values()], axis=2)


def _keys(key: PRNGKeyArray, num_draws: int) -> Key[Array, " draw"]:
    """Return the keys of a tree's draws, those from the prior last."""
    return jax.random.split(jax.random.split(key)[0], num_draws + NUM_PRIOR_DRAWS)


def assemble(target: Target, sample: Sample, key: PRNGKeyArray, progress: Progress = silent) -> xarray.DataTree:
    """Return the posterior tree of one sample, see `Assembly`."""
    return Assembly(target).tree(sample, key, progress)


def _ensembles(target: Target, sizes: Float[np.ndarray, "chain draw state"]) -> xarray.Dataset:
    """Return how many frames of the reference simulations are effective at every draw, at each state of a liquid."""
    states, labels, liquids = liquid_states(target.problem), target.problem.environments, liquids_of(target.problem)
    dims = ("chain", "draw", "liquid_state")
    return xarray.Dataset(
        {
            "effective_sample_size": (dims, sizes),
            "smallest_sample": ("liquid_state", [liquids[state.liquid].smallest_sample for state in states]),
        },
        {
            "environment": ("liquid_state", [labels[state.environment] for state in states]),
            "temperature": ("liquid_state", [state.temperature for state in states], {"units": "K"}),
            "density": ("liquid_state", [state.density for state in states], {"units": "1/angstrom^3"}),
        },
    )


def _information(target: Target, found: Float[np.ndarray, "point parameter parameter"]) -> xarray.Dataset:
    names = target.parameter_names()
    return xarray.Dataset(
        {"information": (("draw", "parameter", "other_parameter"), found)}, {"parameter": names, "other_parameter": names}
    )


def _described(tree: xarray.DataTree, target: Target, attributes: dict[str, Any]) -> xarray.DataTree:
    """Return a tree with units, diagnostics and what it says of itself."""
    problem = target.problem
    for group in tree.children.values():
        for variable in group.data_vars:
            group[str(variable)].attrs["units"] = _unit(target, str(variable))
    for name, prior_of in problem.priors.items():
        for site in (name, f"{name}_environment"):
            if site in tree["posterior"]:
                tree["posterior"][site].attrs["display_units"] = prior_of.unit
    tree["diagnostics"] = diagnose(tree, attributes)
    tree.attrs["environments"] = json.dumps(list(problem.environments))
    tree.attrs["terms"] = json.dumps({n: term.observable.quantity for n, term in problem.terms.items()})
    tree.attrs["parameters"] = json.dumps(list(problem.priors))
    # NetCDF has no booleans.
    facts = {name: int(value) if isinstance(value, bool) else value for name, value in attributes.items()}
    tree.attrs |= {name: value for name, value in facts.items() if isinstance(value, str | float | int)}
    return tree


def _at_draw(
    target: Target,
    grids: dict[str, Points],
    latents: Latents,
    sites: dict[str, Array],
    observed: tuple[Observed, Observed],
    key: PRNGKeyArray,
    is_prior: Array,
) -> dict[str, Any]:
    """Return everything that is computed at a draw: of the posterior, or of the prior, where the causes do not know the data."""
    problem = target.problem
    posterior, predictive, log_likelihood, curves = dict(sites), {}, {}, {}
    known, total = KnownAverages(), jnp.zeros(())
    # One prediction for the data and for the grid: its program is compiled once.
    everywhere = {
        name: problem.predict(latents.parameters, term.observable, problem.points[name].followed_by(grids[name]), known)
        for name, term in problem.terms.items()
    }
    at_data = {name: one[: problem.points[name].num_points] for name, one in everywhere.items()}
    for index, joint in enumerate(problem.likelihoods(latents, at_data)):
        likelihood, values = joint.likelihood, joint.values(observed[0])
        keys = jax.random.split(jax.random.fold_in(key, index), 5)
        causes = likelihood.sample_causes(keys[0], values)
        causes = jnp.where(is_prior, jax.random.normal(keys[1], causes.shape), causes)
        left_out = likelihood.left_out(values)
        total += likelihood.log_density(values)
        of_data = {
            "": likelihood.replicate(keys[2], causes),
            "_left_out": left_out.sample(keys[3]),
            "_expected": likelihood.mean + likelihood.covariance.factor @ causes,
        }
        densities = jnp.asarray(left_out.log_prob(joint.values(observed[1])))
        for number, (name, rows) in enumerate(joint.rows.items()):
            predictive |= {f"{name}{suffix}": found[rows] for suffix, found in of_data.items()}
            predictive[f"{name}_mean"] = at_data[name].mean
            log_likelihood[name] = densities[rows]
            term, errors, own = problem.terms[name], latents.errors[name], causes[joint.causes[name]]
            posterior |= _biases(target, term, latents, own)
            own = own if errors.causes is None else errors.causes
            effects = problem.effects(term, errors.scales, grids[name])
            mean = everywhere[name].mean[problem.points[name].num_points :]
            rest = jnp.sqrt(effects.diagonal) * jax.random.normal(jax.random.fold_in(keys[4], number), mean.shape)
            curves[f"{name}_mean"] = mean
            curves[name] = mean + effects.factor @ own[: effects.factor.shape[1]] + rest
    states = liquid_states(problem)
    sizes = {"ensembles": {"effective_sample_size": sample_sizes(problem, states, latents.parameters, known)}} if states else {}
    return sizes | {
        "posterior": posterior,
        "posterior_predictive": predictive,
        "log_likelihood": log_likelihood,
        "total": total,
        "predictions": curves,
    }


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


def _grids(target: Target) -> dict[str, Points]:
    """Return the states on which curves are drawn, where no measurement has been made.

    For a term over one state variable they cover each environment's range of it, for others they are the states of the data.
    """
    found = {}
    for name, data in target.problem.points.items():
        states: list[dict[str, np.ndarray]] = []
        environments = np.unique(data.environment)
        for environment in environments:
            rows = data.environment == environment
            if len(data.state) == 1:
                states.append({key: _between(column[rows]) for key, column in data.state.items()})
            else:
                first = _distinct([column[rows] for column in data.state.values()])
                states.append({key: column[rows][first] for key, column in data.state.items()})
        sizes = [len(next(iter(state.values()), [0])) for state in states]
        found[name] = Points(
            name=name,
            unit=data.unit,
            state={key: np.concatenate([state[key] for state in states]) for key in data.state},
            groups={},
            environment=np.repeat(environments, sizes),
            environments=data.environments,
        )
    return found


def _between(column: np.ndarray) -> np.ndarray:
    """Return states from the lowest to the highest, in equal ratios where they are positive, else at equal distances."""
    low, high = column.min(), column.max()
    return (np.geomspace if low > 0 else np.linspace)(low, high, NUM_GRID_POINTS)


def _distinct(columns: list[np.ndarray]) -> np.ndarray:
    """Return the rows at which states occur first; the first row where there are no state columns."""
    return np.sort(np.unique(np.stack(columns, axis=1), axis=0, return_index=True)[1]) if columns else np.array([0])


def _curves(grids: dict[str, Points], curves: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the groups of the predictions on the grids; bands need fewer draws than parameters do."""
    num_draws = len(next(iter(curves.values())))
    kept = np.linspace(0, num_draws - 1, min(NUM_CURVE_DRAWS, num_draws)).astype(int)
    return {
        "predictions": {name: curve[None, kept] for name, curve in curves.items()},
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
