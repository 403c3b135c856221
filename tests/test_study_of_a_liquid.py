"""A study with a liquid, by the command line: its references are placed, kept, and found again."""

import dataclasses
import json
import re
import threading

import numpy as np
import pytest
import xarray

from bayesff import cli, running
from bayesff.ensembles import load_ensemble, shipped_folder
from bayesff.errors import BayesffError

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


def files(folder):
    """Return when each simulation was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.nc")}


@pytest.mark.slow
def test_simulations_are_kept_and_none_is_run_twice(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bayesff.reporting.run._write_report", lambda *_: None)
    kept, out = tmp_path / "kept", tmp_path / "out"
    command = ["run", str(study), "--seed", "1", "--ensembles", str(kept), "--output", str(out)]
    assert cli.main(command) in (cli.DONE, cli.NOT_CONVERGED)
    with xarray.open_datatree(out / "posterior.nc", engine="h5netcdf") as tree:
        ensembles = tree["ensembles"].to_dataset().load()
    simulations = json.loads(ensembles.attrs["simulations"])
    made = files(kept)
    assert len(simulations) == int(ensembles.attrs["num_simulations"]) == len(made) >= 2
    assert ensembles.attrs["shortfall"] == ""
    assert float(ensembles["effective_sample_size"].quantile(0.05)) > 10

    # As if the run had been killed in its last simulation.
    last = max(made, key=made.__getitem__)
    before = np.asarray(load_ensemble(kept / last).pair_counts)
    (kept / last).unlink()
    capsys.readouterr()
    assert cli.main(["simulate", str(study), "--seed", "1", "--ensembles", str(kept)]) == cli.DONE
    printed = capsys.readouterr().out
    assert "The reference simulations suffice." in printed
    assert re.search(r"^Lennard-Jones +120 +0\.0175\d* +\d +\d\d+ +20$", printed, re.MULTILINE)
    assert f"\nSimulations: {kept} (" in printed
    simulated = files(kept)
    assert simulated.keys() == made.keys()
    assert [name for name in made if simulated[name] != made[name]] == [last]

    np.testing.assert_array_equal(load_ensemble(kept / last).pair_counts, before)
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "out"}


def test_a_budget_that_was_used_up_is_told(study, tmp_path, monkeypatch, capsys):
    state = running.SimulatedState(120.0, 0.0175, 8, 3.2)
    short = "the budget of 8 reference simulations was used up"
    monkeypatch.setattr(running, "simulate", lambda *_: {"lennard_jones": running.Simulated((state,), 20.0, short)})
    assert cli.main(["simulate", str(study), "--ensembles", str(tmp_path)]) == cli.NOT_CONVERGED
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("BUDGET USED UP: give the study's Placement a larger max_simulations")
    assert f"Lennard-Jones: {short}." in [line.strip() for line in lines]


def test_the_folder_of_the_command_comes_before_that_of_the_environment(study, tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESFF_ENSEMBLES", str(tmp_path / "environment"))
    used = []

    def look(path, study, settings, *_):
        used.append(settings.ensembles)
        raise BayesffError("seen")

    monkeypatch.setattr(running, "simulate", look)
    monkeypatch.setattr(running, "calibrate", look)
    for command in (["simulate", str(study)], ["run", str(study), "--output", str(tmp_path / "out")]):
        assert cli.main(command) == cli.main([*command, "--ensembles", str(tmp_path / "mine")]) == cli.WRONG_INPUT
    assert used == [tmp_path / "environment", tmp_path / "mine"] * 2


def test_simulations_that_come_with_the_package_are_run_again_only_if_that_is_asked_for(study, tmp_path, monkeypatch):
    asked = []

    def look(path, study, settings, *_):
        store = running._placing(settings, study, lambda *_: None, "lennard_jones")[1]
        asked.append((settings.fresh, store.others == shipped_folder()))
        raise BayesffError("seen")

    monkeypatch.setattr(running, "simulate", look)
    monkeypatch.setattr(running, "calibrate", look)
    for command in (["simulate", str(study)], ["run", str(study), "--output", str(tmp_path / "out")]):
        for fresh in ([], ["--fresh"]):
            assert cli.main([*command, *fresh, "--ensembles", str(tmp_path)]) == cli.WRONG_INPUT
    assert asked == [(False, True), (True, False)] * 2


def test_the_demonstration_finds_its_first_simulations_in_the_package(tmp_path):
    """All that ``bayesff simulate argon_demo`` needs for Lennard-Jones is there: the folder of new ones stays empty."""
    from bayesff.study import find, load

    whole = load(find("argon_demo"))
    study = dataclasses.replace(whole, problems={"lennard_jones": whole.problems["lennard_jones"]})
    settings = running.Settings(seed=1, ensembles=tmp_path)
    found = running.simulate(find("argon_demo"), study, settings, lambda *_: None)["lennard_jones"]
    assert found.shortfall == ""
    (state,) = found.states
    assert state.num_simulations == 2
    assert state.sample_size > found.required
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["simulate", "run"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_computed(command, study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert cli.main([command, str(study), "--ensembles", "file/kept"]) == cli.WRONG_INPUT
    said = capsys.readouterr().err
    assert (
        "bayesff: file/kept: the folder of reference simulations cannot be written (not a directory): choose another by" in said
    )
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_an_interruption_says_where_simulations_are(study, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "simulate", interrupted)
    monkeypatch.setattr(running, "calibrate", interrupted)
    monkeypatch.setattr(
        threading, "active_count", lambda: 1
    )  # with other threads the program ends at once, and the tests with it
    for command in (["simulate"], ["run", "--output", str(tmp_path / "out")]):
        assert cli.main([*command, str(study), "--ensembles", str(tmp_path / "kept")]) == cli.INTERRUPTED
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"bayesff: interrupted, finished reference simulations are kept in {tmp_path / 'kept'}")
    assert {path.name for path in tmp_path.iterdir()} == {"kept"}


def test_transfer_of_a_liquid_is_refused_before_anything_is_computed(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BAYESFF_ENSEMBLES", str(tmp_path / "kept"))
    assert cli.main(["transfer", str(study), "--output", str(tmp_path / "out")]) == cli.WRONG_INPUT
    assert "cannot be carried to what is left out, found terms of a Liquid in lennard_jones" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()
    assert not (tmp_path / "out").exists()
