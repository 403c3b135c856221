import copy
import dataclasses
import pickle

import numpy as np
import pytest

from bayesff.datasets import DataSet, Environment, Source
from bayesff.errors import DataError

from .conftest import assert_same, make


def test_what_a_data_set_holds():
    data = make()
    assert (len(data), data.num_data, data.unit, data.quantity.symbol) == (6, 6, "cm^3/mol", "B_2")
    assert data.values.dtype == np.float64
    np.testing.assert_array_equal(data.standard_deviation, 0.5)
    covariant = make(2, uncertainty=None, covariance=np.array([[4.0, 1.0], [1.0, 9.0]]))
    np.testing.assert_array_equal(covariant.standard_deviation, [2.0, 3.0])


def test_a_user_may_give_lists():
    data = DataSet(
        name="mine",
        observable="second_virial",
        substance="argon",
        environment=Environment("gas", "gas"),
        source=Source("this work"),
        state={"temperature": [200, 300]},
        values=[-48, -15],
        uncertainty=[1, 1],
    )
    assert data.values.dtype == data.state["temperature"].dtype == np.float64


def test_it_cannot_be_changed():
    original = np.array([-180.0, 12.0])
    data = make(2, values=original)
    original[0] = 0.0
    assert data.values[0] == -180.0
    assert data.uncertainty is not None
    for array in (data.values, data.uncertainty, data.state["temperature"], data.groups["laboratory"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.values = original  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        data.state["temperature"] = original  # pyright: ignore[reportIndexIssue]
    with pytest.raises(TypeError):
        data.environment.ranges["temperature"] = (0.0, 1.0)  # pyright: ignore[reportIndexIssue]


def test_it_travels_between_processes():
    data = make()
    for twin in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert_same(data, twin)
        assert not twin.values.flags.writeable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "the name must be a word or more, found ' '"),
        ({"observable": "second_viral"}, "unknown quantity 'second_viral': use one of second_virial"),
        ({"values": np.array([1.0, np.nan])}, "made: second_virial must be finite, found nan at datum 1"),
        ({"values": np.zeros((2, 1))}, "second_virial must be one-dimensional, found shape \\(2, 1\\)"),
        ({"values": np.array([])}, "must hold at least one datum, found none"),
        ({"values": np.array(["a", "b"])}, "second_virial must be numbers"),
        (
            {"state": {"temperature": np.array([100.0, -3.0])}},
            "temperature must be finite and greater than zero, found -3.0 at datum 1",
        ),
        ({"state": {"temperature": np.array([100.0])}}, "temperature must have one entry a datum, found 1 for 2 values"),
        ({"state": {}}, "second_virial needs the state column 'temperature', found none"),
        ({"state": {"temperature": np.ones(2), "colour": np.ones(2)}}, "unknown quantity 'colour'"),
        (
            {"state": {"temperature": np.array([100.0, 1001.0])}},
            "within the environment 'gas', 50.0 to 1000.0 K, found 1001.0 at datum 1",
        ),
        ({"uncertainty": np.array([0.5, 0.0])}, "uncertainty must be finite and greater than zero, found 0.0 at datum 1"),
        ({"uncertainty": np.array([0.5])}, "uncertainty must have one entry a datum"),
        ({"uncertainty": None}, "either an uncertainty or a covariance, found neither"),
        ({"covariance": np.eye(2)}, "either an uncertainty or a covariance, found both"),
        ({"uncertainty": None, "covariance": np.eye(3)}, "covariance must have shape \\(2, 2\\), found \\(3, 3\\)"),
        (
            {"uncertainty": None, "covariance": np.array([[1.0, 2.0], [2.0, 1.0]])},
            "must be positive definite, found a smallest eigenvalue of -1:",
        ),
        (
            {"uncertainty": None, "covariance": np.array([[1.0, 0.2], [0.1, 1.0]])},
            "must be symmetric, found 0.2 in row 0, column 1",
        ),
        (
            {"uncertainty": None, "covariance": np.array([[1.0, np.nan], [np.nan, 1.0]])},
            "covariance must be finite, found nan in row 0",
        ),
        ({"uncertainty": None, "covariance": np.array([[0.0, 0.0], [0.0, 1.0]])}, "must be positive definite"),
        ({"groups": {"laboratory": np.array(["A"])}}, "laboratory must have one entry a datum"),
        ({"groups": {"laboratory": np.array(["A", " "])}}, "'laboratory' must have printable labels, found '' at datum 1"),
        ({"groups": {"temperature": np.array(["A", "B"])}}, "the group 'temperature' has the name of another column"),
    ],
)
def test_broken_rules(changes, message):
    with pytest.raises(DataError, match=message):
        make(2, **changes)


