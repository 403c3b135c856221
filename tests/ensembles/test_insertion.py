"""Insertion of test particles: against virial coefficients in a nearly empty box, and points that do not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesff.ensembles import insertion
from bayesff.ensembles.mie_fluid import ReducedState, chemical_potential
from bayesff.observables import SecondVirial, ThirdVirial
from bayesff.potentials import LennardJones, PlainCut
from bayesff.units import CUBIC_ANGSTROM_PER_MOLE, GAS_CONSTANT


def test_one_particle_gives_the_second_virial():
    """Of one particle in a box the mean is exactly 1 - 2 B2 / V, whatever its place."""
    potential = PlainCut(LennardJones(1.0, 3.4), 8.0)
    means = [
        float(insertion(potential, 150.0, jnp.array([place]), 18.0, jax.random.key(seed), 200_000))
        for seed, place in enumerate(((0.0, 0.0, 0.0), (5.0, 17.9, 9.0)))
    ]
    second = float(SecondVirial().predict(potential, {"temperature": 150.0}).mean[0]) / CUBIC_ANGSTROM_PER_MOLE
    expected = 1 - 2 * second / 18.0**3
    # The Boltzmann factor less one has the standard deviation 0.3 over the box.
    np.testing.assert_allclose(means, expected, atol=4 * 0.3 / np.sqrt(200_000))
    assert abs(expected - 1) > 0.03


def test_the_tail_counts_twice():
    """A particle more changes N times the tail of a particle, which is proportional to N, by twice that tail."""
    cut, tailed = (PlainCut(LennardJones(1.0, 3.4), 8.0, tail=tail) for tail in (False, True))
    places = jax.random.uniform(jax.random.key(1), (40, 3), maxval=18.0)
    means = [float(insertion(one, 150.0, places, 18.0, jax.random.key(2), 1000)) for one in (cut, tailed)]
    tail = float(tailed.tail_energy(40 / 18.0**3))
    assert means[1] / means[0] == pytest.approx(np.exp(-2 * tail / (GAS_CONSTANT * 150.0)), rel=1e-9)


def test_a_dilute_fluid():
    """At a density of 0.02 the virial expansion is exact to 1e-3: 2 B2 rho + 3/2 B3 rho^2."""
    mean, variance = chemical_potential(ReducedState(2.0, 0.02, 12.0), 5, num_frames=12)
    unit = LennardJones(GAS_CONSTANT * 100, 1.0), {"temperature": 200.0}
    second, third = (float(kind().predict(*unit).mean[0]) for kind in (SecondVirial, ThirdVirial))
    expected = 2 * second / CUBIC_ANGSTROM_PER_MOLE * 0.02 + 1.5 * third / CUBIC_ANGSTROM_PER_MOLE**2 * 0.02**2
    assert abs(mean - expected) < 4 * np.sqrt(variance) + 1e-3
    assert 0 < np.sqrt(variance) < 0.005
