"""Reporting: ``posterior.nc``, ``metrics.json``, ``manifest.json``, figures and ``report.html``."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesff.reporting.provenance import collect
    from bayesff.reporting.recovery import recovered
    from bayesff.reporting.run import Run, check_output, rebuild_report, write_run
    from bayesff.reporting.run_metrics import metrics
    from bayesff.reporting.store import load_facts, load_posterior, save_posterior

__all__ = [
    "Run",
    "check_output",
    "collect",
    "load_facts",
    "load_posterior",
    "metrics",
    "rebuild_report",
    "recovered",
    "save_posterior",
    "write_run",
]

# Loaded when first used: the words of a report are wanted without what makes one.
_PLACES = {
    "metrics": "run_metrics",
    "collect": "provenance",
    "recovered": "recovery",
    "Run": "run",
    "check_output": "run",
    "rebuild_report": "run",
    "write_run": "run",
    "load_facts": "store",
    "load_posterior": "store",
    "save_posterior": "store",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'bayesff.reporting' has no attribute {name!r}")
    return getattr(importlib.import_module(f"bayesff.reporting.{_PLACES[name]}"), name)
