r"""The structure factor of the Mie fluid over its reduced states, learnt from simulations.

In units of its depth and its diameter a Mie fluid has one structure factor :math:`S(k)`, :math:`k = q\sigma`, at every state
:math:`x = (\epsilon/k_B T, \rho\sigma^3, \ln n)`. Each simulation gives it at all wave numbers (see `LongRange`), and

.. math:: S(k; x) = S_0(k) + \sum_j a_j(x)\,S_j(k), \qquad a_j(x) = \sum_m w_{jm}\,\varphi_m(x)

with the principal components :math:`S_j` of the simulations' curves about their mean, in units of their statistical errors, and
products of Chebyshev polynomials :math:`\varphi_m`, whose weights are normal (see `bayesff.ensembles.polynomials`). So the curve
has an error at every state, which grows outside those that were simulated.

A quantum correction to first order in :math:`\hbar^2` (`FeynmanHibbs`) makes the particles larger and their well shallower:

.. math:: \frac{\sigma'}{\sigma} = 1 + (n + 5)\,Q, \qquad \frac{\epsilon'}{\epsilon} = 1 - 6n\,Q\,\frac{\sigma^2}{r_m^2},
          \qquad Q = \frac{\hbar^2}{12\,m\,k_B T\,\sigma^2},

with :math:`r_m` where the energy is lowest. The structure is that of a Mie fluid with these, which leaves the change of the
potential's form out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import CubicSpline

from bayesff.ensembles.averages import Averages, Estimate
from bayesff.ensembles.isotherm import MieFluid
from bayesff.ensembles.mie_fluid import ATTRACTIVE, ReducedState, coordinates, read_table, write_table
from bayesff.ensembles.polynomials import Polynomials, learn
from bayesff.ensembles.references import PairEnsemble
from bayesff.ensembles.structure import LongRange, ball_interference, interference
from bayesff.errors import ParameterError, StateError
from bayesff.potentials.base import traced

WAVE_NUMBERS = np.arange(1.0, 40.01, 0.25)
"""Where structure factors are kept, over the diameter. The correlations of a dense liquid end before 12 diameters."""

NUM_MODES = 12
"""Principal components. With more of them simulations that are left out are met no better, with eight a little worse."""

DEGREES = (2, 3, 4)
"""Total degrees of the polynomials that are tried."""

WIDENING = 2.0
"""Factor on the errors of the amplitudes. Without it 21 simulations of argon at 85 K that nothing was learnt from, with exponents
from 11 to 15, differ by 1.3 standard deviations; with it by 1.1 (0.005 in the structure factor)."""

_LEAST_DENSITY = 0.55
"""Density times the cubed diameter from which simulations count: below, near the critical point, no polynomial follows them."""


class SimulatedStructure(NamedTuple):
    """Structure factors of simulated Mie fluids at `WAVE_NUMBERS`, and their standard errors; one row each."""

    states: Float[np.ndarray, "simulation 3"]
    means: Float[np.ndarray, "simulation wavenumber"]
    errors: Float[np.ndarray, "simulation wavenumber"]


def structure_factors(ensemble: PairEnsemble, diameter: float) -> Float[np.ndarray, "2 wavenumber"]:
    """Return structure factors over a simulation and their standard errors; NaN if nothing is known of the correlations beyond.

    Parameters
    ----------
    ensemble
        The simulation, of a potential with a cutoff.
    diameter
        Zero of the energy [angstrom].
    """
    counts, wavevector = np.asarray(ensemble.pair_counts, float), WAVE_NUMBERS / diameter
    mean, grid = counts.mean(axis=0), ensemble.grid
    far = LongRange.solve(grid, mean, ensemble.density, ensemble.num_particles)
    if far is None:
        return np.full((2, len(WAVE_NUMBERS)), np.nan)
    inside = interference(grid.nodes, wavevector) * (2 / ensemble.num_particles)
    beyond = far.transform(wavevector, ensemble.density)
    frames = counts @ (inside * (1 + far.swelling) + far.response.T @ beyond)
    constant = 1 - ensemble.density * ball_interference(grid.edges[-1], wavevector) + far.offset @ beyond
    doubts = far.closure @ beyond, 0.5 * far.swelling * (mean @ inside)
    variance = frames.var(axis=0) * ensemble.inefficiency / len(frames) + sum(doubt**2 for doubt in doubts)
    return np.stack([frames.mean(axis=0) + constant, np.sqrt(variance)])


def save_structure(found: SimulatedStructure, path: Path, comment: Sequence[str] = ()) -> None:
    """Write structure factors as a table of comma-separated values: the state, the curve, its errors."""
    columns = [f"{name}_{k:g}" for name in ("structure", "error") for k in WAVE_NUMBERS]
    write_table(path, comment, [*ReducedState._fields, *columns], np.concatenate(found, axis=1), digits=5)


def load_structure(path: Path | None = None) -> SimulatedStructure:
    """Read structure factors; those of the catalogue, ``mie_fluid``, if no file is given.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    table = read_table(path, "structure.csv", 3 + 2 * len(WAVE_NUMBERS))
    return SimulatedStructure(*np.split(table, [3, 3 + len(WAVE_NUMBERS)], axis=1))


