"""A calibration whose posterior and evidence are known in closed form.

The height of a line is linear in the logarithm of its amplitude and in its slope. With a log-normal prior of the one and a normal
prior of the other, the unconstrained coordinates have a Gaussian prior and a Gaussian posterior, Jacobian included.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from scipy.stats import multivariate_normal

from bayesff import quantities
from bayesff.calibration import CalibrationProblem, Effect, Measurement, Prior, Term
from bayesff.covariance import Covariance
from bayesff.datasets import DataSet, Environment, Source
from bayesff.observables import Observable
from bayesff.potentials import PairPotential
from bayesff.potentials.base import parameter
from bayesff.quantities import Quantity

quantities.register(Quantity("line_height", "kJ/mol", "h", "height of a line", ("separation",)))


class Line(PairPotential):
    amplitude: Any = parameter("", positive=True)
    slope: Any = parameter("kJ/mol/angstrom")

    def pair_energy(self, r: Any) -> Any:
        return jnp.log(self.amplitude) + self.slope * r


class LineHeight(Observable):
    numerical: Covariance | None = None
    quantity: ClassVar[str] = "line_height"

    def evaluate(self, potential: Any, state: Mapping[str, Any]) -> Any:
        mean = jax.vmap(potential.pair_energy)(state["separation"])
        return mean, jnp.zeros_like(mean) if self.numerical is None else self.numerical


SEPARATION = np.array([2.0, 2.5, 3.1, 3.9, 4.4, 5.0])
VALUES = np.array([0.21, 0.05, 0.11, -0.33, -0.38, -0.62])
UNCERTAINTY = np.array([0.1, 0.2, 0.1, 0.15, 0.1, 0.3])
LABORATORY = np.array(["A", "B", "A", "C", "B", "C"])
DESIGN = np.stack([np.ones(6), SEPARATION], axis=1)
PRIOR_MEAN, PRIOR_SD = np.array([0.5, -0.1]), np.array([0.7, 0.4])
PRIORS = {
    "amplitude": Prior(dist.LogNormal(PRIOR_MEAN[0], PRIOR_SD[0])),
    "slope": Prior(dist.Normal(PRIOR_MEAN[1], PRIOR_SD[1]), "kJ/mol/angstrom"),
}


class Exact(NamedTuple):
    mean: np.ndarray
    covariance: np.ndarray
    log_z: float


def exact(covariance: np.ndarray) -> Exact:
    """The posterior of (log amplitude, slope) and the evidence, for data with this covariance."""
    precision = np.diag(PRIOR_SD**-2.0) + DESIGN.T @ np.linalg.solve(covariance, DESIGN)
    posterior = np.linalg.inv(precision)
    mean = posterior @ (PRIOR_MEAN / PRIOR_SD**2 + DESIGN.T @ np.linalg.solve(covariance, VALUES))
    marginal = covariance + DESIGN @ np.diag(PRIOR_SD**2) @ DESIGN.T
    return Exact(mean, posterior, multivariate_normal(DESIGN @ PRIOR_MEAN, marginal).logpdf(VALUES))


def make_data(covariance: np.ndarray | None = None, rows: slice = slice(None), label: str = "everywhere") -> DataSet:
    return DataSet(
        name="line",
        observable="line_height",
        substance="none",
        environment=Environment(label, "model"),
        source=Source("made up"),
        state={"separation": SEPARATION[rows]},
        values=VALUES[rows],
        uncertainty=UNCERTAINTY[rows] if covariance is None else None,
        covariance=covariance,
        groups={"laboratory": LABORATORY[rows]},
    )


def make_problem(
    covariance: np.ndarray | None = None,
    numerical: Covariance | None = None,
    noise: Measurement | None = None,
    effects: Sequence[Effect] = (),
) -> CalibrationProblem:
    return CalibrationProblem(Line, PRIORS, [Term(make_data(covariance), LineHeight(numerical), noise, effects)])
