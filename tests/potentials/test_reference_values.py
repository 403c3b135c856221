"""Numbers from the literature, and the closed forms of minima and tails."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import bayesff.potentials as bp
from bayesff.units import GAS_CONSTANT

CONFIGURATION = Path(__file__).parent / "nist_lennard_jones_configuration_4.csv"
BOX = 8.0
ARGON = {"epsilon": 0.996, "sigma": 3.405}


def minimum(potential, start):
    """Place and depth of the minimum, by Newton's method."""
    r = jnp.asarray(start)
    for _ in range(30):
        r = newton_step(potential, r)
    return float(r), -float(potential.pair_energy(r))


@jax.jit
def newton_step(potential, r):
    slope = jax.grad(lambda x: potential.pair_energy(x))
    return r - slope(r) / jax.grad(slope)(r)


@pytest.fixture(scope="module")
def distances():
    positions = np.loadtxt(CONFIGURATION, delimiter=",", skiprows=3)
    assert positions.shape == (30, 3)
    apart = positions[:, None] - positions[None]
    apart -= BOX * np.round(apart / BOX)
    return jnp.asarray(np.linalg.norm(apart, axis=-1)[np.triu_indices(30, 1)])


@pytest.mark.parametrize(
    ("cut", "cutoff", "energy", "virial", "tail"),
    [
        (partial(bp.PlainCut, tail=True), 3.0, "-16.790", "-46.249", "-0.54517"),
        (partial(bp.PlainCut, tail=True), 4.0, "-17.060", "-47.869", "-0.23008"),
        (bp.ForceShiftedCut, 3.0, "-15.001", "-43.096", "0"),
    ],
)
def test_nist_lennard_jones_configuration_4(distances, cut, cutoff, energy, virial, tail):
    """NIST SRD 173, doi:10.18434/T4M88Q: totals in reduced units, to the digits printed; the virial is sum(-r dV/dr)."""
    potential = cut(bp.LennardJones(epsilon=1.0, sigma=1.0), cutoff=cutoff)
    found_energy = jnp.sum(jax.vmap(potential.pair_energy)(distances))
    found_virial = jnp.sum(distances * jax.vmap(potential.pair_force)(distances))
    found_tail = 30 * potential.tail_energy(30 / BOX**3)
    for found, printed in ((found_energy, energy), (found_virial, virial), (found_tail, tail)):
        digits = len(printed.partition(".")[2])
        assert float(found) == pytest.approx(float(printed), abs=0.51 * 10**-digits)


def test_nist_energy_of_configuration_4_in_full_precision(distances):
    """The value that the FEASST program of NIST states for the same configuration."""
    potential = bp.PlainCut(bp.LennardJones(epsilon=1.0, sigma=1.0), cutoff=3.0, tail=True)
    assert float(jnp.sum(jax.vmap(potential.pair_energy)(distances))) == pytest.approx(-16.790321304625856, rel=1e-13)
    assert 30 * float(potential.tail_energy(30 / BOX**3)) == pytest.approx(-0.545166001494571, rel=1e-13)


@pytest.mark.parametrize(
    ("name", "depth", "place"),
    [
        # The depth and the place of the minimum that the papers state (see TangToennies), K and angstrom.
        ("neon", (42.1525, 5e-5), (3.08946, 5e-6)),
        ("argon", (143.123, 5e-4), (3.76182, 5e-6)),
        ("krypton", (200.8753, 5e-5), (4.015802, 5e-7)),
        ("xenon", (279.98, 5e-3), (4.37798, 5e-6)),
    ],
)
def test_noble_gas_minima(name, depth, place):
    potential = getattr(bp.TangToennies, name)()
    found_place, found_depth = minimum(potential, 1.12 * potential.breakpoints()[0])
    assert found_place == pytest.approx(place[0], abs=place[1])
    assert found_depth / GAS_CONSTANT == pytest.approx(depth[0], abs=depth[1])


