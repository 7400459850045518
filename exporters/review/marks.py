"""Marks in a text: where a finding points at, and what was replaced; the text cut into pieces, marked and not.

Owns the cutting. A page shows each piece by itself, escaped: a mark is never written into the text.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from checks.report import Outcome, Verdict
from exporters.dataset.placeholders import placeholders_in

EVIDENCE, REPLACED = "evidence", "replaced"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text, in code points, and what is to be said of it. ``kind`` is ``EVIDENCE`` or ``REPLACED``."""

    start: int
    end: int
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text and what marks it: ``kind`` is empty where nothing does."""

    text: str
    kind: str = ""
    label: str = ""


def pieces(text: str, marks: Iterable[Mark] = ()) -> list[Piece]:
    """``text`` in pieces; put together they are ``text`` again. Where marks lie over each other, each is named."""
    inside = sorted((m for m in marks if 0 <= m.start < m.end <= len(text)), key=lambda m: (m.start, m.end))
    edges = sorted({0, len(text), *(edge for mark in inside for edge in (mark.start, mark.end))})
    waiting = iter(inside)
    coming = next(waiting, None)
    over: list[Mark] = []
    cut: list[Piece] = []
    for start, end in pairwise(edges):
        over = [mark for mark in over if mark.end > start]
        while coming is not None and coming.start <= start:
            over.append(coming)
            coming = next(waiting, None)
        cut.append(_piece(text[start:end], over))
    return cut


def _piece(text: str, marks: Collection[Mark]) -> Piece:
    kinds = dict.fromkeys(mark.kind for mark in marks)
    labels = dict.fromkeys(mark.label for mark in marks)
    return Piece(text, " ".join(kinds), "; ".join(labels))


def placeholders(text: str, entities: Collection[str]) -> Iterator[Mark]:
    """The placeholders of these entity types: what was replaced when the case was made."""
    for found in placeholders_in(text, entities):
        yield Mark(found.start, found.end, REPLACED, f"replaced: {found.entity.replace('_', ' ').lower()}")


def evidence(verdicts: Iterable[Verdict]) -> Mapping[str, list[Mark]]:
    """Where failed verdicts point at, by the path of the text (``output``, ``documents[0].content``)."""
    found: dict[str, list[Mark]] = {}
    for verdict in verdicts:
        if verdict.outcome is Outcome.FAILED:
            for path, mark in _places(verdict):
                found.setdefault(path, []).append(mark)
    return found


def _places(verdict: Verdict) -> Iterator[tuple[str, Mark]]:
    for finding in verdict.findings:
        for place in finding.evidence:
            if place.path and place.start is not None and place.end is not None:
                yield place.path, Mark(place.start, place.end, EVIDENCE, f"{verdict.check}: {finding.message}")
