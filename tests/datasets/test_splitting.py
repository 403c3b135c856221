import numpy as np
import pytest

from bayesff.datasets import split_by_datum, split_by_environment, split_by_group, split_by_range
from bayesff.errors import DataError

from .conftest import make


def values(*parts):
    return sorted(value for part in parts for value in part.values.tolist())


@pytest.mark.parametrize(("fraction", "num_test"), [(0.01, 1), (0.3, 6), (0.5, 10), (0.999, 19)])
def test_by_datum(fraction, num_test):
    data = make(20)
    train, test = split_by_datum(data, fraction, 1)
    assert test.num_data == num_test
    assert values(train, test) == values(data)
    assert np.all(np.diff(train.state["temperature"]) > 0)
    again = split_by_datum(data, fraction, 1)
    assert again[1].values.tolist() == test.values.tolist()


def test_the_seed_matters_and_every_datum_has_its_turn():
    data = make(20)
    held_out = [split_by_datum(data, 0.2, seed)[1].values.tolist() for seed in range(60)]
    assert len({tuple(item) for item in held_out}) > 50
    # Each datum is missed by one split with probability 0.8, by 60 with 1.5e-6.
    assert {value for item in held_out for value in item} == set(data.values.tolist())


def test_by_group():
    data = make(9)
    train, test = split_by_group(data, "laboratory", "B")
    assert set(test.groups["laboratory"]) == {"B"}
    assert set(train.groups["laboratory"]) == {"A", "C"}
    assert values(train, test) == values(data)
    train, test = split_by_group(data, "laboratory", test_fraction=0.6, seed=3)
    assert set(train.groups["laboratory"]).isdisjoint(test.groups["laboratory"])
    assert len(set(test.groups["laboratory"])) == 2
    assert split_by_group(data, "laboratory", test_fraction=0.6, seed=3)[1].values.tolist() == test.values.tolist()


def test_by_environment():
    parts = make(9).cut("temperature", {"cold": (None, 250.0), "warm": (250.0, 400.0), "hot": (400.0, None)})
    train, test = split_by_environment(parts, "warm")
    assert [part.environment.label for part in train] == ["cold", "hot"]
    assert [part.environment.label for part in test] == ["warm"]
    with pytest.raises(DataError, match="must be that of a data set, found cold, hot, warm"):
        split_by_environment(parts, "lukewarm")
    with pytest.raises(DataError, match="another one must be left to fit"):
        split_by_environment(test, "warm")


def test_by_range():
    train, test = split_by_range(make(), "temperature", 200.0, 400.0)
    assert test.state["temperature"].tolist() == [200.0, 300.0]
    assert train.state["temperature"].tolist() == [100.0, 400.0, 500.0, 600.0]
    _, test = split_by_range(make(), "temperature", low=500)
    assert test.state["temperature"].tolist() == [500.0, 600.0]
    with pytest.raises(DataError, match="must leave at least one datum"):
        split_by_range(make(), "temperature")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lambda: split_by_datum(make(), 0.0, 1), "the test fraction must lie between zero and one, found 0.0"),
        (lambda: split_by_datum(make(), float("nan"), 1), "must lie between zero and one, found nan"),
        (lambda: split_by_datum(make(1), 0.5, 1), "a split needs at least two data, found 1"),
        (lambda: split_by_group(make(), "laboratory"), "the labels to hold out or a fraction, found both or neither"),
        (lambda: split_by_group(make(), "laboratory", "A", test_fraction=0.5, seed=1), "found both or neither"),
        (lambda: split_by_group(make(), "laboratory", test_fraction=0.5), "a random split needs a seed"),
        (
            lambda: split_by_group(make(1), "laboratory", test_fraction=0.5, seed=1),
            "at least two groups in 'laboratory', found 1",
        ),
        (lambda: split_by_group(make(), "laboratory", "Z"), "laboratory has no label 'Z'"),
        (lambda: split_by_group(make(), "team", "Z"), "no grouping column 'team'"),
        (lambda: split_by_group(make(), "team", test_fraction=0.5, seed=1), "no grouping column 'team'"),
    ],
)
def test_splits_that_make_no_sense(split, message):
    with pytest.raises(DataError, match=message):
        split()
