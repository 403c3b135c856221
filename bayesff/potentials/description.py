"""A potential as plain data, for files and for comparing, and the potential that plain data describe."""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np

from bayesff.errors import ParameterError
from bayesff.potentials.base import Potential

_HOME = "bayesff.potentials"


def describe(potential: Potential) -> dict[str, Any]:
    """Return the form of a potential and its fields, as numbers, lists and nested forms that JSON holds.

    Example
    -------
    >>> from bayesff.potentials import LennardJones
    >>> describe(LennardJones(epsilon=0.996, sigma=3.405))
    {'form': 'LennardJones', 'epsilon': 0.996, 'sigma': 3.405}
    """
    kind = type(potential)
    built_in = getattr(import_module(_HOME), kind.__name__, None) is kind
    form = kind.__name__ if built_in else f"{kind.__module__}:{kind.__qualname__}"
    return {"form": form} | {field.name: _plain(getattr(potential, field.name)) for field in fields(potential)}


def as_call(described: Mapping[str, Any]) -> str:
    """Return a described potential as a call, such as ``PlainCut(LennardJones(epsilon=0.99, sigma=3.4), cutoff=10)``."""
    inside = [
        as_call(value) if isinstance(value, Mapping) else f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in described.items()
        if name != "form"
    ]
    return f"{str(described['form']).rpartition(':')[2]}({', '.join(inside)})"


def from_description(described: Mapping[str, Any]) -> Potential:
    """Return the potential that `describe` has described; forms of other packages are imported from where they are.

    Raises
    ------
    ParameterError
        If there is no such form, or it does not take the fields.
    """
    form = str(described.get("form", ""))
    module, _, name = form.rpartition(":")
    try:
        kind: Any = import_module(module or _HOME)
        for part in name.split("."):
            kind = getattr(kind, part)
        values = {key: _made(value) for key, value in described.items() if key != "form"}
        return kind(**values)
    except (ImportError, AttributeError, TypeError) as error:
        raise ParameterError(
            f"a described potential must be a form that can be imported, with its fields, found {form!r} ({error}): install the "
            "package that defines it"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Potential):
        return describe(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | str | None) else np.asarray(value, float).tolist()


def _made(value: Any) -> Any:
    if isinstance(value, Mapping):
        return from_description(value)
    return tuple(_made(one) for one in value) if isinstance(value, list) and any(isinstance(v, Mapping) for v in value) else value
