"""The calibration problem: potential, priors, data and pooling, which together are a NumPyro model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array

from bayesff.calibration.error_models import GaussianNoise, GroupBias, Points
from bayesff.calibration.likelihood import Joint, Likelihood
from bayesff.calibration.pooling import CompletePooling, PartialPooling, Pooling
from bayesff.calibration.priors import Prior
from bayesff.calibration.reach import ANYWHERE, KnownAverages, liquid_states, log_reach
from bayesff.calibration.terms import Term
from bayesff.covariance import Covariance
from bayesff.errors import ParameterError, StudyError
from bayesff.observables import Observable, Prediction
from bayesff.observables.base import require_double_precision
from bayesff.observables.fluids import Known
from bayesff.observables.liquid import FluidObservable
from bayesff.potentials import Potential


@dataclass(frozen=True)
class Errors:
    """What was sampled for the error model of one term."""

    noise_scale: Array
    degrees_of_freedom: Array | None
    scales: tuple[dict[str, Array], ...]
    causes: Array | None


@dataclass(frozen=True)
class Latents:
    """Everything unknown: parameters of the potential (a scalar, or one value an environment) and errors by term."""

    parameters: dict[str, Array]
    errors: dict[str, Errors]


class CalibrationProblem:
    """Priors, potential, data and pooling; calling it is the NumPyro model.

    The model samples the parameters (sites with the priors' names; see `bayesff.calibration.pooling` for the sites that pooling
    adds), the scales of the error models, and the data of every term (site ``<term>``, plate ``<term>_datum``). It can be given
    to any ``numpyro.infer`` algorithm. With data of a liquid it has the factor ``reach``, see `bayesff.calibration.reach`.

    Parameters
    ----------
    potential
        Makes the potential from the parameters, given by keyword: a potential class, or any function that returns a potential
        (for example ``functools.partial(Mie, attractive=6.0)``).
    priors
        Prior of every parameter, by keyword.
    terms
        Data with their observables and error models.
    pooling
        How the parameters are shared between environments: one choice for all, or one for each parameter named (complete
        pooling for the others).
    start
        Values of all latent sites, from where the mode is looked for besides the prior; nothing else depends on it.

    Raises
    ------
    StudyError
        If names clash or a pooling choice names an unknown parameter.
    ParameterError
        If a prior's unit does not fit, or the potential does not take the parameters.
    """

    def __init__(
        self,
        potential: Callable[..., Potential],
        priors: Mapping[str, Prior],
        terms: Sequence[Term],
        pooling: Pooling | Mapping[str, Pooling] | None = None,
        start: Mapping[str, Array] | None = None,
    ) -> None:
        self.potential = potential
        self.start = start
        self.priors = dict(priors)
        self.terms = {term.name: term for term in terms}
        if len(self.terms) < len(terms):
            names = [term.name for term in terms]
            twice = next(name for name in names if names.count(name) > 1)
            raise StudyError(f"two terms are called {twice!r}: give one of them another name")
        if not self.terms:
            raise StudyError("a calibration needs at least one term: give data with an observable")
        self._check_sites()
        self.environments = tuple(dict.fromkeys(label for term in terms for label in term.environments))
        self.points = {name: term.points(self.environments) for name, term in self.terms.items()}
        self.together = self._terms_together()
        self.pooling = self._pooling_by_parameter(pooling)
        self.parameter_units, self.positive = self._parameter_facts()

    def _check_sites(self) -> None:
        for name, prior in self.priors.items():
            if isinstance(prior.distribution, dist.ImproperUniform):
                raise ParameterError(f"{name}: the prior cannot be normalised: give a proper one, for example a wide Uniform")
        sites = [*self.priors, *self.terms]
        for term in self.terms.values():
            sites += [site for effect in term.effects for site in effect.units(term.points(term.environments))]
        for site in sites:
            if sites.count(site) > 1:
                raise StudyError(
                    f"two sites are called {site!r}: rename the parameter or the term, or leave out one of two effects"
                )

    def _terms_together(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of the terms, those together whose numerical errors have causes in common.

        A Student-t error cannot be integrated over together with others, and counts as independent of them.
        """
        found: dict[Any, list[str]] = {}
        for name, term in self.terms.items():
            observable, key = term.observable, name
            if isinstance(observable, FluidObservable) and isinstance(term.noise, GaussianNoise):
                key = id(observable.liquid.origin)
            found.setdefault(key, []).append(name)
        return tuple(tuple(names) for names in found.values())

    def _pooling_by_parameter(self, pooling: Pooling | Mapping[str, Pooling] | None) -> dict[str, Pooling]:
        if not isinstance(pooling, Mapping):
            return dict.fromkeys(self.priors, CompletePooling() if pooling is None else pooling)
        unknown = [name for name in pooling if name not in self.priors]
        if unknown:
            raise StudyError(f"pooling names {unknown[0]!r}, but the parameters are {', '.join(self.priors)}: correct the name")
        return {name: pooling.get(name, CompletePooling()) for name in self.priors}

    def _parameter_facts(self) -> tuple[dict[str, str], frozenset[str]]:
        """Return internal units and positive parameters, found by making the potential once from its priors."""
        drawn = {name: prior.distribution.sample(jax.random.key(0)) for name, prior in self.priors.items()}
        try:
            made = jax.eval_shape(lambda drawn: self.potential(**drawn), drawn)
        except TypeError as error:
            raise ParameterError(
                f"the potential does not take the parameters {', '.join(self.priors)} of the priors ({error}): rename a prior"
            ) from None
        declared = made.declared_parameters()
        parameter_units = {name: declared.get(name, (prior.unit,))[0] for name, prior in self.priors.items()}
        for name, prior in self.priors.items():
            prior.within(parameter_units[name])
        positive = {
            name
            for name, prior in self.priors.items()
            if (declared[name][1] if name in declared else prior.distribution.support is dist.constraints.positive)
        }
        return parameter_units, frozenset(positive)

    def sample(self) -> Latents:
        """Sample everything unknown, inside a NumPyro model."""
        parameters = {
            name: self.pooling[name].sample(
                name,
                prior.within(self.parameter_units[name]),
                name in self.positive,
                self.parameter_units[name],
                len(self.environments),
            )
            for name, prior in self.priors.items()
        }
        return Latents(parameters, {name: self._sample_errors(term) for name, term in self.terms.items()})

    def _sample_errors(self, term: Term) -> Errors:
        points = self.points[term.name]
        noise_scale = term.noise.sample_scale(points)
        degrees_of_freedom = term.noise.sample_degrees_of_freedom(points)
        scales = tuple(effect.sample_scales(points) for effect in term.effects)
        causes = None
        if degrees_of_freedom is not None and term.effects:
            num_causes = self.effects(term, scales, points).factor.shape[1]
            drawn = numpyro.sample(f"{term.name}_causes", dist.Normal(0.0, 1.0).expand([num_causes]).to_event(1))
            causes = jnp.asarray(drawn)
        return Errors(noise_scale, degrees_of_freedom, scales, causes)

    def effects(self, term: Term, scales: Sequence[dict[str, Array]], points: Points) -> Covariance:
        """Return the covariance that the effects of a term make at any points; its columns are the term's causes in order."""
        total = Covariance.independent(jnp.zeros(points.num_points))
        for effect, scale in zip(term.effects, scales, strict=True):
            total = total + effect.columns(scale, points, self.points[term.name])
        return total

    def predict(
        self, parameters: Mapping[str, Array], observable: Observable, points: Points, known: KnownAverages | None = None
    ) -> Prediction:
        """Predict an observable at points that may lie in several environments, each with its own parameters.

        Averages of a liquid that are in ``known`` are taken from there, others are added; it is good for one set of parameters.
        """
        known = {} if known is None else known
        if all(jnp.ndim(value) == 0 for value in parameters.values()):
            potential = self.potential(**parameters)
            return _predict(observable, potential, points.state, points.num_points, known.setdefault(ANYWHERE, {}))
        blocks, order = [], []
        for environment in np.unique(points.environment):
            rows = np.flatnonzero(points.environment == environment)
            potential = self.potential(**self.parameters_in(parameters, int(environment)))
            state = {key: column[rows] for key, column in points.state.items()}
            blocks.append(_predict(observable, potential, state, len(rows), known.setdefault(int(environment), {})))
            order.append(rows)
        mean = jnp.concatenate([block.mean for block in blocks])
        covariance = Covariance.concatenate([block.covariance for block in blocks])
        return Prediction(mean, covariance)[np.argsort(np.concatenate(order))]

    @staticmethod
    def parameters_in(parameters: Mapping[str, Array], environment: int) -> dict[str, Array]:
        """Return the parameters of one environment."""
        return {name: value if jnp.ndim(value) == 0 else value[environment] for name, value in parameters.items()}

    def predictions(self, latents: Latents, known: KnownAverages | None = None) -> dict[str, Prediction]:
        """Predict the data of every term, given everything unknown."""
        known = KnownAverages() if known is None else known
        return {
            name: self.predict(latents.parameters, term.observable, self.points[name], known) for name, term in self.terms.items()
        }

    def likelihoods(
        self, latents: Latents, predictions: Mapping[str, Prediction], errors: Mapping[str, Covariance] | None = None
    ) -> list[Joint]:
        """Return the distribution of the data given everything unknown, of terms together whose errors have common causes.

        Parameters
        ----------
        latents
            Everything unknown.
        predictions
            Predictions of the data by term.
        errors
            What `errors` returned for each term and these unknowns, if it is known already.
        """
        known = {} if errors is None else errors
        return [self._joint(latents, {name: predictions[name] for name in names}, known) for names in self.together]

    def _joint(self, latents: Latents, predictions: Mapping[str, Prediction], errors: Mapping[str, Covariance]) -> Joint:
        parts = {name: self._likelihood(latents, self.terms[name], one, errors.get(name)) for name, one in predictions.items()}
        rows, causes, first, column = {}, {}, 0, 0
        for name, part in parts.items():
            rows[name], causes[name] = slice(first, first + len(part.mean)), slice(column, column + part.covariance.num_own)
            first, column = rows[name].stop, causes[name].stop
        if len(parts) == 1:
            (only,) = parts.values()
            return Joint(only, rows, causes)
        mean = jnp.concatenate([part.mean for part in parts.values()])
        return Joint(Likelihood(mean, Covariance.concatenate([part.covariance for part in parts.values()])), rows, causes)

    def _likelihood(self, latents: Latents, term: Term, prediction: Prediction, known: Covariance | None) -> Likelihood:
        """Return the distribution of the data of one term, whatever the others are."""
        points, errors = self.points[term.name], latents.errors[term.name]
        if errors.degrees_of_freedom is None:
            own = self.errors(latents, term) if known is None else known
            return Likelihood(prediction.mean, own + prediction.covariance)
        effects = self.effects(term, errors.scales, points)
        mean = prediction.mean if errors.causes is None else prediction.mean + effects.factor @ errors.causes
        measured = term.measurement_covariance().scale(errors.noise_scale)
        squared_scale = effects.diagonal + measured.variance + prediction.covariance.variance
        return Likelihood(mean, Covariance.independent(jnp.sqrt(squared_scale)), errors.degrees_of_freedom)

    def errors(self, latents: Latents, term: Term) -> Covariance:
        """Return the covariance of a term's effects and measurements, without the numerical error of the prediction."""
        errors = latents.errors[term.name]
        effects = self.effects(term, errors.scales, self.points[term.name])
        return effects + term.measurement_covariance().scale(errors.noise_scale)

    def __call__(self, observed: Mapping[str, Any] | None = None) -> None:
        """Run the NumPyro model.

        Parameters
        ----------
        observed
            Values of each term in place of the measured ones; a term that is ``None`` or left out is sampled (so ``{}`` draws
            from the prior predictive distribution). The measured values if not given.
        """
        require_double_precision()
        if observed is None:
            observed = {name: term.values for name, term in self.terms.items()}
        latents, known = self.sample(), KnownAverages()
        for joint in self.likelihoods(latents, self.predictions(latents, known)):
            self._sample_data(joint, observed)
        if liquid_states(self):
            numpyro.factor("reach", log_reach(self, latents.parameters, known))

    def _sample_data(self, joint: Joint, observed: Mapping[str, Any]) -> None:
        """Sample the data of terms with common causes one after the other, each given those before it."""
        rest = joint.likelihood
        for name in joint.rows:
            size = self.points[name].num_points
            likelihood, values = rest[:size], observed.get(name)
            if likelihood.independent:
                with numpyro.plate(f"{name}_datum", size):
                    found = numpyro.sample(name, likelihood.distribution(), obs=values)
            else:
                found = numpyro.sample(name, likelihood.distribution(), obs=values)
            if len(rest.mean) > size:
                rest = rest.after(jnp.asarray(found))

    @property
    def is_pooled_partially(self) -> bool:
        """Whether the spread of any parameter between environments is learnt."""
        return any(isinstance(pooling, PartialPooling) for pooling in self.pooling.values())

    @property
    def site_units(self) -> dict[str, str]:
        """Return the internal unit of every site."""
        found: dict[str, str] = {}
        for name, unit in self.parameter_units.items():
            partial = isinstance(self.pooling[name], PartialPooling)
            found |= {name: unit, f"{name}_environment": unit, f"{name}_offset": ""}
            found |= {f"tau_{name}": "" if name in self.positive else unit} if partial else {}
        for name, term in self.terms.items():
            found[name] = self.points[name].unit
            found |= {f"{name}_noise_scale": "", f"{name}_degrees_of_freedom": "", f"{name}_causes": ""}
            for effect in term.effects:
                found |= effect.units(self.points[name])
        return found

    @property
    def location_sites(self) -> frozenset[str]:
        """Return the names that sites may have which say where predictions lie; all others say how far they spread or err."""
        return frozenset(f"{name}{suffix}" for name in self.priors for suffix in ("", "_environment", "_offset"))

    @property
    def site_dims(self) -> dict[str, list[str]]:
        """Return the named dimensions of every site that is not a scalar."""
        found = {f"{name}_{suffix}": ["environment"] for name in self.priors for suffix in ("environment", "offset")}
        for name, term in self.terms.items():
            found[name] = [f"{name}_datum"]
            found[f"{name}_causes"] = [f"{name}_cause"]
            found[f"{name}_discrepancy_scale"] = [f"{name}_environment"]
            for effect in term.effects:
                if isinstance(effect, GroupBias):
                    found[f"{name}_{effect.group}_bias"] = [f"{name}_{effect.group}"]
        return found


def _predict(observable: Observable, potential: Any, state: Mapping[str, Any], num_points: int, known: Known) -> Prediction:
    """Predict, and repeat for all its data what has no state; they share its numerical error then."""
    if isinstance(observable, FluidObservable):
        return observable.predict(potential, state, known)
    found = observable.predict(potential, state)
    if state or num_points == 1:
        return found
    # The floor keeps the derivative of the square root finite where there is no numerical error.
    error = jnp.sqrt(jnp.maximum(found.covariance.variance, 1e-300))
    return Prediction(jnp.repeat(found.mean, num_points), Covariance.shared(jnp.repeat(error, num_points)[:, None]))
