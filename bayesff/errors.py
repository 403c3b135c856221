"""The exceptions that users meet.

Each message is one sentence with the place, the rule, the value found and the mend. The command line turns every
``BayesffError`` into that sentence and exit code 2, without a traceback.
"""


class BayesffError(Exception):
    """Base of every error that wrong input can cause."""


class DataError(BayesffError):
    """A data file or a data set breaks a rule of the format."""


class UnitError(BayesffError):
    """A unit is missing, unknown or of the wrong dimension."""


class ParameterError(BayesffError):
    """A parameter or a prior lies outside the range where the model is defined."""


class StateError(BayesffError):
    """A state lacks a column, or holds a value outside the validity of the observable."""


class PrecisionError(BayesffError):
    """A calculation that needs double precision was asked for in single precision."""


class StudyError(BayesffError):
    """A study is not found, or does not define what a study must define."""


class OutputError(BayesffError):
    """An output cannot be written, or would overwrite a finished run."""


class NumericalError(BayesffError):
    """A numerical error could not be estimated, or an iteration has no solution."""


class InsufficientSamplesError(BayesffError):
    """Too few frames of reference simulations are effective for an average to be trusted."""
