"""Numbers, units and names as a person writes them."""

import math
import re

import numpy as np

_UNIT_WORDS = {"angstrom": "Å", "uPa": "µPa", "*": " ", "^2": "²", "^3": "³", "^4": "⁴", "^6": "⁶"}
_GREEK = {"epsilon": "ε", "sigma": "σ", "alpha": "α", "beta": "β", "gamma": "γ", "tau": "τ", "rho": "ρ", "lambda": "λ"}
_HYPHENATED = {"lennard_jones": "Lennard-Jones", "tang_toennies": "Tang-Toennies", "three_body": "three-body"}


def unit_text(unit: str) -> str:
    """Return a unit for reading: ``cm^3/mol`` becomes cm³/mol; a pure number has none."""
    if unit == "dimensionless":
        return ""
    for plain, shown in _UNIT_WORDS.items():
        unit = unit.replace(plain, shown)
    return unit


def with_unit(text: str, unit: str) -> str:
    """Return a label or a number followed by its unit in brackets or after a space, if it has one."""
    return f"{text} {shown}" if (shown := unit_text(unit)) else text


def axis(label: str, unit: str) -> str:
    """Return the label of an axis, with its unit in brackets."""
    return f"{label} [{shown}]" if (shown := unit_text(unit)) else label


def candidate_text(name: str) -> str:
    """Return the name of a candidate potential for reading."""
    for plain, shown in _HYPHENATED.items():
        name = name.replace(plain, shown)
    return words(name[:1].upper() + name[1:])


def words(name: str) -> str:
    """Return a snake-case name as words."""
    return name.replace("_", " ")


def site_text(scalar: str, terms: dict[str, str]) -> str:
    """Return what a scalar of the posterior is, in words.

    Parameters
    ----------
    scalar
        Its name: a site, or ``site[label]``.
    terms
        For each term its words, such as ``second virial coefficient``.
    """
    site, _, label = scalar.partition("[")
    label = label.rstrip("]")
    for term in sorted(terms, key=len, reverse=True):
        if site.startswith(f"{term}_") and not site.endswith("_environment"):
            rest = words(site.removeprefix(f"{term}_")).replace("bias scale", "spread of the biases")
            return f"{terms[term]}: {rest}{f', {label}' if label else ''}"
    spread = site.removeprefix("tau_")
    if spread != site:
        return f"spread of {_symbol(spread)} between environments (τ)"
    return f"{_symbol(site.removesuffix('_environment'))}{f', {label}' if label else ''}"


def _symbol(name: str) -> str:
    return _GREEK.get(name, words(name))


def significant(value: float, digits: int = 2) -> str:
    """Return a number to so many significant digits, without an exponent where it reads well."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -4 <= magnitude < 6:
        return _minus(f"{round(value, digits - 1 - magnitude):.{max(digits - 1 - magnitude, 0)}f}")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return _minus(f"{mantissa}e{int(exponent)}")


def decimals_of(spread: float, value: float = 0.0) -> int:
    """Return the decimals that a spread to two significant digits has; they may be negative for large numbers.

    A spread that is nothing beside the value, or unknown, leaves the value four significant digits.
    """
    if not math.isfinite(spread) or spread <= 1e-9 * abs(value):
        return 3 if value == 0 or not math.isfinite(value) else 3 - math.floor(math.log10(abs(value)))
    return 1 - math.floor(math.log10(float(f"{spread:.1e}")))


def rounded(value: float, decimals: int) -> str:
    """Return a number with so many decimals; negative ones round to tens, hundreds and so on."""
    if not math.isfinite(value):
        return "–"
    shown = round(float(value), decimals) + 0.0  # adding zero turns -0.0 into 0.0
    return _minus(f"{shown:.{max(decimals, 0)}f}")


def plus_minus(value: float, spread: float, unit: str = "") -> str:
    """Return ``value ± spread`` with the spread to two significant digits and the value to the same decimals."""
    decimals = decimals_of(spread, value)
    return with_unit(f"{rounded(value, decimals)} ± {rounded(spread, decimals)}", unit)


def interval(low: float, high: float, unit: str = "") -> str:
    """Return ``low to high`` with digits that fit the width of the interval."""
    decimals = decimals_of(abs(high - low), max(abs(low), abs(high)))
    return with_unit(f"{rounded(low, decimals)} to {rounded(high, decimals)}", unit)


def percent(share: float) -> str:
    """Return a share in per cent, whole."""
    return "–" if not math.isfinite(share) else f"{100 * share:.0f} %"


def probability(value: float) -> str:
    """Return a probability with two decimals, which is what draws know of it."""
    if not math.isfinite(value):
        return "–"
    return "below 0.01" if value < 0.01 else "above 0.99" if value > 0.99 else f"{value:.2f}"


def chance_text(value: float) -> str:
    """Return a probability with its sign of relation: ``= 0.47`` or ``> 0.99``, to follow a P."""
    sign = {"below": "<", "above": ">"}
    first, _, last = probability(value).partition(" ")
    return f"{sign[first]} {last}" if last else f"= {first}"


def p_text(value: float) -> str:
    """Return a p-value to one digit, with its sign of relation: ``= 0.03`` or ``< 0.001``."""
    return "< 0.001" if value < 0.001 else f"= {significant(value, 1)}"


def log_text(value: float, error: float) -> str:
    """Return a log evidence or density with its Monte Carlo error, where that exceeds 0.1 and so is worth a word."""
    return rounded(value, 1) if not math.isfinite(error) or error < 0.1 else plus_minus(value, error)


def percent_interval(low: float, high: float) -> str:
    """Return ``2.9 to 12 %`` for two shares, each to two significant digits."""
    return f"{significant(100 * low)} to {significant(100 * high)} %"


def solid(text: str) -> str:
    """Return a text whose lines do not break inside ``1.2 ± 0.1`` or ``90 %``."""
    return text.replace(" ± ", "\u00a0±\u00a0").replace(" %", "\u00a0%")


def count(number: int, singular: str, plural: str) -> str:
    """Return a number with its noun."""
    return f"{number} {singular if number == 1 else plural}"


def enumerate_words(items: list[str]) -> str:
    """Return items as a list in a sentence: a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def anchor(text: str) -> str:
    """Return a text as part of a file name or of a link."""
    return re.sub(r"[^a-zA-Z0-9]+", "_", text).strip("_") or "unnamed"


def ticks(low: float | int, high: float | int) -> np.ndarray:
    """Return round numbers between two positive bounds for a logarithmic axis: 1, 2, 3, 5, 7 times powers of ten."""
    powers = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        found = np.unique(np.outer(powers, steps).ravel())
        found = found[(found >= low * 0.999) & (found <= high * 1.001)]
        if len(found) <= 9:
            break
    # Labels need room: two of them stand apart by a sixteenth of the axis at least.
    kept: list[float] = []
    for tick in found[::-1]:
        if not kept or math.log(kept[-1] / tick) > math.log(high / low) / 16:
            kept.append(float(tick))
    return np.array(kept[::-1])


def _minus(text: str) -> str:
    return text.replace("-", "−")
