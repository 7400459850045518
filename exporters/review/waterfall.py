"""The spans of a trace as a waterfall: in the order of the tree, each with its place in time. Knows no HTML."""

from collections.abc import Iterator
from dataclasses import dataclass

from checks.span import Attributes, Span, SpanKind
from checks.trace import Trace
from exporters.review.conversation import as_text

SCALE = 1000
"""The width of the whole, in the units of ``left`` and ``width``."""
DEEPEST = 12
"""Levels that are indented further."""
SPANS = 200
"""Spans on a page that does not show all."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One span. ``left`` and ``width`` in thousandths of the trace; ``depth`` from 0."""

    span_id: str
    name: str
    kind: str
    service: str | None
    depth: int
    left: float
    width: float
    offset_ns: int
    duration_ns: int
    error: str | None
    attributes: tuple[tuple[str, str], ...]
    events: tuple[tuple[str, int, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The bars, how many spans there are, and how long all of it took."""

    bars: tuple[Bar, ...]
    spans: int
    duration_ns: int


def waterfall(trace: Trace, most: int = SPANS) -> Waterfall:
    """The first ``most`` spans in the order of the tree."""
    start = min((span.start_ns for span in trace.spans), default=0)
    took = max((span.end_ns for span in trace.spans), default=0) - start
    ordered = [*zip(range(most), _in_order(trace), strict=False)]
    bars = tuple(_bar(span, depth, start, max(1, took)) for _, (span, depth) in ordered)
    return Waterfall(bars, len(trace.spans), max(0, took))


def _in_order(trace: Trace) -> Iterator[tuple[Span, int]]:
    """Every span after its parent, once; those in a circle of parents last. No recursion: a chain may be long."""
    seen: set[str] = set()
    roots = [span for span in trace.spans if span.parent_id is None or span.parent_id not in trace.by_id]
    for first in (*roots, *trace.spans):
        waiting = [(first, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id not in seen:
                seen.add(span.span_id)
                yield span, depth
                waiting += [(child, depth + 1) for child in reversed(trace.children_of(span.span_id))]


def _bar(span: Span, depth: int, start: int, took: int) -> Bar:
    left = SCALE * (span.start_ns - start) / took
    service = span.resource.get("service.name")
    return Bar(
        span_id=span.span_id,
        name=span.name or "a span without a name",
        kind="" if span.kind in (SpanKind.UNSPECIFIED, SpanKind.INTERNAL) else span.kind.name.lower(),
        service=service if isinstance(service, str) else None,
        depth=min(depth, DEEPEST),
        left=round(left, 2),
        width=round(max(2.0, min(SCALE - left, SCALE * span.duration_ns / took)), 2),
        offset_ns=span.start_ns - start,
        duration_ns=span.duration_ns,
        error=(span.status.message or "error") if span.is_error else None,
        attributes=_named(span.attributes),
        events=tuple((event.name, event.time_ns - start, _named(event.attributes)) for event in span.events),
    )


def _named(attributes: Attributes) -> tuple[tuple[str, str], ...]:
    return tuple((name, as_text(value) or "") for name, value in sorted(attributes.items()))
