"""The digits of a text, and where in it those of one number stand, however they are spaced and punctuated."""

import re
from collections.abc import Iterator

_NO_DIGITS = bytes(byte for byte in range(256) if byte not in b"0123456789")
_DIGIT = re.compile("[0-9]")


def digits_of(text: str) -> str:
    """The ASCII digits of a text, and nothing else of it."""
    return text.encode("ascii", "replace").translate(None, _NO_DIGITS).decode()


def runs(between: str) -> re.Pattern[str]:
    """Matches digits that could be of one number: ``between`` is the pattern of what may stand between two of them."""
    return re.compile(f"[0-9](?:{between}[0-9])*+")


def places(text: str, run: re.Pattern[str], number: str) -> Iterator[tuple[int, int]]:
    """Where the digits of ``number`` stand in ``text``, also where two places overlap: start and end of each.

    One pattern serves all numbers (``runs``): to compile one of its own takes a millisecond.
    """
    for found in run.finditer(text):
        digits = digits_of(found[0])
        at = digits.find(number)
        offsets = [digit.start() for digit in _DIGIT.finditer(text, *found.span())] if at >= 0 else []
        while at >= 0:
            yield offsets[at], offsets[at + len(number) - 1] + 1
            at = digits.find(number, at + 1)
