"""Running a study: its candidate potentials are simulated and calibrated side by side, each in a process of its own."""

import dataclasses
import multiprocessing
import os
import queue
import signal
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bayesff import processors
from bayesff.caching import ensembles_folder
from bayesff.errors import BayesffError, OutputError, StudyError
from bayesff.keeping import Store
from bayesff.memory import keep_memory
from bayesff.study import Study, load
from bayesff.writing import reason

if TYPE_CHECKING:
    from xarray import DataTree

    from bayesff.calibration import CalibrationProblem
    from bayesff.ensembles import EnsembleStore
    from bayesff.inference.placement import Progress

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
    """Return how many candidates to calibrate at once: one a processor, each in a process that keeps to it."""
    return min(len(processors.available()), len(study.problems))


@dataclass(frozen=True)
class Settings:
    """How the candidates of a study are run.

    Parameters
    ----------
    seed
        Seed of all random numbers.
    jobs
        How many candidates are run at once; more than one takes a process each.
    changes
        Fields of the study's sampler to change, see `sampler_changes`.
    ensembles
        Folder of finished reference simulations; `ensembles_folder` if not given.
    fresh
        Whether those that come with the package are simulated again.
    """

    seed: int
    jobs: int = 1
    changes: Mapping[str, int] = field(default_factory=dict)
    ensembles: Path | None = None
    fresh: bool = False


@dataclass(frozen=True)
class Simulated:
    """The reference simulations of a candidate.

    Parameters
    ----------
    states
        The states of its liquids.
    required
        Effective frames that were required at each.
    shortfall
        What is missing, in words; empty if nothing is.
    """

    states: "tuple[SimulatedState, ...]"
    required: float
    shortfall: str


class SimulatedState(NamedTuple):
    """How many reference simulations there are at a state, and how well all of them serve it.

    Parameters
    ----------
    temperature, density
        Temperature [K] and number density [1/angstrom^3].
    num_simulations
        Simulations at this state.
    sample_size
        Effective frames: their 5th percentile over draws.
    """

    temperature: float
    density: float
    num_simulations: int
    sample_size: float


def calibrate(path: Path, study: Study, settings: Settings, store: Store, report: Report) -> "dict[str, DataTree]":
    """Calibrate every candidate of a study; the draws depend on the seed and on the candidate's name, not on the number of jobs.

    Parameters
    ----------
    path
        The file of the study, which the processes load for themselves.
    study
        The study.
    settings
        How it is run.
    store
        Where each candidate is kept as soon as it is finished; those that are there are not calibrated again.
    report
        Is told how far each candidate is.

    Returns
    -------
    dict of str to xarray.DataTree
        The posterior of each candidate, in the order of the study.
    """
    for label in filter(store.has, study.problems):
        report(label, "finished before", 1, 1)
    missing = [label for label in study.problems if not store.has(label)]
    _run_all(partial(_keep, store), missing, path, study, settings, report)
    return {label: store.get(label) for label in study.problems}


def simulate(path: Path, study: Study, settings: Settings, report: Report) -> dict[str, Simulated]:
    """Place the reference simulations that `calibrate` needs before it samples, with the same parameters, and keep them.

    Returns
    -------
    dict of str to Simulated
        What each candidate has that observes a liquid.
    """
    return _run_all(_simulate, liquid_candidates(study), path, study, settings, report)


def _run_all(
    work: "Callable[[Settings, Study, Report, str], Any]",
    labels: Sequence[str],
    path: Path,
    study: Study,
    settings: Settings,
    report: Report,
) -> dict[str, Any]:
    """Do some work for every one of these candidates, side by side, and return what it returns."""
    if settings.jobs == 1:
        # A thread, because only the main thread hears Ctrl-C and a compilation would keep it for many seconds.
        messages: Any = queue.SimpleQueue()
        executor: Executor = ThreadPoolExecutor(1)
        run: Callable[..., Any] = partial(
            work, settings, _changed(study, settings.changes), lambda *message: messages.put(message)
        )
    else:
        spawn = multiprocessing.get_context("spawn")
        messages = spawn.Queue()
        to_start = (processors.turns(spawn), path, dict(settings.changes), messages)
        executor = ProcessPoolExecutor(settings.jobs, spawn, _start_worker, to_start)
        run = partial(_run_in_worker, work, settings)
    before = set(multiprocessing.active_children())
    try:
        with _ignoring_interrupt():
            futures = {label: executor.submit(run, label) for label in labels}
        return _gather(futures, messages, report)
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        executor.shutdown(wait=settings.jobs > 1, cancel_futures=True)
        raise
    finally:
        executor.shutdown(wait=False)


