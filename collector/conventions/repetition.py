"""What spans say again need not be read again.

An agent's span holds the messages that its model calls hold, a call that is made again holds the same conversation, and
every call of an app repeats the tools it was offered, in one trace after the other. Only the text that was read last is
kept, and for a batch of traces at most: comparing two texts costs nothing beside parsing one, while looking a text up
in a dictionary would mean to hash it first.
"""

from typing import Any

NEW = object()
"""Stands for what was made of a text that is not the one that was read last."""

_Kept = tuple[str | None, str, Any]
_NOTHING: _Kept = (None, "", NEW)


class LastRead:
    """The text that was read last, what it was read as, and what was made of it.

    What is kept is one tuple, which is replaced as a whole: threads that read at one time only lose it to each other.
    """

    def __init__(self) -> None:
        self._kept: _Kept = _NOTHING
        _all.append(self)

    def made_of(self, value: Any, kind: str = "") -> Any:
        """What was made of ``value``, read as ``kind``; ``NEW`` where that was not the last thing that was read."""
        text, of_kind, made = self._kept
        return made if value == text and kind == of_kind else NEW

    def keep(self, value: Any, made: Any, kind: str = "") -> None:
        """Keep what was made of ``value`` if that is a text; the lists and mappings of JSON are parsed already."""
        if isinstance(value, str):
            self._kept = (value, kind, made)

    def forget(self) -> None:
        """Keep nothing."""
        self._kept = _NOTHING


_all: list[LastRead] = []


def forget() -> None:
    """Forget every text: nothing of the traces that were read is kept."""
    for last in _all:
        last.forget()
