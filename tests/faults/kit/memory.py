"""How much memory a sidecar takes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from faults.kit.sidecar import Sidecar

EVERY_S = 0.1


@contextmanager
def peak_memory(sidecar: Sidecar) -> Iterator[list[int]]:
    """The highest resident memory of front process and workers while the block runs, as the only item of a list."""
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(EVERY_S):
            peak[0] = max(peak[0], sidecar.rss_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
