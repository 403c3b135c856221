from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from bayesff.datasets import Environment, synthesise
from bayesff.errors import DataError
from bayesff.potentials import LennardJones

TEMPERATURES = np.linspace(100.0, 500.0, 3000)


class Line:
    """An observable whose prediction is known: the potential is the slope."""

    quantity = "second_virial"

    def predict(self, potential, state):
        return SimpleNamespace(mean=potential * (np.asarray(state["temperature"]) - 300.0))


def test_noise_has_the_uncertainty_that_was_asked_for():
    data = synthesise(Line(), 0.5, {"temperature": TEMPERATURES}, 2.0, 1)
    scores = (data.values - 0.5 * (TEMPERATURES - 300.0)) / data.standard_deviation
    # Mean and variance of 3000 standard normal numbers: standard errors 1/sqrt(3000) and sqrt(2/3000); four of them.
    assert abs(scores.mean()) < 4 / np.sqrt(3000)
    assert abs(scores.var() - 1) < 4 * np.sqrt(2 / 3000)
    assert (data.name, data.substance, data.environment) == ("synthetic", "synthetic", Environment("synthetic", "model"))
    assert data.source.citation == "Synthesised from 0.5"


def test_the_seed_decides():
    first, again, other = (synthesise(Line(), 0.5, {"temperature": [200.0, 300.0]}, 2.0, seed).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_uncertainty_of_each_datum_and_own_environment():
    environment = Environment("warm", "gas")
    state = {"temperature": [200.0, 300.0]}
    data = synthesise(Line(), 0.5, state, [1.0, 3.0], 1, name="mine", substance="neon", environment=environment)
    assert data.standard_deviation.tolist() == [1.0, 3.0]
    assert (data.name, data.substance, data.environment) == ("mine", "neon", environment)


def test_bias_is_shared_in_a_group_and_spread_between_groups():
    laboratories = np.repeat([f"L{number:03d}" for number in range(300)], 10)
    data = synthesise(
        Line(), 0.0, {"temperature": TEMPERATURES}, 1e-6, 1, groups={"laboratory": laboratories}, bias={"laboratory": 1.5}
    )
    biases = data.values.reshape(300, 10)
    assert np.ptp(biases, axis=1).max() < 1e-4
    # Standard deviation of 300 normal numbers: relative standard error 1/sqrt(600); four of them.
    assert abs(biases[:, 0].std() / 1.5 - 1) < 4 / np.sqrt(600)
    assert set(data.standard_deviation.tolist()) == {1e-6}
    noted = dict(item.split(": bias ") for item in data.source.note.split("; "))
    np.testing.assert_allclose([float(noted[f"laboratory L{number:03d}"]) for number in range(300)], biases[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": {"laboratory": 1.0}}, "a bias must belong to a grouping column, found 'laboratory'"),
        (
            {"groups": {"laboratory": ["A", "B"]}, "bias": {"laboratory": -1.0}},
            "bias of laboratory must be finite and not negative",
        ),
        ({"uncertainty": 0.0}, "uncertainty must be finite and greater than zero"),
    ],
)
def test_wrong_requests(changes, message):
    arguments = {"uncertainty": 1.0} | changes
    with pytest.raises(DataError, match=message):
        synthesise(Line(), 0.5, {"temperature": [200.0, 300.0]}, arguments.pop("uncertainty"), 1, **arguments)


def test_the_source_tells_the_parameters():
    class Scaled(Line):
        def predict(self, potential, state):
            return super().predict(float(potential.epsilon), state)

    potential = LennardJones(epsilon=jnp.array(0.75), sigma=jnp.array(3.5))
    data = synthesise(Scaled(), potential, {"temperature": [200.0, 400.0]}, 1e-9, 1)
    assert data.source.citation == "Synthesised from LennardJones(epsilon=0.75, sigma=3.5)"
    np.testing.assert_allclose(data.values, [-75.0, 75.0], atol=1e-7)
