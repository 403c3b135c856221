import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesff import quantities, units
from bayesff.errors import UnitError
from bayesff.units import convert, factor

# Constants of CODATA 2018 (exact SI): e = 1.602176634e-19 C, N_A and k_B as in the module; hartree 4.3597447222071e-18 J.
EV_PER_MOLE = 1.602176634e-19 * 6.02214076e23 / 1e3
HARTREE_PER_MOLE = 4.3597447222071e-18 * 6.02214076e23 / 1e3


@pytest.mark.parametrize(
    ("unit", "to", "expected"),
    [
        ("kcal/mol", "kJ/mol", 4.184),
        ("K", "kJ/mol", 8.31446261815324e-3),
        ("kJ/mol", "K", 1 / 8.31446261815324e-3),
        ("eV", "kJ/mol", EV_PER_MOLE),
        ("eV", "K", 11604.518121550082),
        ("K", "eV", 1 / 11604.518121550082),
        ("hartree", "kJ/mol", HARTREE_PER_MOLE),
        ("kJ/mol", "hartree", 1 / HARTREE_PER_MOLE),
        ("K*angstrom^6", "kJ/mol*angstrom^6", 8.31446261815324e-3),
        ("angstrom^3", "cm^3/mol", 0.602214076),
        ("cm^3/mol", "angstrom^3", 1 / 0.602214076),
        ("angstrom^6", "cm^6/mol^2", 0.602214076**2),
        ("mol/L", "1/angstrom^3", 6.02214076e-4),
        ("1/nm^3", "1/angstrom^3", 1e-3),
        ("dm^3/mol", "cm^3/mol", 1000.0),
        ("nm", "angstrom", 10.0),
        ("bar", "MPa", 0.1),
        ("uPa s", "uPa*s", 1.0),
        ("%", "", 0.01),
        ("", "", 1.0),
        ("1/GPa", "1/MPa", 1e-3),
    ],
)
def test_factors(unit, to, expected):
    assert factor(unit, to) == pytest.approx(expected, rel=1e-9)  # hartree of pint may be that of another CODATA
    assert convert(2.0, unit, to) == pytest.approx(2 * expected, rel=1e-9)


def test_a_unit_to_itself_changes_no_bit():
    value = np.array([0.1, 1 / 3, 1e-300])
    for name in quantities.names():
        unit = quantities.get(name).unit
        np.testing.assert_array_equal(convert(value, unit, unit), value)


def test_temperatures_with_their_own_zero():
    assert convert(25.0, "degC", "K") == pytest.approx(298.15, abs=1e-12)
    np.testing.assert_allclose(convert([32.0, 212.0], "degF", "K"), [273.15, 373.15], rtol=1e-12)
    assert convert(300.0, "K", "degC") == pytest.approx(26.85, abs=1e-12)
    with pytest.raises(UnitError, match=r"'degC' has a zero of its own.*delta_degC"):
        factor("degC", "K")
    with pytest.raises(UnitError, match=r"'degC' has the dimension \[temperature\], but 'kJ/mol' needs"):
        convert(25.0, "degC", "kJ/mol")


def test_mass_density_needs_a_molar_mass():
    # Saturated liquid argon at 85 K, Tegeler et al. 1999: 1409.508 kg/m^3 is 0.0212483 atoms/angstrom^3.
    assert convert(1409.508, "kg/m^3", "1/angstrom^3", molar_mass=39.948) == pytest.approx(0.0212483, abs=5e-8)
    assert convert(0.0212483, "1/angstrom^3", "g/cm^3", molar_mass=39.948) == pytest.approx(1.4095, abs=5e-5)
    assert convert(1.0, "mol/L", "g/cm^3", molar_mass=39.948) == pytest.approx(0.039948, rel=1e-12)
    with pytest.raises(UnitError, match=r"'kg/m\^3' has the dimension .* or give the molar mass"):
        convert(1409.508, "kg/m^3", "1/angstrom^3")


@pytest.mark.parametrize(
    ("unit", "to", "message"),
    [
        (None, "K", "the unit is missing"),
        ("parsec/fortnite", "K", "unknown unit 'parsec/fortnite'"),
        ("3 K", "K", "unknown unit '3 K'"),
        ("degC/mol", "K", "'degC/mol' has the dimension"),
        ("", "K", "'' has the dimension dimensionless, but 'K' needs \\[temperature\\]"),
        ("K", "", "but 'a pure number' needs dimensionless"),
        ("K", "angstrom", "'K' has the dimension \\[temperature\\], but 'angstrom' needs \\[length\\]"),
        ("mol", "", "'mol' has the dimension \\[substance\\]"),
        ("Pa*s/mol", "uPa*s", "'Pa\\*s/mol' has the dimension"),
        ("cm^3/mol^2", "cm^3/mol", "'cm\\^3/mol\\^2' has the dimension"),
        ("cm^3", "cm^6/mol^2", "'cm\\^3' has the dimension"),
        ("K^2", "kJ/mol", "'K\\^2' has the dimension"),
    ],
)
def test_wrong_units(unit, to, message):
    with pytest.raises(UnitError, match=message):
        convert(1.0, unit, to)
    with pytest.raises(UnitError, match=message):
        factor(unit, to)


@given(st.text(max_size=12))
def test_any_text_is_a_unit_or_a_unit_error(text):
    try:
        result = factor(text, "K")
    except UnitError:
        result = 1.0
    assert np.isfinite(result)


@given(
    st.sampled_from(["K", "eV", "hartree", "kJ/mol", "kcal/mol", "J", "meV"]), st.sampled_from(["K", "eV", "kJ/mol", "hartree"])
)
def test_energies_return(one, other):
    assert factor(one, other) * factor(other, one) == pytest.approx(1.0, rel=1e-12)


def test_canonical_units_are_known_to_the_registry():
    for name in quantities.names():
        assert factor(quantities.get(name).unit, quantities.get(name).unit) == 1.0


def test_hbar_squared():
    # hbar^2 / u in J m^2 is 6.7071e-42; times N_A, in kJ/mol angstrom^2.
    atomic_mass = 1e-3 / units.AVOGADRO
    expected = (units.PLANCK / (2 * np.pi)) ** 2 / atomic_mass * units.AVOGADRO * 1e-3 * 1e20
    assert pytest.approx(expected, rel=1e-12) == units.HBAR_SQUARED_OVER_MASS


def test_the_coulomb_constant_is_a_hartree_times_a_bohr() -> None:
    """Two elementary charges a bohr radius apart (0.529177210903 angstrom, CODATA 2018) have an energy of one hartree."""
    assert pytest.approx(HARTREE_PER_MOLE * 0.529177210903, rel=1e-9) == units.COULOMB_CONSTANT
    assert pytest.approx(1389.35458, abs=5e-6) == units.COULOMB_CONSTANT
