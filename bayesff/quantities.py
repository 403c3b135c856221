"""The vocabulary of measured quantities and state variables: one name, one canonical unit, one symbol.

Data files, observables, priors and reports all refer to this table, so that a unit is written down once. A package that
adds an observable of its own registers its quantity here first (see docs/extending.md).
"""

from dataclasses import dataclass

from bayesff.errors import DataError


@dataclass(frozen=True)
class Quantity:
    """A quantity that can be measured, predicted or used as a state variable.

    Parameters
    ----------
    name
        Snake-case name used in files and as a site name, for example ``second_virial``.
    unit
        Canonical unit, a pint expression; every number inside the package is in this unit.
    symbol
        Symbol for axis labels (matplotlib mathtext without the dollar signs).
    label
        Words for a reader, for example ``second virial coefficient``.
    states
        State columns that a prediction of this quantity needs; empty for a state variable.
    positive
        Whether a value of zero or less is a mistake in the data.
    """

    name: str
    unit: str
    symbol: str
    label: str
    states: tuple[str, ...] = ()
    positive: bool = False


_TABLE: dict[str, Quantity] = {}


def register(quantity: Quantity) -> Quantity:
    """Add a quantity to the vocabulary and return it; the same definition twice is fine, a different one is not."""
    known = _TABLE.get(quantity.name)
    if known is not None and known != quantity:
        raise DataError(f"quantity {quantity.name!r} is already registered as {known}: choose another name")
    _TABLE[quantity.name] = quantity
    return quantity


def get(name: str) -> Quantity:
    """Return the quantity of that name, or raise a ``DataError`` that lists the nearest names."""
    if name not in _TABLE:
        import difflib

        near = difflib.get_close_matches(name, _TABLE, n=3) or sorted(_TABLE)
        raise DataError(f"unknown quantity {name!r}: use one of {', '.join(near)}, or register it first")
    return _TABLE[name]


def names() -> list[str]:
    """Return the names of all registered quantities."""
    return sorted(_TABLE)


for _quantity in (
    Quantity("temperature", "K", "T", "temperature", positive=True),
    Quantity("density", "1/angstrom^3", r"\rho", "number density", positive=True),
    Quantity("separation", "angstrom", "r", "separation", positive=True),
    Quantity("wavevector", "1/angstrom", "q", "wave vector", positive=True),
    Quantity("torsion_angle", "degree", r"\phi", "torsion angle"),
    Quantity("conformation", "", "k", "number of the conformation"),
    Quantity("reference_conformation", "", "k_0", "number of the conformation that energies are taken from"),
    Quantity("pressure", "MPa", "p", "pressure", ("temperature", "density")),
    Quantity("reduced_temperature", "", "T^*", "reduced temperature", positive=True),
    Quantity("reduced_density", "", r"\rho^*", "reduced density", positive=True),
    Quantity("second_virial", "cm^3/mol", "B_2", "second virial coefficient", ("temperature",)),
    Quantity("third_virial", "cm^6/mol^2", "B_3", "third virial coefficient", ("temperature",)),
    Quantity(
        "isothermal_compressibility",
        "1/MPa",
        r"\kappa_T",
        "isothermal compressibility",
        ("temperature", "density"),
        positive=True,
    ),
    Quantity("joule_thomson", "K/MPa", r"\mu_\mathrm{JT}^0", "Joule-Thomson coefficient at zero density", ("temperature",)),
    Quantity("viscosity", "uPa*s", r"\eta_0", "viscosity at zero density", ("temperature",), positive=True),
    Quantity("dimer_energy", "kJ/mol", "U", "dimer interaction energy", ("separation",)),
    Quantity("pair_force", "kJ/mol/angstrom", "F", "force between two particles", ("separation",)),
    Quantity("well_depth", "kJ/mol", r"D_\mathrm{e}", "depth of the dimer well", positive=True),
    Quantity("well_distance", "angstrom", r"r_\mathrm{e}", "distance of the dimer minimum", positive=True),
    Quantity(
        "nearest_neighbour_distance",
        "angstrom",
        r"\langle r_1\rangle",
        "mean distance of the nearest neighbour",
        ("temperature", "density"),
        positive=True,
    ),
    Quantity("cluster_energy", "kJ/mol", r"\Delta U", "interaction energy of a cluster", ("separation",)),
    Quantity("many_body_energy", "kJ/mol", r"U_\mathrm{mb}", "many-body part of the energy of a cluster", ("separation",)),
    Quantity("torsion_energy", "kJ/mol", "V", "torsion energy", ("torsion_angle",)),
    Quantity(
        "conformation_energy",
        "kJ/mol",
        r"\Delta U",
        "nonbonded energy of a conformation",
        ("conformation", "reference_conformation"),
    ),
    Quantity("conformer_population", "", "p_b", "population of a conformer", ("temperature",)),
    Quantity("conformer_free_energy", "kJ/mol", r"\Delta G", "free energy of a conformer", ("temperature",)),
    Quantity("conformer_enthalpy", "kJ/mol", r"\Delta H", "enthalpy of a conformer", ("temperature",)),
    Quantity("internal_energy", "kJ/mol", "U", "configurational internal energy", ("temperature", "density")),
    Quantity(
        "residual_heat_capacity",
        "J/mol/K",
        r"C_V^\mathrm{res}",
        "isochoric heat capacity beyond the ideal gas",
        ("temperature", "density"),
    ),
    Quantity(
        "residual_chemical_potential",
        "kJ/mol",
        r"\mu^\mathrm{res}",
        "chemical potential beyond the ideal gas",
        ("temperature", "density"),
    ),
    Quantity("structure_factor", "", "S(q)", "structure factor", ("wavevector", "temperature", "density")),
    Quantity("pair_distribution", "", "g(r)", "pair distribution function", ("separation", "temperature", "density")),
    Quantity(
        "liquid_density",
        "1/angstrom^3",
        r"\rho_\ell",
        "density of the liquid",
        ("temperature", "pressure"),
        True,
    ),
    Quantity("vapour_pressure", "MPa", r"p_\mathrm{sat}", "vapour pressure", ("temperature",), positive=True),
    Quantity(
        "saturated_liquid_density",
        "1/angstrom^3",
        r"\rho_\ell",
        "density of the saturated liquid",
        ("temperature",),
        True,
    ),
    Quantity(
        "saturated_vapour_density",
        "1/angstrom^3",
        r"\rho_\mathrm{v}",
        "density of the saturated vapour",
        ("temperature",),
        True,
    ),
    Quantity(
        "enthalpy_of_vaporization",
        "kJ/mol",
        r"\Delta H_\mathrm{vap}",
        "enthalpy of vaporisation",
        ("temperature",),
        True,
    ),
    Quantity("reduced_second_virial", "", r"B_2/b_0", "reduced second virial coefficient", ("reduced_temperature",)),
    Quantity("reduced_third_virial", "", r"B_3/b_0^2", "reduced third virial coefficient", ("reduced_temperature",)),
    Quantity("reduced_collision_integral", "", r"\Omega^{(2,2)*}", "reduced collision integral", ("reduced_temperature",)),
    Quantity(
        "reduced_internal_energy",
        "",
        "U^*/N",
        "reduced configurational energy per particle",
        ("reduced_temperature", "reduced_density"),
    ),
    Quantity("reduced_pressure", "", "p^*", "reduced pressure", ("reduced_temperature", "reduced_density")),
):
    register(_quantity)
