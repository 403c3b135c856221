r"""Observables of a liquid, carried to a potential from reference simulations.

No particle moves while these are computed: the frames of the references are given the weights that they have for the potential
(see `bayesff.ensembles`), and averages over them are differentiable in its parameters. The numerical error is the statistical
error of the references, correlated between the points of a curve. It can be trusted as long as many frames are left effective:
fewer than ``smallest_sample`` are refused, and while JAX traces, where nothing can be refused, the error grows as they become
fewer (see `References.averages`).
"""

import dataclasses
import itertools
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.covariance import Covariance
from bayesff.ensembles import (
    EquationAverages,
    EquationOfState,
    Estimate,
    PairAverages,
    PairEnsemble,
    PairFluid,
    References,
    Saturation,
    Simulation,
    Virial,
    VirialGas,
    saturation,
)
from bayesff.errors import InsufficientSamplesError, ParameterError, StateError
from bayesff.observables.base import Observable, Prediction
from bayesff.observables.second_virial import SecondVirial
from bayesff.observables.third_virial import ThirdVirial
from bayesff.potentials import AxilrodTeller, FeynmanHibbs, Truncation
from bayesff.potentials.base import PairPotential, traced
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE

Averages = PairAverages | EquationAverages

Known = dict[tuple[Hashable, ...], Any]
"""What is known of liquids for one potential, by liquid and state: several observables of a liquid need the same."""


