"""What follows from the names of attributes alone, worked out once for each set of names.

An app writes the same few kinds of spans again and again: only their values differ. Owns how many sets of names are
remembered, and how large they may be: apps choose the names.
"""

from collections.abc import Callable, Collection
from typing import TypeVar

MOST_SHAPES = 512
MOST_NAMES = 128
MOST_CHARACTERS = 4096
"""Of a set, and of all its names together; what follows from a larger one is worked out anew each time."""

Names = TypeVar("Names", bound=Collection[str])
Shape = TypeVar("Shape")


class Shapes(dict[Names, Shape]):
    """What follows from sets of names, by the names; ask with ``shapes[names]``. Threads may share it."""

    def __init__(self, work_out: Callable[[Names], Shape]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, names: Names) -> Shape:
        shape = self._work_out(names)
        if len(names) <= MOST_NAMES and sum(map(len, names)) <= MOST_CHARACTERS:
            if len(self) >= MOST_SHAPES:
                self.clear()
            self[names] = shape
        return shape
