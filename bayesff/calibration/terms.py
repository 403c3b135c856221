"""A term of a calibration: data, the observable that predicts them, and the error model between the two."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from bayesff.calibration.error_models import Effect, GaussianNoise, Measurement, Points
from bayesff.covariance import Covariance
from bayesff.datasets import DataSet
from bayesff.errors import StudyError
from bayesff.observables import Observable


@dataclass(frozen=True, init=False)
class Term:
    """Data sets of one observable, possibly from several environments, that share an error model.

    Parameters
    ----------
    data
        A data set, or the parts into which one was cut by environment: the same laboratories measured all of them, so their
        biases are shared across the parts.
    observable
        Predicts the data from a potential.
    noise
        Independent measurement error.
    effects
        Causes of error that several data share.
    name
        Name of the term and of its site; the observable's quantity unless given.

    Raises
    ------
    StudyError
        If the data are of another observable, or lack what an effect needs.
    """

    parts: tuple[DataSet, ...]
    observable: Observable
    noise: Measurement
    effects: tuple[Effect, ...]
    name: str

    def __init__(
        self,
        data: DataSet | Sequence[DataSet],
        observable: Observable,
        noise: Measurement | None = None,
        effects: Sequence[Effect] = (),
        name: str | None = None,
    ) -> None:
        parts = (data,) if isinstance(data, DataSet) else tuple(data)
        fields = {
            "parts": tuple(part for part in parts if part.num_data),
            "observable": observable,
            "noise": GaussianNoise() if noise is None else noise,
            "effects": tuple(effects),
            "name": observable.quantity if name is None else name,
        }
        for key, value in fields.items():
            object.__setattr__(self, key, value)
        self._check()

    def without(self, kind: type[Effect]) -> "Term":
        """Return the term without its effects of a kind."""
        kept = [effect for effect in self.effects if not isinstance(effect, kind)]
        return Term(self.parts, self.observable, self.noise, kept, self.name)

    def _check(self) -> None:
        if not self.parts:
            raise StudyError(f"term {self.name!r}: there are no data, give at least one datum")
        for part in self.parts:
            if part.observable != self.observable.quantity:
                raise StudyError(
                    f"term {self.name!r}: data set {part.name!r} holds {part.observable}, but "
                    f"{type(self.observable).__name__} predicts {self.observable.quantity}: pair them otherwise"
                )
        for effect in self.effects:
            effect.check(self.points(self.environments))

    @property
    def environments(self) -> tuple[str, ...]:
        """Labels of the environments, in the order of the parts."""
        return tuple(dict.fromkeys(part.environment.label for part in self.parts))

    @property
    def values(self) -> np.ndarray:
        """Measured values of all parts, in the canonical unit."""
        return np.concatenate([part.values for part in self.parts])

    @property
    def uncertainty(self) -> np.ndarray:
        """One standard deviation of every datum."""
        return np.concatenate([part.standard_deviation for part in self.parts])

    def points(self, environments: tuple[str, ...]) -> Points:
        """Return where the data lie, with environments counted in the order given."""
        first = self.parts[0]
        return Points(
            name=self.name,
            unit=first.unit,
            state={key: np.concatenate([part.state[key] for part in self.parts]) for key in first.state},
            groups={
                key: np.concatenate([part.groups[key] for part in self.parts])
                for key in first.groups
                if all(key in part.groups for part in self.parts)
            },
            environment=np.concatenate(
                [np.full(part.num_data, environments.index(part.environment.label)) for part in self.parts]
            ),
            environments=environments,
        )

    def measurement_covariance(self) -> Covariance:
        """Return the covariance of the measurements as stated with the data."""
        return Covariance.concatenate(
            [
                Covariance.independent(jnp.asarray(part.uncertainty)) if part.covariance is None else _split(part.covariance)
                for part in self.parts
            ]
        )


def _split(matrix: np.ndarray) -> Covariance:
    """Return a covariance matrix as independent noise and shared causes.

    The independent part is the largest multiple of the variances that the matrix allows: it is what replicated data draw anew,
    and what Woodbury's identity divides by.
    """
    deviation = np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix / np.outer(deviation, deviation))
    factor = deviation[:, None] * vectors[:, 1:] * np.sqrt(values[1:] - values[0])
    return Covariance(jnp.asarray(values[0] * deviation**2), jnp.asarray(factor))
