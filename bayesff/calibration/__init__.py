"""Calibration: priors, error models and pooling; together with data and a potential, a NumPyro model."""

from bayesff.calibration.error_models import (
    Discrepancy,
    Effect,
    GaussianNoise,
    GroupBias,
    Measurement,
    Points,
    StudentTNoise,
)
from bayesff.calibration.likelihood import Likelihood
from bayesff.calibration.pooling import CompletePooling, NoPooling, PartialPooling, Pooling
from bayesff.calibration.priors import Prior, weight_priors
from bayesff.calibration.problem import CalibrationProblem, Latents
from bayesff.calibration.terms import Term

__all__ = [
    "CalibrationProblem",
    "CompletePooling",
    "Discrepancy",
    "Effect",
    "GaussianNoise",
    "GroupBias",
    "Latents",
    "Likelihood",
    "Measurement",
    "NoPooling",
    "PartialPooling",
    "Points",
    "Pooling",
    "Prior",
    "StudentTNoise",
    "Term",
    "weight_priors",
]
