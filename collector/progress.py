"""Which positions of a source are still needed: those that hold a piece of a trace that is not stored yet.

A source is the journal, or a partition of a topic for as long as it is assigned to this replica; a position is a row or
an offset in it. Pure bookkeeping on the event loop, but for ``mark``.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple


class Progress:
    """Counts, for each position of one source, the pieces whose traces are not stored yet.

    Attributes:
        returns: Whether the source gives again, to whoever owns it next, all that stands at ``mark`` and after it.
        mark: The smallest position that is still needed, else the one after the last that was taken; ``None`` before
            there was one. May be read on any thread.
        is_over: Whether the source has been given up: what of it is not stored is another replica's now.
    """

    returns = False

    def __init__(self) -> None:
        self._needed: OrderedDict[int, int] = OrderedDict()
        self._next: int | None = None
        self.mark: int | None = None
        self.is_over = False

    def __len__(self) -> int:
        return len(self._needed)

    def began(self, position: int, pieces: int) -> None:
        """Note that ``pieces`` traces wait for what is at this position."""
        self._needed[position] = self._needed.get(position, 0) + pieces
        self._next = position + 1
        self._move()

    def ended(self, positions: Iterable[int]) -> list[int]:
        """Note one trace stored (or dropped) that had a piece at each position; returns those no longer needed."""
        free = []
        for position in positions:
            left = self._needed.get(position, 0) - 1
            if left > 0:
                self._needed[position] = left
            else:
                self._needed.pop(position, None)
                free.append(position)
        self._move()
        return free

    def passed(self, position: int) -> None:
        """Note a position at which no trace has a piece."""
        self.began(position, 0)
        self.ended((position,))

    def _move(self) -> None:
        self.mark = next(iter(self._needed), self._next)


class Position(NamedTuple):
    """Where a source holds something."""

    source: Progress
    number: int
