r"""Observables of a few sites in vacuum: the energy of a cluster, and the part of it that is no sum over pairs.

A cluster has a `Shape`, and a length, the state column ``separation``, that the shape is scaled by. With :math:`U` the energy
of a configuration,

- `ClusterEnergy` is :math:`\Delta U = U(1 \dots N) - \sum_i U(i)`, the energy of the cluster from its separate sites;
- `ManyBodyEnergy` is :math:`\Delta U - \sum_{i<j} \Delta U(i, j)`, which every sum of pair potentials has zero of, whatever
  they are: it is the error that is left to the best of them.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.observables.base import Observable
from bayesff.potentials.clusters import ClusterPotential


@dataclass(frozen=True)
class Shape:
    """Which sites a cluster has, and where they are when its separation is one.

    Parameters
    ----------
    kinds
        Name of the kind of each site.
    positions
        Three coordinates of each site, in units of the separation.

    Raises
    ------
    ParameterError
        If there are fewer than two sites, not as many positions as kinds, or two sites at one place.

    Example
    -------
    >>> Shape.linear("Cl", "K", "Cl").positions[2]
    (-1.0, 0.0, 0.0)
    """

    kinds: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]

    def __post_init__(self) -> None:
        places = np.asarray(self.positions, dtype=float)
        if len(self.kinds) < 2 or places.shape != (len(self.kinds), 3) or not np.isfinite(places).all():
            raise ParameterError(
                f"Shape: a cluster must have two sites or more with three coordinates each, found {len(self.kinds)} kinds and "
                f"positions of the shape {places.shape}: give one finite position for each site"
            )
        for i, j in combinations(range(len(places)), 2):
            if np.array_equal(places[i], places[j]):
                raise ParameterError(
                    f"Shape: two sites must not be at one place, found {i} ({self.kinds[i]}) and {j} ({self.kinds[j]}) at "
                    f"{self.positions[i]}: move one"
                )

    @classmethod
    def dimer(cls, first: str, second: str) -> "Shape":
        """Return two sites at the separation."""
        return cls((first, second), ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))

    @classmethod
    def bent(cls, first: str, centre: str, last: str, angle: float) -> "Shape":
        """Return three sites, the outer two at the separation from the central one, and this angle [degree] between them.

        Raises
        ------
        ParameterError
            If the angle is not above 0 and at most 180 degrees.
        """
        if not 0 < angle <= 180:
            raise ParameterError(f"Shape.bent: the angle must be above 0 and at most 180 degrees, found {angle}: correct it")
        turned = (-1.0, 0.0, 0.0) if angle == 180 else (float(np.cos(np.deg2rad(angle))), float(np.sin(np.deg2rad(angle))), 0.0)
        return cls((first, centre, last), ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), turned))

    @classmethod
    def linear(cls, first: str, centre: str, last: str) -> "Shape":
        """Return three sites in a row, the outer two at the separation from the central one."""
        return cls.bent(first, centre, last, 180.0)

    @classmethod
    def equilateral(cls, first: str, second: str, third: str) -> "Shape":
        """Return three sites at the separation from one another."""
        return cls.bent(first, second, third, 60.0)


class ClusterObservable(Observable):
    r"""What observables of a cluster have in common: they are sums over the cluster and its parts, each with a weight.

    The numerical error is the rounding of these energies and of the separation,
    :math:`8\varepsilon_\mathrm{mach}(\sum |w U| + r |\sum w U'|)`.
    """

    shape: Shape = eqx.field(static=True)

    @abstractmethod
    def parts(self) -> list[tuple[float, tuple[int, ...]]]:
        """Return weights, and the sites whose energy has that weight."""

    def evaluate(
        self, potential: ClusterPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
        separation = state["separation"]
        for _, sites in self.parts():
            kinds, places = self.cluster(sites)
            with jax.ensure_compile_time_eval():
                stack = separation[:, None, None] * places
            potential.check(stack, kinds)
        return _predicted(self, potential, separation)

    def energies(self, potential: ClusterPotential, separation: Float[Array, ""]) -> Float[Array, " part"]:
        """Return the energy [kJ/mol] of every part at one separation, with its weight."""
        energies = []
        for weight, sites in self.parts():
            kinds, places = self.cluster(sites)
            energies.append(weight * potential.energy(separation * places, kinds))
        return jnp.stack(energies)

    def cluster(self, sites: Sequence[int]) -> tuple[tuple[str, ...], np.ndarray]:
        return tuple(self.shape.kinds[i] for i in sites), np.array([self.shape.positions[i] for i in sites])


class ClusterEnergy(ClusterObservable):
    """The interaction energy [kJ/mol] of a cluster: its energy less that of its separate sites.

    Parameters
    ----------
    shape
        The cluster, which the state column ``separation`` scales.
    """

    quantity: ClassVar[str] = "cluster_energy"

    def parts(self) -> list[tuple[float, tuple[int, ...]]]:
        every = tuple(range(len(self.shape.kinds)))
        return [(1.0, every), *((-1.0, (i,)) for i in every)]


class ManyBodyEnergy(ClusterObservable):
    """The part of the interaction energy [kJ/mol] of a cluster that is no sum over its pairs; zero for two sites.

    Parameters
    ----------
    shape
        The cluster, which the state column ``separation`` scales.
    """

    quantity: ClassVar[str] = "many_body_energy"

    def parts(self) -> list[tuple[float, tuple[int, ...]]]:
        every = tuple(range(len(self.shape.kinds)))
        pairs = [(-1.0, pair) for pair in combinations(every, 2)]
        return [(1.0, every), *pairs, *((len(every) - 2.0, (i,)) for i in every)]


@eqx.filter_jit
def _predicted(
    observable: ClusterObservable, potential: ClusterPotential, separation: Float[Array, " datum"]
) -> tuple[Float[Array, " datum"], Float[Array, " datum"]]:
    """Return the energies and their rounding."""
    eps = jnp.finfo(separation.dtype).eps
    # The slope, which is wanted to a digit or two, is a difference: one program for both takes half the time to compile.
    both = jnp.concatenate([separation, separation * (1 + eps**0.5)])
    energies = jax.vmap(lambda r: observable.energies(potential, r))(both)
    here, there = energies[: len(separation)], jax.lax.stop_gradient(energies[len(separation) :])
    fixed = jax.lax.stop_gradient(here)
    slope = jnp.abs(jnp.sum(there - fixed, axis=1)) / eps**0.5
    return jnp.sum(here, axis=1), 8 * eps * (jnp.sum(jnp.abs(fixed), axis=1) + slope)
