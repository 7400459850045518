"""Findings by number, and where in a trace's texts each of them points. Owns the numbers that a page shows at both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.finding import Finding
from checks.report import Verdict
from exporters.review.marks import EVIDENCE, Mark

WHOLE = "whole"
"""The kind of a mark over all of a text: shown at its edge, as colour behind all of it would mark nothing."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """One finding: its number on the page, whose it is, and the paths of the texts and the spans that it points at."""

    number: int
    check: str
    finding: Finding
    paths: tuple[str, ...]
    spans: tuple[str, ...]


def numbered(verdicts: Sequence[Verdict]) -> tuple[Numbered, ...]:
    """The findings of all verdicts, from 1 on."""
    every = ((verdict.check, finding) for verdict in verdicts for finding in verdict.findings)
    return tuple(
        Numbered(
            number,
            check,
            finding,
            tuple(dict.fromkeys(place.path for place in finding.evidence if place.path)),
            tuple(dict.fromkeys(place.span_id for place in finding.evidence if place.span_id)),
        )
        for number, (check, finding) in enumerate(every, 1)
    )


def marks(found: Sequence[Numbered], texts: Mapping[str, str]) -> dict[str, list[Mark]]:
    """The places in ``texts`` (by path) that the findings point at. The label of each begins with the number."""
    made: dict[str, list[Mark]] = {}
    for item in found:
        for path, mark in _places(item, texts):
            made.setdefault(path, []).append(mark)
    return made


def _places(item: Numbered, texts: Mapping[str, str]) -> Iterator[tuple[str, Mark]]:
    label = f"{item.number}: {item.check}, {item.finding.message}"
    for place in item.finding.evidence:
        text = texts.get(place.path or "")
        if place.path and text is not None:
            start, end = place.start or 0, len(text) if place.end is None else place.end
            is_whole = start <= 0 and end >= len(text)
            yield place.path, Mark(start, end, WHOLE if is_whole else EVIDENCE, label)
