import numpy as np
import pytest

from bayesff.datasets import DataSet, Environment, Reference, Source

METADATA = """\
format = 1
observable = "second_virial"
substance = "argon"
uncertainty = "One standard deviation."

[source]
citation = "A. Person, J. Results 1, 2 (2003)"
licence = "CC0"

[environment]
label = "gas"
medium = "gas"

[environment.ranges]
T = [50.0, 1000.0]

[columns.T]
role = "state"
quantity = "temperature"
unit = "K"

[columns.B]
role = "value"
unit = "cm^3/mol"

[columns.u]
role = "uncertainty"
unit = "cm^3/mol"

[columns.laboratory]
role = "group"

[columns.remark]
role = "annotation"
"""

VALUES = """\
T,B,u,laboratory,remark
100,-182.4,0.8,Leiden,
200.0,-47.9,0.1,"Bochum, new",checked
3e2,-15.2,0.1,Leiden,
"""


@pytest.fixture
def folder(tmp_path):
    """A data set that is in order, to be broken by each test."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "metadata.toml").write_text(METADATA, encoding="utf-8")
    (folder / "values.csv").write_text(VALUES, encoding="utf-8")
    return folder


def make(num_data=6, **changes):
    content = {
        "name": "made",
        "observable": "second_virial",
        "substance": "argon",
        "environment": Environment("gas", "gas", {"temperature": (50.0, 1000.0)}, {"potential": "none", "num_particles": 2}),
        "source": Source(
            "this work",
            licence="CC0",
            references={"laboratory": {"A": Reference("A, J. 1 (2001)", "10.1/x"), "B": Reference("B")}},
        ),
        "state": {"temperature": np.linspace(100.0, 600.0, num_data)},
        "values": np.linspace(-180.0, 12.0, num_data),
        "uncertainty": np.full(num_data, 0.5),
        "groups": {"laboratory": np.array(["A", "B", "C"] * num_data)[:num_data]},
    }
    return DataSet(**(content | changes))


def assert_same(one, other, *, name=True):
    for item in ("observable", "substance", "environment", "source", "unit", *(["name"] if name else [])):
        assert getattr(one, item) == getattr(other, item)
    for item in ("values", "uncertainty", "covariance"):
        left, right = getattr(one, item), getattr(other, item)
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_array_equal(left, right)
    for item in ("state", "groups"):
        left, right = getattr(one, item), getattr(other, item)
        assert list(left) == list(right)
        for column in left:
            np.testing.assert_array_equal(left[column], right[column])
