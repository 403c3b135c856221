"""Where a datum was measured and who measured it: the environment and the source of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from bayesff import quantities
from bayesff.errors import DataError

Medium = Literal["dimer", "gas", "liquid", "solid", "solution", "model"]

MEDIA: tuple[str, ...] = get_args(Medium)
"""The media an environment can have; ``model`` is a calculation in reduced units or with a model potential."""

Treatment = str | float | int | bool


def _frozen(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(mapping))


@dataclass(frozen=True)
class Environment:
    """The conditions in which data were taken, and between which parameters may or may not carry over.

    Parameters
    ----------
    label
        Name of the environment; data with the same label share their parameters under partial pooling.
    medium
        One of ``dimer``, ``gas``, ``liquid``, ``solid``, ``solution``, ``model``.
    ranges
        For each state variable the lowest and the highest value that belong here, in its canonical unit; ``-inf`` and ``inf``
        leave a side open.
    treatment
        How the interactions were treated (cutoff and its correction, 1-4 factors, dielectric): words, pure numbers or booleans;
        a length is written as words, with its unit.
    """

    label: str
    medium: str
    ranges: Mapping[str, tuple[float | int, float | int]] = field(default_factory=dict)
    treatment: Mapping[str, Treatment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label.strip():
            raise DataError(f"environment: the label must be a word or more, found {self.label!r}: name the environment")
        if self.medium not in MEDIA:
            raise DataError(
                f"environment {self.label!r}: medium must be one of {', '.join(MEDIA)}, found {self.medium!r}: choose one of them"
            )
        ranges = {}
        for name, bounds in self.ranges.items():
            quantity = quantities.get(name)
            low, high = (float(bound) for bound in bounds)
            if not low <= high:  # also catches NaN
                raise DataError(
                    f"environment {self.label!r}: the range of {name} must go from low to high, found "
                    f"{low!r} to {high!r} {quantity.unit}: give two numbers in ascending order"
                )
            ranges[name] = (low, high)
        object.__setattr__(self, "ranges", _frozen(ranges))
        object.__setattr__(self, "treatment", _frozen(self.treatment))

    def __hash__(self) -> int:
        return hash((self.label, self.medium, tuple(sorted(self.ranges.items()))))

    def __reduce__(self) -> tuple[Any, ...]:
        return Environment, (self.label, self.medium, dict(self.ranges), dict(self.treatment))


@dataclass(frozen=True)
class Reference:
    """A publication: its citation and, where there is one, its DOI."""

    citation: str
    doi: str = ""


@dataclass(frozen=True)
class Source:
    """Where the numbers of a data set come from.

    Parameters
    ----------
    citation
        Publication or compilation to cite.
    doi
        Its DOI; empty where there is none or it is not known.
    licence
        Licence or terms under which the numbers are passed on.
    note
        What a reader should know: how the numbers were obtained, selected or converted.
    references
        For each grouping column (such as ``laboratory``), the publication behind each of its labels.
    """

    citation: str
    doi: str = ""
    licence: str = ""
    note: str = ""
    references: Mapping[str, Mapping[str, Reference]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.citation, str) or not self.citation.strip():
            raise DataError(f"source: the citation must say where the numbers come from, found {self.citation!r}: write it down")
        object.__setattr__(self, "references", _frozen({group: _frozen(table) for group, table in self.references.items()}))

    def __hash__(self) -> int:
        return hash((self.citation, self.doi, self.licence, self.note))

    def __reduce__(self) -> tuple[Any, ...]:
        references = {group: dict(table) for group, table in self.references.items()}
        return Source, (self.citation, self.doi, self.licence, self.note, references)
