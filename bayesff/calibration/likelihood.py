r"""The distribution of data given a prediction and everything that can be wrong with either.

For Gaussian measurement error all shared causes (laboratories, discrepancies, correlated numerical error) are integrated out
analytically, :math:`y \sim N(\mu, D + F F^\mathsf{T})`, so that the sampler sees only the parameters and the scales. The causes
themselves, :math:`z` in :math:`y = \mu + F z + e`, are then drawn exactly from their Gaussian conditional.

A datum whose value is NaN is *left out*: the density is that of the others, the causes are known from the others alone, and the
datum is predicted as if it had never been measured. A value is data and not a shape, so one compiled program serves every part
of the data that a calibration may leave out.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from bayesff.covariance import Covariance


class Likelihood(eqx.Module):
    """Distribution of the data of one term, or of several whose errors have causes in common.

    Parameters
    ----------
    mean
        Prediction of the potential, with the sampled causes added if there are any.
    covariance
        Everything that is Gaussian about it: measurement, numerical error, shared causes that are integrated out.
    degrees_of_freedom
        Of a Student-t measurement error; ``None`` for a Gaussian one. With it the covariance is diagonal and holds squared
        scales.
    """

    mean: Float[Array, " datum"]
    covariance: Covariance
    degrees_of_freedom: Float[Array, ""] | None = None

    @property
    def independent(self) -> bool:
        """Whether the data are independent given the parameters."""
        return self.covariance.factor.shape[1] == 0

    def distribution(self) -> dist.Distribution:
        """Return the NumPyro distribution: of one datum each if they are independent, else of the whole vector."""
        if self.degrees_of_freedom is not None:
            return dist.StudentT(self.degrees_of_freedom, self.mean, jnp.sqrt(self.covariance.diagonal))
        if self.independent:
            return dist.Normal(self.mean, jnp.sqrt(self.covariance.diagonal))
        if self.covariance.has_many_columns:
            return dist.MultivariateNormal(self.mean, self.covariance.matrix)
        return dist.LowRankMultivariateNormal(self.mean, self.covariance.factor, self.covariance.diagonal)

    def log_density(self, values: Float[Array, " datum"]) -> Float[Array, ""]:
        """Return the log density of the data that are not NaN."""
        known = jnp.isfinite(values)
        kept, filled = self.known(known), jnp.where(known, values, 0.0)
        log_prob = kept.distribution().log_prob(filled)
        if jnp.ndim(log_prob):
            return jnp.sum(jnp.where(known, log_prob, 0.0))
        # A datum that is left out counts as a standard normal number that is zero.
        return jnp.asarray(log_prob + 0.5 * jnp.log(2 * jnp.pi) * jnp.sum(~known))

    def known(self, known: Bool[Array, " datum"]) -> "Likelihood":
        """Return the likelihood in which the other data are standard normal numbers that nothing else depends on."""
        return Likelihood(jnp.where(known, self.mean, 0.0), self.covariance.known(known), self.degrees_of_freedom)

    def log_likelihood(self, values: Float[Array, " datum"]) -> Float[Array, " datum"]:
        r"""Return the log predictive density of every datum given the parameters and all the *other* data.

        For correlated errors this is :math:`\log p(y_i \mid y_{-i}, \theta)`, which leave-one-out needs (P.-C. Buerkner,
        J. Gabry, A. Vehtari, Comput. Stat. 36, 1243 (2021), doi:10.1007/s00180-020-01045-4); for independent ones it is
        :math:`\log p(y_i \mid \theta)`.
        """
        return jnp.asarray(self.left_out(values).log_prob(values))

    def left_out(self, values: Float[Array, " datum"]) -> dist.Distribution:
        """Return the distribution of every datum given the parameters and all the other data that are not NaN."""
        if self.independent or self.degrees_of_freedom is not None:
            return self.distribution()
        known = jnp.isfinite(values)
        kept, residual = self.known(known), jnp.where(known, values - self.mean, 0.0)
        # Woodbury's identity: the diagonal of the inverse covariance, and its product with the residuals.
        diagonal, factor = kept.covariance.diagonal, kept.covariance.factor
        cholesky = kept.covariance.capacitance_root()
        root = solve_triangular(cholesky, (factor / diagonal[:, None]).T, lower=True)
        precision = 1 / diagonal - jnp.sum(root**2, axis=0)
        weighted = residual / diagonal - root.T @ (root @ residual)
        # What the others say of the causes, for a datum that is not among them.
        whole = solve_triangular(cholesky, self.covariance.factor.T, lower=True)
        centre = self.mean + whole.T @ (root @ residual)
        variance = self.covariance.diagonal + jnp.sum(whole**2, axis=0)
        own_centre = jnp.where(known, values, 0.0) - weighted / precision
        return dist.Normal(jnp.where(known, own_centre, centre), jnp.sqrt(jnp.where(known, 1 / precision, variance)))

    def after(self, values: Float[Array, " earlier"]) -> "Likelihood":
        """Return the distribution of the data that follow the first ones, given these."""
        first, rest = slice(len(values)), slice(len(values), None)
        before, after = self.covariance[first], self.covariance[rest]
        root = before.capacitance_root()
        causes = cho_solve((root, True), before.factor.T @ ((values - self.mean[first]) / before.diagonal))
        factor = solve_triangular(root, after.factor.T, lower=True).T
        return Likelihood(self.mean[rest] + after.factor @ causes, Covariance(after.diagonal, factor))

    def __getitem__(self, rows: slice) -> "Likelihood":
        """Return the distribution of some of the data."""
        return Likelihood(self.mean[rows], self.covariance[rows], self.degrees_of_freedom)

    def sample_causes(self, key: PRNGKeyArray, values: Float[Array, " datum"]) -> Float[Array, " column"]:
        """Draw the shared causes ``z`` from their exact conditional distribution given the data that are not NaN."""
        known = jnp.isfinite(values)
        kept = self.known(known).covariance
        cholesky = kept.capacitance_root()
        right = kept.factor.T @ (jnp.where(known, values - self.mean, 0.0) / kept.diagonal)
        noise = jax.random.normal(key, right.shape)
        return cho_solve((cholesky, True), right) + solve_triangular(cholesky, noise, trans=1, lower=True)

    def replicate(self, key: PRNGKeyArray, causes: Float[Array, " column"]) -> Float[Array, " datum"]:
        """Draw replicated data that share the causes: the same laboratories measure the same states once more."""
        centre = self.mean + self.covariance.factor @ causes
        scale = jnp.sqrt(self.covariance.diagonal)
        if self.degrees_of_freedom is not None:
            return dist.StudentT(self.degrees_of_freedom, centre, scale).sample(key)
        return dist.Normal(centre, scale).sample(key)


class Joint(NamedTuple):
    """The data of terms whose errors have causes in common, side by side; mostly those of one term.

    Parameters
    ----------
    likelihood
        Their distribution.
    rows
        Where the data of each term are.
    causes
        Where the causes are that only the data of that term share; those of its effects come first among them.
    """

    likelihood: Likelihood
    rows: dict[str, slice]
    causes: dict[str, slice]

    def values(self, observed: Mapping[str, Any]) -> Float[Array, " datum"]:
        """Return the values of the terms side by side."""
        return jnp.concatenate([jnp.asarray(observed[name]) for name in self.rows])
