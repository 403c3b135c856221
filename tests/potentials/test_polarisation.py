"""Clusters of charged and inducible sites against closed forms and OpenMM's AMOEBA, and one contract for both."""

import functools
from itertools import permutations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.integrate import quad

import bayesff.potentials as bp
from bayesff.errors import NumericalError, ParameterError
from bayesff.potentials.description import describe, from_description
from bayesff.units import COULOMB_CONSTANT

REPULSION = (
    bp.SitePair(("K", "Cl"), bp.BornMayer(strength=1.7e5, hardness=0.337)),
    bp.SitePair(("Cl", "Cl"), bp.LennardJones(epsilon=0.4, sigma=4.4)),
)
SALT = bp.PointCharges(kinds=("K", "Cl"), charges=[1.0, -1.0], short_range=REPULSION, scale=0.9)
POTENTIALS: dict[str, bp.ClusterPotential] = {
    "point_charges": SALT,
    "exponential": bp.InducibleDipoles(SALT, [0.78, 4.0]),
    "linear": bp.InducibleDipoles(SALT, [0.0, 4.0], bp.TholeLinear()),
    "undamped": bp.InducibleDipoles(SALT, [0.3, 2.0], bp.Undamped()),
}
ALL = pytest.mark.parametrize("name", POTENTIALS)
KINDS = ("Cl", "K", "Cl", "K")
PLACES = np.array([[0.1, -0.2, 0.3], [2.9, 0.2, -0.1], [3.1, 3.6, 0.4], [0.2, 3.0, 1.1]])


def bare(polarisabilities, damping=None, charges=(1.0, -1.0)):
    """Sites ``a`` and ``b`` without any pair potential."""
    return bp.InducibleDipoles(bp.PointCharges(("a", "b"), charges), polarisabilities, damping or bp.Undamped())


def along(distance):
    return np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])


@ALL
def test_energy_is_a_scalar_that_jit_vmap_and_a_round_trip_leave_alone(name):
    potential = POTENTIALS[name]
    one = potential.energy(PLACES, KINDS)
    assert one.shape == ()
    stack = jax.jit(jax.vmap(lambda places: potential.energy(places, KINDS)))(PLACES[None] * np.array([1.0, 1.1])[:, None, None])
    assert float(stack[0]) == pytest.approx(float(one), rel=1e-12)
    leaves, structure = jax.tree.flatten(potential)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert eqx.tree_equal(jax.tree.unflatten(structure, leaves), potential)
    assert float(from_description(describe(potential)).energy(PLACES, KINDS)) == float(one)


@ALL
def test_energy_does_not_change_under_translation_rotation_reflection_and_permutation(name):
    potential = POTENTIALS[name]
    energy = float(potential.energy(PLACES, KINDS))
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    for moved in (PLACES + np.array([10.0, -3.0, 1.0]), PLACES @ turn, -PLACES):
        assert float(potential.energy(moved, KINDS)) == pytest.approx(energy, rel=1e-12)
    permuted = jax.jit(lambda places, kinds: potential.energy(places, kinds), static_argnums=1)
    for order in list(permutations(range(4)))[1::5]:
        found = permuted(PLACES[list(order)], tuple(KINDS[i] for i in order))
        assert float(found) == pytest.approx(energy, rel=1e-12)


@ALL
def test_forces_are_differences_and_add_up_to_nothing(name):
    potential, step = POTENTIALS[name], 1e-5
    forces = np.asarray(potential.forces(PLACES, KINDS))
    energies = jax.jit(jax.vmap(lambda places: potential.energy(places, KINDS)))
    moves = step * np.eye(12).reshape(12, 4, 3)
    differences = -(energies(PLACES + moves) - energies(PLACES - moves)) / (2 * step)
    np.testing.assert_allclose(forces.ravel(), differences, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.cross(PLACES, forces).sum(axis=0), 0.0, atol=1e-8)


