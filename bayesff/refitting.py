"""The refits of a study as tasks: over a pool of processes or a Dask cluster, each kept in a file as soon as it is finished.

A task is a variant of a candidate with the parts of the data that it is fitted to. A worker that takes it compiles the variant
once, and writes every finished refit into the *store*, a folder that it shares with the process that started the run. So a worker
that is lost costs the refit it was at, a run that is ended goes on from what is in the store, and a refit has the same draws
wherever and whenever it is run.
"""

import hashlib
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesff.errors import BayesffError, StudyError
from bayesff.keeping import Store
from bayesff.study import Study, load

if TYPE_CHECKING:
    from xarray import DataTree

    from bayesff.assessment.transfer import Refit

MAX_ATTEMPTS = 3
"""How often a task is given to a worker before its loss counts as its own fault."""

SCHEDULER_TIMEOUT = 10
"""Seconds in which a scheduler must answer."""

_POLL = 0.3

Tell = Callable[[int, int], None]
"""Called as ``tell(done, total)``, with the number of refits that are finished."""


@dataclass(frozen=True)
class Task:
    """Refits of one variant of a candidate, all that a worker needs to know.

    Parameters
    ----------
    study
        The file of the study.
    candidate
        Name of the candidate.
    refits
        What to fit, all of one variant.
    seed
        Seed of all random numbers.
    changes
        Fields of the refits' sampler to change.
    store
        Folder of the finished refits.
    side_by_side
        How many refits run in one vectorised computation.
    """

    study: str
    candidate: str
    refits: "tuple[Refit, ...]"
    seed: int
    changes: tuple[tuple[str, int], ...]
    store: str
    side_by_side: int = 1

    @property
    def finished(self) -> bool:
        """Whether all its refits are in the store."""
        return all(Store(Path(self.store)).has(_name(self.candidate, refit)) for refit in self.refits)

    def run(self) -> int:
        """Run what is not in the store yet, write it there, and return how many refits that were.

        Double precision is switched on by the study's file, or in the environment of the process.
        """
        study, store = load(self.study), Store(Path(self.store))
        import jax

        from bayesff.assessment.transfer import Refitter

        transfer = replace(study.transfer, sampler=replace(study.transfer.sampler, **dict(self.changes)))
        # Those that run side by side run again side by side, so that each has the draws that it would have had.
        parts = [self.refits[i : i + self.side_by_side] for i in range(0, len(self.refits), self.side_by_side)]
        missing = [refit for part in parts if not all(store.has(_name(self.candidate, one)) for one in part) for refit in part]
        refitter = Refitter(study.problems[self.candidate], transfer, self.side_by_side)
        key = jax.random.fold_in(jax.random.key(self.seed), zlib.crc32(self.candidate.encode()))
        for refit, tree in refitter.run(missing, key):
            store.put(_name(self.candidate, refit), tree)
        return len(missing)


def _name(candidate: str, refit: "Refit") -> str:
    """Return the name of a refit in the store."""
    return f"{candidate}-{refit.variant}-{hashlib.sha256(str(refit).encode()).hexdigest()[:16]}"


def check(study: Study) -> None:
    """Check that tolerances, priors of the spread and published values fit every candidate, before anything is computed.

    Raises
    ------
    BayesffError
        If a term, a parameter or a unit is another one, or a candidate observes a liquid, whose references follow one posterior.
    """
    from bayesff.calibration.reach import liquid_states

    study.transfer.check(study.problems)
    for name, problem in study.problems.items():
        if liquid_states(problem):
            raise StudyError(
                f"study {study.name!r}: reference simulations follow one posterior, and cannot be carried to what is left out, "
                f"found terms of a Liquid in {name}: take a MieLiquid for energy and pressure, or calibrate by 'bayesff run'"
            )