@pytest.mark.parametrize(
    ("name", "r", "kelvin", "digit"),
    [
        ("neon", 1.6, 26860.9033, 1e-4),
        ("neon", 5.6, -1.6317, 1e-4),
        ("argon", 2.0, 51376.9944, 1e-4),
        ("argon", 9.0, -0.9169, 1e-4),
    ],
)
def test_noble_gas_fits_at_single_points(name, r, kelvin, digit):
    """The published functions evaluated by I. H. Bell, J. Chem. Phys. 152, 164508 (2020), to the digits printed."""
    energy = getattr(bp.TangToennies, name)().pair_energy(r)
    assert float(energy) / GAS_CONSTANT == pytest.approx(kelvin, abs=0.51 * digit)


@pytest.mark.parametrize(
    ("name", "r", "kelvin", "relative"),
    [
        # Computed interaction energies to which the functions were fitted; the deviation is that of the fit.
        ("neon", 1.6, 26879.940, 1e-3),
        ("neon", 5.6, -1.631, 1e-3),
        ("argon", 2.0, 51406.2, 1e-3),
        ("argon", 9.0, -0.918, 2e-3),
        ("krypton", 2.4, 27872.324, 1e-3),
        ("krypton", 4.0, -200.741, 1e-3),
        ("krypton", 10.0, -0.982, 1e-3),
        ("xenon", 2.6, 37578.501, 1e-3),
        ("xenon", 9.0, -4.343, 1e-3),
    ],
)
def test_noble_gas_functions_follow_the_computed_energies(name, r, kelvin, relative):
    energy = getattr(bp.TangToennies, name)().pair_energy(r)
    assert float(energy) / GAS_CONSTANT == pytest.approx(kelvin, rel=relative)


@pytest.mark.parametrize("name", ["neon", "argon", "krypton", "xenon"])
def test_inner_branch_meets_the_fit_in_value_and_slope(name):
    potential = getattr(bp.TangToennies, name)()
    edge = float(potential.short_below)
    inside, outside = edge * (1 - 1e-12), edge * (1 + 1e-12)
    assert float(potential.pair_energy(inside)) == pytest.approx(float(potential.pair_energy(outside)), rel=1e-7)
    assert float(potential.pair_force(inside)) == pytest.approx(float(potential.pair_force(outside)), rel=1e-4)
    assert float(potential.pair_energy(edge)) / GAS_CONSTANT > 1e5


def test_damping_is_the_incomplete_gamma_function():
    """The damping of C_2n is P(2n+1, x); C6 alone at unit distance shows f_6, C16 alone f_16."""
    from scipy.special import gammainc

    from bayesff.potentials.tang_toennies import _damped_dispersion

    zero = jnp.zeros(())
    x = np.array([1e-3, 0.1, 1.0, 4.0, 10.0, 16.9, 17.1, 30.0, 80.0, 1e5])
    for place, order in ((0, 6), (2, 10), (5, 16)):
        coefficients = tuple(jnp.ones(()) if k == place else zero for k in range(6))
        found = [_damped_dispersion(coefficients, jnp.asarray(value), jnp.asarray(1.0)) for value in x]
        np.testing.assert_allclose(found, gammainc(order + 1, x), rtol=3e-13)


def test_mie_12_6_is_lennard_jones():
    radii = jnp.linspace(2.0, 15.0, 40)
    mie = jax.vmap(bp.Mie(**ARGON).pair_energy)(radii)
    np.testing.assert_allclose(mie, jax.vmap(bp.LennardJones(**ARGON).pair_energy)(radii), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("repulsive", "attractive"), [(8.0, 6.0), (14.0, 6.0), (50.0, 4.0), (6.0 + 1e-6, 6.0)])
def test_mie_minimum(repulsive, attractive):
    potential = bp.Mie(epsilon=1.3, sigma=3.4, repulsive=repulsive, attractive=attractive)
    place = 3.4 * (repulsive / attractive) ** (1 / (repulsive - attractive))
    assert minimum(potential, place) == pytest.approx((place, 1.3), rel=1e-9)


def test_mie_is_the_same_with_its_exponents_exchanged():
    def energy(repulsive, attractive):
        potential = jax.tree.unflatten(jax.tree.structure(bp.Mie(1.3, 3.4)), [1.3, 3.4, repulsive, attractive])
        return jax.tree.map(jnp.asarray, potential).pair_energy(3.9)

    assert float(energy(6.0, 14.0)) == pytest.approx(float(energy(14.0, 6.0)), rel=1e-13)


