"""Observables: a potential and a state in, a prediction with its numerical covariance out."""

from bayesff.observables.base import Observable, Prediction

__all__ = ["Observable", "Prediction"]
