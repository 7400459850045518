"""Reads the stretches of digits of a text with those recognisers whose numbers have that form.

A form says how many digits stand side by side and what may part them: a superset of the recogniser's own pattern, and
tested on a few bytes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from checks.builtin.pii.context import CONTEXT_CHARS
from checks.builtin.pii.policy import PiiMatch, may_be_named
from checks.builtin.pii.recognizers import FindIn, find_each
from checks.builtin.pii.sieve import Number, Sieved


class Form(NamedTuple):
    """How the numbers of a kind are written.

    ``digits`` is the least of them. ``shape`` matches in the classes of ``sieve``, and ``part`` is in all that it
    matches; ``first`` matches at the first digit. Where there is a ``clear`` shape, one that is not so clear counts
    only behind a word that names the ``entity``.
    """

    entity: str
    digits: int
    part: bytes
    shape: re.Pattern[bytes]
    first: re.Pattern[str] | None = None
    clear: re.Pattern[bytes] | None = None

    def has_shape(self, shape: bytes) -> bool:
        """Whether a number of this kind may be in a stretch, by its classes alone."""
        return self.part in shape and self.shape.search(shape) is not None

    def may_fit(self, sieved: Sieved, start: int, end: int, shape: bytes) -> bool:
        """Whether the policy may accept a number of this kind in a stretch that has its shape."""
        if self.first and not self.first.search(sieved.text, start, end):
            return False
        return not self.clear or bool(self.clear.search(shape)) or may_be_named(self.entity, sieved.text, start, end)


_SOCIAL = re.compile(rb"(?<!0)000[-.]?00[-.]?0000(?!0)")
_CLEAR = re.compile(rb"(?<!0)000[-.]00[-.]0000(?!0)")
_CARD = re.compile(rb"(?<!0)0000-?0{3,4}-?0{3,4}-?0{3,5}(?!0)")
_QUAD = re.compile(rb"0\.(?<!\.0\.)(?<!\.00\.)(?<!\.000\.)0{1,3}\.0{1,3}\.0{1,3}(?!\.?0)")
"""Alone: the policy refuses four numbers out of a longer row of them."""
_FIRST_OF_CARD = re.compile("(?<![0-9])[13-6]")
_FIRST_OF_ITIN = re.compile("(?<![0-9])9[0-9]{2}[^0-9]?[0-9]{2}[^0-9]?[0-9]{4}")
_FORMS: Mapping[str, Form] = {
    "CREDIT_CARD": Form("CREDIT_CARD", 13, b"0000", _CARD, _FIRST_OF_CARD),
    "US_SSN": Form("US_SSN", 9, b"0000", _SOCIAL, clear=_CLEAR),
    "US_ITIN": Form("US_ITIN", 9, b"0000", _SOCIAL, _FIRST_OF_ITIN, _CLEAR),
    "IPV4": Form("IP_ADDRESS", 4, b".0", _QUAD),
}
_FEWEST = 9
_DOTS = 3
"""A number has nine digits, or is a dotted quad."""
_QUAD_CHARS = 7
"""So it has seven characters or more."""
_SHORT = 64
_ENDLESS = b"0" * 18
"""More digits side by side than any of these numbers has."""
_BEYOND = 6
"""Characters behind a stretch that patterns look at (``/24`` behind an address); too few to hold a number."""


def by_form(finders: Mapping[str, FindIn]) -> tuple[tuple[Form, FindIn], ...]:
    """Those of the finders, by name, whose numbers have a form."""
    return tuple((_FORMS[name], find) for name, find in finders.items() if name in _FORMS)


def find_numbers(finders: Iterable[tuple[Form, FindIn]], sieved: Sieved, numbers: Iterable[Number]) -> list[PiiMatch]:
    """What the finders find in these stretches of digits."""
    found: list[PiiMatch] = []
    for start, end, is_long in numbers:
        if is_long and end - start < _FEWEST:
            continue
        shape = sieved.classes[start:end]
        if len(shape) > _SHORT:
            shape = shape.replace(_ENDLESS, b"")
        digits = shape.count(b"0")
        if digits < _FEWEST and shape.count(b".") < _DOTS:
            continue
        part, pattern = None, None  # that are not there: kinds have the same ones
        for form, find in finders:
            if digits < form.digits or form.part == part or form.shape is pattern:
                continue
            if form.part not in shape:
                part = form.part
            elif not form.shape.search(shape):
                pattern = form.shape
            elif form.may_fit(sieved, start, end, shape):
                found += find(sieved.text, start, end + _BEYOND)
    return found


def find_repeated(finders: Sequence[tuple[Form, FindIn]], sieved: Sieved) -> list[PiiMatch]:
    """As ``find_numbers`` in all of the text's: the same, and faster where there are many that read alike."""

    def find(_: str, start: int, end: int) -> list[PiiMatch]:
        return find_numbers(finders, sieved, [(start, end, False)])

    classes, stretches, shapes = sieved.classes, [], dict[bytes, bool]()
    for start, end, is_long in sieved.numbers:
        if end - start < (_FEWEST if is_long else _QUAD_CHARS):
            continue
        shape = classes[start:end]
        has_shape = shapes.get(shape)
        if has_shape is None:
            has_shape = shapes[shape] = any(form.has_shape(shape) for form, _ in finders)
        if has_shape:
            stretches.append((start, end))
    return find_each(find, sieved.text, stretches, CONTEXT_CHARS, _BEYOND)
