"""What stands for a value that was replaced: a tag such as ``<EMAIL_ADDRESS_1>``, or a fake. How to tell one again.

A case does not keep what its placeholders stand for, nor a list of them: only the kinds of data that were replaced
(``Case.redacted``). A tag of such a kind, and a value out of the range that its fakes are from, is a placeholder.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from exporters.dataset.fakes import KINDS

TAG = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9]+>")
"""A tag of any kind."""

_OTHER = re.compile(r"[^A-Z0-9_]")


class Placeholder(NamedTuple):
    """One placeholder: ``text[start:end]`` is ``written``, in place of a value of the kind ``entity``."""

    start: int
    end: int
    written: str
    entity: str


def name_of(entity: str) -> str:
    """The kind of data as tags name it: upper-case letters, digits and underscores."""
    return _OTHER.sub("_", entity.upper()) or "PII"


def tag(entity: str, number: int) -> str:
    """The ``number``-th tag of a kind that is named as by ``name_of``."""
    return f"<{entity}_{number}>"


def placeholders_in(text: str, entities: Iterable[str]) -> Iterator[Placeholder]:
    """The placeholders in a text, in order of place, of those kinds."""
    pattern = _pattern(frozenset(entities))
    for found in pattern.finditer(text) if pattern else ():
        yield Placeholder(*found.span(), found[0], found["tag"] or str(found.lastgroup))


def masked(text: str, entities: Iterable[str]) -> str:
    """``text``, of the same length, with the placeholders of those kinds blanked: they are no find."""
    pattern = _pattern(frozenset(entities))
    return pattern.sub(lambda found: " " * len(found[0]), text) if pattern else text


@lru_cache(256)
def _pattern(entities: frozenset[str]) -> re.Pattern[str] | None:
    """Matches a tag, whose kind is the group ``tag``, or a fake, whose kind is the name of its group."""
    if not entities:
        return None
    names = "|".join(map(re.escape, sorted(entities)))
    fakes = (
        rf"(?<![0-9A-Za-z])(?P<{name}>{KINDS[name].pattern})(?![0-9A-Za-z])" for name in sorted(entities & {*KINDS})
    )
    return re.compile("|".join([rf"<(?P<tag>{names})_[0-9]+>", *fakes]))