def test_positive_definiteness_does_not_depend_on_the_units():
    covariance = np.array([[4.0, 1.0], [1.0, 9.0]])
    for scale in (1e-80, 1e80):
        assert make(2, uncertainty=None, covariance=covariance * scale).covariance is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "gas"), "the label must be a word or more, found ''"),
        (("here", "plasma"), "medium must be one of dimer, gas, liquid, solid, solution, model, found 'plasma'"),
        (("here", "gas", {"temperature": (3.0, 2.0)}), "range of temperature must go from low to high, found 3.0 to 2.0 K"),
        (("here", "gas", {"temperature": (np.nan, 2.0)}), "range of temperature must go from low to high"),
        (("here", "gas", {"humidity": (3.0, 2.0)}), "unknown quantity 'humidity'"),
    ],
)
def test_wrong_environments(arguments, message):
    with pytest.raises(DataError, match=message):
        Environment(*arguments)


def test_a_source_says_something():
    with pytest.raises(DataError, match="citation must say where the numbers come from, found ''"):
        Source("")


def test_where():
    data = make()
    assert data.where(laboratory="B").values.tolist() == data.values[[1, 4]].tolist()
    assert data.where(laboratory=["A", "C"]).num_data == 4
    assert data.where(lambda data: data.values > 0, laboratory={"C"}).num_data == 1
    assert data.where(data.state["temperature"] > 250.0).num_data == 4
    with pytest.raises(DataError, match="laboratory has no label 'D', found A, B, C"):
        data.where(laboratory="D")
    with pytest.raises(DataError, match="no grouping column 'quality', found 'laboratory'"):
        data.where(quality="ok")
    with pytest.raises(DataError, match="must leave at least one datum"):
        data.where(data.values > 100.0)
    with pytest.raises(DataError, match="where needs one boolean a datum, \\(6,\\), found float64 of shape \\(6,\\)"):
        data.where(data.values)


def test_a_selection_keeps_the_marginal_covariance():
    factor = np.random.default_rng(1).normal(size=(4, 4))
    covariance = factor @ factor.T + np.eye(4)
    data = make(4, uncertainty=None, covariance=covariance)
    np.testing.assert_array_equal(data.take([3, 1]).covariance, covariance[[3, 1]][:, [3, 1]])
    assert data.take([3, 1]).state["temperature"].tolist() == data.state["temperature"][[3, 1]].tolist()


def test_between_includes_low_and_excludes_high():
    data = make()
    assert data.between("temperature", 200.0, 400.0).state["temperature"].tolist() == [200.0, 300.0]
    assert data.between("temperature", 500.0).num_data == 2
    with pytest.raises(DataError, match="no state column 'density', found 'temperature'"):
        data.between("density", 0.0)


def test_cut_gives_every_datum_to_one_environment():
    data = make()
    cold, hot = data.cut("temperature", {"cold gas": (None, 300), "hot gas": (300.0, None)})
    assert (cold.environment.label, cold.environment.medium, cold.name) == ("cold gas", "gas", "made")
    assert cold.environment.treatment == data.environment.treatment
    assert (cold.environment.ranges["temperature"], hot.environment.ranges["temperature"]) == ((50.0, 300.0), (300.0, 1000.0))
    assert cold.num_data + hot.num_data == data.num_data
    assert hot.state["temperature"][0] == 300.0


@pytest.mark.parametrize(
    ("environments", "message"),
    [
        ({"cold": (None, 200.0), "hot": (300.0, None)}, "temperature 200.0 K falls into none of cold, hot"),
        ({"cold": (None, 301.0), "hot": (300.0, None)}, "temperature 300.0 K falls into 2 of cold, hot"),
        ({}, "falls into none of"),
        ({"cold": (None, 50.0), "hot": (50.0, None)}, "the environment 'cold' must hold a datum, found none"),
    ],
)
def test_cut_that_misses(environments, message):
    with pytest.raises(DataError, match=message):
        make().cut("temperature", environments)


def test_changes_make_a_new_data_set():
    data = make()
    assert data.with_environment("elsewhere").environment.label == "elsewhere"
    assert data.with_environment("elsewhere", medium="liquid").environment.medium == "liquid"
    assert data.with_environment(Environment("sea", "liquid")).environment == Environment("sea", "liquid")
    with pytest.raises(DataError, match="a label with changes or a whole Environment"):
        data.with_environment(Environment("sea", "liquid"), medium="gas")
    assert data.with_name("other").name == "other"
    assert data.with_values(data.values + 1.0).values[0] == -179.0
    assert set(data.with_uncertainty(2.0, meaning="wide").standard_deviation.tolist()) == {2.0}
    assert data.with_uncertainty(2.0, meaning="wide").uncertainty_meaning == "wide"
    assert data.with_uncertainty(covariance=np.eye(6)).uncertainty is None
    with pytest.raises(DataError, match=r"uncertainty must be finite and greater than zero, found -1\.0"):
        data.with_uncertainty(-1.0)
    assert data.values[0] == -180.0
    assert data.standard_deviation[0] == 0.5