@pytest.mark.parametrize("damping", [bp.TholeExponential, bp.TholeLinear], ids=["exponential", "linear"])
def test_derivatives_in_polarisabilities_thole_parameter_scale_and_place(damping):
    def energy(alpha, thole, scale, places):
        sites = bp.PointCharges(("K", "Cl"), [1.0, -1.0], REPULSION, scale)
        return bp.InducibleDipoles(sites, alpha, damping(thole)).energy(places, KINDS[:3])

    thole = 0.39 if damping is bp.TholeExponential else 1.8
    point = (jnp.array([0.78, 4.0]), jnp.array(thole), jnp.array(0.9), jnp.asarray(PLACES[:3]))
    check_grads(jax.jit(energy), point, order=1, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6, eps=1e-5)


def test_second_derivatives_are_differences_of_first_ones():
    """Curvatures at a mode are what a normal approximation of a posterior rests on."""
    slope = jax.jit(jax.grad(lambda alpha: bp.InducibleDipoles(SALT, alpha).energy(PLACES[:3], KINDS[:3])))
    point, step = jnp.array([0.78, 4.0]), 1e-5
    differences = [(slope(point + move) - slope(point - move)) / (2 * step) for move in step * jnp.eye(2)]
    np.testing.assert_allclose(jax.jit(jax.jacfwd(slope))(point), differences, rtol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacrev(slope))(point), differences, rtol=1e-7)


@ALL
def test_nothing_is_nan_where_sites_coincide_or_are_far_apart(name):
    potential = POTENTIALS[name]
    value_and_slopes = jax.jit(
        jax.value_and_grad(lambda potential, places: potential.energy(places, KINDS[:3]), argnums=(0, 1), allow_int=False)
    )
    for size in (0.0, 1e-6, 1e-3, 0.1, 1.0, 1e3, 1e6):
        for place in (PLACES[:3], np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])):
            value, slopes = value_and_slopes(potential, jnp.asarray(size * place))
            assert np.isfinite(value)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_slopes_in_a_polarisability_of_zero_are_finite_and_those_of_a_small_one():
    def energy(alpha, damping):
        return bp.InducibleDipoles(SALT, alpha, damping).energy(PLACES, KINDS)

    for damping in (bp.TholeExponential(), bp.TholeLinear(), bp.Undamped()):
        at_zero, nearby = (jax.grad(energy)(jnp.full(2, alpha), damping) for alpha in (0.0, 1e-9))
        np.testing.assert_allclose(at_zero, nearby, rtol=1e-6)
        for tiny in (1e-300, 1e-31, 1e-20):
            np.testing.assert_allclose(jax.grad(energy)(jnp.array([0.0, tiny]), damping), at_zero, rtol=1e-6)


def test_two_charges_and_a_row_of_three():
    pair = bp.PointCharges(("+", "-"), [1.0, -1.0])
    assert float(pair.energy(along(2.5), ("+", "-"))) == pytest.approx(-COULOMB_CONSTANT / 2.5, rel=1e-14)
    row = np.array([[-2.5, 0.0, 0.0], [0.0, 0.0, 0.0], [2.5, 0.0, 0.0]])
    scaled = bp.PointCharges(("+", "-"), [1.0, -1.0], scale=1.1)
    assert float(scaled.energy(row, ("-", "+", "-"))) == pytest.approx(-1.5 * 1.1**2 * COULOMB_CONSTANT / 2.5, rel=1e-14)


def test_pair_potentials_act_between_their_kinds():
    apart = float(np.linalg.norm(PLACES[0] - PLACES[2]))
    expected = REPULSION[1].potential.pair_energy(apart)
    for i, j in ((0, 1), (1, 2), (2, 3), (0, 3)):
        expected = expected + REPULSION[0].potential.pair_energy(np.linalg.norm(PLACES[i] - PLACES[j]))
    neutral = eqx.tree_at(lambda p: p.charges, SALT, jnp.zeros(2))
    assert float(neutral.energy(PLACES, KINDS)) == pytest.approx(float(expected), rel=1e-13)


