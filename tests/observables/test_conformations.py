"""Energies of conformations: differences, derivatives, treatments and wrong states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import bayesff.observables as bo
import bayesff.potentials as bp
from bayesff.errors import StateError

BUTANE = bp.alkane([(180.0,), (60.0,), (300.0,), (120.0,)])
ENERGY = bo.ConformationEnergy(BUTANE)
OPLS = bp.OPLS_ONE_FOUR(bp.opls_alkanes())


def state(*pairs):
    first, second = zip(*pairs, strict=True)
    return {"conformation": np.array(first, dtype=float), "reference_conformation": np.array(second, dtype=float)}


def test_the_energy_is_a_difference():
    found = ENERGY.predict(OPLS, state((0, 0), (1, 0), (3, 1), (3, 0)))
    energies = [float(OPLS.energy(BUTANE.topology, positions)) for positions in BUTANE.positions]
    wanted = [0.0, energies[1] - energies[0], energies[3] - energies[1], energies[3] - energies[0]]
    np.testing.assert_allclose(found.mean, wanted, atol=1e-10)
    assert np.all(np.asarray(found.covariance.diagonal) > 0)
    assert float(jnp.sqrt(found.covariance.diagonal).max()) < 1e-11


def test_mirror_images_have_the_same_energy():
    found = ENERGY.predict(OPLS, state((2, 1)))
    assert float(found.mean[0]) == pytest.approx(0.0, abs=10 * float(jnp.sqrt(found.covariance.diagonal[0])) + 1e-11)


def test_derivatives_in_the_factors():
    @jax.jit
    def energies(factors):
        names = OPLS.types
        changed = OPLS.with_factors(dict(zip(names, factors[0], strict=True)), dict(zip(names, factors[1], strict=True)))
        return ENERGY.predict(changed, state((1, 0), (3, 0))).mean

    check_grads(energies, (jnp.ones((2, 4)),), order=1, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5, eps=1e-6)


def test_states_may_be_traced():
    found = jax.jit(lambda k: ENERGY.predict(OPLS, {"conformation": k, "reference_conformation": jnp.zeros(1)}).mean)(jnp.ones(1))
    np.testing.assert_allclose(found, ENERGY.predict(OPLS, state((1, 0))).mean, rtol=1e-12)


@pytest.mark.parametrize("number", [0.5, -1.0, 4.0])
def test_a_conformation_is_a_number_of_the_list(number):
    with pytest.raises(StateError, match=f"conformation must be a whole number from 0 to 3, found {number}"):
        ENERGY.predict(OPLS, state((number, 0)))
    with pytest.raises(StateError, match="reference_conformation must be a whole number"):
        ENERGY.predict(OPLS, state((0, number)))
