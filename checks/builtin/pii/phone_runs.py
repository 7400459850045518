"""Runs: the stretches of a text that may hold phone numbers, and which digits of a run could be one.

Knows how libphonenumber takes a run apart, so that what it could find in one is known before it is asked.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from checks.builtin.pii.context import CONTEXT_CHARS
from checks.builtin.pii.phone_signs import (
    BOOK_WORD,
    DOTTED_QUAD,
    PHONE_BRACKET,
    PHONE_DIGITS,
    PHONE_PUNCTUATION,
    SHORTEST_PHONE,
    is_date,
    is_named_phone,
    is_phone,
)
from checks.builtin.pii.policy import PiiMatch
from checks.builtin.pii.sieve import Sieved, Stretch

_LEAD = re.compile(rf"(?:[(\[\uff08\uff3b+][{PHONE_PUNCTUATION}]{{0,4}}){{1,2}}\Z")
_LEAD_CHARS = 10
_EXTENSION_CHARS = 40
# What libphonenumber takes for the sign of an extension: digits behind it belong to the number before it.
_SIGN = (
    r"(?:;ext=|[ \t,]*(?:e?xt(?:ensi(?:\u00f3?|o\u0301))?n?|\uff45?\uff58\uff54\uff4e?|\u0434\u043e\u0431"
    r"|anexo|[x\uff58#\uff03~\uff5e]|int|\uff49\uff4e\uff54))"
)
_EXTENSION = re.compile(rf"(?i)[0-9]#?{_SIGN}[:.]?\Z")
_EXTENDED = re.compile(rf"(?i){_SIGN}")
_MOST_EXTENSIONS = 8
_SIGN_ENDS = frozenset("tni\u0131\u00f3\u0301ox\uff58#\uff03~\uff5e\uff54\uff4e\u0431=:.")
"""How the sign of an extension ends, and the punctuation directly behind it."""
_NUMBER_PART = re.compile(rf"[0-9{PHONE_PUNCTUATION}+]")
_RUN_CHARS = 250
"""The longest candidate in one line that libphonenumber reads has 21 blocks; longer runs are cut at a space."""

_DIGITS = re.compile("[0-9]+")
_ENDLESS = re.compile("[0-9]{21}")
_PLAIN = re.compile(r"[0-9 ()\[\]./+-]+")
_BREAKS = ("/", "(", " -", "- ", ".", " ")
"""Where libphonenumber takes apart what is no number as a whole: it reads what is before, between or behind them."""
_MOST_GROUPS = 21
_LONGEST = 20
"""Digits: the longest calling code and the longest national number together."""


class Part(NamedTuple):
    """Neighbouring groups of digits of a run, up to ``text[end]``: the first digit, and the punctuation before it."""

    start: int
    first: int
    end: int
    digits: str


class Run(NamedTuple):
    """A stretch of digits and punctuation that may hold phone numbers: ``text[start:end]``.

    ``reach`` is the end of the stretch that this one is a piece of, where that is longer than can be read at once.
    """

    text: str
    start: int
    end: int
    reach: int

    @property
    def value(self) -> str:
        """The stretch itself."""
        return self.text[self.start : self.end]

    @property
    def is_international(self) -> bool:
        """Whether the run begins with a plus."""
        return "+" in self.value

    @property
    def window(self) -> Stretch:
        """What libphonenumber is to see: a letter or a currency sign beside a number rules it out.

        The right end takes in an extension behind the run ("ext. 12"), and is not in the middle of a number.
        """
        text, end = self.text, min(len(self.text), self.end + _EXTENSION_CHARS)
        while end > self.end and end < len(text) and text[end - 1].isdigit() and text[end].isdigit():
            end -= 1
        return max(0, self.start - 1), end

    def is_promising(self) -> bool:
        """Whether the policy could accept a number in it (a superset of ``is_phone``, and cheaper)."""
        value = self.value
        if "+" in value or PHONE_BRACKET.search(value):
            return True
        if len(_DIGITS.findall(value)) >= 3 and not is_date(value) and not self._is_quad():
            first = max(0, self.end - CONTEXT_CHARS)  # of any number in the run
            if not BOOK_WORD.search(self.text, first, self.start):
                return True
        return is_named_phone(self.text, self.start)

    def _is_quad(self) -> bool:
        """Whether this is ``1.2.3.4``. One with an extension is not, to the policy."""
        is_quad = DOTTED_QUAD.fullmatch(self.text, self.start, self.end) is not None
        return is_quad and not _EXTENDED.match(self.text, self.end)

    def gives_way_to(self, sure: Sequence[PiiMatch]) -> bool:
        """Whether the run lies inside a finding that no number in it could win against; ``sure`` is in order."""
        if not sure:
            return False
        nearest = bisect_right(sure, self.start, key=lambda match: match.start) - 1
        return nearest >= 0 and self.end <= sure[nearest].end and not self.is_international

    def is_plain(self) -> bool:
        """Whether the digits alone say what libphonenumber could find: no extension, rare sign or endless digits."""
        start, end = self.read
        if not _PLAIN.fullmatch(self.text, self.start, end) or _EXTENDED.match(self.text, end):
            return False
        return end - start <= _LONGEST or not _ENDLESS.search(self.text, start, end)

    @property
    def read(self) -> Stretch:
        """What of the window is of the same stretch as the run, and so is read as one with it."""
        start, end = self.window
        return start, min(end, self.reach)

    @property
    def whole(self) -> Part:
        """All of its digits."""
        start, end = self.read
        digits = "".join(_DIGITS.findall(self.text, start, end))
        return Part(self.start, self.start, end, digits)

    def parts(self) -> Iterator[Part]:
        """All that libphonenumber could find in a plain run, as far as it has the digits of a phone number.

        From each of the groups of digits to the end of what is read with it, and to the next break of each kind.
        """
        groups = [found.span() for found in _DIGITS.finditer(self.text, *self.read)]
        digits = [self.text[begin:stop] for begin, stop in groups]
        gaps = [self.text[before[1] : after[0]] for before, after in pairwise(groups)]
        breaks = [found for sign in _BREAKS if (found := [n for n, gap in enumerate(gaps) if sign in gap])]
        for first, (begin, _) in enumerate(groups):
            if begin >= self.end:
                return
            last = min(len(groups), first + _MOST_GROUPS) - 1
            ends = {last, *(found[at] for found in breaks if (at := bisect_left(found, first)) < len(found))}
            for end in ends:
                joined = "".join(digits[first : end + 1]) if end <= last else ""
                if SHORTEST_PHONE <= len(joined) <= _LONGEST:
                    yield Part(groups[first - 1][1] if first else self.start, begin, groups[end][1], joined)

    def accepts(self, part: Part, sure: Sequence[PiiMatch]) -> bool:
        """Whether the policy could take a part for a phone number. ``sure`` are findings that it would give way to."""
        if not self.is_international and any(match.start < part.end and part.first < match.end for match in sure):
            return False
        return is_phone(self.text, part.start, part.end) or is_phone(self.text, part.first, part.end)


def runs(sieved: Sieved) -> Iterator[Run]:
    """Every run of seven digits or more, with the plus or bracket it begins with."""
    text = sieved.text
    for start, end, is_long in sieved.numbers:
        if is_long:
            for digits in PHONE_DIGITS.finditer(text, start, end):
                yield from _cut(text, _start(text, digits.start()), digits.end())


def _cut(text: str, start: int, end: int) -> Iterator[Run]:
    first = start
    while end - start > _RUN_CHARS:
        space = text.rfind(" ", start + 1, start + _RUN_CHARS)
        cut = space if space > 0 else start + _RUN_CHARS
        if start == first or not text[start:cut].isdigit():  # digits amid endless digits are nothing
            yield Run(text, start, cut, end)
        start = cut
    yield Run(text, start, end, end)


def _start(text: str, start: int) -> int:
    """Where to begin reading so as to read these digits as the whole text's reader does."""
    for _ in range(_MOST_EXTENSIONS):
        ahead = text[max(0, start - _EXTENSION_CHARS) : start].rstrip(" \t,-")
        before = _EXTENSION.search(ahead) if ahead[-1:].lower() in _SIGN_ENDS else None
        if before is None:
            break
        sign = start = max(0, start - _EXTENSION_CHARS) + before.start()
        while start > 0 and _NUMBER_PART.match(text, start - 1) and sign - start < _RUN_CHARS:
            start -= 1
    lead = _LEAD.search(text, max(0, start - _LEAD_CHARS), start)
    return lead.start() if lead else start
