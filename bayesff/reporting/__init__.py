"""Reporting: ``posterior.nc``, ``metrics.json``, ``manifest.json``, figures and ``report.html``."""

from bayesff.reporting.metrics import metrics
from bayesff.reporting.provenance import collect
from bayesff.reporting.run import Run, check_output, rebuild_report, write_run
from bayesff.reporting.store import load_facts, load_posterior, save_posterior

__all__ = [
    "Run",
    "check_output",
    "collect",
    "load_facts",
    "load_posterior",
    "metrics",
    "rebuild_report",
    "save_posterior",
    "write_run",
]