def test_a_charge_beside_a_polarisable_site():
    """The energy is -alpha q^2 / (2 r^4), and the dipole alpha q / r^2 points away from a positive charge."""
    potential = bare([0.0, 3.7], charges=(2.0, 0.0))
    expected = -COULOMB_CONSTANT * 3.7 * 2.0**2 / (2 * 3.1**4)
    assert float(potential.energy(along(3.1), ("a", "b"))) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(potential.dipoles(along(3.1), ("a", "b")), [[0, 0, 0], [3.7 * 2 / 3.1**2, 0, 0]], atol=1e-14)


def test_an_ion_pair_in_each_others_field():
    """Along the axis mu_1 = alpha_1 (E + 2 mu_2 / r^3) and the same for 2, both fields being q / r^2 (Rittner's model)."""
    first, second, r = 0.8, 3.7, 2.7
    field, coupling = 1 / r**2, 2 / r**3
    together = 1 - first * second * coupling**2
    dipoles = np.array([first * (1 + second * coupling), second * (1 + first * coupling)]) * field / together
    potential = bare([first, second])
    np.testing.assert_allclose(potential.dipoles(along(r), ("a", "b"))[:, 0], dipoles, rtol=1e-13)
    energy = -0.5 * COULOMB_CONSTANT * field * dipoles.sum()
    assert float(potential.induction_energy(along(r), ("a", "b"))) == pytest.approx(energy, rel=1e-13)
    # E. S. Rittner, J. Chem. Phys. 19, 1030 (1951): r^4 (a1 + a2) + 4 r a1 a2 over 2 r^8 - 8 r^2 a1 a2
    rittner = -COULOMB_CONSTANT * (r**4 * (first + second) + 4 * r * first * second) / (2 * r**8 - 8 * r**2 * first * second)
    assert energy == pytest.approx(rittner, rel=1e-13)


def test_the_polarisability_of_a_pair():
    """Two like sites have 2a / (1 - 2a/r^3) along and 2a / (1 + a/r^3) across (Silberstein 1917)."""
    found = bare([1.4, 1.4]).polarisability(along(2.4), ("a", "b"))
    across = 2 * 1.4 / (1 + 1.4 / 2.4**3)
    np.testing.assert_allclose(found, np.diag([2 * 1.4 / (1 - 2 * 1.4 / 2.4**3), across, across]), atol=1e-13)


@pytest.mark.parametrize(
    ("damping", "density"),
    [
        (bp.TholeExponential(0.39), lambda u: 3 * 0.39 / (4 * np.pi) * np.exp(-0.39 * u**3)),
        (bp.TholeLinear(1.662), lambda u: 3 / np.pi * np.maximum(1.662 - u, 0.0) / 1.662**4),
    ],
    ids=["exponential", "linear"],
)
def test_damping_is_that_of_the_smeared_charge(damping, density):
    """The field of a charge that is smeared over a density of u = r / (alpha_i alpha_j)^(1/6) is that of the charge within r, and
    what a dipole feels is its gradient."""
    for u in (0.2, 0.9, 1.5, 2.5):
        within = quad(lambda t: 4 * np.pi * t**2 * density(t), 0.0, u, epsabs=1e-13, points=[1.662] if u > 1.662 else None)[0]
        slope = 4 * np.pi * u**2 * density(u)
        near = damping.factors(jnp.array(u * 1.3), jnp.array(1.3**6))
        assert [float(part) for part in near] == pytest.approx([within, within - u * slope / 3], abs=1e-12)


def test_without_polarisabilities_the_pairwise_energy_is_left_exactly():
    plain = bp.InducibleDipoles(SALT, [0.0, 0.0])
    assert float(plain.energy(PLACES, KINDS)) == float(SALT.energy(PLACES, KINDS))
    small = bp.InducibleDipoles(SALT, [1e-9, 1e-9])
    assert float(small.energy(PLACES, KINDS)) == pytest.approx(float(SALT.energy(PLACES, KINDS)), rel=1e-9)


