"""A study with a liquid, by the command line: its references are placed, kept, and found again."""

import json

import pytest
import xarray

from bayesff import cli
from bayesff.running import ensembles_folder

STUDY = '''
"""Does a small box of Lennard-Jones spheres hold the energy of liquid argon?"""

import functools

import jax
import numpyro.distributions as dist

import bayesff as bff
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.inference import Laplace, Placement
from bayesff.observables import DimerEnergy, InternalEnergy, Liquid

jax.config.update("jax_enable_x64", True)
cut = functools.partial(bff.potentials.PlainCut, cutoff=7.5, tail=True)
liquid = Liquid(cut, molar_mass=39.948, closest=2.4, num_particles=108, num_frames=60, smallest_sample=10.0)
terms = [
    Term(bff.datasets.load("argon_liquid_internal_energy").between("temperature", 119.0, 121.0), InternalEnergy(liquid)),
    Term(bff.datasets.load("argon_dimer_curve").between("separation", 3.3, 8.0), DimerEnergy()),
]
priors = {"epsilon": Prior(dist.LogNormal(4.85, 0.1), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.02), "angstrom")}
study = bff.Study(
    name="drop",
    question="Does a small box of Lennard-Jones spheres hold the energy of liquid argon?",
    problems={"lennard_jones": CalibrationProblem(bff.potentials.LennardJones, priors, terms)},
    sampler=Laplace(num_draws=100),
    placement=Placement(required=20.0, max_simulations=8),
)
'''


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "drop.py"
    path.write_text(STUDY)
    return path


@pytest.mark.slow
def test_a_run_places_references_and_keeps_them(study, tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESFF_ENSEMBLES", str(tmp_path / "kept"))
    draws = []
    for output in ("first", "second"):
        assert cli.main(["run", str(study), "--seed", "1", "--output", str(tmp_path / output)]) in (cli.DONE, cli.NOT_CONVERGED)
        with xarray.open_datatree(tmp_path / output / "posterior.nc", engine="h5netcdf") as tree:
            ensembles = tree["ensembles"].to_dataset().load()
            draws.append(tree["posterior"]["epsilon"].to_numpy())
        simulations = json.loads(ensembles.attrs["simulations"])
        assert len(simulations) == int(ensembles.attrs["num_simulations"]) >= 1
        assert ensembles.attrs["shortfall"] == ""
        assert float(ensembles["effective_sample_size"].quantile(0.05)) > 10
        # The second run finds every simulation of the first, and so has the same draws.
        assert len(list((tmp_path / "kept").glob("*.nc"))) == len(simulations)
    assert (draws[0] == draws[1]).all()


def test_transfer_of_a_liquid_is_refused_before_anything_is_computed(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BAYESFF_ENSEMBLES", str(tmp_path / "kept"))
    assert cli.main(["transfer", str(study), "--output", str(tmp_path / "out")]) == cli.WRONG_INPUT
    assert "without liquids only so far, found terms of a liquid in lennard_jones" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()
    assert not (tmp_path / "out").exists()


def test_where_simulations_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESFF_ENSEMBLES", str(tmp_path))
    assert ensembles_folder() == tmp_path
    monkeypatch.delenv("BAYESFF_ENSEMBLES")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ensembles_folder() == tmp_path / "cache" / "bayesff" / "ensembles"
