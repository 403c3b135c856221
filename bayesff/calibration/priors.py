"""Priors with units."""

from dataclasses import dataclass

import numpyro.distributions as dist
from numpyro.distributions.transforms import AffineTransform

from bayesff import units


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
