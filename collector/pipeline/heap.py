"""What this process does with memory that it no longer needs: the C library's heap, and Python's collector.

The heap is told to give memory back. glibc only; elsewhere nothing happens.

By itself glibc makes up to eight heaps a core, one for each busy thread, and stops giving large blocks back once some
were freed: a front process that had held 128 MiB of requests for a moment stayed as large for good.
"""

import ctypes
import gc
import sys
from typing import Any

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""``M_MMAP_THRESHOLD`` and ``M_ARENA_MAX`` of mallopt(3)."""
LARGE_BYTES = 128 * 1024
"""Blocks from this size on are given back as soon as they are freed. The default, but for that it no longer grows."""
ARENAS = 2


def keep_small() -> None:
    """Have this process give back what it frees. To be called before it has many threads."""
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, LARGE_BYTES)
        set_option(_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give back the free pages that lie between what is in use. Blocks; takes 10 ms of CPU for 100 MiB.

    Circles of what is no longer used go first: what they hold lies between all else, and Python, which counts how many
    objects they are and not how large, lets them wait for long.

    By itself glibc only gives back what lies behind the last block in use: one small block that stays keeps all that
    a burst took before it, and what is in use lies elsewhere after each burst.
    """
    gc.collect()
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


EBB_FROM_BYTES = 4 * 1024 * 1024
"""What less than this took is not worth looking for."""
EBB_SHARE = 0.25
"""Memory is given back once no more than this share of the most that was held is left."""
CALM_FROM_S = 0.25
"""CPU time after which there may be something to give back, however little was held at once: what retention takes for
one batch leaves five megabytes behind. To give them back is 2 % of it."""
CALM_SHARE_S = 0.1
"""All is calm when no more than this was worked since the last question."""


class Ebb:
    """Says when to give memory back: much was held, and little of it is left; or much was done, and all is calm.

    Under a steady load neither is so. What would be given back then would be taken again at once, page by page.

    What is held is not all that a load takes: records and rows on their way to the store are not told here. What they
    leave free behind the last trace, or where workers keep up so that little is held ever, is found when it is calm.
    """

    def __init__(self) -> None:
        self._most = 0
        self._worked_s = self._given_back_s = 0.0

    def has_come(self, held: int, worked_s: float) -> bool:
        """Whether it is time, with ``held`` bytes of telemetry there now. To be asked again and again.

        Args:
            held: Bytes of telemetry that are there now.
            worked_s: CPU seconds of the process since it began.
        """
        self._most = max(self._most, held)
        has_fallen = self._most >= EBB_FROM_BYTES and held <= self._most * EBB_SHARE
        is_calm = worked_s - self._worked_s <= CALM_SHARE_S and worked_s - self._given_back_s >= CALM_FROM_S
        self._worked_s = worked_s
        if has_fallen or is_calm:
            self._most, self._given_back_s = held, worked_s
        return has_fallen or is_calm


def _of_glibc(name: str) -> Any:
    """A function of the C library, where there is one of this name: other libraries and systems do without."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


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
