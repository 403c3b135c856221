"""Running a study: its candidate potentials are calibrated side by side, each in a process of its own."""

import dataclasses
import multiprocessing
import os
import queue
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesff.errors import BayesffError, StudyError
from bayesff.study import Study, load

if TYPE_CHECKING:
    from xarray import DataTree

Report = Callable[[str, str, int, int], None]
"""Called as ``report(candidate, stage, done, total)`` while a study runs."""

QUICK = {"num_warmup": 200, "num_draws": 600, "num_particles": 500}
"""Upper limits of a sampler's settings in a quick run."""


def sampler_changes(study: Study, settings: Mapping[str, int], quick: bool = False) -> dict[str, int]:
    """Return the fields of a study's sampler that a run changes, with their new values.

    Parameters
    ----------
    study
        The study.
    settings
        Values asked for: ``num_draws``, ``num_chains``, ``num_warmup``.
    quick
        Whether to lower what is above the limits of a quick run and not among the settings.

    Raises
    ------
    StudyError
        If the sampler has no such field.
    """
    sampler = study.sampler
    fields = {field.name: getattr(sampler, field.name) for field in dataclasses.fields(sampler)} if _is_data(sampler) else {}
    for name in settings:
        if name not in fields:
            option, method = f"--{name.removeprefix('num_')}", type(sampler).__name__
            raise StudyError(f"{option}: the sampler of study {study.name!r} is {method}, which has none: leave it out")
    lowered = {name: limit for name, limit in QUICK.items() if quick and fields.get(name, 0) > limit}
    return lowered | dict(settings)


def default_jobs(study: Study) -> int:
    """Return how many candidates to calibrate at once: up to two a core, so that no core waits for the last ones."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * cores, len(study.problems))


def calibrate(
    path: Path, study: Study, changes: Mapping[str, int], seed: int, jobs: int, report: Report
) -> "dict[str, DataTree]":
    """Calibrate every candidate of a study; the draws depend on the seed and on the candidate's name, not on the number of jobs.

    Parameters
    ----------
    path
        The file of the study, which the processes load for themselves.
    study
        The study.
    changes
        Fields of its sampler to change.
    seed
        Seed of all random numbers.
    jobs
        How many candidates are calibrated at once; more than one takes a process each.
    report
        Is told how far each candidate is.

    Returns
    -------
    dict of str to xarray.DataTree
        The posterior of each candidate, in the order of the study.
    """
    if jobs == 1:
        # A thread, because only the main thread hears Ctrl-C and a compilation would keep it for many seconds.
        messages: Any = queue.SimpleQueue()
        executor: Executor = ThreadPoolExecutor(1)
        run: Callable[..., Any] = partial(_calibrate, _changed(study, changes), seed, lambda *message: messages.put(message))
    else:
        spawn = multiprocessing.get_context("spawn")
        messages = spawn.Queue()
        executor = ProcessPoolExecutor(jobs, spawn, _start_worker, (path, dict(changes), messages))
        run = partial(_calibrate_in_worker, seed)
    before = set(multiprocessing.active_children())
    try:
        with _ignoring_interrupt():
            futures = {label: executor.submit(run, label) for label in study.problems}
        return _gather(futures, messages, report)
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        executor.shutdown(wait=jobs > 1, cancel_futures=True)
        raise
    finally:
        executor.shutdown(wait=False)


def _gather(futures: "Mapping[str, Future[DataTree]]", messages: Any, report: Report) -> "dict[str, DataTree]":
    """Wait for all candidates and pass on what they report; the first failure ends the run."""
    while True:
        finished = all(future.done() for future in futures.values())  # asked first, so that the last messages are passed on
        try:
            while True:
                report(*messages.get(timeout=0.0 if finished else 0.2))
        except queue.Empty:
            pass
        for label, future in futures.items():
            if future.done():
                try:
                    future.result()
                except BrokenProcessPool:
                    raise BayesffError(
                        f"the process that calibrated {label} was ended from outside, perhaps because memory ran out: "
                        "use --jobs 1, or take fewer draws"
                    ) from None
        if finished:
            return {label: future.result() for label, future in futures.items()}


def _is_data(sampler: Any) -> bool:
    return dataclasses.is_dataclass(sampler) and not isinstance(sampler, type)


def _changed(study: Study, changes: Mapping[str, int]) -> Study:
    return dataclasses.replace(study, sampler=dataclasses.replace(study.sampler, **changes)) if changes else study


def _calibrate(study: Study, seed: int, report: Report, label: str) -> "DataTree":
    import jax

    from bayesff.calibration.reach import liquids_of

    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(label.encode()))
    problem, told = study.problems[label], partial(report, label)
    if not liquids_of(problem):
        return study.sampler.run(problem, key, progress=told)
    from bayesff.ensembles import EnsembleStore

    placed = study.placement.place(problem, EnsembleStore(ensembles_folder()), zlib.crc32(f"{seed} {label}".encode()), told)
    return placed.described(study.sampler.run(placed.problem, key, progress=told))


def ensembles_folder() -> Path:
    """Return the folder of finished reference simulations: that of ``BAYESFF_ENSEMBLES``, or one in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BAYESFF_ENSEMBLES") or cache / "bayesff" / "ensembles")


_worker: dict[str, Any] = {}
"""What a worker process keeps between candidates: the study and where to report to."""


def _start_worker(path: Path, changes: dict[str, int], messages: Any) -> None:
    _watch_parent()
    _worker["study"] = _changed(load(path), changes)
    _worker["report"] = lambda *message: messages.put(message)


def _calibrate_in_worker(seed: int, label: str) -> "DataTree":
    return _calibrate(_worker["study"], seed, _worker["report"], label)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes that leave Ctrl-C to this one, and end with it."""
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _watch_parent)
    with _ignoring_interrupt():
        # The processes are started one by one as tasks come; these start them all now.
        for future in [executor.submit(time.sleep, 0.05) for _ in range(jobs)]:
            future.result()
    return executor


def end_processes(executor: ProcessPoolExecutor) -> None:
    """End the processes of a pool at once, whatever they are at."""
    for process in list((executor._processes or {}).values()):  # the pool has no public way
        process.terminate()


def _watch_parent() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def _ignoring_interrupt() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C, so that the parent alone ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