@pytest.mark.parametrize("damping", [bp.TholeExponential(1e4), bp.TholeLinear(1e-3)], ids=["exponential", "linear"])
def test_little_damping_is_none(damping):
    found, wanted = (bp.InducibleDipoles(SALT, [0.3, 2.0], one) for one in (damping, bp.Undamped()))
    assert float(found.energy(PLACES, KINDS)) == pytest.approx(float(wanted.energy(PLACES, KINDS)), rel=1e-14)


def test_dipoles_are_where_the_energy_is_stationary():
    """The energy is the least over all dipoles of sum mu^2/(2 alpha) - mu E - mu T mu / 2."""
    potential = POTENTIALS["exponential"]
    alpha, field, tensor = (np.asarray(part) for part in potential.fields(jnp.asarray(PLACES), KINDS))

    def functional(dipoles):
        own = np.sum(dipoles**2 / (2 * alpha[:, None])) - np.sum(dipoles * field)
        return COULOMB_CONSTANT * (own - 0.5 * np.einsum("ia,ijab,jb", dipoles, tensor, dipoles))

    dipoles = np.asarray(potential.dipoles(PLACES, KINDS))
    least = functional(dipoles)
    assert float(potential.induction_energy(PLACES, KINDS)) == pytest.approx(least, rel=1e-12)
    random = np.random.default_rng(2)
    assert all(functional(dipoles + 1e-3 * random.standard_normal(dipoles.shape)) > least for _ in range(20))


@functools.cache
def amoeba_energy(alphas, charges):
    """Energy [kJ/mol] by OpenMM's AMOEBA multipoles, of charges with mutually induced dipoles, exponentially damped with 0.39."""
    openmm = pytest.importorskip("openmm")
    force = openmm.AmoebaMultipoleForce()
    force.setPolarizationType(openmm.AmoebaMultipoleForce.Mutual)
    force.setMutualInducedTargetEpsilon(1e-9)
    force.setMutualInducedMaxIterations(500)
    system = openmm.System()
    for alpha, charge in zip(alphas, charges, strict=True):
        system.addParticle(1.0)
        cubic = alpha * 1e-3
        force.addMultipole(charge, [0.0] * 3, [0.0] * 9, force.NoAxisType, -1, -1, -1, 0.39, cubic ** (1 / 6), cubic)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(PLACES / 10)
    return context.getState(energy=True).getPotentialEnergy()._value


@pytest.mark.parametrize("alphas", [(0.78, 4.0), (2.5, 2.5)])
def test_openmm_has_the_same_energies(alphas):
    potential = bp.InducibleDipoles(bp.PointCharges(("K", "Cl"), [1.0, -1.0]), alphas)
    of_kind = dict(zip(("K", "Cl"), zip(alphas, (1.0, -1.0), strict=True), strict=True))
    expected = amoeba_energy(*zip(*(of_kind[kind] for kind in KINDS), strict=True))
    # OpenMM has Coulomb's constant of the older CODATA values, seven digits the same, and iterates its dipoles.
    assert float(potential.energy(PLACES, KINDS)) == pytest.approx(expected, rel=1e-6)


def test_the_polarisation_catastrophe_is_where_the_closed_form_has_it():
    """Along the axis r^6 = 4 a b: outside there is an energy, inside a sentence that names the pair."""
    edge = (4 * 0.8 * 3.7) ** (1 / 6)
    potential = bare([0.8, 3.7])
    assert float(potential.induction_energy(along(edge * 1.001), ("a", "b"))) < -1e5
    message = r"found 1\.\d+ in the cluster a-b, .* sites 0 \(a\) and 1 \(b\) alone, which are 1\.5\d* angstrom apart with 0\.8 "
    for call in (potential.energy, potential.dipoles, potential.polarisability):
        with pytest.raises(NumericalError, match=message):
            call(along(edge * 0.999), ("a", "b"))
    apart = np.array([[9.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.5, 0.0, 0.0]])
    with pytest.raises(NumericalError, match=r"of its sites 1 \(b\) and 2 \(a\) alone"):
        potential.energy(apart, ("a", "b", "a"))


