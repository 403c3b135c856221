r"""Observables of a liquid at a temperature and a density.

How a liquid knows its averages is its own affair, see `bayesff.observables.fluids`.
"""

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bayesff.covariance import Covariance
from bayesff.ensembles import Averages, Estimate
from bayesff.observables.base import Observable, Prediction
from bayesff.observables.fluids import Fluid, Known
from bayesff.potentials.base import PairPotential


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
        for _, group in itertools.groupby(points, lambda point: point[0]):
            found, causes = [], ()
            for _, rows, averages in group:
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


class LiquidCompressibility(LiquidObservable):
    r"""The isothermal compressibility of a liquid [1/MPa] at a temperature and a density.

    .. math:: \kappa_T = \frac1\rho \Big(\frac{\partial \rho}{\partial p}\Big)_T

    Parameters
    ----------
    liquid
        The liquid, a `MieLiquid` or an `IntegralEquationLiquid`.
    """

    quantity: ClassVar[str] = "isothermal_compressibility"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.compressibility()


class HeatCapacity(LiquidObservable):
    r"""The isochoric heat capacity of a liquid [J/mol/K] at a temperature and a density, beyond that of the ideal gas.

    .. math:: C_V^\mathrm{res} = \Big(\frac{\partial U}{\partial T}\Big)_\rho

    The ideal gas of atoms has :math:`3R/2`, 12.47 J/mol/K, beside it.

    Parameters
    ----------
    liquid
        The liquid, a `MieLiquid`.
    """

    quantity: ClassVar[str] = "residual_heat_capacity"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.heat_capacity()


class ChemicalPotential(LiquidObservable):
    r"""The chemical potential of a liquid [kJ/mol] beyond that of the ideal gas at its temperature and density.

    .. math:: \mu^\mathrm{res} = k_B T \ln(\varphi Z)

    with the fugacity coefficient :math:`\varphi` and :math:`Z = p/\rho k_B T`.

    Parameters
    ----------
    liquid
        The liquid, a `MieLiquid`.
    """

    quantity: ClassVar[str] = "residual_chemical_potential"
    liquid: Fluid

    def estimate(self, averages: Averages, state: Mapping[str, Float[np.ndarray, " datum"]]) -> Estimate:
        return averages.chemical_potential()
