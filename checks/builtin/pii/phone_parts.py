"""Takes a run apart as libphonenumber does: what it would try to read as one number, and in which order.

Knows how such parts are found and what rules them out, not which digits are a number of where. Only for plain runs, in
which there are digits and common punctuation.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_SIGNS = r"[- ./()\[\]]"
_CANDIDATE = re.compile(
    rf"(?:[(\[+]{_SIGNS}{{0,4}}){{0,2}}[0-9]{{1,20}}(?:{_SIGNS}{{0,4}}[0-9]{{1,20}}){{0,20}}",
)
_USUAL = frozenset(["", *" ,;:.()\"'/-\n"])
_NEITHER_END = " -./()[]+"
_LEADS = frozenset("([+")
_BRACKET_SIGNS = frozenset("()[]")
_DIGITS = re.compile("[0-9]+")
_BESIDE = 3
"""Characters behind a candidate that make it part of a time (``:30``); before it, one decides."""
VALID = 1
"""The leniency of libphonenumber at which a number must be a valid one, and may be written in any groups of digits."""
SHORTEST = 2
LONGEST = 24
"""Digits: a prefix for calls abroad, a calling code and the longest national number."""
_APART = re.compile(r"\+[^+]+\+")
"""Nothing with a plus behind a plus and another sign is a number (libphonenumber's ``_VALID_PHONE_NUMBER``)."""
_BREAKS = (
    (re.compile("/+(.*)"), True),
    (re.compile(r"(\([^(]*)"), False),
    (re.compile("(?: -|- ) *(.+)"), True),
    (re.compile(r"\.+ *([^.]+)"), False),
    (re.compile(" +([^ ]+)"), False),
)
"""Where libphonenumber takes apart what is no number as a whole. It tries what is before the first and behind each:
to the end (``True``), or to the next one.
"""
_BRACKETS = re.compile(r"[(\[]?(?:[^()\[\]]+[)\]])?[^()\[\]]+(?:[(\[][^()\[\]]+[)\]]){0,3}[^()\[\]]*")
_PAGES = re.compile(r"[0-9]{1,5}-+[0-9]{1,5} {0,4}\([0-9]{1,4}")
_SLASHED_DATE = re.compile("(?:[0-3]?[0-9]/[01]?[0-9]|[01]?[0-9]/[0-3]?[0-9])/(?:[12][0-9])?[0-9]{2}")
_TWO_SLASHES = re.compile("/[0-9]{1,2}/[0-9]{2}")
"""In every date with slashes, and found faster."""
_HOUR = re.compile(r"[12][0-9]{3}[-/]?[01][0-9][-/]?[0-3][0-9] +[0-2][0-9]\Z")
_MINUTES = re.compile(":[0-5][0-9]")


Shape = tuple[str, bool, int, int]
"""What is told of a part wherever it stands: all of ``Part`` but its place."""
Shapes = dict[tuple[str, int, bool], Shape | None]
"""The shape of each piece, by the piece with a character on each side, its length, and whether there is one before."""


class Part(NamedTuple):
    """Digits that could be read as one number: ``text[start:end]``.

    ``before`` and ``behind`` count the characters beside it of which only libphonenumber knows whether they rule out a
    number: none or one.
    """

    start: int
    end: int
    digits: str
    has_plus: bool
    before: int
    behind: int

    @property
    def is_sure(self) -> bool:
        """Whether nothing but the digits decides."""
        return not self.before and not self.behind

    def shown(self, text: str) -> str:
        """What libphonenumber has to see of the text to decide."""
        return text[self.start - self.before : self.end + self.behind]


def candidate(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The next stretch between the two that is read at once: 21 groups of digits at most."""
    found = _CANDIDATE.search(text, start, end)
    return found.span() if found else None


def whole(text: str, start: int, end: int) -> Part | None:
    """A candidate as one part, where nothing but its digits could keep it from being a number."""
    value = text[start:end]
    if _is_time(text, value, end):
        return None
    shape = _shape(value, text[max(0, start - 1) : start], text[end : end + 1])
    return None if shape is None else Part(start, end, *shape)


def parts(
    text: str, start: int, end: int, tried: set[tuple[int, int]] | None = None, known: Shapes | None = None
) -> list[Part]:
    """The parts of a candidate in the order in which they are tried, each once; a number ends that.

    ``tried`` gets the place of each piece that was looked at, ``known`` keeps what they are from one candidate to the
    next: most of what is looked at reads as something before it.
    """
    value = text[start:end]
    if _is_time(text, value, end):
        return []
    known = {} if known is None else known
    places: set[tuple[int, int]] = set()
    found: list[Part] = []
    is_open = "(" in value and ")" not in value and "]" not in value
    for at, piece in _pieces(value):
        bare = piece.rstrip(_NEITHER_END)
        first = start + at
        last = first + len(bare)
        place = first, last
        if place in places or last - first < SHORTEST:
            continue
        places.add(place)
        if is_open and bare.rfind("(") > 0:
            continue  # no number has a bracket inside that is never closed
        seen = text[first - 1 if first else 0 : last + 1], last - first, first > 0
        if seen in known:
            shape = known[seen]
        else:
            shape = known[seen] = _shape(bare, text[first - 1] if first else "", text[last : last + 1])
        if shape is not None:
            found.append(Part(first, last, *shape))
    if tried is not None:
        tried |= places
    return found


def seen_around(text: str, start: int, end: int) -> tuple[str, bool, int]:
    """All that decides about the parts of a candidate: where it is the same, so are they, from the start on."""
    return text[max(0, start - 1) : end + _BESIDE], start > 0, end - start


def _pieces(value: str) -> Iterator[tuple[int, str]]:
    yield 0, value
    for sign, goes_on in _BREAKS:
        at = 0
        while found := sign.search(value, at):
            if not at:
                yield 0, value[: found.start()]
            yield found.start(1), found[1]
            at = (found.start() + 1) if goes_on else found.end()


def _shape(value: str, beside: str, after: str) -> Shape | None:
    """What a piece between two characters is, ``None`` where it can be no number."""
    digits = "".join(_DIGITS.findall(value))
    if not SHORTEST <= len(digits) <= LONGEST or (not _BRACKET_SIGNS.isdisjoint(value) and _is_badly_bracketed(value)):
        return None
    has_plus = "+" in value
    if has_plus and _APART.search(value):
        return None
    before = False if value[0] in _LEADS else _rules_out(beside)
    behind = _rules_out(after)
    if before is True or behind is True:
        return None
    return digits, has_plus, int(before is None), int(behind is None)


def _is_badly_bracketed(value: str) -> bool:
    """Whether brackets do not close, or follow what looks like the pages of a journal."""
    if _BRACKET_SIGNS.isdisjoint(value):
        return False
    return _BRACKETS.fullmatch(value) is None or _PAGES.search(value) is not None


def _is_time(text: str, value: str, end: int) -> bool:
    """Whether it is a date with slashes, or a date with an hour before ``:00``."""
    if "/" in value and _TWO_SLASHES.search(value) and _SLASHED_DATE.search(value):
        return True
    return text[end : end + 1] == ":" and _HOUR.search(value) is not None and _MINUTES.match(text, end) is not None


def _rules_out(neighbour: str) -> bool | None:
    """Whether no number stands beside this character: a Latin letter, a percent or currency sign; ``None``: perhaps."""
    if neighbour in _USUAL:
        return False
    if neighbour.isascii():
        return neighbour.isalpha() or neighbour in ("%", "$")
    return None if unicodedata.category(neighbour)[0] not in "PZ" else False
