"""What every method of inference is: a target in, draws out."""

from abc import ABC, abstractmethod

import jax
import xarray
from jaxtyping import PRNGKeyArray
from threadpoolctl import threadpool_limits

from bayesff.calibration import CalibrationProblem
from bayesff.inference.posterior import Progress, Sample, assemble
from bayesff.inference.target import Target, silent


class Method(ABC):
    """A method of inference; a new one writes `sample`."""

    @abstractmethod
    def sample(self, target: Target, key: PRNGKeyArray, progress: Progress = silent) -> Sample:
        """Draw from the posterior, or from an approximation to it."""

    def run(self, problem: CalibrationProblem, key: PRNGKeyArray, progress: Progress = silent) -> xarray.DataTree:
        """Infer the posterior of a problem.

        Parameters
        ----------
        problem
            The calibration problem.
        key
            Random key: the same key gives the same draws.
        progress
            Called as ``progress(stage, done, total)`` while it runs.

        Returns
        -------
        xarray.DataTree
            ArviZ's groups and the diagnostics (see docs/file-formats.md).
        """
        key_sample, key_rest = jax.random.split(key)
        # The matrices are small: a threaded BLAS spends a hundred times longer on them than one thread does.
        with threadpool_limits(limits=1, user_api="blas"):
            target = Target(problem)
            return assemble(target, self.sample(target, key_sample, progress), key_rest, progress)
