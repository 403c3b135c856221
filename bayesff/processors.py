"""The processors of this machine, and worker processes that keep to one of them each.

XLA gives a process as many threads as it may use processors. Processes side by side then wait for threads that are not running: a
step takes a seventh longer than where each keeps to one processor, see docs/benchmarks.md.
"""

import os
from multiprocessing.context import SpawnContext
from typing import Any


def available() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def turns(context: SpawnContext) -> Any:
    """Return what worker processes of a pool take turns by, see `keep_to_one`; pools side by side begin at different places."""
    return context.Value("i", os.getpid())


def keep_to_one(turn: Any) -> None:
    """Let this process use one processor only, the next in ``turn``; has to be called before XLA is used.

    Nothing is changed where JAX computes on a GPU, and where the operating system cannot do it (macOS, Windows).
    """
    with turn.get_lock():
        mine, turn.value = turn.value, turn.value + 1
    if hasattr(os, "sched_setaffinity") and os.environ.get("JAX_PLATFORMS", "cpu") == "cpu":
        processors = available()
        os.sched_setaffinity(0, {processors[mine % len(processors)]})
