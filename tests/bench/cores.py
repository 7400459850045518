"""Two programs at once on a machine of which one core is faster than another: both get as much of each.

Left alone, a process stays where it is: of two equal sidecars beside each other, one took 4 % more CPU a trace than the
other on average, and up to 12 % more for ten seconds.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

EVERY_S = 0.5


@contextmanager
def swapped(one: int, other: int, every_s: float = EVERY_S) -> Iterator[None]:
    """While the block runs, two processes (by their ids, with their children) have a core each, and swap them.

    Nothing is done where there is one core only, or where the system has no such thing.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        yield
        return
    ended = threading.Event()

    def swap() -> None:
        first, second = cores[:2]
        while not ended.wait(every_s):
            first, second = second, first
            _pin(one, {first})
            _pin(other, {second})

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        yield
    finally:
        ended.set()
        swapping.join()
        for process in (one, other):
            _pin(process, set(cores))


def _pin(pid: int, cores: set[int]) -> None:
    """Each thread has cores of its own; one that ended meanwhile needs none."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                for thread in each.threads():
                    with suppress(OSError):
                        os.sched_setaffinity(thread.id, cores)
