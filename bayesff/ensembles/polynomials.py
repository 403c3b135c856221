"""Sums of products of Chebyshev polynomials whose weights have a normal distribution, learnt from what is linear in them."""

from itertools import product

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int
from numpy.polynomial import chebyshev
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize


class Polynomials(eqx.Module):
    """Products of Chebyshev polynomials of three variables in a box, up to a total degree.

    Parameters
    ----------
    low, high
        Corners of the box.
    degree
        The total degree.
    """

    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    degree: int = eqx.field(static=True)

    @property
    def exponents(self) -> np.ndarray:
        """Degrees of every product in each variable."""
        every = product(range(self.degree + 1), repeat=len(self.low))
        return np.array(sorted((one for one in every if sum(one) <= self.degree), key=lambda one: (sum(one), one)))

    def __call__(self, x: Float[Array, "3"]) -> Float[Array, " product"]:
        """Return all products at a point."""
        return self.with_slopes(x)[0]

    def with_slopes(self, x: Float[Array, "3"]) -> tuple[Float[Array, " product"], Float[Array, "3 product"]]:
        """Return all products at a point, and their derivatives in the three variables.

        The factors of each product are chosen by a matrix of ones and zeros: its transpose in reverse mode is another product,
        where that of an index is a scatter.
        """
        factors, of_factors = (jnp.einsum("vpd,vd->vp", self.chosen, one) for one in self.of_each(x))
        others = jnp.stack([factors[1] * factors[2], factors[0] * factors[2], factors[0] * factors[1]])
        return factors[0] * others[0], of_factors * others

    def of_each(self, x: Float[Array, "3"]) -> tuple[Float[Array, "3 degree"], Float[Array, "3 degree"]]:
        """Return the Chebyshev polynomials of each variable at a point, and their derivatives."""
        low, high = np.array(self.low), np.array(self.high)
        scaled = 2 * (x - low) / (high - low) - 1
        powers, slopes = [jnp.ones_like(scaled), scaled], [jnp.zeros_like(scaled), jnp.ones_like(scaled)]
        for _ in range(self.degree - 1):
            slopes.append(2 * powers[-1] + 2 * scaled * slopes[-1] - slopes[-2])
            powers.append(2 * scaled * powers[-1] - powers[-2])
        return jnp.stack(powers, axis=1), jnp.stack(slopes, axis=1) * (2 / (high - low))[:, None]

    @property
    def chosen(self) -> Float[np.ndarray, "3 product degree"]:
        """One where a product has a degree in a variable, zero elsewhere."""
        return np.eye(self.degree + 1)[self.exponents.T]

    def series(self, x: Float[Array, "3"], weights: Float[ArrayLike, " product"]) -> Float[Array, "2 degree"]:
        """Return the coefficients in the second variable of a sum of products, and of its derivative in the first."""
        values, slopes = self.of_each(x)
        first, second, third = self.chosen
        others = (third @ values[2]) * jnp.asarray(weights)
        return jnp.stack([second.T @ (others * (first @ one)) for one in (values[0], slopes[0])])

    def derivatives(self, x: Float[np.ndarray, "point 3"], orders: tuple[int, int, int]) -> Float[np.ndarray, "point product"]:
        """Return derivatives of all products at some points, of given orders in the three variables."""
        low, high = np.array(self.low), np.array(self.high)
        scaled, slopes = 2 * (x - low) / (high - low) - 1, 2 / (high - low)
        found = np.ones((len(x), len(self.exponents)))
        for variable, order in enumerate(orders):
            of_each = chebyshev.chebder(np.eye(self.degree + 1), order) * slopes[variable] ** order
            found *= chebyshev.chebval(scaled[:, variable], of_each).T[:, self.exponents[:, variable]]
        return found


class Normal(eqx.Module):
    """Weights of polynomials with a normal distribution.

    Parameters
    ----------
    mean
        Their mean.
    factor
        A factor of their covariance, one column a cause of error.
    """

    mean: Float[np.ndarray, " product"]
    factor: Float[np.ndarray, "product cause"]


def learn(
    rows: Float[np.ndarray, "value product"],
    values: Float[np.ndarray, " value"],
    covariance: Float[np.ndarray, "value value"],
    degrees: Int[np.ndarray, " product"],
) -> tuple[Normal, float]:
    r"""Return the weights of polynomials given values that are linear in them, and the logarithm of the evidence.

    The prior of a weight has the standard deviation :math:`a\,b^d` for a product of the degree ``d``; the errors are ``c`` times
    the stated ones, ``c`` at least 1, because the statistical inefficiency of a simulation is itself uncertain. All three
    maximise the evidence.

    Parameters
    ----------
    rows
        Derivatives of the values in the weights.
    values
        The values.
    covariance
        Covariance of their errors.
    degrees
        Total degree of every product.
    """
    root = cholesky(covariance, lower=True)
    rows, values = solve_triangular(root, rows, lower=True), solve_triangular(root, values, lower=True)
    gram, pull, square = rows.T @ rows, rows.T @ values, values @ values
    log_root = np.sum(np.log(np.diag(root)))

    def posterior(logarithms: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        size, decay, inflation = logarithms
        precision = np.exp(-2 * (size + decay * degrees))
        lower = cholesky(gram / np.exp(2 * inflation) + np.diag(precision), lower=True)
        mean = cho_solve((lower, True), pull) / np.exp(2 * inflation)
        misfit = (square - pull @ mean) / np.exp(2 * inflation)
        volume = -np.sum(np.log(np.diag(lower))) + 0.5 * np.sum(np.log(precision))
        total = -0.5 * misfit + volume - log_root - len(values) * (inflation + 0.5 * np.log(2 * np.pi))
        return mean, lower, float(total)

    bounds = [(-5.0, 8.0), (-4.0, 0.0), (0.0, 2.0)]
    found = minimize(lambda at: -posterior(at)[2], [1.0, -0.7, 0.1], bounds=bounds, method="L-BFGS-B")
    mean, lower, evidence = posterior(found.x)
    return Normal(mean, solve_triangular(lower, np.eye(len(lower)), lower=True).T), evidence
