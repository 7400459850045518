"""What this process does with memory that it no longer needs: the C library's heap, and Python's collector.

The heap is told to give memory back. glibc only; elsewhere nothing happens.

By itself glibc makes up to eight heaps a core, one for each busy thread, and stops giving large blocks back once some
were freed: a front process that had held 128 MiB of requests for a moment stayed as large for good.
"""

import ctypes
import gc
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


GARBAGE_AFTER = 20_000
"""Objects that are made before Python looks for circles among the youngest; 700 by itself."""


def collect_less() -> None:
    """Have Python's collector look through new objects less often. To be called before much is loaded.

    While modules load there is little to throw away: a tenth of the start went into looking.
    """
    gc.set_threshold(GARBAGE_AFTER)


def collect_rarely() -> None:
    """Have Python's collector leave alone what is there by now, and look through the rest less often.

    What is loaded at the start (libraries, patterns, tables) stays to the end: to walk through it again and again, as
    traces come and go, takes as long as a check. To be called when all is loaded.
    """
    gc.collect()
    gc.freeze()
    collect_less()


def keep_shared() -> None:
    """Have Python's collector leave alone what came with the copy of another process.

    It writes into each object that it looks at, and memory that is written to is no longer shared. To be called first.
    """
    gc.freeze()
