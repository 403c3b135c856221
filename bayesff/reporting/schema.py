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


class LiquidState(_Part):
    """Effective frames of the reference simulations over the draws, at a state of a liquid, and how many are needed."""

    environment: str
    temperature: float
    density: float
    effective_sample_size: dict[Literal["min", "q05", "q50"], float]
    smallest_sample: float


class Ensembles(_Part):
    """The reference simulations of a study with a liquid; ``shortfall`` says what their placement left missing."""

    num_simulations: int
    shortfall: str
    states: list[LiquidState]


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
    ensembles: Ensembles | None
    notes: list[str]


class Compared(_Part):
    """A candidate beside the best one."""

    rank: int
    elpd_difference: float
    se_difference: float | None
    weight: float


class Spread(_Part):
    """The spread of a parameter between environments (relative for a positive one), and its values, in ``unit``."""

    mean: float
    q05: float
    q50: float
    q95: float
    p_within: float
    prior_p_within: float
    unit: str
    common: dict[Literal["value", "q05", "q95"], float]
    environments: dict[str, dict[Literal["value", "q05", "q95", "p_outside"], float]]


class Value(_Part):
    """A parameter by what was fitted, and the share of the prior's variance that the data take away."""

    q05: float
    q50: float
    q95: float
    contraction: float


class Values(_Part):
    """A parameter by what was fitted, in ``unit``."""

    unit: str
    prior: dict[Literal["q05", "q50", "q95"], float]
    fitted: dict[str, Value]


class PublishedValue(_Part):
    """A published value of a parameter, and by what was fitted how far out in the posterior it lies."""

    parameter: str
    unit: str
    label: str
    source: str
    value: float
    sd: float
    fitted: dict[str, dict[Literal["tail", "contraction"], float]]


class TransferScores(_Part):
    """Scores of predicting an environment; the errors of sums and means are standard errors over the data."""

    num_data: int
    rmse_over_uncertainty: float
    rmse_over_uncertainty_q05: float
    rmse_over_uncertainty_q95: float
    crps: float | None
    crps_over_uncertainty: float
    crps_over_uncertainty_se: float | None
    skill: float
    skill_se: float | None
    coverage: dict[Literal["0.5", "0.8", "0.9", "0.95"], float]
    coverage_low: dict[Literal["0.5", "0.8", "0.9", "0.95"], float]
    coverage_high: dict[Literal["0.5", "0.8", "0.9", "0.95"], float]
    pit_q05: float
    pit_q50: float
    pit_q95: float
    log_predictive_density: float
    log_predictive_density_se: float | None


class LeftOut(TransferScores):
    """Scores of an environment that was left out, and the density of all its data together."""

    joint_log_predictive_density: float | None
    joint_log_predictive_density_sd: float | None


class LeftOutCoverage(_Part):
    """A coverage, and the one that calibrated predictions would have: data of one environment err together."""

    coverage: float
    expected_q05: float
    expected_q50: float
    expected_q95: float
    p_as_low: float
    p_as_high: float


class MatrixEntry(TransferScores):
    """Scores of a transfer, its index, and the probability that all its predictions are within tolerance."""

    index: dict[Literal["q05", "q50", "q95"], float]
    p_within: float | None
    p_within_se: float | None
    p_within_of: dict[str, float]


class Tension(_Part):
    """One parameter vector against one for each environment."""

    log_ratio: float
    log_ratio_sd: float
    suspiciousness: float
    suspiciousness_sd: float
    dimension: float
    dimension_sd: float
    p_value: float | None


class Domain(_Part):
    """Ranges of the state in which the probability of being within tolerance exceeds 0.9, by what was fitted and environment.

    In ``sure_ranges`` it does by two of its Monte Carlo errors.
    """

    state: str
    ranges: dict[str, dict[str, list[tuple[float, float]]]]
    sure_ranges: dict[str, dict[str, list[tuple[float, float]]]]


class Combination(_Part):
    """A combination of parameters, as powers of each, and how well the data fix it."""

    eigenvalue: float
    eigenvalue_q05: float
    eigenvalue_q95: float
    contraction: float
    power: dict[str, float]


class RefitFacts(_Part):
    """A refit: what was fitted, its evidence, and whether it converged."""

    variant: Literal["shared", "pooled", "separate", "bare"]
    fitted: str
    converged: bool
    reasons: str
    log_z: float
    log_z_sd: float


class Tolerated(_Part):
    """A tolerance; relative where it has no unit."""

    amount: float
    unit: str


class Transfer(_Part):
    """The transfer assessment of a candidate; what could not be computed is empty, and ``notes`` say why."""

    notes: list[str]
    spread_tolerance: float
    tolerances: dict[str, Tolerated]
    spread: dict[str, Spread]
    values: dict[str, Values]
    published: list[PublishedValue]
    left_out: dict[str, LeftOut]
    left_out_shared: dict[str, LeftOut]
    left_out_bare: dict[str, LeftOut]
    left_out_coverage: dict[str, dict[str, dict[Literal["0.5", "0.8", "0.9", "0.95"], LeftOutCoverage]]]
    matrix: dict[str, dict[str, MatrixEntry]]
    within_everywhere: dict[str, dict[Literal["p_within", "p_within_se"], float]]
    tension: Tension | None
    domain: dict[str, Domain]
    identifiability: dict[str, list[Combination]]
    refits: list[RefitFacts]


class ComparedTransfer(_Part):
    """How a candidate predicts environments that were left out, beside the best one."""

    left_out_density: float
    left_out_density_sd: float
    difference: float
    difference_se: float | None
    weight: float
    log_z: dict[str, float | None]
    log_z_sd: dict[str, float | None]


class FindingFacts(_Part):
    """One answer of a study, in words and numbers."""

    text: str
    values: dict[str, float]


class Metrics(_Part):
    """The file."""

    version: Literal[1] = Field(default=SCHEMA, alias="schema")
    study: str
    seed: int | None
    converged: bool
    models: dict[str, Candidate]
    comparison: dict[str, Compared] | None
    transfer: dict[str, Transfer] | None = None
    transfer_comparison: dict[str, ComparedTransfer] | None = None
    findings: dict[str, FindingFacts] = {}
