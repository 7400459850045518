"""The C library's heap, told to give memory back. glibc only; elsewhere nothing happens.

By itself glibc makes up to eight heaps a core, one for each busy thread, and stops giving large blocks back once some
were freed: a front process that had held 128 MiB of requests for a moment stayed as large for good.
"""

import ctypes
import sys

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""``M_MMAP_THRESHOLD`` and ``M_ARENA_MAX`` of mallopt(3)."""
LARGE_BYTES = 128 * 1024
"""Blocks from this size on are given back as soon as they are freed. The default, but for that it no longer grows."""
ARENAS = 2


def keep_small() -> None:
    """Have this process give back what it frees. To be called before it has many threads."""
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, LARGE_BYTES)
        set_option(_ARENA_MAX, ARENAS)
