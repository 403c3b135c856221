"""What a transfer assessment costs: all refits of a study against one calibration, and two Dask workers against one.

The calibration of all candidates to all data, then their refits, in a pool of as many processes as there are cores; after that
the refits of one candidate on a local Dask cluster of one worker and of two. Imports and compilation are in every figure.

    python benchmarks/transfer.py [--study argon_gas] [--quick] [--part all|matrix|workers] [--candidate lennard_jones]
        [--refits NUMBER]
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from distributed import LocalCluster

from bayesff import refitting, running
from bayesff.refitting import Store, Task
from bayesff.study import Study, find, load

MATRIX = ("shared",)
"""The variant that the transfer matrix is made of."""


def silent(*_: object) -> None:
    """Show no progress."""


def seconds_of_calibration(path: Path, study: Study, quick: bool) -> float:
    """Return the seconds that the calibration of all candidates takes, side by side."""
    began = time.perf_counter()
    running.calibrate(path, study, running.sampler_changes(study, {}, quick), 1, running.default_jobs(study), silent)
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


def compare_workers(path: Path, study: Study, candidate: str, quick: bool, refits: int | None) -> None:
    """Print how much faster two Dask workers are than one, with at most so many refits of each variant."""
    found = {}
    for number in (1, 2):
        local: Any = LocalCluster(n_workers=number, threads_per_worker=1)
        with tempfile.TemporaryDirectory() as folder, local as cluster:
            tasks = [task for task in tasks_in(path, study, folder, quick) if task.candidate == candidate]
            tasks = [dataclasses.replace(task, refits=task.refits[:refits]) for task in tasks]
            found[number] = seconds_of_tasks(tasks, refitting.DaskCluster(cluster.scheduler_address))
            print(f"Dask, {number} worker{'s' if number > 1 else ''}: {found[number]:.0f} s for {candidate}", flush=True)
    print(f"two workers are {found[1] / found[2]:.2f} times as fast as one")


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(
        description="What a transfer assessment costs, in calibrations, and on two Dask workers against one."
    )
    parser.add_argument("--study", default="argon_gas")
    parser.add_argument("--quick", action="store_true", help="the settings of a quick run")
    parser.add_argument("--part", choices=("all", "matrix", "workers"), default="all")
    parser.add_argument("--candidate", default="lennard_jones", help="whose refits the Dask workers share")
    parser.add_argument("--refits", type=int, help="of each variant at most so many for the Dask workers; all if not given")
    asked = parser.parse_args()
    path = find(asked.study)
    study = load(path)
    if asked.part in ("all", "matrix"):
        compare_with_calibration(path, study, asked.quick)
    if asked.part in ("all", "workers"):
        compare_workers(path, study, asked.candidate, asked.quick, asked.refits)


if __name__ == "__main__":
    main()
