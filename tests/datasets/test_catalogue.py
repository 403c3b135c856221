import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.special import gamma

import bayesff
from bayesff.datasets import catalogue, catalogue_folder, check, describe, find, load
from bayesff.errors import DataError
from bayesff.observables import SecondVirial
from bayesff.potentials import TangToennies
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

NUM_DATA = {
    "argon_dimer_curve": 45,
    "argon_dimer_well_depth": 1,
    "argon_dimer_well_distance": 1,
    "argon_enthalpy_of_vaporization": 13,
    "argon_liquid_compressibility": 13,
    "argon_liquid_density": 13,
    "argon_liquid_heat_capacity": 13,
    "argon_liquid_internal_energy": 14,
    "argon_liquid_pair_distribution": 400,
    "argon_liquid_pressure": 14,
    "argon_liquid_structure_factor": 400,
    "argon_saturated_liquid_density": 13,
    "argon_saturated_vapour_density": 13,
    "argon_second_virial": 269,
    "argon_third_virial": 14,
    "argon_vapour_pressure": 13,
    "argon_viscosity": 14,
    "lennard_jones_collision_integral": 33,
    "lennard_jones_second_virial": 27,
    "lennard_jones_third_virial": 27,
    "methane_second_virial": 214,
    "nist_lennard_jones_energy": 10,
    "nist_lennard_jones_pressure": 10,
    "square_well_second_virial": 60,
}


def test_the_catalogue_is_complete():
    assert set(NUM_DATA) <= set(catalogue())


@pytest.mark.parametrize("name", catalogue())
def test_every_data_set_is_in_order(name):
    assert [str(problem) for problem in check(name)] == []
    data = load(name)
    assert data.name == name
    assert data.num_data == NUM_DATA.get(name, data.num_data)
    assert data.source.licence
    assert data.uncertainty_meaning
    described = describe(name)
    assert (described.num_data, described.observable, described.unit) == (data.num_data, data.observable, data.unit)
    assert (described.citation, described.environment) == (data.source.citation, data.environment.label)


def value(name, **state):
    data = load(name)
    mask = np.ones(data.num_data, dtype=bool)
    for column, at in state.items():
        mask &= data.state[column] == at
    return data.where(mask).values[0]


def test_numbers_that_were_converted():
    # Jaeger et al. 2009: 143.123 K at 3.76182 angstrom; Tegeler et al. 1999: 0.0212483 atoms/angstrom^3 at 85 K.
    assert value("argon_dimer_well_depth") == pytest.approx(143.123 * GAS_CONSTANT, rel=1e-14)
    assert value("argon_dimer_curve", separation=3.8) == pytest.approx(-142.56513 * GAS_CONSTANT, rel=1e-14)
    assert value("argon_saturated_liquid_density", temperature=85.0) == pytest.approx(0.0212483, abs=5e-8)
    assert value("argon_third_virial", temperature=300.0) == 1056.4
    assert value("argon_viscosity", temperature=298.15) == 22.5514


def test_liquid_structure_peaks():
    # Yarnell et al. 1973: S(q) 2.7013 at 1.997 / angstrom and g(r) 3.054 at 3.677 angstrom.
    for name, column, place, height in (
        ("argon_liquid_structure_factor", "wavevector", 1.997, 2.7013),
        ("argon_liquid_pair_distribution", "separation", 3.677, 3.054),
    ):
        data = load(name)
        peak = int(np.argmax(data.values))
        assert data.values[peak] == pytest.approx(height, abs=5e-4)
        assert data.state[column][peak] == pytest.approx(place, abs=2e-3)
        assert set(data.state["density"].tolist()) == {0.02125}


@pytest.mark.parametrize("temperature", [85.0, 95.0, 105.0, 115.0])
def test_energies_of_the_liquid_are_those_of_vaporisation(temperature):
    """Less the work of the vapour, the heat of vaporisation leaves the vapour's energy, -R T^2 B2'(T) rho, from ab initio B2."""
    vapour, condensed = (value(f"argon_saturated_{phase}_density", temperature=temperature) for phase in ("vapour", "liquid"))
    heat = value("argon_enthalpy_of_vaporization", temperature=temperature)
    liquid = load("argon_liquid_internal_energy").where(line="saturated")
    energy = liquid.values[liquid.state["temperature"] == temperature][0]
    pressure = value("argon_vapour_pressure", temperature=temperature)
    work = pressure * (1 / vapour - 1 / condensed) / MPA_PER_INTERNAL_PRESSURE
    near = {"temperature": np.array([temperature - 0.1, temperature + 0.1])}
    virials = SecondVirial(quantum_order=1, molar_mass=39.948).predict(TangToennies.argon(), near).mean
    slope = float(virials[1] - virials[0]) / 0.2 / CUBIC_ANGSTROM_PER_MOLE
    assert energy + heat - work == pytest.approx(-GAS_CONSTANT * temperature**2 * slope * vapour, rel=0.03)


