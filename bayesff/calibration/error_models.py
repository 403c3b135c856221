r"""Error models: what lies between a prediction and a datum.

A datum is the prediction of the potential, plus causes of error that several data share, plus independent noise,

.. math:: y = \mu(\theta) + \sum_k F_k z_k + e.

The *measurement* gives :math:`e`: Gaussian or Student-t, with a noise scale that may be learnt. Each *effect* gives columns
:math:`F_k` of a shared cause: a bias per laboratory, a discrepancy that is smooth in the state. Their covariances add, and to
that the numerical covariance of the prediction is always added.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from bayesff import quantities
from bayesff.calibration.priors import Prior
from bayesff.covariance import Covariance
from bayesff.errors import StudyError


@dataclass(frozen=True)
class Points:
    """Where errors are wanted: the data of a term, or a grid of states on which a band is drawn.

    Parameters
    ----------
    name
        Name of the term, the first part of its site names.
    unit
        Canonical unit of the observable.
    state
        State columns.
    groups
        Grouping columns (a laboratory); empty on a grid, where no measurement has been made.
    environment
        Index of the environment of every point.
    environments
        Labels of all environments of the problem.
    """

    name: str
    unit: str
    state: dict[str, np.ndarray]
    groups: dict[str, np.ndarray]
    environment: np.ndarray
    environments: tuple[str, ...]

    @property
    def num_points(self) -> int:
        """Number of points."""
        return len(self.environment)

    def followed_by(self, grid: "Points") -> "Points":
        """Return these points and those of a grid, which has no groups."""
        return replace(
            self,
            state={name: np.concatenate([column, grid.state[name]]) for name, column in self.state.items()},
            groups={},
            environment=np.concatenate([self.environment, grid.environment]),
        )


@dataclass(frozen=True)
class Measurement:
    """Independent noise of the measurements."""

    noise_scale: Prior | None = None

    def sample_scale(self, points: Points) -> Float[Array, ""]:
        """Sample the factor by which the stated uncertainties are multiplied; 1 unless it is learnt."""
        if self.noise_scale is None:
            return jnp.asarray(1.0)
        return jnp.asarray(numpyro.sample(f"{points.name}_noise_scale", self.noise_scale.within("")))

    def sample_degrees_of_freedom(self, points: Points) -> Float[Array, ""] | None:
        """Sample the degrees of freedom; ``None`` for Gaussian noise."""
        return None


@dataclass(frozen=True)
class GaussianNoise(Measurement):
    """Normal noise with the stated uncertainties as standard deviations.

    Parameters
    ----------
    noise_scale
        Prior of one factor on all stated uncertainties of the term (site ``<term>_noise_scale``); ``None`` trusts them.
    """


@dataclass(frozen=True)
class StudentTNoise(Measurement):
    """Noise with heavy tails, for sets with outliers: Student-t with the stated uncertainties as scales.

    The numerical variance of the prediction is added to the squared scale. Shared causes are sampled along with the
    parameters, since they cannot be integrated out.

    Parameters
    ----------
    noise_scale
        As for `GaussianNoise`.
    degrees_of_freedom
        Prior of the degrees of freedom (site ``<term>_degrees_of_freedom``).
    """

    degrees_of_freedom: Prior = field(default_factory=lambda: Prior(dist.Gamma(2.0, 0.1)))

    def sample_degrees_of_freedom(self, points: Points) -> Float[Array, ""] | None:
        return jnp.asarray(numpyro.sample(f"{points.name}_degrees_of_freedom", self.degrees_of_freedom.within("")))


class Effect(ABC):
    """A cause of error that several data share.

    A new effect says what it samples (`sample_scales`), which columns that makes at given points (`columns`), what it needs of
    the data (`check`) and the units of its sites (`units`).
    """

    @abstractmethod
    def sample_scales(self, data: Points) -> dict[str, Array]:
        """Sample the scales of the effect inside a NumPyro model."""

    @abstractmethod
    def columns(self, scales: dict[str, Array], points: Points, data: Points) -> Covariance:
        """Return the covariance at the points; its columns belong to the causes that the data of the term define."""

    @abstractmethod
    def check(self, points: Points) -> None:
        """Raise `StudyError` if the data lack what the effect needs."""

    def units(self, points: Points) -> dict[str, str]:
        """Return the units of the sites of this effect."""
        return {}


@dataclass(frozen=True)
class GroupBias(Effect):
    """A constant offset for each member of a group, such as the laboratory that measured.

    Site ``<term>_bias_scale``; the offsets themselves are stored as ``<term>_<group>_bias``.

    Parameters
    ----------
    group
        Grouping column of the data.
    scale
        Prior of the standard deviation of the offsets between members, in a unit of the observable.
    """

    group: str
    scale: Prior

    def site(self, points: Points) -> str:
        """Return the name of the scale's site."""
        return f"{points.name}_bias_scale"

    def members(self, data: Points) -> np.ndarray:
        """Return the members of the group, in the order of the columns."""
        return np.unique(data.groups[self.group])

    def check(self, points: Points) -> None:
        if self.group not in points.groups:
            raise StudyError(
                f"term {points.name!r}: the bias per {self.group} needs a grouping column {self.group!r}, the data have "
                f"{', '.join(points.groups) or 'none'}"
            )

    def sample_scales(self, data: Points) -> dict[str, Array]:
        return {"scale": jnp.asarray(numpyro.sample(self.site(data), self.scale.within(data.unit)))}

    def columns(self, scales: dict[str, Array], points: Points, data: Points) -> Covariance:
        members = self.members(data)
        found = points.groups.get(self.group)
        indicator = (
            np.zeros((points.num_points, len(members))) if found is None else (found[:, None] == members[None, :]).astype(float)
        )
        return Covariance.shared(scales["scale"] * jnp.asarray(indicator))

    def units(self, points: Points) -> dict[str, str]:
        return {self.site(points): points.unit, f"{points.name}_{self.group}_bias": points.unit}


