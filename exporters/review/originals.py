"""What was captured beside what was written of it: which part of the one each placeholder of the other stands for.

Owns the alignment. A case keeps no original; while its trace is stored, the two can be laid side by side.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from exporters.review.marks import REPLACED, Mark, placeholders


@dataclass(frozen=True, slots=True)
class Swap:
    """A captured part and the placeholder for it: from where to where in each text, and what it was."""

    start: int
    end: int
    written_start: int
    written_end: int
    label: str


def aligned(captured: str, written: str, entities: Collection[str]) -> tuple[Swap, ...] | None:
    """What was replaced in ``captured`` to make ``written``; ``None``: it was not made of it by replacing alone.

    What is between the placeholders is looked for from the left, in one pass: however long the texts are.
    """
    marks = [*placeholders(written, entities)]
    swaps: list[Swap] = []
    at = done = 0
    for mark, following in zip(marks, [*marks[1:], None], strict=False):
        start = at + mark.start - done
        if captured[at:start] != written[done : mark.start]:
            return None
        between = written[mark.end : following.start if following else len(written)]
        end = _end(captured, start, between, is_last=following is None)
        if end is None:
            return None
        swaps.append(Swap(start, end, mark.start, mark.end, mark.label))
        at, done = end, mark.end
    return tuple(swaps) if captured[at:] == written[done:] else None


def _end(captured: str, start: int, between: str, *, is_last: bool) -> int | None:
    """Where the captured part ends that starts at ``start`` and is followed by ``between``. It is never empty."""
    if is_last:
        end = len(captured) - len(between)
        return end if end > start and captured.endswith(between) else None
    end = captured.find(between, start + 1) if between else _word_end(captured, start)
    return end if end > start else None


def _word_end(captured: str, start: int) -> int:
    """Two placeholders with nothing between them: the first stands for a word."""
    found = re.compile(r"\w+|.", re.DOTALL).match(captured, start)
    return found.end() if found else -1


def captured_marks(swaps: Sequence[Swap]) -> list[Mark]:
    """Marks in the captured text: what was replaced."""
    return [Mark(swap.start, swap.end, REPLACED, swap.label) for swap in swaps]


def moved(marks: Sequence[Mark], swaps: Sequence[Swap]) -> list[Mark]:
    """Marks of the captured text where they are in the written one; one that cuts a value takes its placeholder."""
    ends = [swap.end for swap in swaps]

    def place(offset: int, *, is_end: bool) -> int:
        passed = bisect_right(ends, offset)
        if passed < len(swaps) and swaps[passed].start < offset:
            return swaps[passed].written_end if is_end else swaps[passed].written_start
        return offset + (swaps[passed - 1].written_end - swaps[passed - 1].end if passed else 0)

    return [replace(m, start=place(m.start, is_end=False), end=place(m.end, is_end=True)) for m in marks]
