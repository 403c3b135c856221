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


def keep_compiled() -> None:
    """Let JAX keep what it compiles, for this process, those that it starts, and later runs.

    JAX's own variables (``JAX_COMPILATION_CACHE_DIR`` and the like) come first. Where the cache cannot be written, nothing is
    kept.
    """
    folder = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "compiled" / _processor())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    values = {
        "jax_compilation_cache_dir": str(folder),
        "jax_compilation_cache_max_size": int(os.environ.get("JAX_COMPILATION_CACHE_MAX_SIZE", _LARGEST)),
        "jax_persistent_cache_min_compile_time_secs": float(
            os.environ.get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", _WORTHWHILE)
        ),
    }
    os.environ |= {name.upper(): str(value) for name, value in values.items()}
    import jax

    # Where the study's own file was started, JAX has been imported before this, and has read the variables.
    for name, value in values.items():
        jax.config.update(name, value)


def _processor() -> str:
    """Return a name of this processor: a program that was compiled for another one may end in an illegal instruction."""
    try:
        known = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model name", "flags"))]
    except OSError:
        known = [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *sorted(set(known))]).encode()).hexdigest()[:12]
