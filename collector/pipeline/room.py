"""Which traces had no place for a case of late, so that those like them are not drafted in vain.

Only a hint: a case is made, or not, by what the store finds when its trace is saved.
"""

from collections.abc import Mapping

MOST = 256
"""Families that are told to the workers with each batch: some 10 KB."""


class Room:
    """``full`` are the families (see ``exporters.dataset.likeness``) whose last trace found no place."""

    def __init__(self) -> None:
        self.full: frozenset[str] = frozenset()
        self._full: dict[str, None] = {}

    def heed(self, places: Mapping[str, bool]) -> None:
        """Take in what a save found: for each family whether there was a place for its last trace."""
        for family, is_free in places.items():
            self._full.pop(family, None)
            if not is_free:
                self._full[family] = None
        while len(self._full) > MOST:
            del self._full[next(iter(self._full))]
        if places:
            self.full = frozenset(self._full)

    def forget(self) -> None:
        """Know of none."""
        self._full.clear()
        self.full = frozenset()
