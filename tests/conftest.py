"""Every test runs in double precision, with shapes checked at run time by the jaxtyping hook named in pyproject.toml."""

import jax

jax.config.update("jax_enable_x64", True)
