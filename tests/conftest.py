"""Every test runs in double precision, with shapes checked at run time by the jaxtyping hook named in pyproject.toml."""

import os
import tempfile

import jax

# All processes of the tests share what they compile; those that run in parallel have it from the one that starts them.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _compiled = tempfile.TemporaryDirectory(prefix="bayesff-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled.name
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
jax.config.update("jax_enable_x64", True)
