"""Data made from a known potential, to test whether a calibration finds it again."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bayesff.datasets.dataset import DataSet
from bayesff.datasets.environment import Environment, Source
from bayesff.errors import DataError


@runtime_checkable
class Predicts(Protocol):
    """What is needed of an observable: the name of its quantity, and a prediction with a mean."""

    @property
    def quantity(self) -> str:
        """Name of the quantity that is predicted."""
        ...

    def predict(self, potential: Any, state: Mapping[str, Any]) -> Any:
        """Return a prediction whose ``mean`` has one entry a state."""
        ...


def synthesise(
    observable: Predicts,
    potential: Any,
    state: Mapping[str, Any],
    uncertainty: Any,
    seed: int | np.random.Generator,
    *,
    name: str = "synthetic",
    substance: str = "synthetic",
    environment: Environment | None = None,
    groups: Mapping[str, Any] | None = None,
    bias: Mapping[str, float | int] | None = None,
) -> DataSet:
    r"""Synthesise data: the prediction of a known potential, Gaussian noise, and if wanted a bias per group.

    .. math:: y_i = \mathrm{E}[y_i \mid \theta] + u_i z_i + b_{g(i)}, \qquad z_i \sim N(0, 1), \quad b_g \sim N(0, s^2)

    Parameters
    ----------
    observable
        The observable; its ``predict`` gives the mean.
    potential
        The known potential.
    state
        State columns, in canonical units.
    uncertainty
        Standard deviation of the noise, a number or one a state, in the observable's unit.
    seed
        Seed, or a generator of random numbers; the same seed gives the same data.
    name, substance, environment
        As in `DataSet`; the environment is a model with the label ``synthetic`` unless given.
    groups
        Columns of labels, as in `DataSet`.
    bias
        For a grouping column, the standard deviation ``s`` of the biases drawn for its labels; they are listed in the source's
        note, and are not part of the uncertainty.

    Raises
    ------
    DataError
        If a bias belongs to no grouping column, or is negative.
    """
    columns = {column: np.atleast_1d(np.asarray(values, dtype=np.float64)) for column, values in state.items()}
    labelled = {column: np.asarray(labels, dtype=np.str_) for column, labels in (groups or {}).items()}
    random = np.random.default_rng(seed)
    mean = np.asarray(observable.predict(potential, columns).mean, dtype=np.float64)
    uncertainty = np.broadcast_to(np.asarray(uncertainty, dtype=np.float64), mean.shape)
    values, notes = mean + uncertainty * random.standard_normal(mean.shape), []
    for column, spread in (bias or {}).items():
        if column not in labelled:
            raise DataError(f"{name}: a bias must belong to a grouping column, found {column!r}: give its labels in groups")
        if not (np.isfinite(spread) and spread >= 0):
            raise DataError(f"{name}: the bias of {column} must be finite and not negative, found {spread}: correct it")
        labels, position = np.unique(labelled[column], return_inverse=True)
        drawn = spread * random.standard_normal(labels.size)
        values = values + drawn[position]
        notes += [f"{column} {label}: bias {float(value)!r}" for label, value in zip(labels, drawn, strict=True)]
    return DataSet(
        name=name,
        observable=observable.quantity,
        substance=substance,
        environment=environment or Environment("synthetic", "model"),
        source=Source(f"Synthesised from {_described(potential)}", licence="no restriction", note="; ".join(notes)),
        state=columns,
        values=values,
        uncertainty=uncertainty,
        groups=labelled,
        uncertainty_meaning="One standard deviation of the Gaussian noise that was added.",
    )


def _described(value: Any) -> str:
    """Return a potential with the numbers of its parameters, which the representation of its arrays hides."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = ", ".join(f"{item.name}={_described(getattr(value, item.name))}" for item in dataclasses.fields(value))
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_described, value))})"
    if not isinstance(value, type) and hasattr(value, "shape") and hasattr(value, "tolist"):
        return repr(value.tolist())
    return repr(value)