def tasks_of(path: Path, study: Study, store: Store, seed: int, changes: Mapping[str, int], side_by_side: int) -> list[Task]:
    """Return the tasks of a study, those that take longest first.

    As many refits run side by side in a task as ``side_by_side`` says; all of them if it is zero.
    """
    from bayesff.assessment.transfer import plan

    found: list[list[Task]] = []
    for candidate, problem in study.problems.items():
        refits = plan(problem)
        groups = [tuple(r for r in refits if r.variant == variant) for variant in dict.fromkeys(r.variant for r in refits)]
        settings = (seed, tuple(changes.items()), str(store.folder.resolve()))
        made = [Task(str(path.resolve()), candidate, group, *settings, side_by_side or len(group)) for group in groups]
        found.append(made)
    longest = max(len(tasks) for tasks in found)
    return [tasks[i] for i in range(longest) for tasks in found if i < len(tasks)]


def follow(tasks: Sequence[Task], cluster: "LocalPool | DaskCluster", tell: Tell) -> None:
    """Give tasks to a pool or a cluster, and wait for them; those of a worker that is lost are given to another one.

    Parameters
    ----------
    tasks
        The tasks; those that are finished are not run again.
    cluster
        Who runs them.
    tell
        Is told how many refits are finished.

    Raises
    ------
    BayesffError
        If a task loses its worker again and again.
    """
    attempts = dict.fromkeys(tasks, 0)
    waiting = {task: cluster.submit(task) for task in tasks if not task.finished}
    while waiting:
        time.sleep(_POLL)
        tell(*count_finished(tasks))
        for task, future in list(waiting.items()):
            if not future.done():
                continue
            try:
                future.result()
                del waiting[task]
            except cluster.lost:
                attempts[task] += 1
                if attempts[task] >= MAX_ATTEMPTS:
                    raise BayesffError(
                        f"{task.candidate}: the process that ran its refits was ended from outside {MAX_ATTEMPTS} times, perhaps "
                        "because memory ran out: use fewer --jobs; what is finished is kept, add --resume"
                    ) from None
                cluster.renew()
                waiting[task] = cluster.submit(task)
    tell(*count_finished(tasks))


def count_finished(tasks: Sequence[Task]) -> tuple[int, int]:
    """Return how many refits of some tasks are in the store, and how many there are."""
    found = [Store(Path(task.store)).has(_name(task.candidate, refit)) for task in tasks for refit in task.refits]
    return sum(found), len(found)


def _run(task: Task) -> int:
    return task.run()


@dataclass
class LocalPool:
    """A pool of processes on this machine; a new one is made when a process is lost, which breaks the pool.

    Parameters
    ----------
    jobs
        Processes at once.
    """

    jobs: int
    lost: type[BaseException] = BrokenProcessPool
    _executor: ProcessPoolExecutor | None = field(default=None, repr=False)

    def __enter__(self) -> "LocalPool":
        self.renew()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        from bayesff.running import end_processes

        assert self._executor is not None
        if kind is not None:
            end_processes(self._executor)
        self._executor.shutdown(wait=kind is None, cancel_futures=True)

    def renew(self) -> None:
        from bayesff.running import process_pool

        if self._executor is None or getattr(self._executor, "_broken", False):
            self._executor = process_pool(self.jobs)

    def submit(self, task: Task) -> "Future[int]":
        assert self._executor is not None
        try:
            return self._executor.submit(_run, task)
        except BrokenProcessPool:
            self.renew()
            return self._executor.submit(_run, task)


