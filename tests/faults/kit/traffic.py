"""What the load generator sends: for each number the requests of one trace, always the same for the same number.

A *make* function takes a number and gives ``Request``s. ``plain`` is the usual one; the others bend one thing each.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp import a_trace_request

SECOND_NS = 1_000_000_000
YEAR_NS = 365 * 24 * 3600 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Request:
    """One OTLP trace request: its bytes, its span ids by trace id (hex). Sent ``after_s`` after its number is due."""

    number: int
    body: bytes
    spans: Mapping[str, Sequence[str]]
    after_s: float = 0.0


Make = Callable[[int], Sequence[Request]]


def trace_id(number: int, run: int = 1) -> bytes:
    """The trace id of a number, 16 bytes; ``run`` keeps the loads of one test apart."""
    return run.to_bytes(8, "big") + number.to_bytes(8, "big")


def a_numbered_span(number: int, position: int, *, run: int = 1, **parts: Any) -> Span:
    """The span at ``position`` (from 1) of a trace; the first is the root, the parent of all others."""
    now = time.time_ns()
    defaults = {
        "trace_id": trace_id(number, run),
        "span_id": position.to_bytes(8, "big"),
        "parent_span_id": b"" if position == 1 else (1).to_bytes(8, "big"),
        "name": "chat" if position > 1 else "POST /chat",
        "start_time_unix_nano": now - SECOND_NS,
        "end_time_unix_nano": now,
    }
    return Span(**{**defaults, **parts})


def a_request(number: int, spans: Iterable[Span], *, after_s: float = 0.0, service: str = "shop") -> Request:
    """A request of these spans, which may be of several traces."""
    spans = list(spans)
    ids: dict[str, list[str]] = {}
    for span in spans:
        ids.setdefault(span.trace_id.hex(), []).append(span.span_id.hex())
    return Request(number, a_trace_request(*spans, service=service).SerializeToString(), ids, after_s)


def plain(run: int = 1, spans: int = 3, service: str = "shop", gap_s: float = 0.02) -> Make:
    """Traces as SDKs send them: the inner spans in one request, the root span in the next, ``gap_s`` later."""

    def make(number: int) -> Sequence[Request]:
        inner = [a_numbered_span(number, position, run=run) for position in range(2, spans + 1)]
        root = a_request(number, [a_numbered_span(number, 1, run=run)], after_s=gap_s, service=service)
        return [a_request(number, inner, service=service), root] if inner else [replace(root, after_s=0.0)]

    return make


def late(run: int = 1, late_s: float = 2.0) -> Make:
    """A whole trace, and one more span when it has been judged."""

    def make(number: int) -> Sequence[Request]:
        first = [a_numbered_span(number, position, run=run) for position in (1, 2)]
        return [a_request(number, first), a_request(number, [a_numbered_span(number, 3, run=run)], after_s=late_s)]

    return make


def misshapen(run: int = 1) -> Make:
    """In turn: two roots; a loop of parents; no root; a span that is its own parent; a clock a year ahead or behind."""
    bends: list[Callable[[int, int], dict[str, Any]]] = [
        lambda _, position: {"parent_span_id": b""} if position < 3 else {},
        lambda _, position: {"parent_span_id": (position % 3 + 1).to_bytes(8, "big")},
        lambda _, position: {"parent_span_id": (99).to_bytes(8, "big")} if position == 1 else {},
        lambda _, position: {"parent_span_id": position.to_bytes(8, "big")},
        lambda now, _: {"start_time_unix_nano": now + YEAR_NS, "end_time_unix_nano": now + YEAR_NS + SECOND_NS},
        lambda now, _: {"start_time_unix_nano": now - YEAR_NS, "end_time_unix_nano": now - YEAR_NS - SECOND_NS},
    ]

    def make(number: int) -> Sequence[Request]:
        bend = bends[number % len(bends)]
        now = time.time_ns()
        spans = [a_numbered_span(number, position, run=run, **bend(now, position)) for position in (1, 2, 3)]
        return [a_request(number, spans[1:]), a_request(number, spans[:1], after_s=0.02)]

    return make
