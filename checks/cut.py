"""Captured values that were cut because they were too large: the mark that says so, and whether a text ends there.

Who receives telemetry cuts and marks; here the mark is read. A value that was cut differs by its end alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from checks.span import Event, Link, LogRecord, Span

MARK = "sidecheck.truncated"
"""The attribute that lists the keys whose values were cut; it stands beside them. A log record's body is ``body``."""
MARKED_CHARACTERS = 256
"""Of a key that is listed."""


def has_mark(spans: Sequence[Span], logs: Sequence[LogRecord]) -> bool:
    """Whether any value in them was cut. Every trace is asked: what few spans have is looked at only where it is."""
    for span in spans:
        if MARK in span.attributes or MARK in span.resource:
            return True
        if (span.events or span.links) and any(MARK in part.attributes for part in _parts(span)):
            return True
    return any(MARK in record.attributes or MARK in record.resource for record in logs)


def ends_in_cut(text: str, spans: Sequence[Span], logs: Sequence[LogRecord]) -> bool:
    """Whether ``text`` was read from a value that was cut, up to where that was."""
    ending = text.strip()
    for value in _cut_values(spans, logs):
        last = (_last_text(value) or "").strip()
        if ending == last or (ending and last and (ending.endswith(last) or last.endswith(ending))):
            return True
    return False


def _parts(span: Span) -> tuple[Event | Link, ...]:
    return (*span.events, *span.links)


def _all_attributes(spans: Iterable[Span], logs: Iterable[LogRecord]) -> Iterator[Mapping[str, Any]]:
    for span in spans:
        yield span.attributes
        yield span.resource
        for part in _parts(span):
            yield part.attributes
    for record in logs:
        yield record.attributes
        yield record.resource


def _cut_values(spans: Iterable[Span], logs: Sequence[LogRecord]) -> Iterator[Any]:
    for attributes in _all_attributes(spans, logs):
        marked = _marked(attributes)
        if marked:
            yield from (value for key, value in attributes.items() if key[:MARKED_CHARACTERS] in marked)
    for record in logs:
        if "body" in _marked(record.attributes):
            yield record.body


def _marked(attributes: Mapping[str, Any]) -> Sequence[Any]:
    keys = attributes.get(MARK)
    return keys if isinstance(keys, list) else ()


def _last_text(value: Any) -> str | None:
    """What remains of a value up to its cut ends with its last part."""
    while isinstance(value, (list, dict)) and value:
        value = value[-1] if isinstance(value, list) else next(reversed(value.values()))
    return value if isinstance(value, str) else None
