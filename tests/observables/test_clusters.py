"""Energies of clusters and their many-body part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import bayesff.observables as bo
import bayesff.potentials as bp
from bayesff.errors import NumericalError, ParameterError, StateError
from bayesff.units import COULOMB_CONSTANT

SALT = bp.PointCharges(("K", "Cl"), [1.0, -1.0], (bp.SitePair(("K", "Cl"), bp.BornMayer(1.7e5, 0.337)),))
STATE = {"separation": np.array([2.4, 2.7, 3.2, 5.0])}
ROW, CORNER, TRIANGLE = (
    bo.Shape.linear("Cl", "K", "Cl"),
    bo.Shape.bent("Cl", "K", "Cl", 90.0),
    bo.Shape.equilateral("K", "Cl", "K"),
)


def error_of(prediction):
    return float(np.sqrt(prediction.covariance.diagonal.max()))


def test_a_dimer_is_its_pair():
    found = bo.ClusterEnergy(bo.Shape.dimer("K", "Cl")).predict(SALT, STATE)
    r = STATE["separation"]
    np.testing.assert_allclose(found.mean, -COULOMB_CONSTANT / r + 1.7e5 * np.exp(-r / 0.337), rtol=1e-13)
    assert 0 < error_of(found) < 1e-10


@pytest.mark.parametrize(("shape", "apart"), [(ROW, 2.0), (CORNER, np.sqrt(2.0)), (bo.Shape.equilateral("Cl", "K", "Cl"), 1.0)])
def test_a_trimer_of_point_charges(shape, apart):
    found = bo.ClusterEnergy(shape).predict(bp.PointCharges(("K", "Cl"), [1.0, -1.0]), STATE).mean
    np.testing.assert_allclose(found, COULOMB_CONSTANT * (1 / apart - 2) / STATE["separation"], rtol=1e-13)


@pytest.mark.parametrize("shape", [ROW, CORNER, TRIANGLE, bo.Shape.dimer("K", "K")])
def test_pairwise_energies_have_no_many_body_part(shape):
    found = bo.ManyBodyEnergy(shape).predict(SALT, STATE)
    np.testing.assert_allclose(found.mean, 0.0, atol=5 * error_of(found))


def test_the_many_body_part_of_a_row_of_ions():
    """Undamped, with the outer ions polarisable, in closed form: each sees the centre and the other one, and its dipole."""
    alpha, r = 3.7, 3.0
    potential = bp.InducibleDipoles(bp.PointCharges(("K", "Cl"), [1.0, -1.0]), [0.0, alpha], bp.Undamped())
    # Both dipoles point at the centre: that of one weakens the field at the other by 2 mu / (2 r)^3.
    dipole = alpha * (1 - 1 / 4) / r**2 / (1 + 2 * alpha / (2 * r) ** 3)
    cluster = -COULOMB_CONSTANT * dipole * (1 - 1 / 4) / r**2
    unlike = -COULOMB_CONSTANT * alpha / (2 * r**4)
    like = -COULOMB_CONSTANT * alpha / (2 * r) ** 4 / (1 + 2 * alpha / (2 * r) ** 3)
    found = bo.ManyBodyEnergy(ROW).predict(potential, {"separation": np.array([r])})
    assert float(found.mean[0]) == pytest.approx(cluster - 2 * unlike - like, rel=1e-12)


def test_the_energy_of_separate_sites_is_taken_off():
    """A potential whose sites have an energy of their own: the interaction energy does not know of it."""

    class Shifted(bp.ClusterPotential):
        sites: bp.PointCharges

        def energy(self, positions, kinds):
            return self.sites.energy(positions, kinds) + 7.0 * len(kinds)

    for kind in (bo.ClusterEnergy, bo.ManyBodyEnergy):
        wanted, found = (kind(CORNER).predict(potential, STATE).mean for potential in (SALT, Shifted(SALT)))
        np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_without_polarisability_the_pairwise_energies_are_left():
    for kind in (bo.ClusterEnergy, bo.ManyBodyEnergy):
        polarised, plain = (kind(CORNER).predict(one, STATE).mean for one in (bp.InducibleDipoles(SALT, [0.0, 0.0]), SALT))
        np.testing.assert_allclose(polarised, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("observable", [bo.ClusterEnergy(CORNER), bo.ManyBodyEnergy(TRIANGLE)], ids=["energy", "many_body"])
def test_derivatives_forward_and_reverse(observable):
    def mean(alpha, scale):
        sites = bp.PointCharges(SALT.kinds, SALT.charges, SALT.short_range, scale)
        return observable.evaluate(bp.InducibleDipoles(sites, alpha), {"separation": jnp.array([2.7, 3.2])})[0]

    check_grads(jax.jit(mean), (jnp.array([0.8, 3.7]), jnp.array(0.9)), order=1, modes=("fwd", "rev"), rtol=1e-6, eps=1e-5)


def test_a_catastrophe_is_an_error_for_numbers_and_finite_for_a_sampler():
    def mean(alpha):
        potential = bp.InducibleDipoles(SALT, jnp.array([alpha, alpha]), bp.Undamped())
        return bo.ClusterEnergy(ROW).predict(potential, {"separation": np.array([3.0, 1.5])}).mean

    assert np.isfinite(mean(0.5)).all()
    with pytest.raises(NumericalError, match=r"found 2\.\d+ in the cluster Cl-K-Cl, .* which are 1\.5 angstrom apart"):
        mean(3.0)
    value, slope = jax.jit(mean)(3.0), jax.jit(jax.jacrev(mean))(3.0)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()


def test_shapes_have_the_lengths_and_angles_that_they_say():
    assert np.linalg.norm(np.subtract(*np.array(bo.Shape.bent("a", "b", "c", 40.0).positions)[[0, 2]])) == pytest.approx(
        2 * np.sin(np.deg2rad(20.0))
    )
    sides = [np.linalg.norm(np.subtract(*np.array(TRIANGLE.positions)[[i, j]])) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert sides == pytest.approx([1.0, 1.0, 1.0])
    assert bo.Shape.dimer("a", "b").kinds == ("a", "b")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bo.Shape(("a",), ((0.0, 0.0, 0.0),)), "two sites or more with three coordinates each, found 1 kinds"),
        (lambda: bo.Shape(("a", "b"), ((0.0, 0.0, 0.0),)), r"found 2 kinds and positions of the shape \(1, 3\)"),
        (lambda: bo.Shape(("a", "b"), ((0.0, 0.0, 0.0),) * 2), r"must not be at one place, found 0 \(a\) and 1 \(b\) at"),
        (lambda: bo.Shape.bent("a", "b", "c", 0.0), r"above 0 and at most 180 degrees, found 0\.0: correct it"),
        (lambda: bo.ClusterEnergy(bo.Shape.dimer("K", "Na")).predict(SALT, STATE), "of a known kind, found 'Na'"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_the_state_is_checked():
    with pytest.raises(StateError, match="ClusterEnergy: separation must be finite and greater than zero"):
        bo.ClusterEnergy(ROW).predict(SALT, {"separation": np.array([0.0])})