class MieStructure(eqx.Module):
    """The structure factor of the Mie fluid, see the module.

    Parameters
    ----------
    polynomials
        The basis over the states.
    means, factors
        Of the weights of every component: their mean, and a factor of their covariance.
    pieces
        Coefficients of cubic splines in the wave number: of the mean curve, and of every component.
    """

    polynomials: Polynomials
    means: Float[np.ndarray, "mode product"]
    factors: Float[np.ndarray, "mode product cause"]
    pieces: Float[np.ndarray, "4 interval curve"]

    @classmethod
    def learn(cls, found: SimulatedStructure | None = None, degrees: Sequence[int] = DEGREES) -> "MieStructure":
        """Learn it from simulations.

        Parameters
        ----------
        found
            Structure factors of simulations; those of the catalogue if not given.
        degrees
            Total degrees of the polynomials that are tried.

        Raises
        ------
        ParameterError
            If there are fewer dense simulations than components, or a number is not finite.
        """
        states, means, errors = load_structure() if found is None else found
        dense = (states[:, 1] > _LEAST_DENSITY) & np.isfinite(means[:, 0])
        states, means, errors = states[dense], means[dense], errors[dense]
        if len(states) <= NUM_MODES or not all(np.all(np.isfinite(part)) for part in (states, means, errors)):
            raise ParameterError(
                f"MieStructure: more than {NUM_MODES} simulations of dense fluids with finite numbers are needed, found "
                f"{len(states)}: simulate more"
            )
        x = coordinates(states)
        low, high = tuple(map(float, x.min(axis=0))), tuple(map(float, x.max(axis=0)))
        middle, size = means.mean(axis=0), np.sqrt((errors**2).mean(axis=0))
        directions = np.linalg.svd((means - middle) / size, full_matrices=False)[2][:NUM_MODES]
        amplitudes, variances = (means - middle) / size @ directions.T, (errors / size) ** 2 @ directions.T**2

        def fit(degree: int) -> tuple[float, Polynomials, np.ndarray, np.ndarray]:
            basis = Polynomials(low, high, degree)
            rows, of_products = basis.derivatives(x, (0, 0, 0)), basis.exponents.sum(axis=1)
            fits = [
                learn(rows, amplitude, np.diag(variance), of_products)
                for amplitude, variance in zip(amplitudes.T, variances.T, strict=True)
            ]
            means, factors = (np.stack(part) for part in zip(*((one.mean, one.factor) for one, _ in fits), strict=True))
            return sum(evidence for _, evidence in fits), basis, means, factors

        _, basis, of_weights, factors = max((fit(degree) for degree in degrees), key=lambda one: one[0])
        curves = np.column_stack([middle, (directions * size).T])
        return cls(basis, of_weights, factors, CubicSpline(WAVE_NUMBERS, curves).c)

    @property
    def num_causes(self) -> int:
        """Number of causes of its errors, one a component."""
        return len(self.means)

    def structure_factor(
        self, fluid: MieFluid, thermal: Float[Array, ""], density: float, wavevector: Float[np.ndarray, " datum"]
    ) -> Estimate:
        r"""Return the structure factor of a fluid at wave vectors [1/angstrom].

        The error has a column a component, as large as the error of its amplitude. Above the wave number 40 it is
        taken for 1 with a standard error of 0.01: just below, simulations differ from 1 by 0.007 in the mean, by 0.02 at most.

        Parameters
        ----------
        fluid
            The fluid.
        thermal
            The thermal energy [kJ/mol].
        density
            Number density [1/angstrom^3].
        wavevector
            Wave vectors [1/angstrom].

        Raises
        ------
        StateError
            If a wave number is below 1; while JAX traces the structure factor has an error of 1 there.
        """
        depth, diameter = _classical(fluid, thermal)
        x = jnp.stack([depth / thermal, density * diameter**3, fluid.log_repulsive])
        basis = self.polynomials(x)
        amplitudes = self.means @ basis
        errors = WIDENING * jnp.linalg.norm(jnp.einsum("mpc,p->mc", self.factors, basis), axis=1)
        k = jnp.asarray(wavevector) * diameter
        first, last = float(WAVE_NUMBERS[0]), float(WAVE_NUMBERS[-1])
        if not traced(k) and bool(jnp.any(k < first)):
            raise StateError(
                f"structure factor: a wave vector must be at least {first:g} over the diameter, here "
                f"{first / float(diameter):.3g} 1/angstrom, found {float(jnp.min(jnp.asarray(wavevector))):.3g}: leave it out"
            )
        curves = self._curves(jnp.clip(k, first, last))
        known = (k >= first) & (k <= last)
        mean = jnp.where(k > last, 1.0, curves[:, 0] + curves[:, 1:] @ amplitudes)
        doubt = jnp.where(known, 0.0, jnp.where(k > last, 0.01**2, 1.0))
        return Estimate(mean, jnp.where(known[:, None], curves[:, 1:] * errors, 0.0), doubt)

    def _curves(self, k: Float[Array, " datum"]) -> Float[Array, "datum curve"]:
        """Return the mean curve and the components at wave numbers."""
        step = WAVE_NUMBERS[1] - WAVE_NUMBERS[0]
        interval = jnp.clip(jnp.floor((k - WAVE_NUMBERS[0]) / step).astype(int), 0, self.pieces.shape[1] - 1)
        along = (k - WAVE_NUMBERS[0] - step * interval)[:, None]
        third, second, first, value = jnp.asarray(self.pieces)[:, interval]
        return value + along * (first + along * (second + along * third))


