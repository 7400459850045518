"""Builders and fakes for the pipeline: jobs and pieces of real OTLP, a clock that is stepped, a store that fails."""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request

from checks.trace import CloseReason
from collector.intake import Batch, Piece, Source
from collector.pipeline.judge import Job, Judge, JudgeOptions
from exporters.record import Record
from exporters.store import Store, StoreError, StoreUnavailable

S = 1_000_000_000
LOCKED = StoreUnavailable("the store is locked by another process")
BROKEN = StoreError("the store is damaged")


def trace_id(number: int) -> str:
    """The id of the n-th trace."""
    return f"{number:032x}"


def span_bytes(trace: int, span: int, service: str = "shop", **parts: Any) -> bytes:
    """An encoded request with one span; the first span of a trace is its root."""
    parent = b"" if span == 1 else (1).to_bytes(8, "big")
    ids = {"trace_id": trace.to_bytes(16, "big"), "span_id": span.to_bytes(8, "big"), "parent_span_id": parent}
    return a_trace_request(a_proto_span(**ids, **parts), service=service).SerializeToString()


def log_bytes(trace: int, **parts: Any) -> bytes:
    """An encoded request with one log record of the trace's root span."""
    ids = {"trace_id": trace.to_bytes(16, "big"), "span_id": (1).to_bytes(8, "big")}
    return a_logs_request(a_log_record(**ids, **parts)).SerializeToString()


def a_piece(trace: int = 1, *spans: int, logs: int = 0, service: str = "shop", **parts: Any) -> Piece:
    """A piece with these spans of a trace (its root if none is given) and so many log records."""
    spans = spans or (() if logs else (1,))
    return Piece(
        trace_id=trace_id(trace),
        spans=b"".join(span_bytes(trace, span, service, **parts) for span in spans),
        logs=b"".join(log_bytes(trace, time_unix_nano=1 + n) for n in range(logs)),
        span_ids=tuple(span.to_bytes(8, "big") for span in spans),
        log_count=logs,
        has_root=1 in spans,
    )


def a_batch(*pieces: Piece) -> Batch:
    """A request that came over OTLP/HTTP."""
    return Batch(Source.OTLP_HTTP, pieces or (a_piece(),))


def a_job(number: int = 1, service: str = "shop", **parts: Any) -> Job:
    """A job: the n-th trace, of one span."""
    defaults = {"spans": span_bytes(number, 1, service), "logs": b"", "closed_by": CloseReason.ROOT_SEEN}
    return Job(trace_id(number), **{**defaults, **parts})


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ns: int = 1_000 * S) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def step(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += int(seconds * S)


class InProcessPool:
    """An ``InspectionPool`` without processes: judges at once, with a plan of cheap checks.

    Attributes:
        batches: The jobs that came, batch by batch.
        error: Raised instead of judging, as long as it is set.
    """

    workers = 1

    def __init__(self) -> None:
        self._judge = Judge(JudgeOptions({"user_feedback": {}, "latency": {}}, drafts_cases=False))
        self.batches: list[Sequence[Job]] = []
        self.error: Exception | None = None

    async def inspect(self, jobs: Sequence[Job]) -> list[Record]:
        """Judge a batch."""
        self.batches.append(jobs)
        if self.error is not None:
            raise self.error
        return [self._judge.judge(job) for job in jobs]

    @property
    def jobs(self) -> list[Job]:
        """All jobs that came."""
        return [job for batch in self.batches for job in batch]


class FlakyStore:
    """A real store whose methods fail first, as ``fail`` was told.

    Attributes:
        calls: How often each method was called.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._errors: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.calls: defaultdict[str, int] = defaultdict(int)

    def fail(self, method: str, *errors: Exception) -> None:
        """Let the next calls of ``method`` raise these, one each."""
        self._errors[method].extend(errors)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any) -> Any:
            self.calls[name] += 1
            if self._errors[name]:
                raise self._errors[name].popleft()
            return method(*args)

        return call
