import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bayesff.datasets import Environment, Source, check, load, to_dataset, write
from bayesff.errors import OutputError

from .conftest import assert_same, make


@pytest.mark.parametrize(
    "data",
    [
        make(),
        make(3, uncertainty=None, covariance=np.array([[4.0, 1.0, 0.1], [1.0, 9.0, 0.3], [0.1, 0.3, 1.0]])),
        make(groups={}, source=Source('a "quoted" \\ back\x7f\nslash', "10.1/2", "CC0", "note é")),
        make(2, environment=Environment("cold", "gas", {"temperature": (-np.inf, np.inf)}, {"shifted": True, "factor": 0.5})),
    ],
)
def test_round_trip_is_exact(data, tmp_path):
    assert write(data, tmp_path / data.name) == tmp_path / data.name
    assert_same(data, load(tmp_path / data.name))
    assert [item.name for item in tmp_path.iterdir()] == [data.name]


def test_what_was_left_out_is_said(tmp_path):
    write(make(source=Source("this work")), tmp_path / "mine")
    data = load(tmp_path / "mine")
    assert (data.source.licence, data.uncertainty_meaning) == ("not stated", "One standard deviation.")


def test_references_come_back_for_the_labels_that_are_left(tmp_path):
    write(make().where(laboratory=["B", "C"]), tmp_path / "part")
    assert {label: item.citation for label, item in load(tmp_path / "part").source.references["laboratory"].items()} == {"B": "B"}


finite = st.floats(allow_nan=False, allow_infinity=False)
label = (
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).map(str.strip).filter(lambda text: text and text.isprintable())
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=hnp.arrays(np.float64, 3, elements=finite), labels=st.lists(label, min_size=3, max_size=3), substance=label)
def test_any_numbers_and_labels_return(tmp_path_factory, values, labels, substance):
    folder = tmp_path_factory.mktemp("written") / "set"
    data = make(3, values=values, groups={"laboratory": labels}, substance=substance, source=Source(substance, licence="CC0"))
    write(data, folder)
    assert check(folder) == []
    assert_same(data, load(folder), name=False)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="written to a new folder, found one with content"):
        write(make(), tmp_path / "taken")
    assert [item.name for item in (tmp_path / "taken").iterdir()] == ["thesis.txt"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the folder must be writable, found"):
        write(make(), tmp_path / "file" / "set")


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesff.datasets.writing._metadata", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(make(), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_as_xarray(tmp_path):
    dataset = to_dataset(make())
    assert dataset.sizes == {"datum": 6}
    assert dataset["second_virial"].attrs == {"units": "cm^3/mol", "long_name": "second virial coefficient"}
    assert dataset["uncertainty"].attrs["units"] == "cm^3/mol"
    assert dataset["temperature"].attrs["units"] == "K"
    assert dataset.set_coords("laboratory")["laboratory"].values.tolist() == ["A", "B", "C"] * 2
    assert dataset.attrs["citation"] == "this work"
    covariant = to_dataset(make(2, uncertainty=None, covariance=np.array([[4.0, 1.0], [1.0, 9.0]])))
    assert covariant["covariance"].dims == ("datum", "datum_other")
    assert covariant["covariance"].attrs["units"] == "(cm^3/mol)^2"
    dataset.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    assert (tmp_path / "data.nc").stat().st_size > 0
