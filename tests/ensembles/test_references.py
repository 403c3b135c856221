"""Averages carried from references to other potentials and temperatures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import bayesff.potentials as bp
from bayesff.ensembles import PairEnsemble, PairFluid, PairGrid, PairValues, References
from bayesff.errors import ParameterError
from bayesff.units import GAS_CONSTANT, MPA_PER_INTERNAL_PRESSURE

from ..long import LONG  # noqa: TID252

NUMBER, DENSITY, TEMPERATURE = 108, 0.0190, 110.0
LENGTH = (NUMBER / DENSITY) ** (1 / 3)
GRID = PairGrid((2.3, 8.0, LENGTH / 2), 0.05)


def cut(epsilon, sigma, tail=True):
    return bp.PlainCut(bp.LennardJones(epsilon=epsilon, sigma=sigma), cutoff=8.0, tail=tail)


def simulated(potential, temperature, seed, num_frames=200, num_replicas=4):
    fluid = PairFluid(potential, temperature, DENSITY, 39.948, num_particles=NUMBER)
    keys = jax.random.split(jax.random.key(seed), 3)
    warm = fluid.simulate(fluid.lattice(keys[0], num_replicas), keys[1], 30, 50, GRID)
    return PairEnsemble.from_trajectory(fluid, fluid.simulate(warm.last, keys[2], num_frames, 25, GRID), GRID)


def error(estimate):
    return float(jnp.linalg.norm(estimate.factor))


NUM_TARGETS = 20 if LONG else 8
PLACES = [(0.94, 3.41, 110.0), (1.02, 3.41, 110.0), (0.98, 3.39, 110.0), (0.98, 3.43, 110.0)]


@pytest.fixture(scope="module")
def ensembles():
    return [simulated(cut(epsilon, sigma), temperature, seed) for seed, (epsilon, sigma, temperature) in enumerate(PLACES)]


@pytest.fixture(scope="module")
def references(ensembles):
    return References.combine(ensembles)


def test_one_reference_at_its_own_state_is_a_plain_average(ensembles):
    one = ensembles[0]
    found = References.combine([one]).averages(one.potential, one.temperature)
    inner = GRID.nodes[: np.flatnonzero(np.diff(GRID.nodes) == 0)[0] + 1]
    counts = np.asarray(one.pair_counts, float)[:, : len(inner)]
    energies = counts @ np.asarray(jax.vmap(one.potential.energy_inside)(inner)) / NUMBER
    virials = counts @ np.asarray(jax.vmap(lambda r: r * one.potential.potential.pair_force(r))(inner)) / (3 * NUMBER / DENSITY)
    mean, factor, _ = found.energy()
    assert float(mean[0]) == pytest.approx(energies.mean() + float(one.potential.tail_energy(DENSITY)), rel=1e-6)
    pressure = (DENSITY * GAS_CONSTANT * TEMPERATURE + virials.mean()) * MPA_PER_INTERNAL_PRESSURE + float(
        one.potential.tail_pressure(DENSITY)
    )
    assert float(found.pressure().mean[0]) == pytest.approx(pressure, abs=1e-3)
    assert float(found.effective_sample_size) == pytest.approx(len(energies) / one.inefficiency, rel=1e-5)
    plain = energies.std() * np.sqrt(one.inefficiency / len(energies))
    assert float(jnp.linalg.norm(factor)) == pytest.approx(plain, rel=0.5)


def test_a_step_at_the_cutoff_is_in_the_weights(ensembles):
    """Dynamics with a plain cut samples the shifted one: the step favours frames with many pairs inside the cutoff."""
    one = ensembles[0]
    assert isinstance(one.potential, bp.ShiftedCut)
    stepped = cut(*PLACES[0][:2])
    found = References.combine([one]).log_weights(stepped, TEMPERATURE)
    within = np.asarray(one.pair_counts, float)[:, np.asarray(GRID.below(8.0))].sum(axis=1)
    expected = -within * float(stepped.potential.pair_energy(8.0)) / (GAS_CONSTANT * TEMPERATURE)
    np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), atol=2e-3)
    assert np.ptp(expected) > 0.1


def of(averages):
    """Energy and pressure, the factors of their errors, and the effective sample size."""
    found = [averages.energy(), averages.pressure()]
    means, factors = zip(*((one.mean[0], one.factor[0]) for one in found), strict=True)
    return jnp.stack(means), jnp.stack(factors), averages.effective_sample_size


@pytest.mark.slow
def test_averages_carried_to_other_places_agree_with_simulations_there(references):
    """Random targets, which have the errors of the references in common: their squared distance from the simulations there is
    one of as many standard normal numbers, false alarm 1 in 1000 for energies and for pressures."""
    rng = np.random.default_rng(3)
    carried = jax.jit(lambda target, at: of(references.averages(target, at)))
    off, factors, owns, sizes = [], [], [], []
    for seed in range(NUM_TARGETS):
        epsilon, sigma, temperature = rng.uniform((0.95, 3.395, 105.0), (1.01, 3.425, 115.0))
        # Dynamics samples what has no step at the cutoff: its frames have equal weights.
        target = cut(epsilon, sigma).without_step()
        direct = simulated(target, temperature, 100 + seed)
        means, factor, size = carried(target, temperature)
        pair = PairValues.of(target, temperature, DENSITY, GRID)
        frames = np.asarray(direct.pair_counts, float) @ np.stack([pair.energy, pair.virial], axis=1)
        per_volume = MPA_PER_INTERNAL_PRESSURE * DENSITY / 3
        ideal = DENSITY * GAS_CONSTANT * temperature * MPA_PER_INTERNAL_PRESSURE
        found = np.array([pair.tail, ideal + pair.tail_pressure]) + frames.mean(axis=0) * np.array([1.0, per_volume]) / NUMBER
        own = frames.std(axis=0) * np.sqrt(direct.inefficiency / len(frames)) * np.array([1.0, per_volume]) / NUMBER
        off.append(means - found)
        factors.append(factor)
        owns.append(own)
        sizes.append(size)
    assert min(sizes) > 100
    for difference, factor, own in zip(np.transpose(off), np.swapaxes(factors, 0, 1), np.transpose(owns), strict=True):
        covariance = np.diag(own**2) + factor @ factor.T
        assert np.abs(difference / np.sqrt(np.diag(covariance))).max() < 3.5
        below = stats.chi2(NUM_TARGETS).cdf(difference @ np.linalg.solve(covariance, difference))
        assert 5e-4 < below < 1 - 5e-4


def test_far_from_the_references_few_frames_are_left(references):
    near = references.averages(cut(0.98, 3.41), 110.0)
    far = references.averages(cut(0.98, 3.60), 110.0)
    assert float(near.effective_sample_size) > 200
    assert float(far.effective_sample_size) < 10


def test_what_few_frames_do_not_show_is_an_error_of_the_modes_that_all_averages_share(references):
    """Against its definition: beside the frames' own error, every mode errs by ``smallest_sample / n**1.5``."""
    plain, cautious = (references.averages(cut(0.98, 3.50), 110.0, smallest) for smallest in (0.0, 100.0))
    separations = np.linspace(3.3, 7.0, 30)
    shells = 2 * np.pi * separations**2 * DENSITY * NUMBER
    along = np.column_stack([plain.pair.caloric / NUMBER, GRID.density(separations).T / shells]).T @ np.asarray(
        references.scatter
    )

    def covariance(averages):
        factor = np.concatenate([averages.energy().factor, averages.pair_distribution(separations).factor])
        return factor @ factor.T

    expected = (100.0 / float(plain.effective_sample_size) ** 1.5) ** 2 * along @ along.T
    np.testing.assert_allclose(covariance(cautious) - covariance(plain), expected, rtol=1e-6, atol=1e-8 * expected.max())