def test_exact_tables():
    for name, at, expected in (
        ("lennard_jones_second_virial", 0.5, -8.720205),
        ("lennard_jones_second_virial", 10.0, 0.460875),
        ("lennard_jones_third_virial", 1.0, 0.42968),
        ("lennard_jones_collision_integral", 1.0, 1.5932),
    ):
        assert value(name, reduced_temperature=at) == pytest.approx(expected, abs=5e-5 if "collision" in name else 5e-7)
    wells = load("square_well_second_virial")
    widths = wells.groups["width"].astype(float)
    exact = 1 - (widths**3 - 1) * np.expm1(1 / wells.state["reduced_temperature"])
    np.testing.assert_allclose(wells.values, exact, atol=1e-8)


def test_provenance_of_the_simulations():
    pressure = load("nist_lennard_jones_pressure").where(provenance="confirmed")
    assert pressure.state["reduced_density"].tolist() == [0.005, 0.78, 0.9]


def lennard_jones_second_virial(temperature, epsilon, sigma):
    """The exact series in gamma functions; epsilon in K, sigma in angstrom, result in cm^3/mol."""
    reduced = temperature / epsilon
    order = np.arange(60)[:, None]
    terms = -(2.0 ** (order + 0.5)) / (4 * gamma(order + 1.0)) * gamma(order / 2 - 0.25) * reduced ** (-(order / 2 + 0.25))
    return 2 * np.pi / 3 * sigma**3 * 0.602214076 * terms.sum(axis=0)


def fit(data):
    def residuals(parameters):
        return (lennard_jones_second_virial(data.state["temperature"], *parameters) - data.values) / data.uncertainty

    found = least_squares(residuals, [120.0, 3.4], x_scale=[100.0, 3.0], xtol=1e-12, ftol=1e-12)
    errors = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    return found.x, errors, 2 * found.cost / (data.num_data - 2)


def laboratories(data, name):
    return [label for label in np.unique(data.groups["laboratory"]).tolist() if label.startswith(name)]


@pytest.mark.parametrize(
    ("select", "num_data", "epsilon", "sigma", "reduced_chi_squared"),
    [
        # Weighted least squares done once outside this package on the same points.
        (lambda data: data, 260, (118.847, 0.070), (3.460, 0.0013), 12.53),
        (lambda data: data.between("temperature", 250.0), None, (119.935, 0.080), (3.3877, 0.0026), 1.38),
        (lambda data: data.where(laboratory=laboratories(data, "Michels")), 35, (118.769, 0.832), (3.4384, 0.0174), 0.15),
        (lambda data: data.where(laboratory="Gilgen 1994"), 27, (116.762, 0.362), (3.4859, 0.0070), 1.95),
    ],
)
def test_least_squares_on_argon(select, num_data, epsilon, sigma, reduced_chi_squared):
    data = select(load("argon_second_virial").where(quality="ok"))
    assert num_data in (None, data.num_data)
    found, errors, chi_squared = fit(data)
    assert found[0] == pytest.approx(epsilon[0], abs=2e-3)
    assert found[1] == pytest.approx(sigma[0], abs=2e-4)
    assert errors == pytest.approx([epsilon[1], sigma[1]], rel=0.03)
    assert chi_squared == pytest.approx(reduced_chi_squared, abs=6e-3)


def test_laboratories_of_argon():
    data = load("argon_second_virial")
    names = np.unique(data.groups["laboratory"]).tolist()
    assert len(names) == 30
    assert {"Weir 1967", "Michels 1949", "Michels 1958", "Gilgen 1994", "Byrne 1968", "Fender 1962"} <= set(names)
    assert set(data.source.references["laboratory"]) == set(names)
    assert np.unique(data.groups["quality"], return_counts=True)[1].tolist() == [260, 4, 5]


def test_unknown_names_get_the_nearest_ones():
    with pytest.raises(DataError, match=r"data set 'argon_second_virail': .* did you mean argon_second_virial"):
        load("argon_second_virail")
    with pytest.raises(DataError, match=r"the catalogue has argon_dimer_curve, "):
        load("#")
    with pytest.raises(DataError, match="found neither"):
        find("")


def test_a_description_of_broken_metadata(tmp_path):
    shutil.copytree(catalogue_folder() / "argon_viscosity", tmp_path / "broken")
    metadata = tmp_path / "broken" / "metadata.toml"
    metadata.write_text(metadata.read_text().replace("[source]", "[sauce]"))
    with pytest.raises(DataError, match="the metadata must follow the format, found 'source'"):
        describe(tmp_path / "broken")
    (tmp_path / "broken" / "values.csv").unlink()
    with pytest.raises(DataError, match=r"values\.csv: the file must exist"):
        describe(tmp_path / "broken")


def test_an_installed_package_brings_its_own_catalogue(tmp_path, monkeypatch):
    package = tmp_path / "bayesff"
    shutil.copytree(catalogue_folder() / "argon_viscosity", package / "share" / "data" / "argon_viscosity")
    monkeypatch.setattr(bayesff, "__file__", str(package / "__init__.py"))
    assert catalogue() == ["argon_viscosity"]
    assert load("argon_viscosity").num_data == 14


def test_listing_loads_nothing_heavy():
    code = (
        "import sys\nfrom bayesff import datasets\n[datasets.describe(name) for name in datasets.catalogue()]\n"
        "print([name for name in ('jax', 'pint', 'pydantic', 'xarray', 'scipy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
