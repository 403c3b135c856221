"""Assessment: from a posterior to scores, checks and comparisons, as pure functions from a DataTree to a Dataset."""

import bayesff.calibration  # noqa: F401  (loads NumPyro as a whole, before a part of it is imported)
from bayesff.assessment.comparison import comparable, compare, compare_tables, stacking_weights
from bayesff.assessment.error_terms import discrepancy, error_scales, group_biases
from bayesff.assessment.findings import Chart, Finder, Finding, Line, find_all, transferability
from bayesff.assessment.predictive import covered, crps, pit
from bayesff.assessment.scoring import LEVELS, MAX_PARETO_K, aggregate, scores
from bayesff.assessment.summaries import display, prior_contraction, summarise
from bayesff.assessment.tables import LeaveOneOut, leave_one_out, pointwise
from bayesff.assessment.transfer import Published, Tolerance, Transfer
from bayesff.assessment.trees import Contents, contents, draws, environments, parameter_names

__all__ = [
    "LEVELS",
    "MAX_PARETO_K",
    "Chart",
    "Contents",
    "Finder",
    "Finding",
    "LeaveOneOut",
    "Line",
    "Published",
    "Tolerance",
    "Transfer",
    "aggregate",
    "comparable",
    "compare",
    "compare_tables",
    "contents",
    "covered",
    "crps",
    "discrepancy",
    "display",
    "draws",
    "environments",
    "error_scales",
    "find_all",
    "group_biases",
    "leave_one_out",
    "parameter_names",
    "pit",
    "pointwise",
    "prior_contraction",
    "scores",
    "stacking_weights",
    "summarise",
    "transferability",
]
