"""What a receiver hands on, and how it is refused. Receivers know this module and nothing behind it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from checks.trace import Feedback, FeedbackTarget
from collector.progress import Position, Progress


class Source(StrEnum):
    """Where telemetry came in. A label on ``/metrics``."""

    OTLP_GRPC = "otlp_grpc"
    OTLP_HTTP = "otlp_http"
    KAFKA = "kafka"
    FILE = "file"
    API = "api"


class Refusal(StrEnum):
    """Why something was not taken. A label on ``/metrics``."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_MANY_SPANS = "too_many_spans"
    UNSUPPORTED_TYPE = "unsupported_type"
    INVALID_ID = "invalid_id"
    INVALID_TIME = "invalid_time"
    NO_TRACE_ID = "no_trace_id"
    OVERLOADED = "overloaded"
    STORAGE = "storage"
    SHUTTING_DOWN = "shutting_down"
    OWN_RESULT = "own_result"
    OWN_TELEMETRY = "own_telemetry"
    OWN_FORWARDED = "own_forwarded"
    METRICS_SIGNAL = "metrics_signal"
    UNAUTHENTICATED = "unauthenticated"
    TOO_SLOW = "too_slow"


RETRYABLE = frozenset({Refusal.OVERLOADED, Refusal.STORAGE, Refusal.SHUTTING_DOWN})
"""The refusals after which the sender should send the same bytes again."""


class Refused(Exception):
    """A request that is not taken. The text is for the sender and holds nothing of what was sent."""

    def __init__(self, reason: Refusal, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s

    @property
    def is_retryable(self) -> bool:
        """Whether the sender should try the same bytes again later."""
        return self.reason in RETRYABLE


@dataclass(frozen=True, slots=True)
class Piece:
    """What one request held of one trace.

    ``spans`` is an OTLP ``TracesData`` message and ``logs`` a ``LogsData`` message, encoded, each with this trace's
    records only: since protobuf merges repeated fields, the pieces of a trace are put together by joining their bytes.
    ``span_ids`` names the spans in ``spans`` (8 bytes each); ``has_root`` says whether the root span is among them.
    """

    trace_id: str
    spans: bytes = b""
    logs: bytes = b""
    span_ids: tuple[bytes, ...] = ()
    log_count: int = 0
    has_root: bool = False

    @property
    def count(self) -> int:
        """Spans and log records held."""
        return len(self.span_ids) + self.log_count

    @property
    def size(self) -> int:
        """Bytes of telemetry held."""
        return len(self.spans) + len(self.logs)


Said = tuple[FeedbackTarget, Feedback]
"""What a person said, and of what."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A decoded request: its pieces, and the records in it that were refused, by reason.

    ``said`` is feedback in log records that name no trace, but what it is about.
    ``position`` says where its source keeps it, where that gives it again; what has none goes into the journal.
    ``traces`` is the request as it came, where it holds the spans of all pieces and nothing else: to keep that takes no
    copy, and less room.
    """

    source: Source
    pieces: tuple[Piece, ...] = ()
    rejected: Mapping[Refusal, int] = field(default_factory=dict)
    position: Position | None = None
    said: tuple[Said, ...] = ()
    traces: bytes | None = None

    @property
    def span_count(self) -> int:
        """Accepted spans."""
        return sum(len(p.span_ids) for p in self.pieces)

    @property
    def rejected_count(self) -> int:
        """Spans or log records that were refused."""
        return sum(self.rejected.values())

    @property
    def is_own(self) -> bool:
        """Whether it holds nothing but what a sidecar told: verdicts, or what it does."""
        is_own = bool(self.rejected) and self.rejected.keys() <= {Refusal.OWN_RESULT, Refusal.OWN_TELEMETRY}
        return is_own and not (self.pieces or self.said)


class Room(Protocol):
    """Memory that is set aside for one request, until its ``with`` block ends. May be used from any thread."""

    def expect(self, size: int) -> None:
        """Raise ``Refused`` if ``size`` bytes more would not fit now; sets nothing aside."""
        ...

    def grow(self, size: int) -> None:
        """Set ``size`` bytes more aside. Raises ``Refused`` where they do not fit."""
        ...


class FeedbackIntake(Protocol):
    """Where feedback goes. All methods are called on the front process's event loop."""

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """Keep feedback durably. Returns the id of the trace it belongs to, ``None`` if that is not known yet."""
        ...

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:
        """Count a request (and the records in it, where they could be counted) that was refused before it got here."""
        ...


class Intake(FeedbackIntake, Protocol):
    """Where receivers put what they decoded. Called on the front process's event loop, where nothing else is said."""

    def reserve(self, size: int = 0) -> AbstractContextManager[Room]:
        """Set memory aside for a request that is being read and decoded, before anything of it is kept.

        Entering raises ``Refused``: ``OVERLOADED`` if there is no room now, ``TOO_LARGE`` if there never is,
        ``SHUTTING_DOWN``. Leaving gives the memory back; what became of the request is then for ``accept`` to count.
        On any thread.
        """
        ...

    async def accept(self, batch: Batch) -> None:
        """Take a batch; returns once it may be acknowledged. Counts accepted and rejected records.

        Raises ``Refused`` (``OVERLOADED``, ``SHUTTING_DOWN``) if it can't be taken now; then nothing of it was kept.
        """
        ...


class Forwarding(Protocol):
    """Where messages go on to as they came, beside the intake. Called on the front process's event loop."""

    def wants(self, signal: str) -> bool:
        """Whether requests of this signal (``traces``, ``logs``, ``metrics``) go on to anyone."""
        ...

    def came_back(self, hops: Sequence[str]) -> bool:
        """Whether a request that these forwarded was forwarded from here. If so it is counted as a loop."""
        ...

    async def keep(self, signal: str, body: bytes, *, is_json: bool, hops: Sequence[str] = ()) -> None:
        """Take a message, unpacked, and say with it that these forwarded it; returns once it is kept durably.

        Raises ``Refused``: ``STORAGE`` if it can't be kept now, ``MALFORMED`` for JSON that can't be made protobuf.
        """
        ...


class PullIntake(Intake, Protocol):
    """An intake for sources that can wait, and that give again what was not judged."""

    @property
    def has_room(self) -> bool:
        """Whether a source that can wait should go on; while it should not, nothing is lost. On any thread."""
        ...

    async def hand_over(self, sources: Collection[Progress], within_s: float) -> int:
        """Give up sources that another replica goes on with from their ``mark``: their open traces are let go of.

        Those that are being judged have ``within_s`` seconds to be stored. Returns how many were let go of.
        """
        ...


class Meter(Protocol):
    """Where receivers count what only they know. On any thread."""

    def inc(self, name: str, by: float = 1, exemplar: Mapping[str, str] | None = None, **labels: Any) -> None:
        """Add to a counter."""
        ...

    def set(self, name: str, value: float, **labels: Any) -> None:
        """Set a gauge."""
        ...

    def forget(self, name: str, **labels: Any) -> None:
        """Take the series of a gauge away."""
        ...