def test_averages_are_differentiable(references):
    @jax.jit
    def both(parameters):
        found = references.averages(cut(parameters[0], parameters[1]), parameters[2])
        return jnp.stack([found.energy().mean[0], found.pressure().mean[0], found.effective_sample_size / 100])

    place = jnp.array([0.98, 3.41, 110.0])
    forward, backward = jax.jit(jax.jacfwd(both))(place), jax.jit(jax.jacrev(both))(place)
    np.testing.assert_allclose(forward, backward, rtol=1e-5, atol=1e-5)
    for index, step in enumerate((1e-3, 1e-3, 0.1)):
        move = step * jnp.eye(3)[index]
        numeric = (both(place + move) - both(place - move)) / (2 * step)
        np.testing.assert_allclose(forward[:, index], numeric, rtol=0.02, atol=0.02)


def test_a_tail_is_added_and_does_not_change_the_weights(references):
    with_tail, without = (references.averages(cut(0.98, 3.41, tail), 110.0) for tail in (True, False))
    added = float(cut(0.98, 3.41).tail_energy(DENSITY))
    assert float((with_tail.energy().mean - without.energy().mean)[0]) == pytest.approx(added, rel=1e-10)
    assert float(with_tail.effective_sample_size) == float(without.effective_sample_size)


