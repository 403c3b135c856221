"""The user's cache, where reference simulations and compiled programs are found again by later runs."""

import hashlib
import os
import platform
from pathlib import Path

_LARGEST = 2**30
"""Bytes of compiled programs at most; what has not been used for longest is removed first."""

_WORTHWHILE = 0.3
"""Seconds that a program takes to compile at least, to be kept."""


def cache_folder() -> Path:
    """Return the package's folder in the user's cache: ``$XDG_CACHE_HOME/bayesff``, or else ``~/.cache/bayesff``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayesff"


def ensembles_folder() -> Path:
    """Return the folder of finished reference simulations: that of ``BAYESFF_ENSEMBLES``, or one in the user's cache."""
    return Path(os.environ.get("BAYESFF_ENSEMBLES") or cache_folder() / "ensembles")


def compilation_settings() -> dict[str, str | int | float]:
    """Return the settings of JAX by which it keeps what it compiles and finds it again; none where the cache cannot be written.

    Values of JAX's own variables (``JAX_COMPILATION_CACHE_DIR`` and the like) come first.
    """
    folder = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "compiled" / _processor())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    return {
        "jax_compilation_cache_dir": str(folder),
        "jax_compilation_cache_max_size": int(os.environ.get("JAX_COMPILATION_CACHE_MAX_SIZE", _LARGEST)),
        "jax_persistent_cache_min_compile_time_secs": float(
            os.environ.get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", _WORTHWHILE)
        ),
    }


def _processor() -> str:
    """Return a name of this processor: a program that was compiled for another one may end in an illegal instruction."""
    try:
        known = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model name", "flags"))]
    except OSError:
        known = [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *sorted(set(known))]).encode()).hexdigest()[:12]
