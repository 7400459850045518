"""Spans, span events and log records as sidecheck sees them. Holds data only; decoding OTLP is the collector's work.

Ids are lower-case hex strings, times integer nanoseconds since the Unix epoch, attribute values plain Python values
(``str``, ``bool``, ``int``, ``float``, ``bytes``, ``list``, ``dict``, ``None``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Attributes = Mapping[str, Any]


class SpanKind(Enum):
    """``opentelemetry.proto.trace.v1.Span.SpanKind``."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(Enum):
    """``opentelemetry.proto.trace.v1.Status.StatusCode``."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Status:
    """How a span ended, as its instrumentation said."""

    code: StatusCode = StatusCode.UNSET
    message: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation library that wrote a span or a log record."""

    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A span event."""

    name: str
    time_ns: int = 0
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a span to another one."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span. ``parent_id`` is ``None`` for a root."""

    trace_id: str
    span_id: str
    parent_id: str | None = None
    name: str = ""
    kind: SpanKind = SpanKind.UNSPECIFIED
    start_ns: int = 0
    end_ns: int = 0
    status: Status = Status()
    attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    resource: Attributes = field(default_factory=dict)
    scope: Scope = Scope()

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from start to end; 0 where the end lies before the start (clock skew)."""
        return self.end_ns - self.start_ns if self.end_ns > self.start_ns else 0

    @property
    def is_error(self) -> bool:
        """Whether the span's status is ``ERROR``."""
        return self.status.code is StatusCode.ERROR


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record that names its trace. ``span_id`` is ``None`` where it names the trace alone.

    ``event_name`` is the record's own field or, where that is empty, its ``event.name`` attribute.
    """

    trace_id: str
    span_id: str | None = None
    event_name: str = ""
    time_ns: int = 0
    body: Any = None
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    scope: Scope = Scope()
