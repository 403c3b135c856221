"""Bayesian calibration and transferability of force fields.

Importing this package is cheap and changes nothing in JAX: sub-packages load when they are first used.

Example
-------
>>> import bayesff as bff
>>> lj = bff.potentials.LennardJones(epsilon=0.996, sigma=3.405)  # kJ/mol, angstrom
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "assessment",
    "calibration",
    "cli",
    "covariance",
    "datasets",
    "ensembles",
    "errors",
    "inference",
    "observables",
    "potentials",
    "quantities",
    "reporting",
    "units",
)

if TYPE_CHECKING:
    from bayesff import (
        assessment,
        calibration,
        cli,
        covariance,
        datasets,
        ensembles,
        errors,
        inference,
        observables,
        potentials,
        quantities,
        reporting,
        units,
    )
    from bayesff.study import Study

__all__ = [
    "Study",
    "assessment",
    "calibration",
    "cli",
    "covariance",
    "datasets",
    "ensembles",
    "errors",
    "inference",
    "observables",
    "potentials",
    "quantities",
    "reporting",
    "units",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"bayesff.{name}")
    if name == "Study":
        return importlib.import_module("bayesff.study").Study
    raise AttributeError(f"module 'bayesff' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