def test_another_form_at_the_same_place(references):
    """A Mie potential with the exponents of Lennard-Jones is the same potential."""
    mie = bp.PlainCut(bp.Mie(epsilon=0.98, sigma=3.41, repulsive=12.0, attractive=6.0), cutoff=8.0, tail=True)
    found, expected = (references.averages(one, 110.0) for one in (mie, cut(0.98, 3.41)))
    np.testing.assert_allclose(found.energy().mean, expected.energy().mean, rtol=1e-6)
    np.testing.assert_allclose(found.pressure().mean, expected.pressure().mean, atol=1e-3)


def test_what_cannot_be_weighed_together(ensembles):
    with pytest.raises(ParameterError, match="at least one simulation is needed, found none"):
        References.combine([])
    denser = PairEnsemble(cut(1.0, 3.4), 110.0, 0.02, NUMBER, GRID, ensembles[0].pair_counts, 1.0)
    with pytest.raises(ParameterError, match=r"must have one density, found 0\.019 and 0\.02: weigh them in groups"):
        References.combine([ensembles[0], denser])
    longer = bp.PlainCut(bp.LennardJones(epsilon=1.0, sigma=3.4), cutoff=8.5)
    with pytest.raises(ParameterError, match=r"found 8\.5 angstrom and the edges 2\.3, 8, 8\.9"):
        References.combine(ensembles[:1]).averages(longer, 110.0)


def test_reduced_references_keep_what_is_needed_and_say_what_they_neglect(references):
    """Energies of Lennard-Jones potentials are kept: two modes. The pair distribution is not, and has a greater error."""
    needed = [references.energy_slope(cut(epsilon, sigma), 110.0) for epsilon in (0.9, 1.1) for sigma in (3.37, 3.45)]
    smaller = references.reduced(np.stack(needed) / 1e-3)
    assert smaller.modes.shape[1] < 8 < references.modes.shape[1]
    whole, part = (one.averages(cut(0.99, 3.40), 110.0) for one in (references, smaller))
    assert float(part.effective_sample_size) == pytest.approx(float(whole.effective_sample_size), rel=1e-3)
    assert float(part.energy().mean[0]) == pytest.approx(float(whole.energy().mean[0]), rel=1e-6)
    separations = np.linspace(3.3, 7.0, 30)
    exact, found = (one.pair_distribution(separations) for one in (whole, part))
    sd = np.sqrt(np.asarray(found.variance))
    assert np.abs(np.asarray(found.mean - exact.mean)).max() > 0.003
    assert np.all(np.abs(np.asarray(found.mean - exact.mean)) < sd)
    assert not np.asarray(exact.variance).any()
    np.testing.assert_allclose(
        smaller.scatter @ smaller.scatter.T + smaller.neglected @ smaller.neglected.T,
        references.scatter @ references.scatter.T,
        atol=1e-8,
    )
