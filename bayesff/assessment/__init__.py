"""Assessment: from a posterior to scores, checks and comparisons, as pure functions from a DataTree to a Dataset."""

from bayesff.assessment.comparison import comparable, compare, compare_tables, stacking_weights
from bayesff.assessment.contents import Contents, contents, draws, environments, parameters
from bayesff.assessment.error_terms import error_scales, group_biases
from bayesff.assessment.parameters import display, prior_contraction, summarise
from bayesff.assessment.pointwise import LeaveOneOut, leave_one_out, pointwise
from bayesff.assessment.predictive import covered, crps, pit
from bayesff.assessment.scores import LEVELS, MAX_PARETO_K, aggregate, scores

__all__ = [
    "LEVELS",
    "MAX_PARETO_K",
    "Contents",
    "LeaveOneOut",
    "aggregate",
    "comparable",
    "compare",
    "compare_tables",
    "contents",
    "covered",
    "crps",
    "display",
    "draws",
    "environments",
    "error_scales",
    "group_biases",
    "leave_one_out",
    "parameters",
    "pit",
    "pointwise",
    "prior_contraction",
    "scores",
    "stacking_weights",
    "summarise",
]