@pytest.mark.parametrize("steepness", [9.0, 13.0, 16.0])
def test_buckingham_minimum_zero_and_turning_point(steepness):
    potential = bp.Buckingham(epsilon=1.3, distance=3.8, steepness=steepness)
    assert minimum(potential, 3.8) == pytest.approx((3.8, 1.3), rel=1e-12)
    (zero,) = potential.breakpoints()
    assert float(potential.pair_energy(zero)) == pytest.approx(0.0, abs=1e-11)
    radii = jnp.linspace(1e-4, 3.8, 4001)
    assert np.all(np.diff(jax.vmap(potential.pair_energy)(radii)) < 0)
    forces = np.asarray(jax.vmap(potential.pair_force)(radii))
    assert np.all(forces > -1e-9)


def test_buckingham_from_coefficients_is_exp_6():
    A, B, C = 4.0e5, 3.4, 6.0e3
    potential = bp.Buckingham.from_coefficients(A, B, C)
    radii = np.linspace(1.8, 12.0, 40)
    np.testing.assert_allclose(
        jax.vmap(potential.pair_energy)(jnp.asarray(radii)), A * np.exp(-B * radii) - C / radii**6, rtol=1e-11, atol=1e-13
    )


def test_morse_minimum_zero_and_stiffness():
    potential = bp.Morse(well_depth=1.3, distance=3.8, steepness=1.7)
    assert minimum(potential, 3.7) == pytest.approx((3.8, 1.3), rel=1e-12)
    assert float(potential.pair_energy(potential.breakpoints()[0])) == pytest.approx(0.0, abs=1e-14)
    assert float(jax.grad(jax.grad(potential.pair_energy))(3.8)) == pytest.approx(2 * 1.3 * 1.7**2, rel=1e-12)


def test_a_very_soft_morse_well_is_measured_by_its_minimum():
    potential = bp.Morse(well_depth=1.0, distance=2.0, steepness=0.2)
    assert float(potential.breakpoints()[0]) == 2.0


def test_square_well_and_hard_sphere():
    well = bp.SquareWell(epsilon=1.0, sigma=3.0, width=1.5)
    assert [float(well.pair_energy(r)) for r in (2.999, 3.0, 4.499, 4.5)] == [np.inf, -1.0, -1.0, 0.0]
    assert [float(radius) for radius in well.breakpoints()] == [3.0, 4.5]
    sphere = bp.HardSphere(sigma=3.0)
    assert [float(sphere.pair_energy(r)) for r in (0.0, 2.999, 3.0)] == [np.inf, np.inf, 0.0]
    assert float(well.energy_beyond(3.0)) == pytest.approx(-(4.5**3 - 3**3) / 3, rel=1e-14)
    assert [float(p.energy_beyond(2.0)) for p in (well, sphere)] == [np.inf, np.inf]


def test_lennard_jones_from_its_minimum_coefficients_and_one_point():
    wanted = bp.LennardJones(**ARGON)
    depth, sigma = 0.996, 3.405
    made = {
        "minimum": bp.LennardJones.from_minimum(depth, 2 ** (1 / 6) * sigma),
        "coefficients": bp.LennardJones.from_coefficients(4 * depth * sigma**12, 4 * depth * sigma**6),
    }
    for r in (3.2, 3.405, 3.7, 4.2):
        made[f"point {r}"] = bp.LennardJones.from_energy_and_force(r, wanted.pair_energy(r), wanted.pair_force(r))
    for name, potential in made.items():
        assert [float(potential.epsilon), float(potential.sigma)] == pytest.approx([depth, sigma], rel=1e-12), name


def test_lennard_jones_tail_pressure():
    """Allen and Tildesley (2017), eq. 2.139: p = (32/9) pi rho^2 eps sigma^3 [(s/rc)^9 - (3/2)(s/rc)^3]."""
    potential = bp.PlainCut(bp.LennardJones(**ARGON), cutoff=9.0, tail=True)
    density, s = 0.02, 3.405 / 9.0
    by_hand = 32 / 9 * np.pi * density**2 * 0.996 * 3.405**3 * (s**9 - 1.5 * s**3)
    joule, cubic_metre = 1e3 / 6.02214076e23, 1e-30
    assert float(potential.tail_pressure(density)) == pytest.approx(by_hand * joule / cubic_metre * 1e-6, rel=1e-12)


