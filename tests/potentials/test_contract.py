"""One contract, all pair potentials."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads

import bayesff.potentials as bp
from bayesff.errors import ParameterError

LENNARD_JONES = bp.LennardJones(epsilon=0.996, sigma=3.405)

POTENTIALS: dict[str, bp.PairPotential] = {
    "lennard_jones": LENNARD_JONES,
    "mie": bp.Mie(epsilon=1.2, sigma=3.3, repulsive=14.5, attractive=6.3),
    "mie_almost_equal_exponents": bp.Mie(epsilon=1.2, sigma=3.3, repulsive=6.001, attractive=6.0),
    "morse": bp.Morse(well_depth=1.1, distance=3.8, steepness=1.6),
    "born_mayer": bp.BornMayer(strength=1.7e5, hardness=0.337),
    "buckingham": bp.Buckingham(epsilon=1.0, distance=3.8, steepness=13.5),
    "argon": bp.TangToennies.argon(),
    "krypton": bp.TangToennies.krypton(),
    "square_well": bp.SquareWell(epsilon=1.0, sigma=3.0, width=1.5),
    "hard_sphere": bp.HardSphere(sigma=3.2),
    "sum": LENNARD_JONES + bp.Morse(well_depth=0.3, distance=4.2, steepness=1.3),
    "sum_with_core": bp.SquareWell(epsilon=0.4, sigma=2.9, width=1.8) + LENNARD_JONES,
    "scaled": 0.7 * bp.Mie(epsilon=1.2, sigma=3.3, repulsive=12.0, attractive=6.0),
    "scaled_core": 0.5 * bp.SquareWell(epsilon=1.0, sigma=3.0, width=1.5),
    "conformal": bp.ConformalPotential(bp.TangToennies.krypton(), energy=0.72, length=0.93),
    "conformal_core": bp.ConformalPotential(bp.SquareWell(epsilon=1.0, sigma=3.0, width=1.5), energy=0.8, length=1.1),
    "plain_cut": bp.PlainCut(LENNARD_JONES, cutoff=9.0, tail=True),
    "shifted_cut": bp.ShiftedCut(LENNARD_JONES, cutoff=9.0),
    "repulsive_core": bp.ShiftedCut(LENNARD_JONES, cutoff=3.405 * 2 ** (1 / 6)),
    "force_shifted_cut": bp.ForceShiftedCut(LENNARD_JONES, cutoff=9.0),
    "coulomb": bp.Coulomb(charge_product=0.8, permittivity=2.5),
    "sigmoidal_coulomb": bp.SigmoidalCoulomb(charge_product=1.0, bulk=78.4, slope=0.356),
    "charged_sites": LENNARD_JONES + bp.Coulomb(charge_product=-0.5),
    "charged_cut": bp.ShiftedCut(LENNARD_JONES + bp.SigmoidalCoulomb(charge_product=-1.0, bulk=78.4, slope=0.2), cutoff=9.0),
    "switched_cut": bp.SwitchedCut(LENNARD_JONES, switch_distance=7.5, cutoff=9.0),
    "gaussian_process": bp.GaussianProcessPair(
        LENNARD_JONES,
        [0.5, -0.8, 1.1, 0.3, -0.6, 0.9, -1.2, 0.4, 0.2, -0.7],
        strength=0.2,
        length=3.4,
        correlation=0.16,
        inner=2.6,
        cutoff=11.0,
    ),
    "radial_basis": bp.RadialBasisPair(
        bp.LennardJones(epsilon=0.6, sigma=3.3), [0.4, -0.6, -0.3], centres=(3.4, 4.2, 5.0), width=0.6
    ),
}

STEPPED = frozenset({"square_well", "hard_sphere", "sum_with_core", "scaled_core", "conformal_core", "plain_cut"})
"""Potentials whose energy has a step, and whose derivatives do not see it."""

LONG_RANGED = frozenset({"coulomb", "sigmoidal_coulomb", "charged_sites"})
"""Potentials that have no integral over all space."""

KT = 2.5
ALL = pytest.mark.parametrize("name", POTENTIALS)
SMOOTH = pytest.mark.parametrize("name", [name for name in POTENTIALS if name not in STEPPED])


def energy(potential, r):
    return potential.pair_energy(r)


batched_energy = jax.jit(jax.vmap(energy, in_axes=(None, 0)))
batched_force = jax.jit(jax.vmap(lambda potential, r: potential.pair_force(r), in_axes=(None, 0)))
energy_slopes = jax.jit(jax.vmap(jax.grad(energy, argnums=(0, 1)), in_axes=(None, 0)))
breakpoints = jax.jit(lambda potential: jnp.stack(potential.breakpoints()))
contact_slope = jax.jit(jax.grad(lambda potential: potential.breakpoints()[0]))


@jax.jit
def boltzmann_slopes(potential, r):
    """Derivatives of a Boltzmann factor in the parameters and the separation."""
    return jax.vmap(lambda x: jax.grad(lambda p, y: jnp.exp(-p.pair_energy(y) / KT), argnums=(0, 1))(potential, x))(r)


@ALL
def test_energy_is_a_scalar_that_jit_and_vmap_leave_alone(name):
    potential = POTENTIALS[name]
    radii = jnp.linspace(2.0, 12.0, 23)
    one_by_one = np.array([potential.pair_energy(float(r)) for r in radii[::7]])
    assert potential.pair_energy(3.9).shape == ()
    np.testing.assert_allclose(batched_energy(potential, radii)[::7], one_by_one, rtol=1e-12)


@ALL
def test_tree_round_trip(name):
    potential = POTENTIALS[name]
    leaves, structure = jax.tree.flatten(potential)
    again = jax.tree.unflatten(structure, leaves)
    assert type(again) is type(potential)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert eqx.tree_equal(again, potential)


@ALL
def test_a_stack_of_parameters_maps_over_draws(name):
    potential = POTENTIALS[name]
    draws = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.001 * leaf, 1.002 * leaf]), potential)
    energies = jax.jit(jax.vmap(energy, in_axes=(0, None)))(draws, 4.1)
    assert energies.shape == (3,)
    np.testing.assert_allclose(energies[0], potential.pair_energy(4.1), rtol=1e-12)


@SMOOTH
def test_gradients_agree_with_differences_forward_and_reverse(name):
    theta, unravel = ravel_pytree(POTENTIALS[name])

    @jax.jit
    def relative(changes, stretch):
        return unravel(theta * (1 + changes)).pair_energy(3.7 * (1 + stretch))

    check_grads(relative, (jnp.zeros_like(theta), jnp.zeros(())), order=1, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5, eps=1e-6)


@SMOOTH
def test_force_is_minus_the_gradient(name):
    potential = POTENTIALS[name]
    step = 1e-5
    radii = breakpoints(potential)[0] * jnp.array([0.93, 1.1, 1.6])
    differences = -(batched_energy(potential, radii + step) - batched_energy(potential, radii - step)) / (2 * step)
    np.testing.assert_allclose(batched_force(potential, radii), differences, rtol=2e-6, atol=2e-9)


@pytest.mark.parametrize("name", sorted(STEPPED))
def test_parameters_of_a_stepped_energy_have_derivatives(name):
    potential = POTENTIALS[name]
    slopes, _ = energy_slopes(potential, jnp.array([4.1]))
    assert np.all(np.isfinite(jax.tree.leaves(slopes)))


@ALL
def test_breakpoints_ascend_and_start_at_the_contact(name):
    potential = POTENTIALS[name]
    radii = np.array(breakpoints(potential))
    assert np.all(np.diff(radii) >= 0)
    assert np.all(radii > 0)
    inside, outside = batched_energy(potential, radii[0] * jnp.array([0.97, 3.0]))
    assert inside > 0
    assert inside > outside


def departure_from_smoothness(potential, inner, outer):
    """Largest error, relative to the largest value, of an interpolation in Chebyshev nodes."""
    x = np.cos(np.pi * (np.arange(48) + 0.5) / 48)
    values = np.asarray(batched_energy(potential, inner + (outer - inner) * (x + 1) / 2))
    interpolant = np.polynomial.chebyshev.Chebyshev.fit(x, values, 47, domain=[-1, 1])
    probe = np.linspace(-0.99, 0.99, 131)
    exact = np.asarray(batched_energy(potential, inner + (outer - inner) * (probe + 1) / 2))
    return np.max(np.abs(interpolant(probe) - exact)) / max(np.max(np.abs(exact)), 1e-12)


@ALL
def test_energy_is_smooth_between_breakpoints(name):
    potential = POTENTIALS[name]
    radii = breakpoints(potential).tolist()
    edges = [*radii, 3 * radii[-1]]
    if np.isfinite(potential.pair_energy(0.8 * radii[0])):
        edges = [0.8 * radii[0], *edges]
    for inner, outer in pairwise(edges):
        if outer > inner * (1 + 1e-12):
            assert departure_from_smoothness(potential, inner * (1 + 1e-14), outer * (1 - 1e-14)) < 1e-8


@pytest.mark.parametrize("name", ["plain_cut", "square_well", "repulsive_core", "switched_cut"])
def test_smoothness_is_not_found_across_a_breakpoint(name):
    potential = POTENTIALS[name]
    edge = float(breakpoints(potential)[-1])
    assert departure_from_smoothness(potential, 0.9 * edge, 1.1 * edge) > 1e-6


@ALL
def test_nothing_is_nan_down_to_coincidence(name):
    potential = POTENTIALS[name]
    scale = float(breakpoints(potential)[0])
    radii = scale * jnp.array([0.0, 1e-300, 1e-12, 1e-6, 1e-3, 0.01, 0.1, 0.3, 0.6, 1.0, 30.0, 1e6])
    energies = np.asarray(batched_energy(potential, radii))
    assert not np.any(np.isnan(energies))
    assert np.all(energies[:6] > 20 * KT)
    slopes = boltzmann_slopes(potential, radii)
    assert np.all(np.isfinite(np.concatenate([np.ravel(slope) for slope in jax.tree.leaves(slopes)])))


@SMOOTH
def test_slopes_of_the_energy_are_finite_down_to_a_thousandth_of_the_size(name):
    potential = POTENTIALS[name]
    radii = float(breakpoints(potential)[0]) * jnp.array([1e-3, 0.01, 0.1, 1.0])
    slopes = energy_slopes(potential, radii)
    assert np.all(np.isfinite(np.concatenate([np.ravel(slope) for slope in jax.tree.leaves(slopes)])))


@ALL
def test_only_what_falls_fast_enough_has_a_tail(name):
    potential = POTENTIALS[name]
    for one in (potential, 0.5 * potential, potential + LENNARD_JONES):
        assert one.long_ranged() == (name in LONG_RANGED)
        if name in LONG_RANGED:
            with pytest.raises(ParameterError, match="must fall faster than the inverse cube"):
                one.energy_beyond(9.0)


@pytest.mark.parametrize("name", [name for name in POTENTIALS if name not in LONG_RANGED])
def test_tail_integral_agrees_with_quadrature_in_many_panels(name):
    potential = POTENTIALS[name]
    start = 1.02 * float(breakpoints(potential)[0])
    edges = sorted({start, *(b for b in breakpoints(potential).tolist() if b > start)})
    edges = np.concatenate([np.linspace(a, b, 5)[:-1] for a, b in pairwise(edges)] + [edges[-1:]])
    edges = np.concatenate([edges, edges[-1] * np.geomspace(1.0, 3e4, 60)[1:]])
    x, w = np.polynomial.legendre.leggauss(20)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    r = (middle[:, None] + half[:, None] * x).ravel()
    by_panels = np.sum((half[:, None] * w).ravel() * r**2 * np.asarray(batched_energy(potential, jnp.asarray(r))))
    # Discontinuous inner edges are outside the contract of the default; their forms write the integral themselves.
    assert float(potential.energy_beyond(start)) == pytest.approx(by_panels, rel=2e-8, abs=1e-9)


@pytest.mark.parametrize("repulsive", [3.02, 6.0, 6.0 + 1e-10, 8.0, 14.0, 50.0, 120.0])
@pytest.mark.parametrize("attractive", [3.01, 6.0, 12.0])
def test_mie_has_no_nan_in_any_corner_of_a_prior(repulsive, attractive):
    potential = eqx.tree_at(
        lambda p: (p.repulsive, p.attractive), bp.Mie(1.0, 3.4), (jnp.array(repulsive), jnp.array(attractive))
    )
    radii = jnp.array([0.0, 1e-3, 0.5, 3.0, 3.4, 4.0, 40.0])
    assert not np.any(np.isnan(batched_energy(potential, radii)))
    slopes = boltzmann_slopes(potential, radii)
    assert np.all(np.isfinite(np.concatenate([np.ravel(slope) for slope in jax.tree.leaves(slopes)])))


@pytest.mark.parametrize("steepness", [5.0, 7.0, 7.1, 8.1, 9.0, 13.0, 25.0, 80.0])
def test_buckingham_has_no_nan_in_any_corner_of_a_prior(steepness):
    potential = eqx.tree_at(lambda p: p.steepness, bp.Buckingham(1.0, 3.8, 13.0), jnp.array(steepness))
    radii = jnp.array([0.0, 1e-3, 0.5, 1.0, 2.0, 3.0, 3.8, 5.0, 40.0])
    energies = np.asarray(batched_energy(potential, radii))
    assert not np.any(np.isnan(energies))
    assert np.all(np.diff(energies[:4]) < 0)
    slopes = boltzmann_slopes(potential, radii)
    assert np.all(np.isfinite(np.concatenate([np.ravel(slope) for slope in jax.tree.leaves(slopes)])))
    assert np.isfinite(contact_slope(potential).steepness)
