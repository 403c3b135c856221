"""Memory that is freed is kept in the process, see `bayesff.memory`."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, threading
from bayesff.memory import keep_memory

def use():
    for _ in range(20):
        b"1" * size  # written once, and freed at once

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

size = 2**27
if "keep" in sys.argv:
    keep_memory()
before = faults()
thread = threading.Thread(target=use)
thread.start()
thread.join()
print((faults() - before) * resource.getpagesize() / size)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_a_block_of_a_thread_comes_from_the_kernel_once() -> None:
    def blocks(*arguments: str) -> float:
        done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True)
        return float(done.stdout)

    assert blocks() == pytest.approx(20, rel=0.1)
    assert blocks("keep") == pytest.approx(1, rel=0.1)
