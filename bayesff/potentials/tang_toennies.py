"""The Tang-Toennies potential, the form of the ab initio noble-gas dimers."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from bayesff.potentials.base import PairPotential, as_float, parameter
from bayesff.units import GAS_CONSTANT

_HIGHEST = 16
_SERIES_BELOW = 17.0
_SERIES_TERMS = 48
_UNDAMPED_FROM = 600.0


@jax.custom_jvp
def _highest_damping(x: Array) -> Array:
    r"""Return :math:`f_{16}(x)=1-e^{-x}\sum_{k\le16}x^k/k!`, by its tail series where the difference would cancel."""
    small = jnp.minimum(x, _SERIES_BELOW)
    series = jnp.zeros_like(small)
    for k in range(_HIGHEST + _SERIES_TERMS, _HIGHEST + 1, -1):
        series = (series + 1) * small / k
    tail = jnp.exp(-small) * small ** (_HIGHEST + 1) / math.factorial(_HIGHEST + 1) * (1 + series)
    large = jnp.maximum(x, _SERIES_BELOW)
    partial = jnp.ones_like(large)
    for k in range(_HIGHEST, 0, -1):
        partial = 1 + partial * large / k
    return jnp.where(x < _SERIES_BELOW, tail, 1 - jnp.exp(-large) * partial)


@_highest_damping.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return _highest_damping(x), jnp.exp(-x) * x**_HIGHEST / math.factorial(_HIGHEST) * tangent


def _damped_dispersion(coefficients: tuple[Array, ...], damping: Array, r: Array) -> Array:
    r"""Return :math:`\sum_n C_{2n} f_{2n}(br)/r^{2n}` for the coefficients C6 to C16."""
    x = jnp.minimum(damping * r, _UNDAMPED_FROM)
    # f_{2n} = f_{2n+2} + two Poisson terms: only positive numbers are added, so nothing cancels at small x.
    damped, total, inverse = _highest_damping(x), jnp.zeros_like(x), 1 / r**2
    for order in range(_HIGHEST, 4, -2):
        total = total + coefficients[order // 2 - 3] * damped * inverse ** (order // 2)
        term = jnp.exp(-x) * x ** (order - 1) / math.factorial(order - 1)
        damped = damped + term * (1 + x / order)
    return total


class TangToennies(PairPotential):
    r"""The extended Tang-Toennies potential of the ab initio noble-gas dimers.

    .. math:: U(r) = A\,e^{a_1 r + a_2 r^2 + a_{-1}/r + a_{-2}/r^2}
              - \sum_{n=3}^{8}\frac{C_{2n}}{r^{2n}}\left[1 - e^{-br}\sum_{k=0}^{2n}\frac{(br)^k}{k!}\right]

    and, for :math:`r` below ``short_below``, where the fit ends, :math:`U(r) = (\tilde A/r)\,e^{-\tilde a r}`. The two branches
    meet in value to eight digits and in slope to four or better, at an energy of more than 10^5 K, far above anything that a
    virial coefficient or a collision integral below several thousand kelvin can see; that radius is therefore no breakpoint.

    Use `argon`, `neon`, `krypton` or `xenon`; all parameters are fields, so that a calibration may vary any of them.

    Parameters
    ----------
    amplitude
        A [kJ/mol].
    linear, quadratic, inverse, inverse_square
        The coefficients a_1, a_2, a_-1 and a_-2 of the exponent [1/angstrom, 1/angstrom^2, angstrom, angstrom^2].
    damping
        b [1/angstrom].
    c6, c8, c10, c12, c14, c16
        Dispersion coefficients [kJ/mol angstrom^2n].
    short_amplitude, short_decay, short_below
        The inner branch: its amplitude [kJ/mol angstrom], decay [1/angstrom] and the radius where it begins [angstrom].

    References
    ----------
    K. T. Tang, J. P. Toennies, J. Chem. Phys. 80, 3726 (1984), doi:10.1063/1.447150
    """

    amplitude: Float[Array, ""] = parameter("kJ/mol", positive=True)
    linear: Float[Array, ""] = parameter("1/angstrom")
    quadratic: Float[Array, ""] = parameter("1/angstrom^2")
    inverse: Float[Array, ""] = parameter("angstrom")
    inverse_square: Float[Array, ""] = parameter("angstrom^2")
    damping: Float[Array, ""] = parameter("1/angstrom", positive=True)
    c6: Float[Array, ""] = parameter("kJ/mol*angstrom^6")
    c8: Float[Array, ""] = parameter("kJ/mol*angstrom^8")
    c10: Float[Array, ""] = parameter("kJ/mol*angstrom^10")
    c12: Float[Array, ""] = parameter("kJ/mol*angstrom^12")
    c14: Float[Array, ""] = parameter("kJ/mol*angstrom^14")
    c16: Float[Array, ""] = parameter("kJ/mol*angstrom^16")
    short_amplitude: Float[Array, ""] = parameter("kJ/mol*angstrom", positive=True)
    short_decay: Float[Array, ""] = parameter("1/angstrom", positive=True)
    short_below: Float[Array, ""] = parameter("angstrom", positive=True)

    @classmethod
    def neon(cls) -> "TangToennies":
        """Neon: depth 42.1525 K at 3.08946 angstrom.

        References
        ----------
        R. Hellmann, E. Bich, E. Vogel, Mol. Phys. 106, 133 (2008), with the parameters given in
        E. Bich, R. Hellmann, E. Vogel, Mol. Phys. 106, 813 (2008), doi:10.1080/00268970801964207
        """
        return cls._from_kelvin(
            repulsion=(40291505.8383, -4.2865403958599995, -0.0333818674327, -0.534644860719, 0.501774999419),
            damping=4.92438731676,
            dispersion=(44067.67502, 164892.5077, 790473.6405, 4854891.701, 38201233.41, 385106553.0),
            short=(23677034.3, 3.9312497299999998, 1.2358),
        )

    @classmethod
    def argon(cls) -> "TangToennies":
        """Argon: depth 143.123 K at 3.76182 angstrom; C16 as corrected by the authors.

        References
        ----------
        B. Jaeger, R. Hellmann, E. Bich, E. Vogel, Mol. Phys. 107, 2181 (2009), with the correction of
        E. Vogel, B. Jaeger, R. Hellmann, E. Bich, Mol. Phys. 108, 3335 (2010), doi:10.1080/00268976.2010.507557
        """
        return cls._from_kelvin(
            repulsion=(46133014.6, -2.9833763, -0.0971208881, 0.275206827, -1.0148905),
            damping=4.02517211,
            dispersion=(442812.017, 3267076.84, 24565653.7, 188246247.0, 1470121920.0, 11700634300.0),
            short=(9361674.67, 2.15969557, 1.5047),
        )

    @classmethod
    def krypton(cls) -> "TangToennies":
        """Krypton: depth 200.8753 K at 4.01580 angstrom; C12 to C16 by recursion from C6 to C10.

        References
        ----------
        B. Jaeger, R. Hellmann, E. Bich, E. Vogel, J. Chem. Phys. 144, 114304 (2016), doi:10.1063/1.4943959
        """
        return cls._from_kelvin(
            repulsion=(0.3200711798e8, -0.2430565544e1, -0.1435536209, -0.4532273868, 0.0),
            damping=0.2786344368e1,
            dispersion=(0.8992209265e6, 0.7316713603e7, 0.7835488511e8),
            short=(0.8268005465e7, 0.1682493666e1, 1.2047406),
        )

    @classmethod
    def xenon(cls) -> "TangToennies":
        """Xenon: depth 279.98 K at 4.37798 angstrom; C12 to C16 by recursion from C6 to C10.

        References
        ----------
        R. Hellmann, B. Jaeger, E. Bich, J. Chem. Phys. 147, 034304 (2017), doi:10.1063/1.4994267; the inner branch is that of
        I. H. Bell, J. Chem. Phys. 152, 164508 (2020), doi:10.1063/5.0007583
        """
        return cls._from_kelvin(
            repulsion=(0.579317071e8, -0.208311994e1, -0.147746919, -0.289687722e1, 0.258976595e1),
            damping=0.244337880e1,
            dispersion=(0.200298034e7, 0.199130481e8, 0.286841040e9),
            short=(4.18081481e7, 2.38954061, 1.313394),
        )

    @classmethod
    def _from_kelvin(
        cls,
        repulsion: tuple[float, float, float, float, float],
        damping: float,
        dispersion: tuple[float, ...],
        short: tuple[float, float, float],
    ) -> "TangToennies":
        """Build from constants in K and angstrom.

        Where only C6 to C10 are given, the rest follows by Tang's and Toennies' recursion C_n = C_(n-6) (C_(n-2) / C_(n-4))^3.
        """
        coefficients = list(dispersion)
        while len(coefficients) < 6:
            coefficients.append(coefficients[-3] * (coefficients[-1] / coefficients[-2]) ** 3)
        fitted = (GAS_CONSTANT * repulsion[0], *repulsion[1:], damping, *(GAS_CONSTANT * c for c in coefficients))
        values = (*fitted, GAS_CONSTANT * short[0], *short[1:])
        return cls(**dict(zip(cls.parameter_units(), map(as_float, values), strict=True)))

    def pair_energy(self, r: Float[ArrayLike, ""]) -> Float[Array, ""]:
        r = jnp.asarray(r)
        outer = jnp.maximum(r, self.short_below)
        inner = jnp.clip(r, 1e-10 * self.short_below, self.short_below)
        short = self.short_amplitude / inner * jnp.exp(-self.short_decay * inner)
        return jnp.where(r < self.short_below, short, self._fitted(outer))

    def _fitted(self, r: Array) -> Array:
        exponent = self.linear * r + self.quadratic * r**2 + self.inverse / r + self.inverse_square / r**2
        coefficients = (self.c6, self.c8, self.c10, self.c12, self.c14, self.c16)
        return self.amplitude * jnp.exp(exponent) - _damped_dispersion(coefficients, self.damping, r)