class Fluid(eqx.Module):
    """A fluid whose averages are known for a potential at a state; a subclass says how."""

    @abstractmethod
    def averages_at(
        self,
        potential: PairPotential,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[Averages]:
        """Return the averages at several temperatures [K] and densities [1/angstrom^3]."""

    @abstractmethod
    def causes(self, averages: Any) -> tuple[Hashable, ...]:
        """Return the names of the causes of the averages' errors that other averages have as well."""

    def over(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> Iterator[tuple[np.ndarray, Averages]]:
        """Give for every state point, those of one density side by side, the rows of the data there, and the averages."""
        if traced(state["temperature"], state["density"]):
            raise StateError("Liquid: temperature and density must be numbers, found values that JAX traces: close over them")
        points = np.stack([np.asarray(state["density"]), np.asarray(state["temperature"])], axis=1)
        states = np.unique(points, axis=0)
        if len(missing := np.array([(t, d) for d, t in states if self.place(t, d) not in known])):
            found = self.averages_at(potential, missing[:, 0], missing[:, 1])
            known |= {self.place(*at): averages for at, averages in zip(missing, found, strict=True)}
        for density, temperature in states:
            yield np.flatnonzero((points == (density, temperature)).all(axis=1)), known[self.place(temperature, density)]

    def saturation(self, potential: PairPotential, temperatures: Float[np.ndarray, " state"]) -> Saturation:
        """Return liquid and vapour in equilibrium at some temperatures [K].

        Raises
        ------
        StateError
            If the fluid has no equation of state.
        """
        raise StateError(
            f"{type(self).__name__}: liquid and vapour in equilibrium need an equation of state, found reference simulations at "
            "given densities: give the term a MieLiquid"
        )

    def saturation_causes(self) -> tuple[Hashable, ...]:
        """Return the names of the causes of the errors of `saturation`."""
        return ()

    def place(self, temperature: float, density: float) -> tuple[int, float, float]:
        """Return what averages of this liquid at a state are known by."""
        return id(self), float(temperature), float(density)


class Liquid(Fluid):
    r"""A liquid as it is simulated: how its potential is truncated, its box, and the reference simulations that there are.

    Parameters
    ----------
    treatment
        Truncates a potential, for example ``functools.partial(PlainCut, cutoff=8.5, tail=True)``.
    molar_mass
        Mass of the particles [g/mol].
    closest
        Distance [angstrom] that no pair comes below; pairs are counted from there on.
    num_particles
        Particles in the box.
    spacing
        Spacing [angstrom] of the nodes that pairs are counted at.
    num_replicas, num_frames, stride
        Boxes side by side in a reference simulation, frames of each, and steps between two frames.
    quantum_order
        0 for classical particles, 1 with the correction of `FeynmanHibbs`, which is first order in :math:`\hbar^2`.
    smallest_sample
        Effective frames below which an average is refused.
    references
        Reference simulations, one set for each density; see `with_ensembles`.

    Raises
    ------
    ParameterError
        If two sets of references have one density, or ``quantum_order`` is another one.
    """

    treatment: Callable[[PairPotential], Truncation] = eqx.field(static=True)
    molar_mass: float = eqx.field(static=True)
    closest: float = eqx.field(static=True)
    num_particles: int = eqx.field(static=True, default=256)
    spacing: float = eqx.field(static=True, default=0.05)
    num_replicas: int = eqx.field(static=True, default=4)
    num_frames: int = eqx.field(static=True, default=250)
    stride: int = eqx.field(static=True, default=50)
    quantum_order: int = eqx.field(static=True, default=0)
    smallest_sample: float = eqx.field(static=True, default=100.0)
    references: tuple[References, ...] = ()

    def __check_init__(self) -> None:
        _check_order(self)
        densities = [one.density for one in self.references]
        if len(set(densities)) < len(densities):
            raise ParameterError(
                f"Liquid: there is one set of references for each density, found the densities {densities}: combine those of one "
                "density by References.combine"
            )

    def simulation(self, potential: PairPotential, temperature: float, density: float, seed: int) -> Simulation:
        """Return a reference simulation with a potential at a temperature [K] and a density [1/angstrom^3].

        Its particles are classical: the weights carry it to a quantum correction too, whose derivatives cost more than the rest.

        Raises
        ------
        StateError
            If the box is too small for the cutoff.
        """
        fluid = PairFluid(self.treatment(potential), temperature, density, self.molar_mass, self.num_particles)
        grid = fluid.grid(self.closest, self.spacing)
        return Simulation(fluid, grid, seed, self.num_replicas, self.num_frames, self.stride)

    def with_ensembles(self, ensembles: Sequence[PairEnsemble]) -> "Liquid":
        """Return the liquid with these reference simulations, those of one density weighed together."""
        densities = dict.fromkeys(one.density for one in ensembles)
        sets = (References.combine([one for one in ensembles if one.density == density]) for density in densities)
        return dataclasses.replace(self, references=tuple(sets))

    def averages(self, potential: PairPotential, temperature: Float[Array, ""], density: float) -> PairAverages:
        """Return the averages at a temperature [K] and a density [1/angstrom^3] that there are references for.

        Raises
        ------
        StateError
            If there are none for the density.
        InsufficientSamplesError
            If fewer frames are effective than ``smallest_sample``; not while JAX traces.
        """
        found = self._references(density).averages(partial(self._effective, potential), temperature, self.smallest_sample)
        if not traced(found.effective_sample_size) and found.effective_sample_size < self.smallest_sample:
            raise InsufficientSamplesError(
                f"Liquid: at least {self.smallest_sample:g} effective frames are needed at {float(temperature):g} K and "
                f"{density:g} 1/angstrom^3, found {float(found.effective_sample_size):.1f}: add a reference simulation there, "
                "with a potential nearer to this one"
            )
        return found

    def averages_at(
        self,
        potential: PairPotential,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[PairAverages]:
        return [self.averages(potential, jnp.asarray(t), float(d)) for t, d in zip(temperatures, densities, strict=True)]

    def sample_size(self, potential: PairPotential, temperature: Float[Array, ""], density: float) -> Float[Array, ""]:
        """Return the effective sample size at a temperature [K] and a density [1/angstrom^3], however small.

        Raises
        ------
        StateError
            If there are no references for the density.
        """
        near = self._references(density)
        return near.mbar.effective_sample_size(near.log_weights(self._effective(potential, temperature), temperature))

    def energy_slope(self, potential: PairPotential, temperature: Float[Array, ""], density: float) -> Float[Array, " mode"]:
        """Return the derivatives of a frame's reduced energy in the modes of the references at a density [1/angstrom^3]."""
        return self._references(density).energy_slope(self._effective(potential, temperature), temperature)

    def _effective(self, potential: PairPotential, temperature: Float[ArrayLike, ""]) -> Truncation:
        """Return the potential that classical particles in the box have."""
        return self.treatment(FeynmanHibbs(potential, self.molar_mass, temperature) if self.quantum_order else potential)

    def _references(self, density: float) -> References:
        near = [one for one in self.references if abs(one.density - density) <= 1e-6 * density]
        if not near:
            others = ", ".join(f"{one.density:g}" for one in self.references) or "none at all"
            raise StateError(
                f"Liquid: there must be reference simulations at the density {density:g} 1/angstrom^3, found {others}: place "
                "some there, or give them by with_ensembles"
            )
        return near[0]

    def causes(self, averages: PairAverages) -> tuple[Hashable, ...]:
        """Return the names of the causes of the averages' errors: the frames of the references at their density."""
        return tuple((id(self), float(averages.density), block) for block in range(averages.factor.shape[1]))


class MieLiquid(Fluid):
    r"""A liquid whose energy and pressure follow from the equation of state of the Mie fluid, wherever its potential takes it.

    It needs no reference simulations of its own, so that populations of potentials can be carried to it. Its potentials are
    Lennard-Jones and Mie with the attractive exponent of the equation, in full (without a cutoff). Its structure is not known.

    Parameters
    ----------
    equation
        The equation of state.
    molar_mass
        Mass of the particles [g/mol].
    quantum_order
        0 for classical particles, 1 with the correction of `FeynmanHibbs`, which is first order in :math:`\\hbar^2`.
    three_body
        The energy of a triangle beyond its pairs, to first order; none if not given.

    Raises
    ------
    ParameterError
        If ``quantum_order`` is another one.
    """

    equation: EquationOfState
    molar_mass: float = eqx.field(static=True)
    quantum_order: int = eqx.field(static=True, default=0)
    three_body: AxilrodTeller | None = None

    def __check_init__(self) -> None:
        _check_order(self)

    def averages_at(
        self,
        potential: PairPotential,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[EquationAverages]:
        """Return the averages at several temperatures [K] and densities [1/angstrom^3].

        Raises
        ------
        ParameterError
            If the potential is no Mie potential with the attractive exponent of the equation.
        """
        mass = self.molar_mass if self.quantum_order else None
        return self.equation.averages(potential, temperatures, densities, mass, self.three_body)

    def causes(self, averages: EquationAverages | None = None) -> tuple[Hashable, ...]:
        """Return the names of the causes of the averages' errors: those of the equation, at all states."""
        return tuple((id(self.equation), cause) for cause in range(self.equation.num_causes))

    def saturation(self, potential: PairPotential, temperatures: Float[np.ndarray, " state"]) -> Saturation:
        """Return liquid and vapour in equilibrium at some temperatures [K], the vapour by its second and third virials.

        Raises
        ------
        ParameterError
            If the potential is no Mie potential with the attractive exponent of the equation.
        StateError
            If there is no equilibrium at a temperature; not while JAX traces.
        """
        mass = self.molar_mass if self.quantum_order else None
        second, third = SecondVirial(self.quantum_order, mass), ThirdVirial(self.three_body)
        logarithms, virials = jnp.log(jnp.asarray(temperatures)), []
        for power, virial in ((1, second), (2, third)):

            def value(logarithms: Array, virial: Observable = virial) -> Any:
                return virial.evaluate(potential, {"temperature": jnp.exp(logarithms)})

            (mean, error), (slope, _) = jax.jvp(value, (logarithms,), (jnp.ones_like(logarithms),))
            virials.append(Virial(*(part / CUBIC_ANGSTROM_PER_MOLE**power for part in (mean, slope, error))))
        return saturation(self.equation, potential, temperatures, VirialGas(*virials), mass, self.three_body)

    def saturation_causes(self) -> tuple[Hashable, ...]:
        """Return the names of the causes of the errors of `saturation`: those of the equation, and what the vapour lacks."""
        return (*self.causes(), (id(self.equation), "fourth virial"))


def _check_order(liquid: Liquid | MieLiquid) -> None:
    if liquid.quantum_order not in (0, 1):
        raise ParameterError(f"{type(liquid).__name__}: quantum_order must be 0 or 1, found {liquid.quantum_order!r}")


class FluidObservable(Observable):
    """An observable of a fluid; observables of one fluid have causes of their errors in common."""

    liquid: eqx.AbstractVar[Fluid]

    def predict(self, potential: PairPotential, state: Mapping[str, Any], known: Known | None = None) -> Prediction:
        """Predict the observable at every state, see `Observable.predict`.

        Parameters
        ----------
        potential
            The potential.
        state
            The state columns that the quantity needs, in their canonical units, all of one length.
        known
            Averages for this potential that other observables have needed before; those that are needed here are added.
        """
        return Prediction(*self.evaluate_with(potential, self._checked(state), {} if known is None else known))

    def evaluate(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Covariance]:
        return self.evaluate_with(potential, state, {})

    @abstractmethod
    def evaluate_with(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> tuple[Float[Array, " datum"], Covariance]:
        """Evaluate with what is ``known`` for this potential, and add to that."""


class LiquidObservable(FluidObservable):
    """An observable of a liquid at temperatures and densities; a subclass says which average of it."""

    @abstractmethod
    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        """Return the observable at the data of one state point."""

    def evaluate_with(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> tuple[Float[Array, " datum"], Covariance]:
        means, order, errors = [], [], []
        points = self.liquid.over(potential, state, known)
        for _, group in itertools.groupby(points, lambda point: point[1].density):
            found, causes = [], ()
            for rows, averages in group:
                causes = self.liquid.causes(averages)
                here = self.estimate(averages, {name: np.asarray(column)[rows] for name, column in state.items()})
                found.append(Estimate(*(jnp.broadcast_to(part, (len(rows), *part.shape[1:])) for part in here)))
                order.append(rows)
            means += [one.mean for one in found]
            # Temperatures and observables at one density have their frames, and so the causes of their errors, in common.
            factor = jnp.concatenate([one.factor for one in found])
            names = (*causes, *(None for _ in range(factor.shape[1] - len(causes))))
            errors.append(Covariance(jnp.concatenate([one.variance for one in found]), factor, names))
        back = np.argsort(np.concatenate(order))
        return jnp.concatenate(means)[back], Covariance.concatenate(errors)[back]


class SaturationObservable(FluidObservable):
    """An observable of liquid and vapour in equilibrium; a subclass says which."""

    @abstractmethod
    def estimate(self, found: Saturation) -> Estimate:
        """Return the observable at all temperatures."""

    def evaluate_with(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> tuple[Float[Array, " datum"], Covariance]:
        if traced(state["temperature"]):
            raise StateError(
                f"{type(self).__name__}: the temperature must be numbers, found values that JAX traces: close over them"
            )
        temperatures, rows = np.unique(np.asarray(state["temperature"]), return_inverse=True)
        place = (id(self.liquid), "saturation", *temperatures.tolist())
        if place not in known:
            known[place] = self.liquid.saturation(potential, temperatures)
        found = self.estimate(known[place])
        return found.mean[rows], Covariance(found.variance, found.factor, self.liquid.saturation_causes())[rows]


class InternalEnergy(LiquidObservable):
    r"""The configurational internal energy of a liquid [kJ/mol], relative to the ideal gas at its temperature.

    .. math:: U = \frac{N_A}{N}\Big\langle \sum_{i<j} u(r_{ij}) \Big\rangle + U_\mathrm{tail}

    With a quantum correction it includes what that adds to the kinetic energy.

    Parameters
    ----------
    liquid
        The liquid.
    """

    quantity: ClassVar[str] = "internal_energy"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.energy()


class Pressure(LiquidObservable):
    r"""The pressure of a liquid [MPa] at a temperature and a density, from the virial.

    .. math:: p = \rho k_B T - \frac{1}{3V}\Big\langle \sum_{i<j} r_{ij}\,u'(r_{ij}) \Big\rangle + p_\mathrm{tail}

    Parameters
    ----------
    liquid
        The liquid.
    """

    quantity: ClassVar[str] = "pressure"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.pressure()


class PairDistribution(LiquidObservable):
    r"""The pair distribution function of a liquid, within half the box of its reference simulations.

    .. math:: g(r) = \frac{1}{2\pi r^2 \rho N}\Big\langle \sum_{i<j} \delta(r - r_{ij}) \Big\rangle

    In a box of ``N`` particles it is lower than in an infinite liquid by about :math:`S(0)/N`: 2e-4 for 256 particles of liquid
    argon, which is neither corrected nor in the covariance.

    Parameters
    ----------
    liquid
        The liquid.
    """

    quantity: ClassVar[str] = "pair_distribution"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.pair_distribution(state["separation"])


class StructureFactor(LiquidObservable):
    r"""The structure factor of a liquid.

    .. math:: S(q) = \frac1N \Big\langle \Big|\sum_i e^{i \mathbf q \cdot \mathbf r_i}\Big|^2 \Big\rangle
                   = 1 + 4\pi\rho \int_0^\infty r^2\,(g(r) - 1)\,\frac{\sin qr}{qr}\,dr

    Beyond half the box of its reference simulations the correlations follow from the Ornstein-Zernike equation (see
    `PairAverages.structure_factor`); what that and the finite number of particles leave open is in the covariance. A tail beyond
    the cutoff is not corrected for.

    Parameters
    ----------
    liquid
        Its reference simulations.

    References
    ----------
    L. Verlet, Phys. Rev. 165, 201 (1968), doi:10.1103/PhysRev.165.201
    """

    quantity: ClassVar[str] = "structure_factor"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.structure_factor(state["wavevector"])
