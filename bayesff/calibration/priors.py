"""Priors with units."""

import math
from dataclasses import dataclass

import numpyro.distributions as dist
from numpyro.distributions.transforms import AffineTransform

from bayesff import units
from bayesff.errors import ParameterError


@dataclass(frozen=True)
class Prior:
    """A prior distribution whose numbers are in a stated unit.

    Parameters
    ----------
    distribution
        A univariate NumPyro distribution, in ``unit``.
    unit
        The unit in which the distribution is written, for example ``"K"`` for a well depth over Boltzmann's constant; an empty
        string for a pure number. Reports show the parameter in this unit.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> from bayesff.calibration import Prior
    >>> round(float(Prior(dist.Uniform(100.0, 140.0), "K").within("kJ/mol").support.upper_bound), 3)
    1.164
    """

    distribution: dist.Distribution
    unit: str = ""

    def within(self, unit: str) -> dist.Distribution:
        """Return the distribution of the same quantity in another unit.

        Raises
        ------
        UnitError
            If the unit is unknown or of another dimension.
        """
        factor = units.factor(self.unit, unit)
        if factor == 1.0:
            return self.distribution
        domain = self.distribution.support or dist.constraints.real
        return dist.TransformedDistribution(self.distribution, AffineTransform(0.0, factor, domain=domain))


def weight_priors(num_weights: int, sd: float = 1.0, unit: str = "") -> dict[str, Prior]:
    """Return normal priors about zero of the weights ``w0``, ``w1``, ... of a potential that is linear in them.

    Parameters
    ----------
    num_weights
        Number of weights.
    sd
        Standard deviation of each, in ``unit``; that of a Gaussian process is one, a pure number.
    unit
        The unit, such as ``"kJ/mol"`` for the weights of a radial-basis network.

    Raises
    ------
    ParameterError
        If the standard deviation is not finite and greater than zero.

    Examples
    --------
    >>> from bayesff.calibration import weight_priors
    >>> list(weight_priors(3))
    ['w0', 'w1', 'w2']
    """
    if not (math.isfinite(sd) and sd > 0):
        raise ParameterError(f"weight_priors: sd must be finite and greater than zero, found {sd}: take 1 for a Gaussian process")
    return {f"w{k}": Prior(dist.Normal(0.0, sd), unit) for k in range(num_weights)}