def _classical(fluid: MieFluid, thermal: Float[Array, ""]) -> tuple[Array, Array]:
    """Return depth [kJ/mol] and diameter [angstrom] of the classical particles with a fluid's structure."""
    exponent = jnp.exp(fluid.log_repulsive)
    correction = fluid.quantum * fluid.epsilon / thermal
    lowest = (exponent / ATTRACTIVE) ** (1 / (exponent - ATTRACTIVE))  # over the diameter
    shallower = ATTRACTIVE * exponent * correction / lowest**2
    return fluid.epsilon * (1 - shallower), fluid.sigma * (1 + (exponent + ATTRACTIVE - 1) * correction)


class StructureAverages(Averages):
    """Averages of a Mie fluid at a state of which the structure factor is known.

    Parameters
    ----------
    structure
        The structure factor over the states.
    fluid
        The fluid.
    thermal
        Thermal energy [kJ/mol].
    density
        Number density [1/angstrom^3].
    """

    source: ClassVar[str] = "its structure factor"

    structure: MieStructure
    fluid: MieFluid
    thermal: Float[Array, ""]
    density: float

    def energy(self) -> Estimate:
        """Refuse: the energy is not known."""
        raise self._unknown("internal energy", "a Liquid or a MieLiquid")

    def pressure(self) -> Estimate:
        """Refuse: the pressure is not known."""
        raise self._unknown("pressure", "a Liquid or a MieLiquid")

    def structure_factor(self, wavevector: Float[np.ndarray, " datum"]) -> Estimate:
        """Return the structure factor at wave vectors [1/angstrom]."""
        return self.structure.structure_factor(self.fluid, self.thermal, self.density, wavevector)
