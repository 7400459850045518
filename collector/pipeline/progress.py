"""Which positions of a source are still needed: those that hold a piece of a trace that is not stored yet.

A position is a journal's row, later a Kafka offset. Pure bookkeeping on the event loop.
"""

from collections import Counter
from collections.abc import Iterable


class Progress:
    """Counts, for each position, the pieces whose traces are not stored yet."""

    def __init__(self) -> None:
        self._needed: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._needed)

    def began(self, position: int, pieces: int) -> None:
        """Note that ``pieces`` traces wait for what is at this position."""
        self._needed[position] += pieces

    def ended(self, positions: Iterable[int]) -> list[int]:
        """Note one trace stored (or dropped) that had a piece at each position; returns those no longer needed."""
        free = []
        for position in positions:
            self._needed[position] -= 1
            if self._needed[position] <= 0:
                del self._needed[position]
                free.append(position)
        return free
