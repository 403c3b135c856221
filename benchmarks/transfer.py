"""What a transfer assessment costs: all refits of a study against one calibration, and two Dask workers against one.

The calibration of all candidates to all data, then their refits, in a pool of as many processes as there are cores; after that
the refits on a local Dask cluster of one worker and of two. Imports and compilation are in every figure. A worker has one core:
XLA would otherwise spread a single worker over all of them, and one worker could not be told from two.

    python benchmarks/transfer.py [--study argon_gas] [--quick] [--part all|matrix|workers] [--candidate NAME]
        [--refits NUMBER]
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from distributed import Client, LocalCluster

from bayesff import refitting, running
from bayesff.keeping import Store
from bayesff.refitting import Task
from bayesff.study import Study, find, load

MATRIX = ("shared",)
"""The variant that the transfer matrix is made of."""


def silent(*_: object) -> None:
    """Show no progress."""


def seconds_of_calibration(path: Path, study: Study, quick: bool) -> float:
    """Return the seconds that the calibration of all candidates takes, side by side."""
    settings = running.Settings(1, running.default_jobs(study), running.sampler_changes(study, {}, quick))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        running.calibrate(path, study, settings, Store(Path(folder)), silent)
    return time.perf_counter() - began


def seconds_of_tasks(tasks: Sequence[Task], cluster: "refitting.LocalPool | refitting.DaskCluster") -> float:
    """Return the seconds that tasks take on a cluster that is there already."""
    began = time.perf_counter()
    with cluster as workers:
        refitting.follow(tasks, workers, silent)
    return time.perf_counter() - began


def tasks_in(path: Path, study: Study, folder: str, quick: bool) -> list[Task]:
    """Return the tasks of a study whose results go to a folder."""
    return refitting.tasks_of(path, study, Store(Path(folder)), 1, dict(refitting.QUICK) if quick else {}, 1)


def compare_with_calibration(path: Path, study: Study, quick: bool) -> None:
    """Print what the refits cost in calibrations: those of the transfer matrix, then all."""
    cores = len(os.sched_getaffinity(0))
    one = seconds_of_calibration(path, study, quick)
    print(f"one calibration of {', '.join(study.problems)}: {one:.0f} s on {cores} cores", flush=True)
    total = 0.0
    with tempfile.TemporaryDirectory() as folder:
        tasks = tasks_in(path, study, folder, quick)
        for label, inside in (("of the transfer matrix", True), ("of the other variants", False)):
            chosen = [task for task in tasks if (task.refits[0].variant in MATRIX) == inside]
            seconds = seconds_of_tasks(chosen, refitting.LocalPool(min(cores, len(chosen))))
            total += seconds
            number = sum(len(task.refits) for task in chosen)
            print(f"{number:3d} refits {label:24s} {seconds:6.0f} s, {seconds / one:.1f} calibrations", flush=True)
    print(f"all refits {total:.0f} s, {total / one:.1f} calibrations")


@contextmanager
def workers_of_one_core(number: int) -> Iterator[str]:
    """Start a Dask scheduler and workers that have one core and one thread each, and give the scheduler's address."""
    cores = sorted(os.sched_getaffinity(0))
    if number > len(cores):
        sys.exit(
            f"benchmarks/transfer.py: {number} workers need as many cores, found {len(cores)}: run it on a machine with more"
        )
    local: Any = LocalCluster(n_workers=0)
    with local as cluster:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        started = [
            subprocess.Popen(
                ["taskset", "-c", str(core), *command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            for core in cores[:number]
        ]
        try:
            with Client(cluster.scheduler_address) as client:
                client.wait_for_workers(number, timeout=120)
            yield cluster.scheduler_address
        finally:
            for process in started:
                process.kill()


def compare_workers(path: Path, study: Study, candidates: Sequence[str], quick: bool, refits: int | None) -> None:
    """Print how much faster two Dask workers are than one, with at most so many refits of each variant."""
    found = {}
    for number in (1, 2):
        with tempfile.TemporaryDirectory() as folder, workers_of_one_core(number) as address:
            tasks = [task for task in tasks_in(path, study, folder, quick) if task.candidate in candidates]
            tasks = [dataclasses.replace(task, refits=task.refits[:refits]) for task in tasks]
            found[number] = seconds_of_tasks(tasks, refitting.DaskCluster(address))
            total = sum(len(task.refits) for task in tasks)
            print(f"Dask, {number} worker{'s' if number > 1 else ''}: {found[number]:.0f} s for {total} refits", flush=True)
    print(f"two workers are {found[1] / found[2]:.2f} times as fast as one")


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(
        description="What a transfer assessment costs, in calibrations, and on two Dask workers against one."
    )
    parser.add_argument("--study", default="argon_gas")
    parser.add_argument("--quick", action="store_true", help="the settings of a quick run")
    parser.add_argument("--part", choices=("all", "matrix", "workers"), default="all")
    parser.add_argument("--candidate", help="whose refits the Dask workers share; those of all if not given")
    parser.add_argument("--refits", type=int, help="of each variant at most so many for the Dask workers; all if not given")
    asked = parser.parse_args()
    path = find(asked.study)
    study = load(path)
    if asked.part in ("all", "matrix"):
        compare_with_calibration(path, study, asked.quick)
    if asked.part in ("all", "workers"):
        chosen = [asked.candidate] if asked.candidate else list(study.problems)
        compare_workers(path, study, chosen, asked.quick, asked.refits)


if __name__ == "__main__":
    main()
