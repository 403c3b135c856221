"""One internal unit system, and conversion to it at the boundary.

Inside the package: kJ/mol, angstrom, kelvin, g/mol, elementary charge, picosecond, MPa and number density in 1/angstrom^3.
Every quantity has a canonical unit (see `bayesff.quantities`). Conversion happens where numbers enter or leave: data files,
priors, the command line, export.

An energy given in kelvin means Boltzmann's constant times that temperature, as is usual for well depths; an energy per particle
(eV, hartree) and an energy per mole (kJ/mol, kcal/mol) are converted into one another by Avogadro's constant, and so are
a mass density and a number density where a molar mass is given.
"""

from functools import cache
from typing import Any

import numpy as np

from bayesff.errors import UnitError

GAS_CONSTANT = 8.31446261815324e-3
"""R [kJ/mol/K], exact in the SI of 2019; also Boltzmann's constant for energies per mole."""

AVOGADRO = 6.02214076e23
"""N_A [1/mol], exact in the SI of 2019."""

CUBIC_ANGSTROM_PER_MOLE = AVOGADRO * 1e-24
"""One angstrom^3 per particle in cm^3/mol: 0.602214076."""

MPA_PER_INTERNAL_PRESSURE = 1e3 / CUBIC_ANGSTROM_PER_MOLE
"""One kJ/mol per angstrom^3 in MPa: 1660.539."""

PLANCK = 6.62607015e-34
"""h [J s], exact in the SI of 2019."""

HBAR_SQUARED_OVER_MASS = (PLANCK / 6.283185307179586) ** 2 * AVOGADRO**2 * 1e20 * 1e-3 / 1e-3
"""hbar^2 / (1 g/mol) [kJ/mol angstrom^2]: divide by a molar mass in g/mol to get hbar^2/m."""

COULOMB_CONSTANT = 1.602176634e-19**2 * AVOGADRO / (2 * 6.283185307179586 * 8.8541878128e-12) * 1e10 * 1e-3
"""e^2 N_A / (4 pi epsilon_0) [kJ/mol angstrom/e^2] (CODATA 2018): the energy of two elementary charges one angstrom apart."""


def convert(value: Any, unit: str | None, to: str, *, molar_mass: float | int | None = None) -> Any:
    r"""Convert a number or an array from one unit to another.

    Beside plain conversion of dimensions: an energy in kelvin is :math:`k_\mathrm{B} T`; amounts per particle and per mole
    (energies, virial coefficients, number densities, masses) differ by Avogadro's constant; a mass density becomes a number
    density through the molar mass.

    Parameters
    ----------
    value
        A number or an array of numbers.
    unit
        Its unit, a pint expression such as ``cm^3/mol``; an empty string for a pure number.
    to
        The unit wanted.
    molar_mass
        Molar mass [g/mol], for conversions between mass density and number density.

    Returns
    -------
    float or numpy.ndarray
        The value in the unit wanted.

    Raises
    ------
    UnitError
        If a unit is missing or unknown, or if the two have different dimensions.

    Examples
    --------
    >>> round(convert(143.123, "K", "kJ/mol"), 6)
    1.189991
    >>> convert(0.0, "degC", "K")
    273.15
    """
    number: Any = np.asarray(value, dtype=np.float64) if np.ndim(value) else float(value)
    if _has_offset(_parsed(unit)) or _has_offset(_parsed(to)):
        _require(_parsed(unit).dimensionality == _parsed(to).dimensionality, unit, to)
        return _registry().Quantity(number, _parsed(unit)).to(_parsed(to)).magnitude
    return number * factor(unit, to, molar_mass=molar_mass)


def factor(unit: str | None, to: str, *, molar_mass: float | int | None = None) -> float:
    """Return the number that converts from one unit to another by multiplication; see `convert`.

    Raises
    ------
    UnitError
        As `convert`, and for units with a zero of their own (degC, degF), which no factor converts.
    """
    start, end = _parsed(unit), _parsed(to)
    if start == end:
        return 1.0
    for text, parsed in ((unit, start), (to, end)):
        if _has_offset(parsed):
            raise UnitError(
                f"the unit {text!r} has a zero of its own, so that no factor converts it: use K, or delta_degC for a difference"
            )
    if start.dimensionality == end.dimensionality:
        return float(_registry().convert(1.0, start, end))
    bridged = _through_boltzmann(start, end) or _through_molar_mass(start, end, molar_mass) or (start, 1.0)
    bridged = _through_avogadro(*bridged, end)
    _require(bridged is not None, unit, to)
    assert bridged is not None
    return float(_registry().convert(bridged[1], bridged[0], end))


