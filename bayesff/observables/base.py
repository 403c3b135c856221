r"""What every observable is: a potential and a state in, a mean with its numerical covariance out.

An observable holds no probability and no data. It is immutable, and differentiable in the parameters of the potential in
forward and reverse mode. The numerical error of a quadrature, a simulation or an emulator is part of what it returns,
because it belongs in the likelihood: an unknown error is an exception, never zero and never NaN.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from bayesff import quantities
from bayesff.covariance import Covariance
from bayesff.errors import PrecisionError, StateError


class Prediction(eqx.Module):
    """The mean of an observable at every state, and the covariance of its numerical error."""

    mean: Float[Array, " datum"]
    covariance: Covariance

    def __getitem__(self, rows: slice | Int[ArrayLike, " row"]) -> "Prediction":
        """Return the prediction at some of the states."""
        return Prediction(self.mean[rows], self.covariance[rows])


class Observable(eqx.Module):
    """A quantity that follows from a potential and a state.

    A new observable names its ``quantity`` (see `bayesff.quantities`: canonical unit and state columns) and writes
    `evaluate`; checking the state and packing the prediction are done here.
    """

    quantity: ClassVar[str]

    @abstractmethod
    def evaluate(
        self, potential: Any, state: Mapping[str, Float[Array, " datum"]]
    ) -> tuple[Float[Array, " datum"], Float[Array, " datum"] | Covariance]:
        """Return the mean in the canonical unit, and its numerical standard error (or full covariance).

        A subclass says which kind of potential it takes.
        """

    def predict(self, potential: Any, state: Mapping[str, Any]) -> Prediction:
        """Predict the observable at every state.

        Parameters
        ----------
        potential
            The potential, of the kind that `evaluate` takes.
        state
            The state columns that the quantity needs, in their canonical units, all of one length.

        Raises
        ------
        StateError
            If a column is missing, of another length, not finite, or not positive where it must be.
        PrecisionError
            If JAX runs in single precision.
        """
        mean, error = self.evaluate(potential, self._checked(state))
        covariance = error if isinstance(error, Covariance) else Covariance.independent(error)
        return Prediction(mean, covariance)

    def _checked(self, state: Mapping[str, Any]) -> dict[str, Array]:
        require_double_precision()
        wanted = quantities.get(self.quantity).states
        place = type(self).__name__
        missing = [name for name in wanted if name not in state]
        if missing:
            raise StateError(f"{place}: the state has no column {missing[0]!r}, it needs {', '.join(wanted)}")
        # Numbers stay numbers inside a traced function, so that they can be checked and planned with.
        with jax.ensure_compile_time_eval():
            columns = {name: jnp.atleast_1d(jnp.asarray(state[name], dtype=float)) for name in wanted}
        if len({column.shape for column in columns.values()}) > 1:
            shapes = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
            raise StateError(f"{place}: the state columns must have one length, found {shapes}")
        for name, column in columns.items():
            if isinstance(column, Tracer):
                continue
            values, quantity = np.asarray(column), quantities.get(name)
            bad = ~np.isfinite(values) | ((values <= 0) if quantity.positive else False)
            if bad.any():
                rule = "finite and greater than zero" if quantity.positive else "finite"
                raise StateError(f"{place}: {name} must be {rule}, found {values[bad][0]} {quantity.unit}")
        return columns


def require_double_precision() -> None:
    """Raise `PrecisionError` unless JAX computes in 64 bits; importing bayesff does not switch it on."""
    if not jax.config.read("jax_enable_x64"):
        raise PrecisionError(
            "JAX computes in single precision, which is too coarse for a likelihood: "
            "add jax.config.update('jax_enable_x64', True) before the first computation, or set JAX_ENABLE_X64=1"
        )
