r"""How a parameter is shared between environments.

*Complete* pooling is the assumption of every force field: one value everywhere. *No* pooling fits each environment by itself.
*Partial* pooling lies between: the values vary about a common one with a spread :math:`\tau` that the data determine, and the
spread is the answer to the question whether the parameter may be carried over.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jaxtyping import Array, Float

from bayesff.calibration.priors import Prior


class Pooling(ABC):
    """How one parameter takes its values in the environments of a problem."""

    @abstractmethod
    def sample(
        self, name: str, prior: dist.Distribution, positive: bool, unit: str, num_environments: int
    ) -> Float[Array, "..."]:
        """Sample the parameter inside a NumPyro model: a scalar if all environments share it, else one value each."""


class CompletePooling(Pooling):
    """One value for all environments, at the site of the parameter's own name."""

    def sample(
        self, name: str, prior: dist.Distribution, positive: bool, unit: str, num_environments: int
    ) -> Float[Array, "..."]:
        return jnp.asarray(numpyro.sample(name, prior))


class NoPooling(Pooling):
    """An independent value for every environment, at the site ``<name>_environment``, each with the parameter's prior."""

    def sample(
        self, name: str, prior: dist.Distribution, positive: bool, unit: str, num_environments: int
    ) -> Float[Array, "..."]:
        with numpyro.plate("environment", num_environments):
            return jnp.asarray(numpyro.sample(f"{name}_environment", prior))


@dataclass(frozen=True)
class PartialPooling(Pooling):
    r"""Values that vary about a common one, :math:`\theta_e = \theta_0 e^{\tau z_e}` (or :math:`\theta_0 + \tau z_e`).

    A positive parameter varies multiplicatively, so that :math:`\tau` is a relative spread; a signed one additively, so that
    :math:`\tau` has the parameter's unit. The offsets :math:`z_e` are standard normal (the non-centred form, which samples well
    when the spread is small). Sites: the common value under the parameter's name, ``tau_<name>``, ``<name>_offset``, and the
    deterministic ``<name>_environment``.

    Parameters
    ----------
    spread
        Prior of :math:`\tau`, on the positive half line.
    """

    spread: Prior

    def sample(
        self, name: str, prior: dist.Distribution, positive: bool, unit: str, num_environments: int
    ) -> Float[Array, "..."]:
        common = numpyro.sample(name, prior)
        tau = numpyro.sample(f"tau_{name}", self.spread.within("" if positive else unit))
        with numpyro.plate("environment", num_environments):
            offset = numpyro.sample(f"{name}_offset", dist.Normal(0.0, 1.0))
        value = common * jnp.exp(tau * offset) if positive else common + tau * offset
        return jnp.asarray(numpyro.deterministic(f"{name}_environment", value))
