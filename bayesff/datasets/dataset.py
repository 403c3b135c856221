"""The data set: values of one observable, each with its state, its uncertainty, its environment and its source."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from bayesff import quantities
from bayesff.datasets.environment import Environment, Source
from bayesff.datasets.rules import broken_rule, checked_covariance, within
from bayesff.errors import DataError
from bayesff.quantities import Quantity

Condition = np.ndarray | Callable[["DataSet"], np.ndarray]


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False, init=False)
class DataSet:
    """What was measured: one observable at a number of states. Immutable; its arrays are read-only.

    All numbers are in canonical units (see `bayesff.quantities`). A script that has its own numbers makes a data set directly;
    `bayesff.datasets.load` makes one from a folder and converts the units.

    Parameters
    ----------
    name
        Name of the data set.
    observable
        Name of the measured quantity, for example ``second_virial``.
    substance
        What was measured.
    environment
        The environment that all these data belong to.
    source
        Where the numbers come from.
    state
        Columns of state variables, each a registered quantity; those that the observable needs must be there.
    values
        Measured values.
    uncertainty
        One standard deviation of each value; give either this or the covariance.
    covariance
        Covariance matrix of the values, symmetric and positive definite.
    groups
        Columns of labels, for example the laboratory or the quality of each datum.
    uncertainty_meaning
        In words, what the uncertainty stands for and where it comes from.

    Raises
    ------
    DataError
        If a rule is broken; the sentence names the data set, the column, the datum, the rule and the value found.

    Examples
    --------
    >>> data = DataSet(
    ...     name="mine", observable="second_virial", substance="argon", environment=Environment("gas", "gas"),
    ...     source=Source("this work"), state={"temperature": [200.0, 300.0]}, values=[-47.9, -15.2], uncertainty=[0.1, 0.1],
    ... )
    >>> len(data), data.unit
    (2, 'cm^3/mol')
    """

    name: str
    observable: str
    substance: str
    environment: Environment
    source: Source
    state: Mapping[str, np.ndarray]
    values: np.ndarray
    uncertainty: np.ndarray | None
    covariance: np.ndarray | None
    groups: Mapping[str, np.ndarray]
    uncertainty_meaning: str

    def __init__(  # written out so that lists, and arrays of any kind, may be given for the arrays
        self,
        name: str,
        observable: str,
        substance: str,
        environment: Environment,
        source: Source,
        state: Mapping[str, Any],
        values: Any,
        uncertainty: Any = None,
        covariance: Any = None,
        groups: Mapping[str, Any] | None = None,
        uncertainty_meaning: str = "",
    ) -> None:
        if not name.strip():
            raise DataError(f"data set: the name must be a word or more, found {name!r}: name the data set")
        for key, text in (("name", name), ("observable", observable), ("substance", substance)):
            self._set(key, text)
        self._set("environment", environment)
        self._set("source", source)
        self._set("uncertainty_meaning", uncertainty_meaning)
        self._set_columns(state, values, groups or {})
        self._set_errors(uncertainty, covariance)
        self._check_ranges(self.state)

    def _set_columns(self, given: Mapping[str, Any], numbers: Any, groups: Mapping[str, Any]) -> None:
        quantity = quantities.get(self.observable)
        values = self._numbers(quantity.name, numbers, quantity.positive)
        if values.size == 0:
            raise DataError(f"{self.name}: a data set must hold at least one datum, found none: give values")
        state = {name: self._state_column(name, column, values.size) for name, column in given.items()}
        missing = [name for name in quantity.states if name not in state]
        if missing:
            raise DataError(
                f"{self.name}: {self.observable} needs the state column {missing[0]!r}, found "
                f"{', '.join(map(repr, state)) or 'none'}: add it"
            )
        self._set("values", values)
        self._set("state", MappingProxyType(state))
        self._set("groups", MappingProxyType({name: self._labels(name, column) for name, column in groups.items()}))

    def _set_errors(self, uncertainty: Any, covariance: Any) -> None:
        if (uncertainty is None) == (covariance is None):
            found = "neither" if uncertainty is None else "both"
            raise DataError(f"{self.name}: give either an uncertainty or a covariance, found {found}: keep exactly one of them")
        if uncertainty is not None:
            uncertainty = self._numbers("uncertainty", uncertainty, True)
            self._same_length("uncertainty", uncertainty, self.num_data)
        else:
            covariance = self._checked_covariance(covariance)
        self._set("uncertainty", uncertainty)
        self._set("covariance", covariance)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _numbers(self, column: str, values: Any, positive: bool) -> np.ndarray:
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.name}: {column} must be numbers, found {values!r}: {error}") from None
        if array.ndim != 1:
            raise DataError(f"{self.name}: {column} must be one-dimensional, found shape {array.shape}: give one number a datum")
        bad, rule = broken_rule(array, positive)
        if bad.any():
            index = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{self.name}: {column} must be {rule}, found {array[index]} at datum {index} (counted from 0): "
                "correct it or leave the datum out"
            )
        return _read_only(array)

    def _same_length(self, column: str, array: np.ndarray, num_data: int) -> None:
        if array.shape[0] != num_data:
            raise DataError(f"{self.name}: {column} must have one entry a datum, found {array.shape[0]} for {num_data} values")

    def _state_column(self, name: str, column: Any, num_data: int) -> np.ndarray:
        array = self._numbers(name, column, quantities.get(name).positive)
        self._same_length(name, array, num_data)
        return array

    def _labels(self, name: str, column: Any) -> np.ndarray:
        labels = [str(label).strip() for label in column]
        array = np.asarray(labels, dtype=np.str_)
        self._same_length(name, array, self.num_data)
        bad = [index for index, label in enumerate(labels) if not label or not label.isprintable()]
        if bad:
            raise DataError(
                f"{self.name}: the group {name!r} must have printable labels, found {labels[bad[0]]!r} at datum {bad[0]} "
                "(counted from 0): write one for every datum"
            )
        if name in self.state or name in ("value", "uncertainty"):
            raise DataError(f"{self.name}: the group {name!r} has the name of another column: rename it")
        return _read_only(array)

    def _checked_covariance(self, covariance: Any) -> np.ndarray:
        matrix, shape = np.asarray(covariance, dtype=np.float64), (self.num_data, self.num_data)
        if matrix.shape != shape:
            raise DataError(f"{self.name}: the covariance must have shape {shape}, found {matrix.shape}: give all pairs")
        return _read_only(checked_covariance(matrix, self.name))

    def _check_ranges(self, state: Mapping[str, np.ndarray]) -> None:
        for name, (low, high) in self.environment.ranges.items():
            if name not in state:
                continue
            outside = np.flatnonzero((state[name] < low) | (state[name] > high))
            if outside.size:
                index = int(outside[0])
                raise DataError(
                    f"{self.name}: {name} must lie within the environment {self.environment.label!r}, {low} to {high} "
                    f"{quantities.get(name).unit}, found {state[name][index]} at datum {index} (counted from 0): widen the "
                    "range or leave the datum out"
                )

    def __len__(self) -> int:
        return self.num_data

    def __repr__(self) -> str:
        return f"DataSet({self.name!r}, {self.num_data} x {self.observable}, environment={self.environment.label!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        content = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        content["state"], content["groups"] = dict(self.state), dict(self.groups)
        return _rebuild, (content,)

    @property
    def quantity(self) -> Quantity:
        """The measured quantity, with its unit and symbol."""
        return quantities.get(self.observable)

    @property
    def unit(self) -> str:
        """Canonical unit of the values and of the uncertainty."""
        return self.quantity.unit

    @property
    def num_data(self) -> int:
        """Number of data."""
        return int(self.values.shape[0])

    @property
    def standard_deviation(self) -> np.ndarray:
        """One standard deviation of each datum: the uncertainty, or the root of the covariance's diagonal."""
        if self.uncertainty is not None:
            return self.uncertainty
        assert self.covariance is not None
        return np.sqrt(np.diag(self.covariance))

    def take(self, indices: Any) -> "DataSet":
        """Return the data at these positions, in this order; the covariance is the marginal one."""
        indices = np.asarray(indices, dtype=np.intp)
        return dataclasses.replace(
            self,
            state={name: column[indices] for name, column in self.state.items()},
            groups={name: column[indices] for name, column in self.groups.items()},
            values=self.values[indices],
            uncertainty=None if self.uncertainty is None else self.uncertainty[indices],
            covariance=None if self.covariance is None else self.covariance[np.ix_(indices, indices)],
        )

    def where(self, condition: Condition | None = None, /, **groups: str | Collection[str]) -> "DataSet":
        """Return the data that fulfil a condition and carry the given group labels.

        Parameters
        ----------
        condition
            A boolean array, one a datum, or a function of the data set that returns one.
        **groups
            For a grouping column the label, or several labels, to keep: ``where(quality="ok")``.
        """
        mask = np.ones(self.num_data, dtype=bool)
        if condition is not None:
            chosen = np.asarray(condition(self) if callable(condition) else condition)
            if chosen.dtype != np.bool_ or chosen.shape != mask.shape:
                raise DataError(
                    f"{self.name}: where needs one boolean a datum, {mask.shape}, found {chosen.dtype} of shape {chosen.shape}"
                )
            mask &= chosen
        for name, wanted in groups.items():
            mask &= self._carrying(name, {wanted} if isinstance(wanted, str) else set(wanted))
        if not mask.any():
            raise DataError(f"{self.name}: the selection must leave at least one datum, found none: choose a wider one")
        return self.take(np.flatnonzero(mask))

    def _carrying(self, name: str, wanted: set[str]) -> np.ndarray:
        labels = self.group(name)
        known = set(np.unique(labels).tolist())
        unknown = sorted(wanted - known)
        if unknown:
            raise DataError(
                f"{self.name}: {name} has no label {unknown[0]!r}, found {', '.join(sorted(known))}: use one of those"
            )
        return np.isin(labels, sorted(wanted))

    def group(self, name: str) -> np.ndarray:
        """Return the grouping column of that name, or raise a `DataError` that lists those there are."""
        if name not in self.groups:
            known = ", ".join(map(repr, self.groups)) or "none"
            raise DataError(f"{self.name}: there is no grouping column {name!r}, found {known}: use one of those")
        return self.groups[name]

    def column(self, name: str) -> np.ndarray:
        """Return the state column of that name, or raise a `DataError` that lists those there are."""
        if name not in self.state:
            known = ", ".join(map(repr, self.state)) or "none"
            raise DataError(f"{self.name}: there is no state column {name!r}, found {known}: use one of those")
        return self.state[name]

    def between(self, column: str, low: float | int | None = None, high: float | int | None = None) -> "DataSet":
        """Return the data whose state lies in ``low <= state < high``; None leaves a side open."""
        return self.where(within(self.column(column), low, high))

    def cut(self, column: str, environments: Mapping[str, tuple[float | int | None, float | int | None]]) -> "list[DataSet]":
        """Cut the data into environments along a state variable; every datum must fall into exactly one.

        Parameters
        ----------
        column
            State column, for example ``temperature``.
        environments
            Label of each environment and its half-open interval ``low <= state < high`` in the canonical unit; None leaves a
            side open.

        Returns
        -------
        list of DataSet
            One an environment, in the order given, with medium and treatment as they were; the name stays the same.
        """
        states = self.column(column)
        masks = {label: within(states, low, high) for label, (low, high) in environments.items()}
        hits = np.sum(list(masks.values()), axis=0) if masks else np.zeros(self.num_data)
        stray = np.flatnonzero(hits != 1)
        if stray.size:
            index = int(stray[0])
            fate = "into none" if hits[index] == 0 else f"into {int(hits[index])}"
            raise DataError(
                f"{self.name}: every datum must belong to exactly one environment, but {column} {states[index]} "
                f"{quantities.get(column).unit} falls {fate} of {', '.join(environments)}: mend the bounds (high is excluded)"
            )
        empty = [label for label, mask in masks.items() if not mask.any()]
        if empty:
            raise DataError(f"{self.name}: the environment {empty[0]!r} must hold a datum, found none: leave it out or widen it")
        return [
            dataclasses.replace(
                self.take(np.flatnonzero(mask)), environment=_narrowed(self.environment, label, column, *environments[label])
            )
            for label, mask in masks.items()
        ]

    def with_environment(self, environment: Environment | str, **changes: Any) -> "DataSet":
        """Return the same data in another environment: a whole one, or a new label and changes to the present one."""
        if isinstance(environment, str):
            environment = dataclasses.replace(self.environment, label=environment, **changes)
        elif changes:
            raise DataError(f"{self.name}: with_environment takes a label with changes or a whole Environment, found both")
        return dataclasses.replace(self, environment=environment)

    def with_name(self, name: str) -> "DataSet":
        """Return the same data under another name."""
        return dataclasses.replace(self, name=name)

    def with_values(self, values: Any) -> "DataSet":
        """Return the same states and uncertainties with other values, as for simulated data."""
        return dataclasses.replace(self, values=values)

    def with_uncertainty(self, uncertainty: Any = None, *, covariance: Any = None, meaning: str = "") -> "DataSet":
        """Return the same values with another uncertainty (a number or one a datum) or covariance, and what it means."""
        if uncertainty is not None:
            uncertainty = np.broadcast_to(np.asarray(uncertainty, dtype=np.float64), self.values.shape)
        return dataclasses.replace(self, uncertainty=uncertainty, covariance=covariance, uncertainty_meaning=meaning)


def _rebuild(content: dict[str, Any]) -> DataSet:
    return DataSet(**content)


def _narrowed(
    environment: Environment, label: str, column: str, low: float | int | None, high: float | int | None
) -> Environment:
    before = environment.ranges.get(column, (-np.inf, np.inf))
    bounds = (max(before[0], -np.inf if low is None else low), min(before[1], np.inf if high is None else high))
    return dataclasses.replace(environment, label=label, ranges={**environment.ranges, column: bounds})
