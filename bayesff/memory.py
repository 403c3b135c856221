"""Memory that programs give back, kept in this process for the next one."""

import ctypes
import platform

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""Numbers of the settings of glibc's ``mallopt``."""

_LARGEST = 2**30
"""Bytes that are kept free, and bytes of the largest block that is kept."""


def keep_memory() -> None:
    """Let this process keep the memory that it frees, up to 1 GiB, so that the next program need not ask the kernel for it.

    XLA allocates the room for intermediate results each time a program runs. By default glibc gives a large block back to the
    kernel, which zeroes each of its pages when it is touched again: as much time as the program itself takes, where that predicts
    from large tables (docs/benchmarks.md). Nothing is changed where the C library is another one.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for setting, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _LARGEST)):
            library.mallopt(setting, value)
