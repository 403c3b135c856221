r"""What every potential is: an energy as a function of geometry whose numeric fields are its parameters.

A *pair potential* gives ``pair_energy(r)`` for one separation. Everything else (force, batches, virials, collision
integrals) follows from it by differentiation and ``vmap``. The known cases are the Lennard-Jones, Mie, Buckingham, Morse,
square-well and Tang-Toennies forms, their sums and multiples, and their truncations.

Integrals over a pair potential need to know where it changes its character: ``breakpoints()`` gives the radii, innermost
first, between which it is smooth. They may depend on the parameters (the edges of a square well do), and quadrature rules
that are built between them are then exact at a discontinuity and differentiable in its position.
"""

from abc import abstractmethod
from dataclasses import fields
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError


def _as_float(value: Any) -> Array:
    return jnp.asarray(value, dtype=jnp.result_type(float))


def parameter(unit: str, *, positive: bool = False, default: Any = None) -> Any:
    """Declare a field of a potential as a parameter with a unit.

    Parameters
    ----------
    unit
        Internal unit of the parameter (kJ/mol, angstrom, ...); an empty string for a pure number.
    positive
        Whether the potential is defined for positive values only; checked when a potential is made from plain numbers, and
        the reason why partial pooling varies the parameter multiplicatively.
    default
        Value taken where none is given.
    """
    metadata = {"unit": unit, "positive": positive}
    if default is None:
        return eqx.field(converter=_as_float, metadata=metadata)
    return eqx.field(converter=_as_float, metadata=metadata, default=default)


class Potential(eqx.Module):
    """Energy of a geometry; the fields declared with `parameter` are what a calibration infers."""

    def __check_init__(self) -> None:
        for field in fields(self):
            if "unit" not in field.metadata:
                continue
            value = getattr(self, field.name)
            if isinstance(value, jax.core.Tracer):
                continue
            unit = field.metadata["unit"]
            if not bool(jnp.all(jnp.isfinite(value))):
                raise ParameterError(f"{type(self).__name__}: {field.name} must be finite, found {value} {unit}".rstrip())
            if field.metadata["positive"] and not bool(jnp.all(value > 0)):
                raise ParameterError(
                    f"{type(self).__name__}: {field.name} must be greater than zero, found {value} {unit}".rstrip()
                )

    @classmethod
    def parameter_units(cls) -> dict[str, str]:
        """Return the internal unit of every parameter, by name, in the order of the fields."""
        return {field.name: field.metadata["unit"] for field in fields(cls) if "unit" in field.metadata}

    @classmethod
    def positive_parameters(cls) -> frozenset[str]:
        """Return the names of the parameters that are defined for positive values only."""
        return frozenset(field.name for field in fields(cls) if field.metadata.get("positive"))


class PairPotential(Potential):
    """A potential of the distance between two particles."""

    @abstractmethod
    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Energy of one pair at the separation ``r`` [angstrom], in kJ/mol; ``inf`` inside a hard core, never NaN."""

    def pair_force(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Force ``-dU/dr`` [kJ/mol/angstrom] along the pair at the separation ``r`` [angstrom]; positive pushes apart."""
        return -jax.grad(lambda x: self.pair_energy(x))(jnp.asarray(r, dtype=jnp.result_type(float)))

    @abstractmethod
    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        """Radii [angstrom], ascending, between which the energy is smooth.

        The first is the length that scales the rest: the contact distance of a hard core, or the zero of the energy.
        """