def _gather(futures: Mapping[str, Future[Any]], messages: Any, report: Report) -> dict[str, Any]:
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
                        f"the process that worked on {label} was ended from outside, perhaps because memory ran out: "
                        "use --jobs 1; what is finished is kept"
                    ) from None
        if finished:
            return {label: future.result() for label, future in futures.items()}


def _is_data(sampler: Any) -> bool:
    return dataclasses.is_dataclass(sampler) and not isinstance(sampler, type)


def _changed(study: Study, changes: Mapping[str, int]) -> Study:
    return dataclasses.replace(study, sampler=dataclasses.replace(study.sampler, **changes)) if changes else study


def _keep(store: Store, settings: Settings, study: Study, report: Report, label: str) -> None:
    """Calibrate a candidate, and keep its posterior."""
    store.put(label, _calibrate(settings, study, report, label))


def _calibrate(settings: Settings, study: Study, report: Report, label: str) -> "DataTree":
    import jax

    from bayesff.calibration.reach import liquids_of

    key = jax.random.fold_in(jax.random.key(settings.seed), zlib.crc32(label.encode()))
    problem, sampled = study.problems[label], partial(study.sampler.run, key=key, progress=partial(report, label))
    return study.placement.sample(*_placing(settings, study, report, label), sampled) if liquids_of(problem) else sampled(problem)


def _simulate(settings: Settings, study: Study, report: Report, label: str) -> Simulated:
    """Place the references of a candidate, and say how well they serve."""
    placed = study.placement.place(*_placing(settings, study, report, label))
    numbers = Counter((one.fluid.temperature, one.fluid.density) for one in placed.simulations)
    sizes: dict[tuple[float, float], float] = {}
    for state, size in zip(placed.states, placed.sample_sizes, strict=True):
        point = (state.temperature, state.density)
        sizes[point] = min(float(size), sizes.get(point, float(size)))  # environments may share a state
    states = tuple(SimulatedState(*point, numbers[point], size) for point, size in sizes.items())
    return Simulated(states, placed.required, placed.shortfall)


def _placing(
    settings: Settings, study: Study, report: Report, label: str
) -> "tuple[CalibrationProblem, EnsembleStore, int, Progress]":
    """Return what the references of a candidate are placed with: problem, store, seed and progress."""
    from bayesff.ensembles import EnsembleStore, shipped_folder

    store = EnsembleStore(settings.ensembles or ensembles_folder(), None if settings.fresh else shipped_folder())
    return study.problems[label], store, zlib.crc32(f"{settings.seed} {label}".encode()), partial(report, label)


def liquid_candidates(study: Study) -> list[str]:
    """Return the names of the candidates that need reference simulations, because they observe a liquid that has none."""
    from bayesff.calibration.reach import liquids_of

    return [label for label, problem in study.problems.items() if any(not liquid.references for liquid in liquids_of(problem))]


def check_ensembles(folder: Path) -> None:
    """Check that reference simulations can be written to a folder, which is made.

    Raises
    ------
    OutputError
        If they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(
            f"{folder}: the folder of reference simulations cannot be written ({reason(error)}): choose another by --ensembles"
        ) from None


_worker: dict[str, Any] = {}
"""What a worker process keeps between candidates: the study and where to report to."""


def _start_worker(turn: Any, path: Path, changes: dict[str, int], messages: Any) -> None:
    _start_process(turn)
    _worker["study"] = _changed(load(path), changes)
    _worker["report"] = lambda *message: messages.put(message)


def _run_in_worker(work: Callable[[Settings, Study, Report, str], Any], settings: Settings, label: str) -> Any:
    return work(settings, _worker["study"], _worker["report"], label)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes that keep to one processor each, leave Ctrl-C to this one, and end with it."""
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, spawn, _start_process, (processors.turns(spawn),))
    with _ignoring_interrupt():
        # The processes are started one by one as tasks come; these start them all now.
        for future in [executor.submit(time.sleep, 0.05) for _ in range(jobs)]:
            future.result()
    return executor


def end_processes(executor: ProcessPoolExecutor) -> None:
    """End the processes of a pool at once, whatever they are at."""
    for process in list((executor._processes or {}).values()):  # the pool has no public way
        process.terminate()


def _start_process(turn: Any) -> None:
    processors.keep_to_one(turn)
    keep_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def _ignoring_interrupt() -> Iterator[None]:
    """Let processes that are started here ignore Ctrl-C, so that the parent alone ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
