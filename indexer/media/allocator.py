"""Settings that make glibc's allocator keep freed memory, because pictures come and go by the megabyte.

By default large blocks are mapped and unmapped, and the kernel clears each page again, which takes a third
of the time of decoding a megapixel. Without glibc nothing happens. Source: mallopt(3).
"""

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# The largest that glibc accepts; a full-sized photograph is below it.
LARGEST_KEPT_BLOCK = 32 << 20
KEPT_AT_THE_TOP = 256 << 20


def keep_freed_memory() -> bool:
    """Sets this process's allocator from now on, and returns whether it accepts the settings.

    There are at most as many heaps as cores: each heap keeps what was freed in it, and an idle thread would
    keep its heap for ever.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt") or not hasattr(libc, "gnu_get_libc_version"):
        return False
    heaps = max(1, os.cpu_count() or 1)
    wanted = {
        M_MMAP_THRESHOLD: LARGEST_KEPT_BLOCK,
        M_TRIM_THRESHOLD: KEPT_AT_THE_TOP,
        M_ARENA_MAX: heaps,
    }
    return all(libc.mallopt(option, value) == 1 for option, value in wanted.items())


def environment() -> dict[str, str]:
    """Returns the variables that set the allocator of a child process before its first allocation."""
    return {
        "MALLOC_MMAP_THRESHOLD_": str(LARGEST_KEPT_BLOCK),
        "MALLOC_TRIM_THRESHOLD_": str(KEPT_AT_THE_TOP),
        "MALLOC_ARENA_MAX": "1",
    }
