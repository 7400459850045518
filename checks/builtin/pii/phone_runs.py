"""Runs: the stretches of a text that may hold phone numbers.

Knows where libphonenumber would begin to read and what the policy could accept, and leaves out the rest.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
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
)
from checks.builtin.pii.policy import MANY, PiiMatch
from checks.builtin.pii.sieve import Sieved, Stretch

_LEAD = re.compile(rf"(?:[(\[\uff08\uff3b+][{PHONE_PUNCTUATION}]{{0,4}}){{1,2}}\Z")
_LEAD_SIGNS = frozenset("([\uff08\uff3b+")
_LEAD_CHARS = 10
_AROUND = CONTEXT_CHARS + 1 + _LEAD_CHARS
"""Characters before digits that decide whether the run that begins with them is promising."""
_EXTENSION_CHARS = 40
# What libphonenumber takes for the sign of an extension: digits behind it belong to the number before it.
_SIGN = (
    r"(?:;ext=|[ \t,]*(?:e?xt(?:ensi(?:\u00f3?|o\u0301))?n?|\uff45?\uff58\uff54\uff4e?|\u0434\u043e\u0431"
    r"|anexo|[x\uff58#\uff03~\uff5e]|int|\uff49\uff4e\uff54))"
)
_EXTENSION = re.compile(rf"(?i)[0-9]#?{_SIGN}[:.]?\Z")
_EXTENDED = re.compile(rf"(?i){_SIGN}[:.]?[ \t,-]*[0-9]|#")
_MOST_EXTENSIONS = 8
_SIGN_ENDS = frozenset(
    "tnioxTNIOX\u0131\u0130\u00f3\u00d3\u0301\uff58\uff38\uff54\uff34\uff4e\uff2e\u0431\u0411#\uff03~\uff5e=:."
)
"""How the sign of an extension ends, and the punctuation directly behind it."""
_NUMBER_PART = re.compile(rf"[0-9{PHONE_PUNCTUATION}+]")
_RUN_CHARS = 250
"""The longest candidate in one line that libphonenumber reads has 21 blocks; longer runs are cut at a space."""

_DIGITS = re.compile("[0-9]+")
_PLAIN = re.compile(r"[0-9 ()\[\]./+-]+")
_BESIDE = 3
"""Characters behind a run that make it part of a time (``:30``); before it, one decides."""


Seen = tuple[str, int, int, bool]
"""What is seen of a run, and where in it the run lies; the last is whether it is a piece."""

_start_of = attrgetter("start")


class Run(NamedTuple):
    """A stretch of digits and punctuation that may hold phone numbers: ``value``, which is ``text[start:end]``.

    ``first`` and ``reach`` are the ends of the stretch that this one is a piece of, if that is longer than can be read
    at once.
    """

    text: str
    start: int
    end: int
    first: int
    reach: int
    value: str

    @property
    def is_international(self) -> bool:
        """Whether the run begins with a plus."""
        return "+" in self.value

    @property
    def is_piece(self) -> bool:
        """Whether it is not all of its stretch."""
        return self.first < self.start or self.end < self.reach

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
        if "+" in value or ("(" in value and PHONE_BRACKET.search(value)):
            return True
        if not value.isdigit() and len(_DIGITS.findall(value)) >= 3 and not is_date(value) and not self._is_quad():
            first = max(0, self.end - CONTEXT_CHARS)  # of any number in the run
            if not BOOK_WORD.search(self.text, first, self.start):
                return True
        return is_named_phone(self.text, self.start)

    def _is_quad(self) -> bool:
        """Whether this is ``1.2.3.4``. One with an extension is not, to the policy."""
        is_quad = DOTTED_QUAD.fullmatch(self.text, self.start, self.end) is not None
        return is_quad and not _EXTENDED.match(self.text, self.end)

    def gives_way_to(self, sure: Sequence[PiiMatch]) -> bool:
        """Whether no number in the run could win: beside these findings, in order, too few digits are left for one."""
        if not sure or self.is_international:
            return False
        first = max(0, bisect_right(sure, self.start, key=_start_of) - 1)
        if sure[first].start <= self.start and self.end <= sure[first].end:
            return True  # as mostly
        left, begin = [], self.start
        for match in islice(sure, first, None):
            if match.start >= self.end:
                break
            left.append(self.text[begin : match.start])
            begin = max(begin, match.end)
        left.append(self.text[begin : self.end])
        return all(len(part) < SHORTEST_PHONE or sum(map(str.isdigit, part)) < SHORTEST_PHONE for part in left)

    @property
    def around(self) -> tuple[str, int, int, int]:
        """All that decides whether the policy could accept a number in it, and which are found: cheap to tell."""
        first = max(0, self.start - CONTEXT_CHARS - 1)
        around = self.text[first : self.end + _EXTENSION_CHARS + _BESIDE]
        return around, self.start - first, self.end - self.first, self.reach - self.end

    @property
    def read(self) -> Stretch:
        """What is read as one with the run: of a stretch that is too long, a piece of the next one too.

        Not the end of the piece before: what is left of a number there could be read as the beginning of another.
        """
        if not self.is_piece:
            return self.start, self.end
        return self.start, min(self.window[1], self.reach)

    @property
    def seen(self) -> "Seen | None":
        """All that decides what is found in a plain run: where it is the same, so is what is found from its start.

        Plain is a run whose digits alone say what libphonenumber could find: no extension or rare sign. For others this
        is ``None``.
        """
        text, (first, last) = self.text, self.read
        if not _PLAIN.fullmatch(text, first, last) or _EXTENDED.match(text, last):
            return None
        seen = text[max(0, first - 1) : last + _BESIDE]
        return seen, int(first > 0), self.end - first, self.is_piece

    @property
    def seen_around(self) -> tuple[str, int, int]:
        """All that decides what libphonenumber itself finds in the run."""
        start, end = self.window
        return self.text[start:end], self.start - start, self.end - start


def runs(sieved: Sieved, sure: Sequence[PiiMatch] = ()) -> Iterator[Run]:
    """Every run of seven digits or more, with the plus or bracket it begins with, in which there may be a number.

    Left out are those that give way to the findings that are ``sure``, and those that are not promising. Where there
    are ``MANY``, one that reads as another is not asked again.
    """
    known: dict[tuple[str, int], bool] | None = {} if len(sieved.numbers) > MANY else None
    seen, is_known = ("", 0), None
    for start, end, is_long in sieved.numbers:
        if not is_long:
            continue
        if known is not None:
            seen = _seen(sieved.text, start, end)
            is_known = known.get(seen)
            if is_known is False:
                continue
        for run in _runs_in(sieved, start, end):
            if run.gives_way_to(sure):
                continue
            is_promising = is_known or run.is_promising()
            if known is not None and not run.is_piece and 0 <= start - run.start <= _LEAD_CHARS:
                known[seen] = is_promising
            if is_promising:
                yield run


def _seen(text: str, start: int, end: int) -> tuple[str, int]:
    """All that decides whether the run of these digits is promising, if it begins with them or a lead."""
    first = start - _AROUND if start > _AROUND else 0
    return text[first : end + _EXTENSION_CHARS + _BESIDE], start - first


def _runs_in(sieved: Sieved, start: int, end: int) -> Iterable[Run]:
    text, classes = sieved.text, sieved.classes
    if classes.find(b"?", start, end) < 0:
        return _cut(text, _start(text, start), end)
    found = PHONE_DIGITS.finditer(text, start, end)  # there may be more than punctuation between the digits
    return (run for n in found for run in _cut(text, _start(text, n.start()), n.end()))


def _cut(text: str, start: int, end: int) -> Iterable[Run]:
    if end - start <= _RUN_CHARS:
        return (Run(text, start, end, start, end, text[start:end]),)
    return _pieces(text, start, end)


def _pieces(text: str, first: int, end: int) -> Iterator[Run]:
    start = first
    while end - start > _RUN_CHARS:
        space = text.rfind(" ", start + 1, start + _RUN_CHARS)
        cut = space if space > 0 else start + _RUN_CHARS
        if start == first or not text[start:cut].isdigit():  # digits amid endless digits are nothing
            yield Run(text, start, cut, first, end, text[start:cut])
        start = cut
    yield Run(text, start, end, first, end, text[start:end])


def _start(text: str, start: int) -> int:
    """Where to begin reading so as to read these digits as the whole text's reader does."""
    for _ in range(_MOST_EXTENSIONS):
        first = start - _EXTENSION_CHARS if start > _EXTENSION_CHARS else 0
        beside = text[first:start].rstrip(" \t,-")
        before = _EXTENSION.search(beside) if beside and beside[-1] in _SIGN_ENDS else None
        if before is None:
            break
        sign = start = first + before.start()
        while start > 0 and _NUMBER_PART.match(text, start - 1) and sign - start < _RUN_CHARS:
            start -= 1
    tail = start - _LEAD_CHARS if start > _LEAD_CHARS else 0
    lead = None if _LEAD_SIGNS.isdisjoint(text[tail:start]) else _LEAD.search(text, tail, start)
    return lead.start() if lead else start
