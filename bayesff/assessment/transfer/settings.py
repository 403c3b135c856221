"""What a transfer assessment is asked: which spread between environments is small, and how far off a prediction may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from bayesff import units
from bayesff.calibration import CalibrationProblem, Prior
from bayesff.errors import StudyError
from bayesff.inference import NUTS


@dataclass(frozen=True)
class Tolerance:
    """How far a prediction may lie from the truth and still be good enough.

    Parameters
    ----------
    amount
        The tolerance, greater than zero.
    unit
        A unit of the observable; without one the tolerance is relative to the magnitude of the truth. A quantity that passes
        through zero, such as a second virial near the Boyle temperature, needs one with a unit.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesff.assessment import Tolerance
    >>> Tolerance(0.05).allowed(np.array([200.0, -100.0]), "cm^3/mol").tolist()
    [10.0, 5.0]
    """

    amount: float
    unit: str = ""

    def __post_init__(self) -> None:
        _check_positive("Tolerance", self.amount, "nothing but the truth itself is within a tolerance of zero")

    def allowed(self, truth: Float[np.ndarray, "*shape"], unit: str) -> Float[np.ndarray, "*shape"]:
        """Return how far a prediction may be from the truth, which is given in ``unit``."""
        truth = np.asarray(truth, dtype=float)
        return self.amount * np.abs(truth) if not self.unit else np.full(truth.shape, self.amount * units.factor(self.unit, unit))


@dataclass(frozen=True)
class Published:
    """A value of a parameter that others have published, to be set beside what each environment wants.

    Parameters
    ----------
    parameter
        The parameter's name.
    value
        The value.
    label
        What it was fitted to, in a few words.
    source
        Where it was published.
    unit
        Unit of the value; none for a pure number.
    sd
        Its standard deviation, if one was given.

    Examples
    --------
    >>> from bayesff.assessment import Published
    >>> Published("repulsive", 17.6, "second virials", "a paper", sd=1.8).value
    17.6
    """

    parameter: str
    value: float
    label: str
    source: str
    unit: str = ""
    sd: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise StudyError(f"Published {self.parameter}: the value must be a number, found {self.value}: correct it")
        if not (np.isfinite(self.sd) and self.sd >= 0):
            raise StudyError(
                f"Published {self.parameter}: sd must be zero or more, found {self.sd}: leave it out if it is unknown"
            )


@dataclass(frozen=True)
class Transfer:
    r"""What a transfer assessment is asked.

    Parameters
    ----------
    spread
        Prior of the spread :math:`\tau` of the parameters between environments, relative for positive parameters; one for all,
        or one a parameter by name, where those not named do not vary. A signed parameter needs one of its own, with a unit.
        Without it: half-normal with the scale 0.02 for a length, 0.1 for any other positive parameter (see below).
    spread_tolerance
        The spread below which a parameter carries over, as a share of its common value.
    tolerances
        For each term of any candidate how far a prediction may be off; 5 % for those not named.
    sampler
        How refits are sampled. They are many, and each must only be good enough for scores.
    published
        For a candidate, by its name in the study, the values that others have published.

    Notes
    -----
    Predictions of an environment never seen are as wide as the spread's prior where there are few environments to learn it from,
    so it must not be wider than what is known. Published Lennard-Jones parameters of argon (119.8, 142.1 and 125.7 K with 3.405,
    3.3605 and 3.345 angstrom: Rowley et al. 1975, Barker et al. 1971, White 1999) scatter by 9 % in the depth and 0.9 % in the
    diameter: the defaults hold both at about one standard deviation or less.
    """

    spread: Prior | Mapping[str, Prior] | None = None
    spread_tolerance: float = 0.05
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    sampler: NUTS = field(default_factory=lambda: NUTS(num_warmup=200, num_draws=300, max_draws=2400, target_accept_prob=0.9))
    published: Mapping[str, Sequence[Published]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_positive("spread_tolerance", self.spread_tolerance, "no spread is below zero")

    def tolerance(self, term: str) -> Tolerance:
        """Return the tolerance of a term."""
        return self.tolerances.get(term, Tolerance(0.05))

    def spread_of(self, problem: CalibrationProblem, parameter: str) -> Prior | None:
        """Return the prior of the spread of a parameter; None where it has none, and does not vary."""
        if isinstance(self.spread, Mapping):
            return self.spread.get(parameter)
        if parameter not in problem.positive:
            return None  # a relative spread says nothing of a parameter that may have either sign
        return self.spread or Prior(dist.HalfNormal(0.02 if units.is_length(problem.priors[parameter].unit) else 0.1))

    def check(self, problems: Mapping[str, CalibrationProblem]) -> None:
        """Raise `StudyError` or `UnitError` unless terms, parameters and units are those of a study's candidates."""
        for name in self.published:
            if name not in problems:
                raise StudyError(f"published: {name!r} must be a candidate, found {', '.join(problems)}: correct the name")
        known = list(dict.fromkeys(name for problem in problems.values() for name in problem.priors))
        for name in self.spread if isinstance(self.spread, Mapping) else ():
            if name not in known:
                raise StudyError(f"spread: {name!r} must be a parameter, found {', '.join(known)}: correct the name")
        terms = list(dict.fromkeys(name for problem in problems.values() for name in problem.terms))
        for name in self.tolerances:
            if name not in terms:
                raise StudyError(f"tolerances: {name!r} must be the name of a term, found {', '.join(terms)}: correct the name")
        for name, problem in problems.items():
            self._check(problem)
            for one in self.published.get(name, ()):
                if one.parameter not in problem.priors:
                    raise StudyError(
                        f"published: {one.parameter!r} must be a parameter of {name}, found {', '.join(problem.priors)}: "
                        "correct the name"
                    )
                units.factor(one.unit, problem.priors[one.parameter].unit)

    def _check(self, problem: CalibrationProblem) -> None:
        for name, tolerance in self.tolerances.items():
            if tolerance.unit and name in problem.terms:
                units.factor(tolerance.unit, problem.points[name].unit)


def _check_positive(place: str, value: float, why: str) -> None:
    if not (np.isfinite(value) and value > 0):
        raise StudyError(f"{place}: it must be greater than zero, found {value}: {why}, give for example 0.05")