def is_length(unit: str | None) -> bool:
    """Return whether a unit is one of length.

    Examples
    --------
    >>> from bayesff import units
    >>> units.is_length("angstrom"), units.is_length("K")
    (True, False)
    """
    return _exponents(_parsed(unit)) == {"[length]": 1}


@cache
def _registry() -> Any:
    import pint  # takes a quarter of a second, so only where a unit is converted

    return pint.UnitRegistry()


@cache
def _parsed(unit: str | None) -> Any:
    if unit is None:
        raise UnitError("the unit is missing: give one, or an empty string for a pure number")
    if not unit.strip():
        return _registry().dimensionless
    try:
        parsed = _registry().parse_units(unit)
        _has_offset(parsed)
        return parsed
    except Exception:  # pint's parser raises a dozen kinds of exception on free text
        raise UnitError(
            f"unknown unit {unit!r}: write it as pint does, for example 'cm^3/mol', 'kJ/mol', 'angstrom' or 'K'"
        ) from None


def _has_offset(unit: Any) -> bool:
    return bool(_registry().Quantity(0.0, unit).to_base_units().magnitude)


def _require(compatible: bool, unit: str | None, to: str) -> None:
    if compatible:
        return
    start, end = (str(_parsed(text).dimensionality) for text in (unit, to))
    hint = ""
    if _exponents(_parsed(unit)) == {"[mass]": 1, "[length]": -3} and _exponents(_parsed(to)).get("[length]") == -3:
        hint = ", or give the molar mass"
    raise UnitError(
        f"the unit {unit!r} has the dimension {start}, but {to or 'a pure number'!r} needs {end}: correct the unit{hint}"
    )


def _exponents(unit: Any) -> dict[str, float | int]:
    return {name: power for name, power in unit.dimensionality.items() if power}


def _is_energy(unit: Any) -> bool:
    """Whether this is an energy, or one times a power of a length (force, stiffness, pressure, dispersion coefficient)."""
    rest = {name: power for name, power in _exponents(unit).items() if name not in ("[length]", "[substance]")}
    return rest == {"[mass]": 1, "[time]": -2}


def _through_boltzmann(start: Any, end: Any) -> tuple[Any, float] | None:
    """Replace the kelvin of an energy by k_B K, in either direction."""
    registry = _registry()
    per_mole = registry.parse_units("kJ/mol")
    if _is_energy(end) and _exponents(start).get("[temperature]") == 1 and _is_energy(start / registry.kelvin * per_mole):
        return start / registry.kelvin * per_mole, GAS_CONSTANT
    if _is_energy(start) and _exponents(end).get("[temperature]") == 1 and _is_energy(end / registry.kelvin * per_mole):
        # The energy must be per mole before k_B K can replace it.
        molar = start if _exponents(start).get("[substance]") == -1 else start / registry.mole
        return molar / per_mole * registry.kelvin, (1.0 if molar is start else AVOGADRO) / GAS_CONSTANT
    return None


def _through_molar_mass(start: Any, end: Any, molar_mass: float | int | None) -> tuple[Any, float] | None:
    """Replace a mass by the amount of substance that has it, in either direction."""
    if molar_mass is None:
        return None
    registry, mass_density = _registry(), {"[mass]": 1, "[length]": -3}
    if _exponents(start) == mass_density:
        return start / registry.gram * registry.mole, 1.0 / molar_mass
    if _exponents(end) == mass_density:
        amount = start if "[substance]" in _exponents(start) else start * registry.mole
        return amount / registry.mole * registry.gram, molar_mass / (1.0 if amount is start else AVOGADRO)
    return None


def _through_avogadro(start: Any, value: float, end: Any) -> tuple[Any, float] | None:
    """Bring the amount of substance to the power that the end has, where that means per particle or per mole."""
    powers, wanted = _exponents(start), _exponents(end)
    have, want = powers.pop("[substance]", 0), wanted.pop("[substance]", 0)
    if powers != wanted:
        return None
    if have == want:
        return start, value
    length = powers.get("[length]", 0)
    volume = set(powers) == {"[length]"} and {have, want} == {0, -length / 3}
    molar = (_is_energy(start) or powers == {"[mass]": 1}) and {have, want} == {0, -1}
    if not (volume or molar):
        return None
    return start * _registry().mole ** (want - have), value * AVOGADRO ** (have - want)
