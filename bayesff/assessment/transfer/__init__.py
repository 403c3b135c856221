"""Transferability: what carries over from one environment to another, how surely, and where it ends."""

from bayesff.assessment.transfer.assess import assess_transfer, compare_left_out, notes
from bayesff.assessment.transfer.coverage import EVERY, left_out_coverage
from bayesff.assessment.transfer.identifiability import identifiability
from bayesff.assessment.transfer.predictions import left_out_scores, transfer_matrix
from bayesff.assessment.transfer.refits import Refit, Refitter, plan, refit_of, variant_of
from bayesff.assessment.transfer.settings import Published, Tolerance, Transfer
from bayesff.assessment.transfer.spread import spread
from bayesff.assessment.transfer.tension import tension
from bayesff.assessment.transfer.tolerances import NUM_COMPARED, intervals, standard_error, within_tolerance
from bayesff.assessment.transfer.values import parameter_values, published_values

__all__ = [
    "EVERY",
    "NUM_COMPARED",
    "Published",
    "Refit",
    "Refitter",
    "Tolerance",
    "Transfer",
    "assess_transfer",
    "compare_left_out",
    "identifiability",
    "intervals",
    "left_out_coverage",
    "left_out_scores",
    "notes",
    "parameter_values",
    "plan",
    "published_values",
    "refit_of",
    "spread",
    "standard_error",
    "tension",
    "transfer_matrix",
    "variant_of",
    "within_tolerance",
]