@pytest.mark.parametrize(
    "potential",
    [bp.Mie(1.0, 3.4, 14.0, 6.5), bp.Morse(1.0, 3.8, 1.6), bp.Buckingham(1.0, 3.8, 13.0), bp.TangToennies.argon()],
    ids=lambda p: type(p).__name__,
)
def test_tails_are_the_integrals_that_define_them(potential):
    density, cutoff = 0.02, 8.0
    cut = bp.PlainCut(potential, cutoff=cutoff, tail=True)
    energy, force = jax.jit(lambda r: potential.pair_energy(r)), jax.jit(lambda r: potential.pair_force(r))
    by_energy = 2 * np.pi * density * quad(lambda s: float(energy(cutoff / s)) * cutoff**3 / s**4, 0, 1, epsrel=1e-10)[0]
    virial = quad(lambda s: float(force(cutoff / s)) * cutoff**4 / s**5, 0, 1, epsrel=1e-10)[0]
    assert float(cut.tail_energy(density)) == pytest.approx(by_energy, rel=1e-8)
    megapascal = 1660.5390671738466  # kJ/mol/angstrom^3
    assert float(cut.tail_pressure(density)) == pytest.approx(2 * np.pi / 3 * density**2 * virial * megapascal, rel=1e-8)


def test_switched_tail_puts_back_what_the_switch_takes():
    full = bp.LennardJones(**ARGON)
    cut = bp.SwitchedCut(full, switch_distance=7.0, cutoff=9.0, tail=True)
    lost = jax.jit(lambda r: full.pair_energy(r) - cut.pair_energy(r))
    force = jax.jit(jax.grad(lambda r: full.pair_energy(r) - cut.pair_energy(r)))
    parts = ((7.0, 9.0), (9.0, 40.0), (40.0, 2000.0))
    energy = sum(quad(lambda r: float(lost(r)) * r**2, *part, epsrel=1e-10)[0] for part in parts)
    virial = sum(quad(lambda r: float(force(r)) * r**3, *part, epsrel=1e-10)[0] for part in parts)
    assert float(cut.tail_energy(0.02)) == pytest.approx(2 * np.pi * 0.02 * energy, rel=1e-6)
    assert float(cut.tail_pressure(0.02)) == pytest.approx(-2 * np.pi / 3 * 0.02**2 * virial * 1660.5390671738466, rel=1e-6)


def test_a_truncation_without_a_tail_adds_nothing():
    for cut in (bp.PlainCut, bp.ShiftedCut, bp.ForceShiftedCut, partial(bp.SwitchedCut, switch_distance=8.0)):
        potential = cut(bp.LennardJones(**ARGON), cutoff=9.0)
        assert float(potential.tail_energy(0.02)) == 0.0
        assert float(potential.tail_pressure(0.02)) == 0.0


def test_truncations_join_as_they_say():
    full, cutoff = bp.LennardJones(**ARGON), 9.0
    shifted = bp.ShiftedCut(full, cutoff)
    force_shifted = bp.ForceShiftedCut(full, cutoff)
    switched = bp.SwitchedCut(full, 7.5, cutoff)
    below = cutoff * (1 - 1e-9)
    for potential in (shifted, force_shifted, switched):
        assert float(potential.pair_energy(below)) == pytest.approx(0.0, abs=1e-10)
        assert float(potential.pair_energy(cutoff + 1e-9)) == 0.0
    for potential in (force_shifted, switched):
        assert float(potential.pair_force(below)) == pytest.approx(0.0, abs=1e-9)
    assert float(shifted.pair_force(5.0)) == pytest.approx(float(full.pair_force(5.0)), rel=1e-14)
    assert float(switched.pair_energy(7.4)) == pytest.approx(float(full.pair_energy(7.4)), rel=1e-15)
    assert float(switched.pair_energy(8.25)) == pytest.approx(float(full.pair_energy(8.25)) / 2, rel=1e-14)
