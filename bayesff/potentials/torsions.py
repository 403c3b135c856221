r"""Torsion potentials: the energy of turning about a bond, in the conventions of the force fields, and between them.

The angle :math:`\phi` follows IUPAC: cis (eclipsed) at 0, trans at :math:`\pi`. Every convention is a finite Fourier series,

.. math:: V(\phi) = \sum_{n=0}^{N} a_n \cos n\phi + b_n \sin n\phi,

so a form says what its series is, and energies, sums and conversions follow:

- AMBER, CHARMM, OpenMM: :math:`\sum_n k_n (1 + \cos(n\phi - \delta_n))`, `PeriodicTorsion` (AMBER tabulates :math:`V_n = 2k_n`);
- OPLS: :math:`\tfrac{V_1}{2}(1+\cos\phi) + \tfrac{V_2}{2}(1-\cos 2\phi) + \tfrac{V_3}{2}(1+\cos 3\phi) + \dots`, `OPLSTorsion`
  (TraPPE tabulates :math:`c_n = V_n/2`);
- GROMACS, older united atoms: :math:`\sum_n c_n \cos^n(\phi - \pi)`, whose angle is zero at trans, `RyckaertBellemans`.

A number of one convention in the place of another is still a number: the mistake shows up as another conformer's population. So
`torsion_from` asks for the convention and the coefficients by name, and refuses names of another.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.errors import ParameterError
from bayesff.potentials.base import Potential, as_float, is_number, parameter, traced

_POWERS = np.array([np.pad(np.polynomial.chebyshev.poly2cheb((-1.0) ** n * np.eye(6)[n]), (0, 5 - n)) for n in range(6)])
"""Row n: the coefficients of ``cos(k phi)`` in ``cos(phi - pi)**n``, by ``cos(k phi) = T_k(cos phi)``."""


class TorsionPotential(Potential):
    """A periodic potential of one torsion angle.

    A new form declares its parameters and writes `fourier`. Torsions about one bond add (``a + b``), and numbers multiply them.
    """

    __array_ufunc__: ClassVar[None] = None  # so that a NumPy number times a potential asks the potential

    @abstractmethod
    def fourier(self) -> tuple[Float[Array, " order"], Float[Array, " order"]]:
        """Return the coefficients [kJ/mol] of the cosines and the sines of the multiples 0, 1, ... of the angle."""

    def torsion_energy(self, phi: Float[ArrayLike, ""]) -> Float[Array, ""]:
        """Energy [kJ/mol] at one angle [rad], trans at pi."""
        cosines, sines = self.fourier()
        multiples = jnp.arange(len(cosines)) * phi
        return jnp.sum(cosines * jnp.cos(multiples) + sines * jnp.sin(multiples))

    def __add__(self, other: "TorsionPotential") -> "FourierTorsion":
        if not isinstance(other, TorsionPotential):
            return NotImplemented
        series = [*self.fourier(), *other.fourier()]
        longest = max(len(one) for one in series)
        padded = [jnp.pad(one, (0, longest - len(one))) for one in series]
        return FourierTorsion(padded[0] + padded[2], padded[1] + padded[3])

    def __mul__(self, factor: Any) -> "FourierTorsion":
        if not is_number(factor):
            return NotImplemented
        cosines, sines = self.fourier()
        return FourierTorsion(as_float(factor) * cosines, as_float(factor) * sines)

    def __rmul__(self, factor: Any) -> "FourierTorsion":
        return self.__mul__(factor)


class FourierTorsion(TorsionPotential):
    r"""The torsion :math:`V(\phi) = \sum_n a_n \cos n\phi + b_n \sin n\phi`, to which every other convention converts.

    Parameters
    ----------
    cosines, sines
        Coefficients :math:`a_n, b_n` [kJ/mol] for n = 0, 1, ..., as many of either; :math:`b_0` does nothing.

    Raises
    ------
    ParameterError
        If there are not as many sines as cosines.
    """

    cosines: Float[Array, " order"] = parameter("kJ/mol")
    sines: Float[Array, " order"] = parameter("kJ/mol")

    def __check_init__(self) -> None:
        if self.cosines.ndim != 1 or self.cosines.shape != self.sines.shape:
            raise ParameterError(
                f"FourierTorsion: there must be as many sines as cosines, found the shapes {self.cosines.shape} and "
                f"{self.sines.shape}: fill the shorter series up with zeros"
            )

    @classmethod
    def from_torsion(cls, torsion: TorsionPotential) -> "FourierTorsion":
        """Return the same torsion as a Fourier series."""
        return cls(*torsion.fourier())

    def fourier(self) -> tuple[Float[Array, " order"], Float[Array, " order"]]:
        return self.cosines, self.sines


class OPLSTorsion(TorsionPotential):
    r"""The torsion of OPLS and TraPPE.

    .. math:: V(\phi) = V_0 + \tfrac{V_1}{2}(1 + \cos\phi) + \tfrac{V_2}{2}(1 - \cos 2\phi) + \tfrac{V_3}{2}(1 + \cos 3\phi)
              + \tfrac{V_4}{2}(1 - \cos 4\phi)

    Of the whole torsion of a united-atom model; in OPLS-AA the 1-4 interactions come on top.

    Parameters
    ----------
    v1, v2, v3, v4
        Coefficients [kJ/mol].
    v0
        Energy at trans [kJ/mol].

    References
    ----------
    W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996), doi:10.1021/ja9621760

    Example
    -------
    >>> import math
    >>> butane = OPLSTorsion(v1=5.904, v2=-1.134, v3=13.159)  # TraPPE-UA
    >>> round(float(butane.torsion_energy(math.pi)), 6), round(float(butane.torsion_energy(0.0)), 3)
    (0.0, 19.063)
    """

    v1: Float[Array, ""] = parameter("kJ/mol")
    v2: Float[Array, ""] = parameter("kJ/mol")
    v3: Float[Array, ""] = parameter("kJ/mol")
    v4: Float[Array, ""] = parameter("kJ/mol", default=0.0)
    v0: Float[Array, ""] = parameter("kJ/mol", default=0.0)

    @classmethod
    def from_torsion(cls, torsion: TorsionPotential) -> "OPLSTorsion":
        """Return the same torsion in this convention.

        Raises
        ------
        ParameterError
            If it has sines, or multiples of the angle above four.
        """
        v = 2 * _even(cls, torsion, 4)[1:] * jnp.array([1.0, -1.0, 1.0, -1.0])
        return cls(*v, v0=torsion.fourier()[0][0] - jnp.sum(v) / 2)

    def fourier(self) -> tuple[Float[Array, " order"], Float[Array, " order"]]:
        halves = jnp.stack([self.v1, self.v2, self.v3, self.v4]) / 2
        cosines = jnp.concatenate([(self.v0 + jnp.sum(halves))[None], halves * jnp.array([1.0, -1.0, 1.0, -1.0])])
        return cosines, jnp.zeros_like(cosines)


class PeriodicTorsion(TorsionPotential):
    r"""The torsion of AMBER, CHARMM and OpenMM: :math:`V(\phi) = V_0 + \sum_i k_i\,(1 + \cos(n_i\phi - \delta_i))`.

    Parameters
    ----------
    amplitudes
        :math:`k_i` [kJ/mol]; half of the :math:`V_n` of AMBER's tables.
    phases
        :math:`\delta_i` [rad].
    constant
        :math:`V_0` [kJ/mol].
    multiplicities
        :math:`n_i`, whole numbers greater than zero.

    Raises
    ------
    ParameterError
        If there are not as many of each, or a multiplicity is no whole number greater than zero.

    References
    ----------
    W. D. Cornell et al., J. Am. Chem. Soc. 117, 5179 (1995), doi:10.1021/ja00124a002
    """

    amplitudes: Float[Array, " term"] = parameter("kJ/mol")
    phases: Float[Array, " term"] = parameter("")
    constant: Float[Array, ""] = parameter("kJ/mol", default=0.0)
    multiplicities: tuple[int, ...] = eqx.field(static=True, kw_only=True)

    def __check_init__(self) -> None:
        for n in self.multiplicities:
            if not (isinstance(n, int) and n > 0):
                raise ParameterError(f"PeriodicTorsion: a multiplicity must be a whole number greater than zero, found {n!r}")
        if not self.amplitudes.shape == self.phases.shape == (len(self.multiplicities),):
            raise ParameterError(
                f"PeriodicTorsion: an amplitude and a phase are needed for each of the {len(self.multiplicities)} "
                f"multiplicities, found the shapes {self.amplitudes.shape} and {self.phases.shape}"
            )

    @classmethod
    def from_torsion(cls, torsion: TorsionPotential) -> "PeriodicTorsion":
        """Return the same torsion in this convention, with amplitudes of zero or more."""
        cosines, sines = torsion.fourier()
        amplitudes = jnp.hypot(cosines[1:], sines[1:])
        phases = jnp.arctan2(sines[1:], cosines[1:])
        multiplicities = tuple(range(1, len(cosines)))
        return cls(amplitudes, phases, cosines[0] - jnp.sum(amplitudes), multiplicities=multiplicities)

    def fourier(self) -> tuple[Float[Array, " order"], Float[Array, " order"]]:
        orders, zeros = np.array(self.multiplicities, dtype=int), jnp.zeros(max(self.multiplicities, default=0) + 1)
        cosines = zeros.at[orders].add(self.amplitudes * jnp.cos(self.phases))
        sines = zeros.at[orders].add(self.amplitudes * jnp.sin(self.phases))
        return cosines.at[0].add(self.constant + jnp.sum(self.amplitudes)), sines


class RyckaertBellemans(TorsionPotential):
    r"""The torsion of Ryckaert and Bellemans, :math:`V = \sum_{n=0}^5 c_n \cos^n\psi` with :math:`\psi = \phi - \pi`.

    Parameters
    ----------
    c0, c1, c2, c3, c4, c5
        Coefficients [kJ/mol].

    References
    ----------
    J.-P. Ryckaert, A. Bellemans, Chem. Phys. Lett. 30, 123 (1975), doi:10.1016/0009-2614(75)85513-8
    """

    c0: Float[Array, ""] = parameter("kJ/mol")
    c1: Float[Array, ""] = parameter("kJ/mol")
    c2: Float[Array, ""] = parameter("kJ/mol")
    c3: Float[Array, ""] = parameter("kJ/mol")
    c4: Float[Array, ""] = parameter("kJ/mol", default=0.0)
    c5: Float[Array, ""] = parameter("kJ/mol", default=0.0)

    @classmethod
    def from_torsion(cls, torsion: TorsionPotential) -> "RyckaertBellemans":
        """Return the same torsion in this convention.

        Raises
        ------
        ParameterError
            If it has sines, or multiples of the angle above five.
        """
        return cls(*(_even(cls, torsion, 5) @ np.linalg.inv(_POWERS)))

    def fourier(self) -> tuple[Float[Array, " order"], Float[Array, " order"]]:
        cosines = jnp.stack([self.c0, self.c1, self.c2, self.c3, self.c4, self.c5]) @ _POWERS
        return cosines, jnp.zeros_like(cosines)


_CONVENTIONS: dict[str, type[OPLSTorsion | RyckaertBellemans]] = {"opls": OPLSTorsion, "ryckaert_bellemans": RyckaertBellemans}


def torsion_from(convention: str, coefficients: Mapping[str, Any]) -> TorsionPotential:
    """Return the torsion with these coefficients by name, and refuse names of another convention.

    Parameters
    ----------
    convention
        ``"opls"`` (v1 to v4, v0), ``"ryckaert_bellemans"`` (c0 to c5) or ``"periodic"`` (k1, k2, ... and, where they are not
        zero, phase1, phase2, ... [rad]).
    coefficients
        The coefficients [kJ/mol] by name; what is missing is zero.

    Raises
    ------
    ParameterError
        If there is no such convention, or a name is not one of its coefficients.

    Example
    -------
    >>> type(torsion_from("opls", {"v1": 5.9, "v2": -1.1, "v3": 13.2})).__name__
    'OPLSTorsion'
    """
    names = {name: tuple(kind.parameter_units()) for name, kind in _CONVENTIONS.items()}
    names["periodic"] = tuple(f"{part}{n}" for n in range(1, 7) for part in ("k", "phase"))
    if convention not in names:
        raise ParameterError(f"torsion_from: the convention must be one of {', '.join(names)}, found {convention!r}")
    for name in coefficients:
        if name not in names[convention]:
            owner = next((other for other, theirs in names.items() if name in theirs), None)
            mend = (
                f"it is one of {owner}: say so, and convert with from_torsion" if owner else f"use {', '.join(names[convention])}"
            )
            raise ParameterError(f"torsion_from: {name!r} is no coefficient of the convention {convention}: {mend}")
    if convention == "periodic":
        orders = tuple(n for n in range(1, 7) if {f"k{n}", f"phase{n}"} & set(coefficients))
        parts = [jnp.array([as_float(coefficients.get(f"{part}{n}", 0.0)) for n in orders]) for part in ("k", "phase")]
        return PeriodicTorsion(parts[0], parts[1], multiplicities=orders)
    return _CONVENTIONS[convention](**{name: as_float(coefficients.get(name, 0.0)) for name in names[convention]})


def _even(kind: type[TorsionPotential], torsion: TorsionPotential, order: int) -> Float[Array, " order"]:
    """Return the cosines up to an order; an error if there is more to the torsion."""
    cosines, sines = torsion.fourier()
    beyond = jnp.concatenate([sines[1:], cosines[order + 1 :]])
    if not traced(beyond) and beyond.size and float(jnp.abs(beyond).max()) > 1e-9 * float(1 + jnp.abs(cosines).max()):
        what = "sines" if float(jnp.abs(sines[1:]).max(initial=0.0)) > 0 else f"multiples of the angle above {order}"
        raise ParameterError(
            f"{kind.__name__}.from_torsion: this convention has no {what}, found {float(jnp.abs(beyond).max()):.4g} kJ/mol of "
            "them: use PeriodicTorsion or FourierTorsion"
        )
    return jnp.pad(cosines, (0, max(0, order + 1 - len(cosines))))[: order + 1]
