"""Sums, multiples, combining rules, scaling laws, the defaults of the base class, and the errors."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

import bayesff.potentials as bp
from bayesff.errors import ParameterError

LJ = bp.LennardJones(epsilon=0.996, sigma=3.405)
MORSE = bp.Morse(well_depth=0.5, distance=4.0, steepness=1.4)
RADII = jnp.linspace(2.0, 12.0, 21)

energies = eqx.filter_jit(jax.vmap(lambda potential, r: potential.pair_energy(r), in_axes=(None, 0)))


class PowerPlusTail(bp.PairPotential):
    """A potential of a user, who writes nothing but the energy."""

    strength: Float[Array, ""] = bp.parameter("kJ/mol", positive=True)
    reach: Float[Array, ""] = bp.parameter("angstrom", positive=True)
    attraction: Float[Array, ""] = bp.parameter("", default=1.0)

    def pair_energy(self, r):
        x = self.reach / jnp.asarray(r)
        return self.strength * (x**9 - self.attraction * x**6)


def test_sum_and_multiple():
    expected = np.asarray(energies(LJ, RADII)) + 0.25 * np.asarray(energies(MORSE, RADII))
    for potential in (LJ + 0.25 * MORSE, MORSE * 0.25 + LJ, LJ + MORSE.scale(0.25), LJ + np.float64(0.25) * MORSE):
        np.testing.assert_allclose(energies(potential, RADII), expected, rtol=1e-13)
    np.testing.assert_allclose(energies(LJ + jnp.asarray(0.25) * MORSE, RADII), expected, rtol=1e-13)


def test_a_sum_is_flat_and_takes_derivatives_through_every_term():
    potential = LJ + MORSE + 0.5 * LJ
    assert len(potential.terms) == 3
    slope = jax.grad(lambda p: p.pair_energy(3.9))(potential)
    assert float(slope.terms[2].factor) == pytest.approx(float(LJ.pair_energy(3.9)), rel=1e-13)
    assert float(slope.terms[1].well_depth) == pytest.approx(float(MORSE.pair_energy(3.9)) / 0.5, rel=1e-13)


def test_a_multiple_declares_its_factor_and_keeps_a_core_hard():
    assert bp.ScaledPotential.parameter_units() == {"factor": ""}
    core = 0.0 * bp.SquareWell(epsilon=1.0, sigma=3.0, width=1.5)
    assert float(core.pair_energy(2.0)) == np.inf
    assert float(core.pair_energy(4.0)) == 0.0
    assert float(jax.grad(lambda p: p.pair_energy(2.0))(core).factor) == 0.0


def test_tails_add_and_scale():
    potential = LJ + 0.25 * MORSE
    expected = float(LJ.energy_beyond(9.0)) + 0.25 * float(MORSE.energy_beyond(9.0))
    assert float(potential.energy_beyond(9.0)) == pytest.approx(expected, rel=1e-13)
    assert float(bp.PairPotential.energy_beyond(potential, 9.0)) == pytest.approx(expected, rel=1e-10)


def test_a_conformal_potential_is_the_form_with_its_energy_and_length_multiplied():
    conformal = bp.ConformalPotential(LJ, energy=1.2, length=0.9)
    direct = bp.LennardJones(epsilon=1.2 * LJ.epsilon, sigma=0.9 * LJ.sigma)
    np.testing.assert_allclose(energies(conformal, RADII), energies(direct, RADII), rtol=1e-13)
    assert float(conformal.breakpoints()[0]) == pytest.approx(float(direct.breakpoints()[0]), rel=1e-13)
    assert float(conformal.energy_beyond(9.0)) == pytest.approx(float(direct.energy_beyond(9.0)), rel=1e-12)
    cut = bp.ConformalPotential(bp.PlainCut(LJ, cutoff=9.0, tail=True), energy=1.2, length=0.9)
    expected = bp.PlainCut(direct, cutoff=8.1, tail=True)
    assert float(cut.tail_energy(0.02)) == pytest.approx(float(expected.tail_energy(0.02)), rel=1e-12)
    charged = bp.ConformalPotential(bp.Coulomb(charge_product=0.8), energy=1.2, length=0.9)
    assert charged.long_ranged()


def test_only_potentials_and_numbers_take_part():
    with pytest.raises(TypeError):
        LJ + 1.0
    with pytest.raises(TypeError):
        LJ * MORSE
    with pytest.raises(TypeError):
        "2" * LJ


def test_default_breakpoint_is_the_zero_of_the_energy():
    potential = PowerPlusTail(strength=2.0, reach=3.1)
    find = jax.jit(lambda p: p.breakpoints())
    assert float(find(potential)[0]) == pytest.approx(3.1, rel=1e-12)
    assert float(bp.PairPotential.breakpoints(LJ)[0]) == pytest.approx(3.405, rel=1e-12)
    stack = jax.tree.map(lambda leaf: leaf * jnp.array([1.0, 1.2]), potential)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(lambda p: p.breakpoints()[0]))(stack), [3.1, 3.1 * 1.2 / 1.2 ** (1 / 3)], rtol=1e-12
    )
    slope = jax.grad(lambda p: p.breakpoints()[0])(potential)
    assert float(slope.reach) == 0.0


def test_default_breakpoint_of_a_repulsion_is_where_it_reaches_one():
    potential = PowerPlusTail(strength=2.0, reach=3.1, attraction=0.0)
    assert float(potential.breakpoints()[0]) == pytest.approx(3.1 * 2 ** (1 / 9), rel=1e-12)


def test_default_tail_is_exact_for_inverse_powers():
    potential = PowerPlusTail(strength=2.0, reach=3.1)
    expected = 2.0 * (3.1**9 / (6 * 8.0**6) - 3.1**6 / (3 * 8.0**3))
    assert float(potential.energy_beyond(8.0)) == pytest.approx(expected, rel=1e-13)


def test_combining_rules():
    a, b = bp.LennardJones(epsilon=1.0, sigma=3.0), bp.LennardJones(epsilon=0.25, sigma=4.0)
    mixed = bp.lorentz_berthelot(a, b)
    assert (float(mixed.epsilon), float(mixed.sigma)) == pytest.approx((0.5, 3.5))
    mixed = bp.geometric(a, b)
    assert (float(mixed.epsilon), float(mixed.sigma)) == pytest.approx((0.5, np.sqrt(12.0)))
    c, d = bp.Mie(1.0, 3.0, 12.0, 6.0), bp.Mie(0.25, 4.0, 19.0, 5.0)
    for rule, sigma in ((bp.lorentz_berthelot, 3.5), (bp.geometric, np.sqrt(12.0))):
        mixed = rule(c, d)
        found = [float(x) for x in (mixed.epsilon, mixed.sigma, mixed.repulsive, mixed.attractive)]
        assert found == pytest.approx([0.5, sigma, 15.0, 3 + np.sqrt(6.0)])
        assert [float(x) for x in jax.tree.leaves(rule(c, c))] == pytest.approx([float(x) for x in jax.tree.leaves(c)])


FORMS = {
    "lennard_jones": lambda e, s: bp.LennardJones(e, s),
    "mie": lambda e, s: bp.Mie(e, s, 13.5, 6.2),
    "square_well": lambda e, s: bp.SquareWell(e, s, 1.7),
    "buckingham": lambda e, s: bp.Buckingham(e, s, 13.0),
    "morse": lambda e, s: bp.Morse(e, s, 6.0 / s),
}


@pytest.mark.parametrize("name", FORMS)
def test_energy_scales_with_epsilon_and_length_with_sigma(name):
    @jax.jit
    def pair(e, s, x):
        potential = FORMS[name](e, s)
        return potential.pair_energy(x * s), jnp.stack(potential.breakpoints()), potential.energy_beyond(3 * s)

    positive = st.floats(0.01, 100.0)

    @settings(max_examples=40, deadline=None)
    @given(epsilon=positive, sigma=positive, x=st.floats(0.3, 8.0).filter(lambda x: abs(x - 1) > 1e-6 and abs(x - 1.7) > 1e-6))
    def check(epsilon, sigma, x):
        energy, radii, tail = pair(epsilon, sigma, x)
        unit_energy, unit_radii, unit_tail = pair(1.0, 1.0, x)
        np.testing.assert_allclose(energy, epsilon * unit_energy, rtol=1e-9, atol=1e-12 * epsilon)
        np.testing.assert_allclose(radii, sigma * unit_radii, rtol=1e-12)
        np.testing.assert_allclose(tail, epsilon * sigma**3 * unit_tail, rtol=1e-9)

    check()


@settings(max_examples=60, deadline=None)
@given(epsilon=st.floats(1e-3, 1e3), sigma=st.floats(0.5, 10.0), x=st.floats(0.7, 3.0))
def test_one_point_gives_back_the_potential(epsilon, sigma, x):
    potential = bp.LennardJones(epsilon, sigma)
    r = x * sigma
    again = bp.LennardJones.from_energy_and_force(r, potential.pair_energy(r), potential.pair_force(r))
    assert [float(again.epsilon), float(again.sigma)] == pytest.approx([epsilon, sigma], rel=1e-9)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: bp.LennardJones(epsilon=-1.0, sigma=3.4),
            r"LennardJones: epsilon must be greater than zero, found -1\.0 kJ/mol",
        ),
        (lambda: bp.LennardJones(epsilon=1.0, sigma=float("nan")), r"LennardJones: sigma must be finite, found nan angstrom"),
        (lambda: bp.LennardJones.from_coefficients(1.0, -2.0), r"from_coefficients: .*greater than zero, found 1\.0 and -2\.0"),
        (
            lambda: bp.LennardJones.from_energy_and_force(3.8, 1.0, 0.0),
            r"no potential has energy 1\.0 kJ/mol .* at 3\.8 angstrom",
        ),
        (lambda: bp.Mie(1.0, 3.4, 6.0, 12.0), r"repulsive > attractive > 3, found repulsive 6\.0 and attractive 12\.0"),
        (lambda: bp.Mie(1.0, 3.4, 12.0, 3.0), r"repulsive > attractive > 3, found repulsive 12\.0 and attractive 3\.0"),
        (lambda: bp.SquareWell(1.0, 3.0, 0.9), r"SquareWell: width .* must be greater than one, found 0\.9"),
        (lambda: bp.Buckingham(1.0, 3.8, 6.5), r"Buckingham: steepness must be greater than 7, .* found 6\.5"),
        (lambda: bp.Buckingham.from_coefficients(1.0, 3.0, 1e9), r"must have a minimum.*found A 1\.0 kJ/mol"),
        (lambda: bp.Buckingham.from_coefficients(1e5, 3.0, -1.0), r"must have a minimum.*C -1\.0 kJ/mol angstrom\^6"),
        (lambda: bp.PlainCut(LJ, cutoff=-1.0), r"PlainCut: cutoff must be finite and greater than zero, found -1\.0 angstrom"),
        (
            lambda: bp.SwitchedCut(LJ, switch_distance=9.0, cutoff=8.0),
            r"switch_distance must be less than cutoff, found 9\.0 and 8\.0",
        ),
        (lambda: bp.SwitchedCut(LJ, switch_distance=-1.0, cutoff=8.0), r"switch_distance must be finite and greater than zero"),
        (lambda: bp.SumPotential(()), r"a sum needs at least one term, found none"),
        (lambda: bp.lorentz_berthelot(LJ, MORSE), r"lorentz_berthelot: both .* found LennardJones and Morse"),
        (lambda: bp.geometric(bp.Mie(1.0, 3.0), LJ), r"geometric: both .* found Mie and LennardJones"),
        (lambda: bp.geometric(MORSE, MORSE), r"geometric: both .* found Morse and Morse"),
    ],
)
def test_wrong_parameters_are_named(build, message):
    with pytest.raises(ParameterError, match=message):
        build()


def test_the_edge_of_what_exp_6_can_be():
    """A, B and C give a minimum up to C = (A/6) B^-6 (7/e)^7 and none beyond."""
    A, B = 1e5, 3.0
    limit = A / 6 * B**-6 * (7 / np.e) ** 7
    assert float(bp.Buckingham.from_coefficients(A, B, 0.999 * limit).steepness) > 7
    with pytest.raises(ParameterError, match="must have a minimum"):
        bp.Buckingham.from_coefficients(A, B, 1.001 * limit)


def test_constructors_work_under_jit():
    """A tracer has no number to check, and a constant beside one must not be in the way."""

    @jax.jit
    def build(x):
        constant = jnp.asarray(3.4)
        parts = (
            bp.LennardJones.from_minimum(x, constant),
            bp.LennardJones.from_coefficients(4 * x, x),
            bp.LennardJones.from_energy_and_force(3.8, -x, 0.01 * x),
            bp.Mie(x, constant, 12 * x, 6.0),
            bp.SquareWell(x, constant, 1.5 * x),
            bp.Buckingham.from_coefficients(4e5 * x, 3.4, 6e3),
            bp.SwitchedCut(LJ, 7.0 * x, 9.0),
        )
        return jnp.stack([part.pair_energy(3.9) for part in parts])

    assert np.all(np.isfinite(build(1.0)))
