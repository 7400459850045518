"""The highest value of something that changes all the time, such as the memory of a process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def peak(read: Callable[[], float], every_s: float) -> Iterator[list[float]]:
    """The highest that ``read`` gives while the block runs, asked every ``every_s``, as the only item of a list."""
    highest, stop = [read()], threading.Event()

    def watch() -> None:
        while not stop.wait(every_s):
            highest[0] = max(highest[0], read())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield highest
    finally:
        stop.set()
        thread.join()
