r"""What every potential is: an energy as a function of geometry whose numeric fields are its parameters.

A *pair potential* gives ``pair_energy(r)`` for one separation. Everything else (force, batches, virials, collision
integrals) follows from it by differentiation and ``vmap``. The known cases are the Lennard-Jones, Mie, Buckingham, Morse,
square-well and Tang-Toennies forms, their sums and multiples, and their truncations.

Integrals over a pair potential need to know where it changes its character: ``breakpoints()`` gives the radii, innermost
first, between which it is smooth. They may depend on the parameters (the edges of a square well do), and quadrature rules
that are built between them are then exact at a discontinuity and differentiable in its position.
"""

import math
from abc import abstractmethod
from dataclasses import fields
from functools import cache
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError


def as_float(value: Any) -> Array:
    """Return the value as an array of the default floating-point type."""
    return jnp.asarray(value, dtype=jnp.result_type(float))


def is_number(value: Any) -> bool:
    """Return whether a potential may be multiplied by this."""
    return isinstance(value, float | int | np.number | np.ndarray | Array) and jnp.ndim(value) == 0


def traced(*values: Any) -> bool:
    """Return whether JAX is tracing any of these values, so that they have no number to check."""
    return any(isinstance(value, Tracer) for value in values)


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
        return eqx.field(converter=as_float, metadata=metadata)
    return eqx.field(converter=as_float, metadata=metadata, default=default)


class Potential(eqx.Module):
    """Energy of a geometry; the fields declared with `parameter` are what a calibration infers."""

    def __check_init__(self) -> None:
        for field in fields(self):
            if "unit" not in field.metadata:
                continue
            value = getattr(self, field.name)
            if traced(value):
                continue
            unit = field.metadata["unit"]
            if not bool(np.all(np.isfinite(value))):
                raise ParameterError(f"{type(self).__name__}: {field.name} must be finite, found {value} {unit}".rstrip())
            if field.metadata["positive"] and not bool(np.all(np.asarray(value) > 0)):
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

    def declared_parameters(self) -> dict[str, tuple[str, bool]]:
        """Return unit and positivity of all parameters, by name: its own, and those of potentials within it.

        A sum or a truncation of a form has the form's parameters; a name that inner potentials declare differently is left out.
        """
        own = {name: (unit, name in self.positive_parameters()) for name, unit in self.parameter_units().items()}
        inner: dict[str, set[tuple[str, bool]]] = {}
        for value in (getattr(self, field.name) for field in fields(self)):
            for part in value if isinstance(value, tuple) else (value,):
                for name, facts in part.declared_parameters().items() if isinstance(part, Potential) else ():
                    inner.setdefault(name, set()).add(facts)
        return {name: facts.pop() for name, facts in inner.items() if len(facts) == 1} | own


