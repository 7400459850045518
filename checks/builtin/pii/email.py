"""Runs a finder of e-mail addresses only around the ``@`` signs of a text.

Presidio's pattern tries every word of a text and takes quadratic time on a long token of dots and dashes.
"""

from collections.abc import Iterator

from checks.builtin.pii.policy import PiiMatch
from checks.builtin.pii.recognizers import Find

# None of these is a word character or can be part of an address, so a token between two of them can be searched alone.
_ENDS = frozenset(' \t\n\r\v\f()<>[],;:"\\\u3002')
_LOCAL_CHARS = 320
_DOMAIN_CHARS = 256
"""RFC 5321: an address has at most 64 characters before the sign and 255 after it."""


def in_tokens(find: Find) -> Find:
    """The same finder on the surroundings of each ``@`` alone; it finds the same addresses."""

    def find_in_tokens(text: str) -> list[PiiMatch]:
        found = []
        for start, end in _tokens(text):
            found += [m._replace(start=m.start + start, end=m.end + start) for m in find(text[start:end])]
        return found

    return find_in_tokens


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """The stretches that can hold one address or more; one that is too long is cut, and then has one ``@``."""
    done = 0
    at = text.find("@")
    while at >= 0:
        start, end = _left(text, at, done), _right(text, at)
        done = end
        yield start, end
        at = text.find("@", end)


def _left(text: str, at: int, floor: int) -> int:
    floor = max(floor, at - _LOCAL_CHARS)
    start = at
    while start > floor and text[start - 1] not in _ENDS:
        start -= 1
    return start


def _right(text: str, at: int) -> int:
    ceiling = min(len(text), at + 1 + _DOMAIN_CHARS)
    end = at + 1
    while end < ceiling and text[end] not in _ENDS:
        end += 1
    return end
