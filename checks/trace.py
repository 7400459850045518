"""A trace: the spans and log records that share a trace id, and why it was closed.

Owns the tree of spans. Does not know what a span means: that is an Interaction's part.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from checks.lazy import lazy
from checks.span import LogRecord, Span


class CloseReason(StrEnum):
    """Why a trace was taken to be complete. A label on ``/metrics``."""

    ROOT_SEEN = "root_seen"
    IDLE = "idle"
    MAX_AGE = "max_age"
    SPAN_LIMIT = "span_limit"
    BYTE_LIMIT = "byte_limit"
    EVICTED = "evicted"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person said of an answer.

    ``score`` runs from 0 (bad) to 1 (good): a thumb is 1 or 0. ``None`` where only a comment was given.
    ``source`` says where it came in: ``api``, ``log``, ``event``, ``attribute``, ``kafka``.
    """

    score: float | None = None
    thumbs_up: bool | None = None
    comment: str | None = None
    user_id: str | None = None
    span_id: str | None = None
    time_ns: int = 0
    source: str = "api"


@dataclass(frozen=True, slots=True)
class FeedbackTarget:
    """What a piece of feedback is about: exactly one of the four is set."""

    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    response_id: str | None = None


@dataclass(frozen=True)
class Trace:
    """All that is known of one trace when it was closed.

    ``spans`` and ``logs`` are in order of time whatever the order of arrival, each span once.
    ``feedback`` is what came beside the telemetry (API, Kafka); what is inside spans and logs is read from there.
    ``truncated`` is true where spans were left out because a limit was met, or values were cut (``checks.cut``).
    """

    trace_id: str
    spans: tuple[Span, ...]
    closed_by: CloseReason = CloseReason.ROOT_SEEN
    logs: tuple[LogRecord, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    truncated: bool = field(default=False)

    @lazy
    def by_id(self) -> dict[str, Span]:
        """Every span by its span id."""
        return {span.span_id: span for span in self.spans}

    @lazy
    def _children(self) -> dict[str | None, tuple[Span, ...]]:
        found: dict[str | None, list[Span]] = defaultdict(list)
        for span in self.spans:
            found[span.parent_id].append(span)
        return {parent: tuple(spans) for parent, spans in found.items()}

    @lazy
    def _logs_by_span(self) -> dict[str | None, tuple[LogRecord, ...]]:
        found: dict[str | None, list[LogRecord]] = defaultdict(list)
        for record in self.logs:
            found[record.span_id].append(record)
        return {span_id: tuple(records) for span_id, records in found.items()}

    @lazy
    def root(self) -> Span | None:
        """The span without a parent that started first; else the first whose parent is not here; else ``None``."""
        for span in self.spans:
            if span.parent_id is None:
                return span
        return next((span for span in self.spans if span.parent_id not in self.by_id), None)

    @property
    def is_partial(self) -> bool:
        """Whether the trace was judged without its root, without some parent, or cut by a limit."""
        return (
            self.truncated
            or any(s.parent_id is not None and s.parent_id not in self.by_id for s in self.spans)
            or (not any(s.parent_id is None for s in self.spans))
        )

    @lazy
    def service(self) -> str:
        """``service.name`` of the root's resource, else of the first span that has one, else ``unknown_service``."""
        first = (self.root,) if self.root else ()
        known: Iterator[Span | LogRecord] = chain(first, self.spans, self.logs)
        for item in known:
            name = item.resource.get("service.name")
            if isinstance(name, str) and name:
                return name
        return "unknown_service"

    @property
    def start_ns(self) -> int:
        """Start of the root, else of the earliest span; 0 for a trace without spans."""
        return self.root.start_ns if self.root else 0

    @property
    def duration_ns(self) -> int:
        """Nanoseconds that the root took; without a root, from the first start to the last end."""
        root = self.root
        if root is not None and root.parent_id is None:
            return root.duration_ns
        if not self.spans:
            return 0
        return max(0, max(s.end_ns for s in self.spans) - min(s.start_ns for s in self.spans))

    def children_of(self, span_id: str | None) -> tuple[Span, ...]:
        """The spans whose parent is ``span_id``, in order of time."""
        return self._children.get(span_id, ())

    def logs_of(self, span_id: str | None) -> tuple[LogRecord, ...]:
        """The log records that name ``span_id``; those that name the trace alone for ``None``."""
        return self._logs_by_span.get(span_id, ())