class PairPotential(Potential):
    """A potential of the distance between two particles.

    A new form writes `pair_energy` and declares its parameters; the rest follows. Closed forms of `breakpoints` and
    `energy_beyond` are worth writing where they exist. Potentials add (``a + b``) and are multiplied by numbers (``0.9 * a``).
    """

    __array_ufunc__: ClassVar[None] = None  # so that a NumPy number times a potential asks the potential

    @abstractmethod
    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Energy of one pair at the separation ``r`` [angstrom], in kJ/mol; ``inf`` inside a hard core, never NaN."""

    def pair_force(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Force ``-dU/dr`` [kJ/mol/angstrom] along the pair at the separation ``r`` [angstrom]; positive pushes apart."""
        return -jax.grad(lambda x: self.pair_energy(x))(as_float(r))

    def breakpoints(self) -> tuple[Float[Array, ""], ...]:
        """Radii [angstrom], ascending, between which the energy is smooth.

        The first is the length that scales the rest: the contact distance of a hard core, or the zero of the energy. Unless a
        form overrides it, that zero is found by bisection from the outermost sign change between 0.5 and 20 angstrom; a
        potential that is nowhere attractive has the radius where it reaches 1 kJ/mol instead. It carries no derivative, which is
        right for a smooth energy only: a form with a discontinuity must return its edges.
        """
        return (_contact(self),)

    def energy_beyond(self, radius: Float[ArrayLike, ""]) -> Float[Array, ""]:
        r"""Integral :math:`\int_R^\infty r^2\,U(r)\,dr` [kJ/mol angstrom^3], the tail that a cutoff leaves out.

        Unless a form overrides it: by Gauss-Legendre quadrature in R/r, which is exact for inverse powers. Wanted of an energy
        that is smooth beyond ``radius``.

        Raises
        ------
        ParameterError
            If the potential says that it is `long_ranged`.
        """
        require_integrable(self, "energy_beyond")
        radius = as_float(radius)
        nodes, weights = unit_interval_rule()
        energy = jax.vmap(self.pair_energy)(radius / nodes)
        return radius**3 * jnp.sum(weights * energy / nodes**4)

    def long_ranged(self) -> bool:
        """Whether the energy falls no faster than the inverse cube of the distance, so that it has no integral over all space.

        A form that does says so, and what would be an integral without a value (a tail, a virial coefficient) is refused.
        """
        return False

    def tail_energy(self, density: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Energy per particle [kJ/mol] that is added at a number density [1/angstrom^3] for what a cutoff leaves out.

        Zero unless a `Truncation` with a tail is in it.
        """
        return jnp.zeros_like(as_float(density))

    def __add__(self, other: "PairPotential") -> "PairPotential":
        from bayesff.potentials.composition import SumPotential

        return SumPotential((self, other)) if isinstance(other, PairPotential) else NotImplemented

    def __mul__(self, factor: Any) -> "PairPotential":
        return self.scale(factor) if is_number(factor) else NotImplemented

    def __rmul__(self, factor: Any) -> "PairPotential":
        return self.__mul__(factor)

    def scale(self, factor: Float[ArrayLike, ""]) -> "PairPotential":
        """Return this potential with its energy multiplied by ``factor``."""
        from bayesff.potentials.composition import ScaledPotential

        return ScaledPotential(self, as_float(factor))


def require_integrable(potential: PairPotential, place: str) -> None:
    """Raise `ParameterError` if the energy has no integral over all space; ``place`` is what was to be computed."""
    if potential.long_ranged():
        raise ParameterError(
            f"{place}: the energy must fall faster than the inverse cube of the distance, and that of "
            f"{type(potential).__name__} does not, so that the integral has no value: cut it, with ShiftedCut for example"
        )


@cache
def unit_interval_rule() -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of the 64-point Gauss-Legendre rule on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return (nodes + 1) / 2, weights / 2


def innermost(length: Float[Array, ""], exponent: Float[ArrayLike, ""]) -> Float[Array, ""]:
    """Return the radius where ``(length / r)**exponent`` takes up four tenths of the floating-point range.

    Potentials that diverge as an inverse power are held at their value there (1e-10 of ``length`` for a twelfth power): further
    in, the energy or a derivative would overflow, and an overflow in a Boltzmann factor's derivative is a NaN.
    """
    limit = 0.4 * math.log(float(jnp.finfo(length.dtype).max))
    return length * jnp.exp(-limit / exponent)


def _contact(potential: PairPotential) -> Array:
    """Return the outermost radius of zero energy, or of 1 kJ/mol where no zero exists, without a derivative."""
    radii = as_float(np.geomspace(0.5, 20.0, 257))
    energies = jax.vmap(potential.pair_energy)(radii)

    def crossings(level: Array) -> Array:
        return (energies[:-1] > level) & (energies[1:] <= level)

    level = jnp.where(jnp.any(crossings(as_float(0.0))), 0.0, 1.0)
    found = crossings(level)
    outermost = found.size - 1 - jnp.argmax(found[::-1])

    def halve(_: ArrayLike, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        above = potential.pair_energy(middle) > level
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = jax.lax.fori_loop(0, 60, halve, (radii[outermost], radii[outermost + 1]))
    return jax.lax.stop_gradient(0.5 * (low + high))
