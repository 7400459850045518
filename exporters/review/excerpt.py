"""Long texts shown in part: the beginning, and what evidence points at wherever it lies. Owns what is left out.

A trace may hold megabytes, and a page of megabytes is none that anyone reads: a page shows so much of each text and so
much of all of them, says what it left out, and shows far more to who asks for that. Even then there is an end: laying
out one word of five million letters takes a browser half a minute.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from exporters.review.marks import Mark, Piece, pieces

EACH, ALL = 20_000, 400_000
MORE_EACH, MORE_ALL = 500_000, 8_000_000
"""Characters of one text, and of all of a page; and of a page that is asked for more."""
AROUND = 200
"""Characters shown before and after evidence that lies in what is left out."""
LONGEST = 2_000
"""Characters shown of evidence that lies there."""
MOST_MARKS = 200
"""Places marked in one text."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Marked pieces of a text, one run of them for each part that is shown, and how many characters are left out.

    ``gaps`` has as many numbers as there are runs: the characters left out after each.
    """

    runs: tuple[tuple[Piece, ...], ...]
    gaps: tuple[int, ...]
    length: int

    @property
    def left_out(self) -> int:
        """Characters that are not shown."""
        return sum(self.gaps)


class Room:
    """The room of one page: characters of each text, and of all of them."""

    def __init__(self, each: int = EACH, in_all: int = ALL) -> None:
        self._each = each
        self._left = in_all
        self.left_out = 0

    def excerpt(self, text: str, marks: Collection[Mark] = ()) -> Excerpt:
        """As much of ``text`` as there is room for, and around each mark."""
        first = max(0, min(len(text), self._each, self._left))
        inside = [_within(mark, len(text)) for mark in list(marks)[:MOST_MARKS]]
        shown = list(_windows(len(text), first, inside))
        self._left -= sum(end - start for start, end in shown)
        ends = [start for start, _ in shown[1:]] + [len(text)]
        gaps = tuple(following - end for (_, end), following in zip(shown, ends, strict=True))
        self.left_out += sum(gaps)
        return Excerpt(tuple(tuple(_run(text, start, end, inside)) for start, end in shown), gaps, len(text))


def _within(mark: Mark, length: int) -> Mark:
    return replace(mark, start=max(0, min(mark.start, length)), end=max(0, min(mark.end, length)))


def _windows(length: int, first: int, marks: Collection[Mark]) -> Iterator[tuple[int, int]]:
    """What is shown, in order and apart from each other: the beginning, then around the marks behind it."""
    start, end = 0, first
    for mark in sorted(marks, key=lambda mark: mark.start):
        low, high = max(0, mark.start - AROUND), min(length, mark.start + LONGEST, mark.end) + AROUND
        high = min(length, high)
        if mark.start >= mark.end or high <= end:
            continue
        if low > end:
            yield start, end
            start = low
        end = high
    yield start, end


def _run(text: str, start: int, end: int, marks: Collection[Mark]) -> list[Piece]:
    cut = [
        replace(mark, start=max(mark.start, start) - start, end=min(mark.end, end) - start)
        for mark in marks
        if mark.start < end and start < mark.end
    ]
    return pieces(text[start:end], cut)
