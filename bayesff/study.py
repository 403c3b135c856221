"""A study: one scientific question, asked of data through candidate potentials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayesff.errors import StudyError

if TYPE_CHECKING:
    from bayesff.calibration import CalibrationProblem


@dataclass(frozen=True)
class Study:
    """What a file in ``models/`` defines, under the name ``study``.

    Parameters
    ----------
    name
        Name of the study and of its file.
    question
        The scientific question, in one sentence.
    problems
        The calibration problem of each candidate potential, by a name such as ``lennard_jones``; the first one is the one that
        the posterior file opens with.
    sampler
        How the posteriors are sampled; ``bayesff run`` may change numbers of draws and chains.
    """

    name: str
    question: str
    problems: Mapping[str, "CalibrationProblem"]
    sampler: Any = field(default_factory=lambda: _default_sampler())

    def __post_init__(self) -> None:
        if not self.problems:
            raise StudyError(f"study {self.name!r}: give at least one candidate potential in problems, found none")
        for label in self.problems:
            if not label.isidentifier():
                raise StudyError(f"study {self.name!r}: a candidate's name must be a plain word, found {label!r}")


def _default_sampler() -> Any:
    from bayesff.inference import NUTS

    return NUTS()
