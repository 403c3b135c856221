"""The posterior file: what it keeps, who can read it, and what happens when it cannot be written."""

import json

import arviz_stats
import numpy as np
import pytest
import xarray

from bayesff import reporting
from bayesff.errors import OutputError


def test_every_candidate_comes_back_as_it_was(trees, written):
    loaded = reporting.load_posterior(written.folder / "posterior.nc")
    assert list(loaded) == list(trees)
    for name, tree in trees.items():
        assert list(loaded[name].children) == list(tree.children)
        for site in tree["posterior"].data_vars:
            np.testing.assert_array_equal(loaded[name]["posterior"][site], tree["posterior"][site])
        # Draws of data are kept in single precision.
        np.testing.assert_allclose(
            loaded[name]["posterior_predictive"]["second_virial"], tree["posterior_predictive"]["second_virial"], rtol=1e-6
        )
        assert loaded[name].attrs == tree.attrs
        assert loaded[name]["posterior"]["epsilon"].attrs["units"] == "kJ/mol"
        assert loaded[name]["posterior"]["epsilon"].attrs["display_units"] == "K"
        assert loaded[name]["sample_stats"]["diverging"].dtype == bool


def test_arviz_reads_the_first_candidate_at_the_root(trees, written):
    with xarray.open_datatree(written.folder / "posterior.nc") as tree:
        assert {"posterior", "prior", "posterior_predictive", "log_likelihood", "observed_data", "diagnostics"} <= set(
            tree.children
        )
        summary = arviz_stats.summary(tree, var_names=["sigma"], round_to="none")
        assert tree.attrs["potential"] == "lennard_jones"
        assert tree.attrs["seed"] == 7
        assert json.loads(tree.attrs["provenance"])["git"]["commit"] == "0123456789abcdef"
        assert list(tree["candidates"].children) == ["mie"]
    mean = float(trees["lennard_jones"]["posterior"]["sigma"].mean())
    assert float(summary.loc["sigma", "mean"]) == pytest.approx(mean)


def test_what_the_run_was_comes_back(written):
    facts = reporting.load_facts(written.folder / "posterior.nc")
    assert facts["study"] == "argon_test"
    assert facts["seed"] == 7
    assert facts["candidates"] == ["lennard_jones", "mie"]
    assert facts["provenance"]["elapsed"] == 12.3


def test_a_seed_that_was_not_given_is_none_and_a_boolean_is_a_number(trees, tmp_path):
    tree = trees["mie"].copy()
    tree.attrs["mode_converged"] = True
    reporting.save_posterior({"mie": tree}, tmp_path / "posterior.nc")
    assert reporting.load_facts(tmp_path / "posterior.nc")["seed"] is None
    assert reporting.load_posterior(tmp_path / "posterior.nc")["mie"].attrs["mode_converged"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["posterior.nc"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(trees, tmp_path, monkeypatch):
    path = tmp_path / "posterior.nc"
    path.write_text("the old one")

    def half(self, where, **options):
        where.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(xarray.DataTree, "to_netcdf", half)
    with pytest.raises(KeyboardInterrupt):
        reporting.save_posterior(trees, path)
    assert path.read_text() == "the old one"
    assert [found.name for found in tmp_path.iterdir()] == ["posterior.nc"]


def test_a_file_that_cannot_be_written_is_one_sentence(trees, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutputError, match=r"posterior\.nc: the file cannot be written \(not a directory\): choose another folder or make room$"
    ):
        reporting.save_posterior(trees, tmp_path / "file" / "posterior.nc")


def test_a_file_that_is_not_a_posterior_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"there is no such file: give the folder or the posterior\.nc of a finished run"):
        reporting.load_posterior(tmp_path / "posterior.nc")
    (tmp_path / "posterior.nc").write_text("not NetCDF")
    with pytest.raises(OutputError, match="the file is not NetCDF that can be read"):
        reporting.load_posterior(tmp_path / "posterior.nc")
    xarray.Dataset({"x": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(OutputError, match="must be of format 1, found none: run the study again"):
        reporting.load_facts(tmp_path / "other.nc")