@dataclass(frozen=True)
class Discrepancy(Effect):
    r"""What the functional form cannot do: a Gaussian process over a state variable, one in each environment.

    .. math:: \delta_e(x) \sim GP(0, s_e^2 k(|x - x'|/\ell)), \quad x = \log(\text{state})\ \text{or the state itself}

    It is represented by its values at nodes that span the data of each environment, and scaled so that its standard deviation is
    ``s`` everywhere: a length shorter than the spacing of the nodes acts like that spacing. Sites ``<term>_discrepancy_scale``
    (one an environment with data) and ``<term>_discrepancy_length``.

    Parameters
    ----------
    over
        State column.
    scale
        Prior of the standard deviation ``s``, in a unit of the observable.
    length
        Prior of the correlation length: a pure number if ``logarithmic`` (a length of 1 is a factor of e), else in a unit of
        the state.
    logarithmic
        Whether the process runs over the logarithm of the state.
    num_nodes
        Number of nodes in each environment.

    References
    ----------
    M. C. Kennedy, A. O'Hagan, J. R. Stat. Soc. B 63, 425 (2001), doi:10.1111/1467-9868.00294
    """

    over: str
    scale: Prior
    length: Prior
    logarithmic: bool = True
    num_nodes: int = 8

    def sites(self, points: Points) -> tuple[str, str]:
        """Return the names of the sites of scale and length."""
        return f"{points.name}_discrepancy_scale", f"{points.name}_discrepancy_length"

    def coordinate(self, points: Points) -> np.ndarray:
        """Return the coordinate of the process at the points."""
        column = np.asarray(points.state[self.over], dtype=float)
        return np.log(column) if self.logarithmic else column

    def check(self, points: Points) -> None:
        if self.over not in points.state:
            raise StudyError(
                f"term {points.name!r}: the discrepancy over {self.over!r} needs that state column, the data have "
                f"{', '.join(points.state) or 'none'}"
            )

    def sample_scales(self, data: Points) -> dict[str, Array]:
        scale_site, length_site = self.sites(data)
        unit = "" if self.logarithmic else quantities.get(self.over).unit
        with numpyro.plate(f"{data.name}_environment", len(np.unique(data.environment))):
            scale = numpyro.sample(scale_site, self.scale.within(data.unit))
        length = numpyro.sample(length_site, self.length.within(unit))
        return {"scale": jnp.asarray(scale), "length": jnp.asarray(length)}

    def columns(self, scales: dict[str, Array], points: Points, data: Points) -> Covariance:
        where, known = self.coordinate(points), self.coordinate(data)
        environments = np.unique(data.environment)
        spans = [known[data.environment == environment] for environment in environments]
        nodes = np.stack([np.linspace(span.min(), span.max(), self.num_nodes) for span in spans])
        inside = (points.environment == environments[:, None]).astype(float)

        def kernel(apart: Float[np.ndarray, "environment row node"]) -> Float[Array, "environment row node"]:
            return jnp.exp(-0.5 * apart**2 / scales["length"] ** 2)

        # The jitter keeps the Cholesky factor real when the length is much longer than the spacing of the nodes.
        identity = jnp.eye(self.num_nodes)
        roots = jnp.linalg.cholesky(kernel(nodes[:, :, None] - nodes[:, None, :]) + 1e-8 * identity)
        # Inverses of the small factors, not solves with all data as right-hand sides, which are far slower on a CPU.
        inverses = jax.vmap(lambda root: solve_triangular(root, identity, lower=True))(roots)
        # Every point in every environment: cheaper than to choose a factor for each.
        basis = jnp.einsum("eim,ekm->eik", kernel(where[None, :, None] - nodes[:, None, :]), inverses)
        basis = basis / jnp.sqrt(jnp.sum(basis**2, axis=2, keepdims=True) + 1e-12)
        columns = jnp.moveaxis((scales["scale"][:, None] * inside)[:, :, None] * basis, 0, 1)
        return Covariance.shared(columns.reshape(points.num_points, -1))

    def units(self, points: Points) -> dict[str, str]:
        scale_site, length_site = self.sites(points)
        return {scale_site: points.unit, length_site: "" if self.logarithmic else quantities.get(self.over).unit}
