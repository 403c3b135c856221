"""Refits as tasks: what is finished is kept, a lost worker costs its task only, and the numbers are the same whoever ran them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from bayesff import cli, keeping, refitting
from bayesff.assessment.transfer import Refit, plan
from bayesff.errors import BayesffError, OutputError
from bayesff.study import load

STUDY = '''
"""Do two dimers share their well?"""

import jax
import numpy as np
import numpyro.distributions as dist

import bayesff as bff
from bayesff.assessment import Tolerance, Transfer
from bayesff.calibration import CalibrationProblem, Prior, Term
from bayesff.datasets import Environment, synthesise
from bayesff.inference import NUTS, Laplace

jax.config.update("jax_enable_x64", True)
energy, potential = bff.observables.DimerEnergy(), bff.potentials.LennardJones(epsilon=0.996, sigma=3.405)
parts = [
    synthesise(energy, potential, {"separation": np.linspace(3.3, far, 6)}, 0.02, seed, environment=Environment(name, "model"))
    for seed, (name, far) in enumerate({"near": 4.5, "far": 6.0}.items())
]
priors = {"epsilon": Prior(dist.LogNormal(4.8, 0.2), "K"), "sigma": Prior(dist.LogNormal(1.22, 0.05), "angstrom")}
study = bff.Study(
    name="pair",
    question="Do two dimers share their well?",
    problems={"lennard_jones": CalibrationProblem(bff.potentials.LennardJones, priors, [Term(parts, energy)])},
    sampler=Laplace(num_draws=100),
    transfer=Transfer(
        spread=Prior(dist.LogNormal(-3.5, 0.5)),
        sampler=NUTS(num_warmup=150, num_draws=300, max_draws=2400),
        tolerances={"dimer_energy": Tolerance(0.05, "kJ/mol")},
    ),
)
'''


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "pair.py"
    path.write_text(STUDY)
    return path


def run(*arguments):
    return cli.main(["transfer", *map(str, arguments)])


def numbers(folder):
    """Return every number of the assessment, by its place."""
    tree = xarray.open_datatree(folder / "posterior.nc", engine="h5netcdf")
    return {
        f"{node.path}/{name}": variable.to_numpy()
        for node in tree["transferability"].subtree
        for name, variable in node.to_dataset(inherit=False).data_vars.items()
        if variable.dtype.kind == "f"
    }


def check_same(one, other):
    assert one.keys() == other.keys()
    for place, values in one.items():
        np.testing.assert_array_equal(values, other[place], err_msg=place)


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "out"
    assert run(study, "--output", folder, "--jobs", 1) == cli.DONE
    return folder


@pytest.mark.slow
def test_a_run_writes_the_assessment(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    found = metrics["transfer"]["lennard_jones"]
    assert metrics["converged"]
    assert set(found["spread"]) == {"epsilon", "sigma"}
    assert set(found["left_out"]) == set(found["left_out_shared"]) == {"near", "far"}
    assert found["left_out_bare"] == {}  # the study has no discrepancy that could be left out
    assert set(found["matrix"]) == {"near", "far", "all others"}
    assert 0 <= found["matrix"]["near"]["far"]["p_within"] <= 1
    assert found["tension"]["p_value"] > 1e-3
    assert {fact["variant"] for fact in found["refits"]} == {"pooled", "shared", "separate"}
    assert all(fact["converged"] for fact in found["refits"])
    assert not (finished.parent / ".out.unfinished").exists()


@pytest.mark.slow
def test_a_run_that_was_ended_and_a_worker_that_was_lost_leave_the_same_numbers(study, finished, tmp_path, capsys):
    from distributed import LocalCluster

    folder, kept, lost = tmp_path / "out", tmp_path / ".out.unfinished", []
    command = [sys.executable, "-m", "bayesff", "transfer", str(study), "--output", str(folder), "--jobs", "2"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: len(list(kept.glob("lennard_jones-*.nc"))) >= 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not folder.exists()
    before = {path.name: path.stat().st_mtime_ns for path in kept.glob("lennard_jones-*.nc")}
    assert 2 <= len(before) < 7

    assert run(study, "--output", folder) == cli.WRONG_INPUT
    assert "an interrupted run is kept here: add --resume to go on with it" in capsys.readouterr().err
    assert run(study, "--output", folder, "--resume", "--seed", 2) == cli.WRONG_INPUT
    assert "must be of this study, data, seed and settings" in capsys.readouterr().err

    def kill(cluster):
        wait_for(lambda: len(list(kept.glob("lennard_jones-*.nc"))) > len(before))
        lost.append(next(iter(cluster.workers.values())).pid)
        os.kill(lost[0], signal.SIGKILL)

    after = {}
    cluster: Any = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with cluster:
        beside = [threading.Thread(target=kill, args=(cluster,)), threading.Thread(target=remember, args=(kept, after))]
        for thread in beside:
            thread.start()
        assert run(study, "--output", folder, "--resume", "--scheduler", cluster.scheduler_address) == cli.DONE
        for thread in beside:
            thread.join()
    assert "Transferability\n" in (printed := capsys.readouterr().out)
    assert "arameters of Lennard-Jones" in " ".join(printed.split())
    assert lost
    assert {name: after[name] for name in before} == before  # none was computed again
    check_same(numbers(folder), numbers(finished))


def remember(folder, found):
    """Note when each file was written, until the folder is removed."""
    while folder.exists():
        for path in list(folder.glob("lennard_jones-*.nc")):
            try:
                found.setdefault(path.name, path.stat().st_mtime_ns)
            except FileNotFoundError:
                return
        time.sleep(0.1)


def wait_for(condition, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_lost_process_of_the_pool_is_replaced(tmp_path):
    path = tmp_path / "fragile.py"
    path.write_text(
        "import os, signal\nfrom pathlib import Path\nmark = Path(__file__).with_suffix('.mark')\n"
        "if not mark.exists():\n    mark.write_text('once')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "raise RuntimeError('run again')\n"
    )
    task = refitting.Task(str(path), "fragile", (Refit("shared", ("near",)),), 1, (), str(tmp_path))
    with pytest.raises(BayesffError, match="run again"), refitting.LocalPool(1) as pool:
        refitting.follow([task], pool, lambda done, total: None)
    assert path.with_suffix(".mark").exists()


def test_a_task_whose_processes_are_lost_again_and_again_is_named(study, tmp_path, monkeypatch):
    loaded = load(study)
    store = keeping.Store(tmp_path)
    tasks = refitting.tasks_of(study, loaded, store, 1, {}, 1)
    assert [task.refits[0].variant for task in tasks] == ["pooled", "shared", "separate"]
    assert sum(len(task.refits) for task in tasks) == len(plan(loaded.problems["lennard_jones"])) == 7

    class Losing:
        lost = ConnectionError

        def submit(self, task):
            from concurrent.futures import Future

            future = Future()
            future.set_exception(ConnectionError())
            return future

        def renew(self):
            pass

    losing: Any = Losing()
    with pytest.raises(BayesffError, match=r"lennard_jones: the process that ran its refits was ended from outside 3 times"):
        refitting.follow(tasks, losing, lambda done, total: None)


def test_a_scheduler_that_does_not_answer_is_named(study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(refitting, "SCHEDULER_TIMEOUT", 1)
    assert run(study, "--output", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9") == cli.WRONG_INPUT
    said = capsys.readouterr().err
    assert "--scheduler tcp://127.0.0.1:9: a Dask scheduler must answer within 1 s, found none" in said
    assert not list(tmp_path.glob(".*"))  # nothing is kept, so the command can be given again as it is
    assert not (tmp_path / "out").exists()


def finish_one_and_fail(store):
    (store.folder / "line-shared-0.nc").touch()
    raise RuntimeError


def test_a_store_is_removed_when_the_run_has_been_written(tmp_path):
    with keeping.kept_store(tmp_path / "out", {"seed": 1}, False, False) as store:
        assert store.folder.is_dir()
    assert not store.folder.exists()
    with pytest.raises(RuntimeError), keeping.kept_store(tmp_path / "out", {"seed": 1}, False, False) as store:
        raise RuntimeError
    assert not store.folder.exists()  # nothing was finished
    with pytest.raises(RuntimeError), keeping.kept_store(tmp_path / "out", {"seed": 1}, False, False) as store:
        finish_one_and_fail(store)
    assert store.folder.is_dir()
    with pytest.raises(OutputError, match="interrupted run"), keeping.kept_store(tmp_path / "out", {"seed": 1}, False, False):
        pass
    with keeping.kept_store(tmp_path / "out", {"seed": 2}, False, True) as store:
        assert json.loads((store.folder / "about.json").read_text()) == {"seed": 2}


def test_a_tolerance_of_zero_is_refused_before_anything_runs(tmp_path, capsys):
    path = Path(tmp_path / "zero.py")
    path.write_text(STUDY.replace("Tolerance(0.05,", "Tolerance(0.0,"))
    assert run(path, "--output", tmp_path / "out") == cli.WRONG_INPUT
    assert "Tolerance: it must be greater than zero, found 0.0" in capsys.readouterr().err