def test_three_sites_may_have_a_catastrophe_that_no_pair_has():
    row = np.array([[0.0, 0.0, 0.0], [1.7, 0.0, 0.0], [3.4, 0.0, 0.0]])
    potential = bare([2.0, 2.0])
    assert np.isfinite(potential.energy(row[:2], ("a", "b")))
    with pytest.raises(NumericalError, match=r"found 1\.\d+ in the cluster a-b-a, and 0\.\d+ of its sites"):
        potential.energy(row, ("a", "b", "a"))


def test_beyond_the_catastrophe_a_traced_energy_falls_and_stays_finite():
    value_and_slope = jax.jit(
        jax.value_and_grad(lambda alpha: bare(jnp.array([alpha, alpha])).induction_energy(along(1.5), "ab"))
    )
    limit = 1.5**3 / 2
    found = np.array([value_and_slope(alpha) for alpha in limit * np.array([0.5, 0.9, 0.999, 1.0, 1.001, 1.5, 3.0, 100.0])])
    assert np.isfinite(found).all()
    assert np.all(np.diff(found[:, 0]) < 0)
    assert np.all(found[:, 1] < 0)
    # Nothing depends on where the limit is: the dipoles of independent sites a million times larger, times the square beyond.
    assert found[-1, 0] / found[4, 0] == pytest.approx((100.0 / 1.001) ** 2, rel=1e-3)


@pytest.mark.parametrize("thole", [0.1, 0.39, 0.9])
def test_damped_pairs_have_no_catastrophe(thole):
    for distance in (0.0, 0.01, 0.3, 0.8, 1.2, 2.0):
        energy = bare([5.0, 5.0], bp.TholeExponential(thole)).energy(along(distance), ("a", "b"))
        assert np.isfinite(energy)


def test_plain_numbers_are_checked_inside_a_traced_function_too():
    potential = bare([4.0, 4.0])
    with pytest.raises(NumericalError, match="the response must be below 1"):
        jax.jit(lambda x: x + potential.energy(along(1.0), ("a", "b")))(1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bp.PointCharges(("a", "a"), [1.0, 2.0]), "every kind must have a name of its own, found a, a: rename one"),
        (lambda: bp.PointCharges((), []), "a name of its own, found none"),
        (lambda: bp.PointCharges(("a", "b"), [1.0]), r"one charge for each of the kinds a, b, found the shape \(1,\): give 2"),
        (lambda: bp.PointCharges(("a",), [np.nan]), "charges must be finite"),
        (lambda: bp.PointCharges(("a",), [1.0], scale=-1.0), "scale must be greater than zero, found -1.0"),
        (lambda: bp.PointCharges(("K",), [1.0], REPULSION), "of a known kind, found 'Cl': use one of K"),
        (lambda: bp.SitePair(("K",), bp.HardSphere(3.0)), "must be between two kinds, found"),
        (lambda: SALT.energy(PLACES, ("K", "Na", "Cl", "K")), "a site must be of a known kind, found 'Na': use one of K, Cl"),
        (lambda: SALT.energy(PLACES[None], KINDS), r"three coordinates for each site, found the shape \(1, 4, 3\) for 4 sites"),
        (lambda: bp.InducibleDipoles(SALT, [1.0]), "one polarisability for each of the kinds K, Cl"),
        (lambda: bp.InducibleDipoles(SALT, [1.0, -0.5]), r"a polarisability must be zero or more, found -0\.5 angstrom"),
        (lambda: bp.TholeExponential(0.0), "thole must be greater than zero, found 0.0"),
        (lambda: bp.BornMayer(0.0, 0.3), "BornMayer: strength must be greater than zero"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
