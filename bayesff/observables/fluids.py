r"""Fluids whose averages are known for a potential: by reference simulations, an equation of state, or an integral equation.

No particle moves while averages are computed: the frames of the references of a `Liquid` are given the weights that they have for
the potential (see `bayesff.ensembles`), and averages over them are differentiable in its parameters. The numerical error is the
statistical error of the references, correlated between the points of a curve. It can be trusted as long as many frames are left
effective: fewer than ``smallest_sample`` are refused, and while JAX traces, where nothing can be refused, the error grows as they
become fewer (see `References.averages`).

A `MieLiquid` is good for a potential anywhere in its space of parameters, but of one form, and does not know its structure: a
`ScatteringLiquid` does, and nothing else. An `IntegralEquationLiquid` takes any potential and needs nothing beforehand, but is
approximate.
"""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.ensembles import (
    Averages,
    ClosureAverages,
    EquationAverages,
    EquationOfState,
    Estimate,
    IntegralEquation,
    MieFluid,
    MieStructure,
    PairAverages,
    PairEnsemble,
    PairFluid,
    References,
    Saturation,
    Simulation,
    StructureAverages,
    Virial,
    VirialGas,
    finite_number,
    saturation,
)
from bayesff.errors import InsufficientSamplesError, ParameterError, StateError
from bayesff.observables.base import Observable
from bayesff.observables.second_virial import SecondVirial
from bayesff.observables.third_virial import ThirdVirial
from bayesff.potentials import AxilrodTeller, FeynmanHibbs, Truncation
from bayesff.potentials.base import PairPotential, traced
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT

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

    @property
    def origin(self) -> eqx.Module:
        """What the causes of its errors belong to: fluids with one origin have them in common."""
        return self

    def over(
        self, potential: PairPotential, state: Mapping[str, Float[Array, " datum"]], known: Known
    ) -> Iterator[tuple[float, np.ndarray, Averages]]:
        """Give for every state point, those of one density side by side, density, rows of the data there, and averages."""
        if traced(state["temperature"], state["density"]):
            raise StateError("Liquid: temperature and density must be numbers, found values that JAX traces: close over them")
        points = np.stack([np.asarray(state["density"]), np.asarray(state["temperature"])], axis=1)
        states = np.unique(points, axis=0)
        if len(missing := np.array([(t, d) for d, t in states if self.place(t, d) not in known])):
            found = self.averages_at(potential, missing[:, 0], missing[:, 1])
            known |= {self.place(*at): averages for at, averages in zip(missing, found, strict=True)}
        for density, temperature in states:
            rows = np.flatnonzero((points == (density, temperature)).all(axis=1))
            yield float(density), rows, known[self.place(temperature, density)]

    def saturation(self, potential: PairPotential, temperatures: Float[np.ndarray, " state"]) -> Saturation:
        """Return liquid and vapour in equilibrium at some temperatures [K].

        Raises
        ------
        StateError
            If the fluid has no equation of state.
        """
        raise self._no_equation("liquid and vapour in equilibrium need")

    def density(
        self, potential: PairPotential, temperatures: Float[np.ndarray, " state"], pressures: Float[np.ndarray, " state"]
    ) -> Estimate:
        """Return the number density of the liquid at some temperatures [K] and pressures [MPa].

        Raises
        ------
        StateError
            If the fluid has no equation of state.
        """
        raise self._no_equation("a density at a given pressure needs")

    def _no_equation(self, wanted: str) -> StateError:
        return StateError(
            f"{type(self).__name__}: {wanted} an equation of state, found averages at given densities: give the term a MieLiquid"
        )

    def causes_of_equation(self) -> tuple[Hashable, ...]:
        """Return the names of the causes of the errors of `saturation`, the last of them its own, and of `density`."""
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

    def averages(self, potential: PairPotential, temperature: float, density: float) -> PairAverages:
        """Return the averages at a temperature [K] and a density [1/angstrom^3] that there are references for.

        Energy and pressure are those of an infinite number of particles, see `bayesff.ensembles.finite_number`.

        Raises
        ------
        StateError
            If there are none for the density.
        InsufficientSamplesError
            If fewer frames are effective than ``smallest_sample``; not while JAX traces.
        """
        near = self._references(density)
        found = near.averages(partial(self._effective, potential), temperature, self.smallest_sample)
        if not traced(found.effective_sample_size) and found.effective_sample_size < self.smallest_sample:
            raise InsufficientSamplesError(
                f"Liquid: at least {self.smallest_sample:g} effective frames are needed at {temperature:g} K and "
                f"{density:g} 1/angstrom^3, found {float(found.effective_sample_size):.1f}: add a reference simulation there, "
                "with a potential nearer to this one"
            )
        return dataclasses.replace(found, finite_number=finite_number(near, temperature))

    def averages_at(
        self,
        potential: PairPotential,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[PairAverages]:
        return [self.averages(potential, float(t), float(d)) for t, d in zip(temperatures, densities, strict=True)]

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
        """Return the names of the causes of the averages' errors: the frames at their density, and the finite number."""
        frames = ((id(self), float(averages.density), block) for block in range(averages.factor.shape[1]))
        return *frames, (id(self), "finite number")


class MieLiquid(Fluid):
    r"""A liquid whose energy and pressure follow from the equation of state of the Mie fluid, wherever its potential takes it.

    It needs no reference simulations of its own, so that populations of potentials can be carried to it. Its potentials are
    Lennard-Jones and Mie with the attractive exponent of the equation. Its structure is known to a `ScatteringLiquid`.

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
    cutoff
        Where a simulation of the liquid cuts its potential [angstrom] without adding a tail; in full if not given.

    Raises
    ------
    ParameterError
        If ``quantum_order`` is another one, or the cutoff is not positive.
    """

    equation: EquationOfState
    molar_mass: float = eqx.field(static=True)
    quantum_order: int = eqx.field(static=True, default=0)
    three_body: AxilrodTeller | None = None
    cutoff: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        _check_order(self)
        if self.cutoff is not None and not self.cutoff > 0:
            raise ParameterError(f"MieLiquid: cutoff must be greater than zero, found {self.cutoff:g} angstrom")

    def fluid(self, potential: PairPotential) -> MieFluid:
        """Return the fluid that a potential makes.

        Raises
        ------
        ParameterError
            If the potential is no Mie potential with the attractive exponent of the equation.
        """
        return MieFluid.of(potential, self.molar_mass if self.quantum_order else None, self.three_body, self.cutoff)

    @property
    def origin(self) -> eqx.Module:
        """The equation, which other liquids may have as well."""
        return self.equation

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
        return self.equation.averages(self.fluid(potential), temperatures, densities)

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
        return saturation(self.equation, self.fluid(potential), temperatures, VirialGas(*virials))

    def density(
        self, potential: PairPotential, temperatures: Float[np.ndarray, " state"], pressures: Float[np.ndarray, " state"]
    ) -> Estimate:
        """Return the number density of the liquid at some temperatures [K] and pressures [MPa].

        Raises
        ------
        ParameterError
            If the potential is no Mie potential with the attractive exponent of the equation.
        StateError
            If there is no liquid at a state; not while JAX traces.
        """
        return self.equation.density(self.fluid(potential), temperatures, pressures)

    def causes_of_equation(self) -> tuple[Hashable, ...]:
        """Return the names of the causes of errors: those of the equation, and what the vapour lacks."""
        return (*self.causes(), (id(self.equation), "fourth virial"))


class ScatteringLiquid(Fluid):
    r"""A Mie liquid whose structure factor is known wherever its potential takes it, learnt from simulations of Mie fluids.

    It needs no reference simulations of its own, so that populations of potentials can be carried to it. Forces between three
    particles are not in it: those of argon change the flanks of the first peak by 0.02 at 85 K. Each component of the structure
    factor errs by as many standard deviations at all states: a shift that they share is honest, what changes between them is
    taken for surer than it is.

    Parameters
    ----------
    structure
        The structure factor over the reduced states.
    molar_mass
        Mass of the particles [g/mol].
    quantum_order
        0 for classical particles, 1 for particles that are larger and have a shallower well, see
        `bayesff.ensembles.mie_structure`.

    Raises
    ------
    ParameterError
        If ``quantum_order`` is another one.
    """

    structure: MieStructure
    molar_mass: float = eqx.field(static=True)
    quantum_order: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        _check_order(self)

    @property
    def origin(self) -> eqx.Module:
        """The structure over the states, which other liquids may have as well."""
        return self.structure

    def averages_at(
        self,
        potential: PairPotential,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[StructureAverages]:
        """Return the averages at several temperatures [K] and densities [1/angstrom^3].

        Raises
        ------
        ParameterError
            If the potential is no Mie potential with the attractive exponent 6.
        """
        fluid = MieFluid.of(potential, self.molar_mass if self.quantum_order else None)
        states = zip(GAS_CONSTANT * temperatures, densities, strict=True)
        return [StructureAverages(self.structure, fluid, jnp.asarray(thermal), float(density)) for thermal, density in states]

    def causes(self, averages: StructureAverages | None = None) -> tuple[Hashable, ...]:
        """Return the names of the causes of the averages' errors: one a component of the structure factor, at all states."""
        return tuple((id(self.structure), cause) for cause in range(self.structure.num_causes))


class IntegralEquationLiquid(Fluid):
    r"""A liquid whose structure, energy and pressure follow from an integral equation.

    It needs no simulation and takes any potential, in full. The closure is an approximation, whose error is not in the
    covariance: a term that observes such a liquid needs a discrepancy. Near the triple point of Lennard-Jones the energy is 3 %
    (Percus-Yevick) or 5 % (hypernetted chain) too high, and the pressure is of no use.

    Parameters
    ----------
    equation
        The integral equation with its closure, see `IntegralEquation`.
    molar_mass
        Mass of the particles [g/mol].
    quantum_order
        0 for classical particles, 1 with the correction of `FeynmanHibbs`, which is first order in :math:`\\hbar^2`.

    Raises
    ------
    ParameterError
        If ``quantum_order`` is another one.
    """

    equation: IntegralEquation
    molar_mass: float = eqx.field(static=True)
    quantum_order: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        _check_order(self)

    @property
    def origin(self) -> eqx.Module:
        """The equation, which other liquids may have as well."""
        return self.equation

    def averages_at(
        self,
        potential: PairPotential,
        temperatures: Float[np.ndarray, " state"],
        densities: Float[np.ndarray, " state"],
    ) -> Sequence[ClosureAverages]:
        """Return the averages at several temperatures [K] and densities [1/angstrom^3].

        Raises
        ------
        StateError
            If the equation has no solution at a state; not while JAX traces.
        """
        corrected = jax.tree_util.Partial(FeynmanHibbs, potential, self.molar_mass)
        return self.equation.averages_over(corrected if self.quantum_order else potential, temperatures, densities)

    def causes(self, averages: Any) -> tuple[Hashable, ...]:
        """Return the names of the causes of the averages' errors: spacing and range of the grid, at all states."""
        return ((id(self.equation), "spacing"), (id(self.equation), "range"))


def _check_order(liquid: Liquid | MieLiquid | ScatteringLiquid | IntegralEquationLiquid) -> None:
    if liquid.quantum_order not in (0, 1):
        raise ParameterError(f"{type(liquid).__name__}: quantum_order must be 0 or 1, found {liquid.quantum_order!r}")
