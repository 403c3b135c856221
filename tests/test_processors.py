"""Worker processes keep to one processor each."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from bayesff import processors

SCRIPT = """
import os, sys
os.sched_setaffinity(0, range(os.cpu_count()))  # tests that run in parallel keep to one processor
from bayesff import processors, running
with running.process_pool(2) as pool:
    found = [pool.submit(processors.available).result() for _ in range(20)]
assert all(len(one) == 1 for one in found), found
print(len(processors.available()), *sorted({one[0] for one in found}))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a process choose its processor")
@pytest.mark.parametrize(("platforms", "alone"), [("cpu", True), ("", False)])
def test_processes_of_a_pool_keep_to_a_processor_each_unless_a_gpu_computes(platforms: str, alone: bool) -> None:
    script = SCRIPT if alone else SCRIPT.replace("len(one) == 1", "one == processors.available()")
    found = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"JAX_PLATFORMS": platforms}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    number, *used = (int(word) for word in found.stdout.split())
    assert len(used) <= min(2, number) if alone else used == [min(used)]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a process choose its processor")
def test_as_many_processes_as_there_are_processors_have_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take turns, wherever the first begins."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    before, taken = os.sched_getaffinity(0), []
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        every, turn = processors.available(), processors.turns(multiprocessing.get_context("spawn"))
        for _ in every:
            os.sched_setaffinity(0, every)
            processors.keep_to_one(turn)
            taken += processors.available()
    finally:
        os.sched_setaffinity(0, before)
    assert sorted(taken) == every
