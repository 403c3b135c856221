"""An observable of the potential as an environment treats it: cut, in surroundings, screened, with other 1-4 factors."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from bayesff.covariance import Covariance
from bayesff.errors import ParameterError
from bayesff.observables.base import Observable
from bayesff.observables.liquid import FluidObservable

Treatment = Callable[[Any], Any]
"""What an environment does to a potential: a function that takes it and returns the potential that is observed."""


class Treated(Observable):
    """An observable of what a treatment makes of the potential.

    A treatment belongs to an environment: a cutoff, a field of the surroundings that adds to a torsion, a dielectric that divides
    the charges, a convention for 1-4 interactions. With it the same parameters are calibrated in one environment and carried to
    another. The numerical error is that of the observable inside.

    Parameters
    ----------
    observable
        What is observed. A liquid has its truncation itself (`Liquid`, `MieLiquid`) and is refused.
    treatment
        Takes the potential and returns the one that is observed: a truncation with its cutoff
        (``functools.partial(PlainCut, cutoff=8.5)``), or any function. Parameters of the potential go through it with their
        derivatives.

    Raises
    ------
    ParameterError
        If the observable is one of a liquid.

    Example
    -------
    >>> import functools
    >>> import jax
    >>> jax.config.update("jax_enable_x64", True)
    >>> from bayesff.observables import DimerEnergy
    >>> from bayesff.potentials import LennardJones, ShiftedCut
    >>> cut = Treated(DimerEnergy(), functools.partial(ShiftedCut, cutoff=8.5))
    >>> round(float(cut.predict(LennardJones(epsilon=0.996, sigma=3.405), {"separation": 4.0}).mean[0]), 4)
    -0.9227
    """

    observable: Observable
    treatment: Treatment = eqx.field(static=True)

    def __check_init__(self) -> None:
        if isinstance(self.observable, FluidObservable):
            raise ParameterError(
                f"Treated: {type(self.observable).__name__} is of a liquid, which has its treatment itself: give it to the liquid"
            )

    @property
    def quantity(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Name of the quantity that is observed."""
        return self.observable.quantity

    def evaluate(
        self, potential: Any, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"] | Covariance]:
        return self.observable.evaluate(self.treatment(potential), state)
