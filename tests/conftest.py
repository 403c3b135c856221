"""Every test runs in double precision, with shapes checked at run time by the jaxtyping hook named in pyproject.toml.

Tests that run in parallel keep to one processor each, as the package's own workers do.
"""

import os
import tempfile

import jax
import pytest

if (_worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):  # before XLA counts the processors
    _processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_processors[int(_worker.removeprefix("gw")) % len(_processors)]})

# All processes of the tests share what they compile; those that run in parallel have it from the one that starts them.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _compiled = tempfile.TemporaryDirectory(prefix="bayesff-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled.name
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
jax.config.update("jax_enable_x64", True)

_FIRST = ("studies", "test_refitting.py", "test_study_of_a_liquid.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: not any(name in item.path.parts for name in _FIRST))
