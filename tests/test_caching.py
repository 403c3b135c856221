"""What is compiled by one run is found by the next."""

import os
import subprocess
import sys

import pytest

from bayesff.caching import cache_folder, ensembles_folder

PROGRAM = """
import jax
from bayesff.cli import Device, _use_device
_use_device(Device.cpu)
assert float(jax.jit(lambda x: x * x + 1)(2.0)) == 5.0
print(jax.config.jax_compilation_cache_dir)
"""


@pytest.fixture
def settings(tmp_path):
    others = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_COMPILATION", "JAX_PERSISTENT"))}
    return others | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def run(settings):
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=settings, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


def programs(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*-cache")}


def test_a_second_process_compiles_nothing(settings, tmp_path):
    folder = tmp_path / "cache" / "bayesff" / "compiled"
    assert run(settings).startswith(str(folder))
    before = programs(folder)
    assert before
    assert run(settings).startswith(str(folder))
    assert programs(folder) == before


def test_a_folder_of_the_users_own_comes_first(settings, tmp_path):
    assert run(settings | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "own")}) == str(tmp_path / "own")
    assert programs(tmp_path / "own")
    assert not (tmp_path / "cache").exists()


def test_without_a_cache_nothing_is_kept(settings, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder would be")
    assert run(settings) == "None"


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "bayesff"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "bayesff"


def test_where_simulations_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BAYESFF_ENSEMBLES", raising=False)
    assert ensembles_folder() == tmp_path / "cache" / "bayesff" / "ensembles"
    monkeypatch.setenv("BAYESFF_ENSEMBLES", str(tmp_path))
    assert ensembles_folder() == tmp_path


def test_a_cache_that_holds_something_broken_is_no_obstacle(settings, tmp_path):
    run(settings)
    for path in (tmp_path / "cache").rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:20])
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=settings, capture_output=True, text=True, check=True)
    assert "Error reading persistent compilation cache entry" in done.stderr
    assert done.stdout.startswith(str(tmp_path))
