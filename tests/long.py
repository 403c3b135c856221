"""What takes minutes runs only where the environment variable BAYESFF_LONG_TESTS is 1; many repeats are fewer elsewhere."""

import os

import pytest

LONG = os.environ.get("BAYESFF_LONG_TESTS") == "1"

long = pytest.mark.skipif(not LONG, reason="takes minutes: set the environment variable BAYESFF_LONG_TESTS to 1")