class DaskCluster:
    """A Dask cluster that others run; its scheduler gives the tasks of a lost worker to another one by itself.

    Parameters
    ----------
    address
        Of its scheduler.

    Raises
    ------
    BayesffError
        If Dask is not installed, the scheduler does not answer, or there is no worker.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise BayesffError(
                "--scheduler: Dask is needed, found that it is not installed: pip install 'bayesff[distributed]'"
            ) from None
        self._address = address
        self.lost: type[BaseException] = distributed.KilledWorker
        try:
            self._client = distributed.Client(address, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise BayesffError(
                f"--scheduler {address}: a Dask scheduler must answer within {SCHEDULER_TIMEOUT} s, found none "
                f"({_first(error)}): start one with 'dask scheduler', and workers with 'dask worker ADDRESS'"
            ) from None

    def __enter__(self) -> "DaskCluster":
        if not self._client.scheduler_info()["workers"]:
            raise BayesffError(
                f"--scheduler {self._address}: at least one worker is needed, found none: start some with 'dask worker ADDRESS'"
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def renew(self) -> None:
        """Do nothing: the cluster is not this run's own."""

    def submit(self, task: Task) -> Any:
        return self._client.submit(_run, task, pure=False, priority=0)


def _first(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


QUICK = {"num_draws": 200}
"""Settings of the refits in a quick run."""


@dataclass(frozen=True)
class Settings:
    """How the refits of a study are run.

    Parameters
    ----------
    seed
        Seed of all random numbers.
    quick
        Whether to take fewer draws.
    jobs
        Processes at once.
    device
        ``cpu`` or ``gpu``.
    scheduler
        Address of a Dask scheduler; a pool of processes on this machine if not given.
    """

    seed: int
    quick: bool = False
    jobs: int = 1
    device: str = "cpu"
    scheduler: str | None = None

    @property
    def changes(self) -> dict[str, int]:
        """Fields of the refits' sampler that differ from the study's."""
        return dict(QUICK) if self.quick else {}


def assess_study(
    path: Path,
    study: Study,
    store: Store,
    settings: Settings,
    calibrate: "Callable[[], dict[str, DataTree]]",
    report: Callable[[str, str, int, int], None],
) -> "dict[str, DataTree]":
    """Calibrate a study and assess the transferability of its candidates.

    Parameters
    ----------
    path, study
        The study and its file.
    store
        Where finished refits are kept; what is there is not computed again.
    settings
        How the refits are run.
    calibrate
        Calibrates all candidates to all data; those that are finished are not calibrated again.
    report
        Is told how far it is, as ``report(candidate, stage, done, total)``.

    Returns
    -------
    dict of str to xarray.DataTree
        The posterior of each candidate, with the group ``transferability``.
    """
    import xarray

    side_by_side = 1 if settings.device == "cpu" else 0
    tasks = tasks_of(path, study, store, settings.seed, settings.changes, side_by_side)
    cluster = DaskCluster(settings.scheduler) if settings.scheduler else None  # asked before hours are spent
    trees = calibrate()
    if not all(task.finished for task in tasks):
        with cluster or LocalPool(min(settings.jobs, len(tasks))) as workers:
            follow(tasks, workers, lambda done, total: report("", "refits", done, total))
    report("", "transferability", 0, 1)
    found, comparison = _assess(study, store)
    for index, (name, tree) in enumerate(trees.items()):
        parts = {part: dataset for part, dataset in found[name].items() if part != "refits" or dataset.sizes["refit"]}
        if index == 0 and comparison is not None:
            parts["comparison"] = comparison
        tree["transferability"] = xarray.DataTree.from_dict(parts)
    report("", "transferability", 1, 1)
    return trees


def _assess(study: Study, store: Store) -> "tuple[dict[str, dict[str, Any]], Any]":
    """Return the transfer assessment of every candidate, and their comparison, from the finished refits."""
    from bayesff.assessment.transfer import assess_transfer, compare_left_out, plan, refit_of

    fits = {}
    for candidate, problem in study.problems.items():
        trees = [store.get(_name(candidate, refit)) for refit in plan(problem)]
        fits[candidate] = {refit_of(tree): tree for tree in trees}
    return {
        name: assess_transfer(own, study.transfer, study.transfer.published.get(name, ())) for name, own in fits.items()
    }, compare_left_out(fits)
