"""Running a study: each candidate potential is calibrated, side by side in processes of their own where that is faster."""

import dataclasses
import multiprocessing
import os
import queue
import sys
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesff.errors import BayesffError, StudyError
from bayesff.study import Study, load

if TYPE_CHECKING:
    from xarray import DataTree

Report = Callable[[str, str, int, int], None]
"""Called as ``report(candidate, stage, done, total)`` while a study runs."""

QUICK = {"num_warmup": 300, "num_draws": 300, "num_chains": 4, "num_particles": 500, "num_steps": 1000}
"""What a quick run makes of a sampler's settings that are larger."""

_OPTIONS = {"num_draws": "--draws", "num_chains": "--chains", "num_warmup": "--warmup"}


def use_device(device: str) -> None:
    """Make JAX calculate in double precision on a CPU or a GPU, in this process and in those that it starts.

    Raises
    ------
    BayesffError
        If there is no such device.
    """
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["JAX_PLATFORMS"] = {"cpu": "cpu", "gpu": "cuda,rocm"}[device] if "jax" not in sys.modules else device
    # The matrices are small, and threads of the linear algebra would wait for one another.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
