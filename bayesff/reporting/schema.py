"""The schema of ``metrics.json``, version 1: it grows, and nothing in it is ever renamed.

A number that is not defined is ``null``, and ``notes`` of its model says why.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1


class _Part(BaseModel):
    # A NaN would not be JSON.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Parameter(_Part):
    """A scalar of the posterior, in the unit that its prior was given in."""

    unit: str
    mean: float
    sd: float
    q05: float
    q50: float
    q95: float
    rhat: float | None
    ess_bulk: float | None
    ess_tail: float | None


class Predictive(_Part):
    """Scores of a predictive distribution; ``crps`` is in ``unit`` of the scores that it belongs to."""

    crps: float | None
    crps_over_uncertainty: float
    coverage: dict[Literal["0.5", "0.8", "0.9", "0.95"], float]
    log_predictive_density: float


class Scores(Predictive):
    """Scores in sample; ``loo`` are those of predicting each datum from all the others."""

    unit: str | None
    num_data: int
    rmse: float | None
    rmse_over_uncertainty: float
    rmse_potential: float | None
    rmse_potential_over_uncertainty: float
    loo: Predictive
    num_high_pareto_k: int


class LeaveOneOutDensity(_Part):
    """Expected log predictive density by Pareto-smoothed leave-one-out."""

    elpd: float
    se: float | None
    p: float
    num_high_pareto_k: int


class Evidence(_Part):
    """Log evidence with its standard deviation, which is null where the method does not know it (Laplace)."""

    log_z: float
    sd: float | None


class ErrorScale(_Part):
    """A scale that an error model learnt."""

    mean: float
    q05: float
    q95: float
    unit: str
    uncertainty: float


class Discrepancy(ErrorScale):
    """The scale of a discrepancy, and the root mean square of the discrepancy that the data showed."""

    found_q05: float
    found_q95: float
    significance: float


class Candidate(_Part):
    """Everything about one candidate potential."""

    converged: bool
    reasons: str
    method: str
    parameters: dict[str, Parameter]
    divergences: int
    ebfmi: float | None
    environments: dict[str, Scores]
    terms: dict[str, Scores]
    noise_scale: dict[str, ErrorScale]
    discrepancy: dict[str, dict[str, Discrepancy]]
    loo: LeaveOneOutDensity
    evidence: Evidence | None
    notes: list[str]


class Compared(_Part):
    """A candidate beside the best one."""

    rank: int
    elpd_difference: float
    se_difference: float | None
    weight: float


class Metrics(_Part):
    """The file."""

    version: Literal[1] = Field(default=SCHEMA, alias="schema")
    study: str
    seed: int | None
    converged: bool
    models: dict[str, Candidate]
    comparison: dict[str, Compared] | None
