"""Builders and fakes for the pipeline: jobs and pieces of real OTLP, a clock that is stepped, a store that fails."""

import asyncio
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request

from checks.report import Outcome
from checks.trace import CloseReason, Feedback, FeedbackTarget
from collector.intake import Batch, Piece, Source
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.front import Front
from collector.pipeline.job import Job, Judged, JudgeOptions
from collector.pipeline.judge import Judge
from collector.pipeline.options import FrontOptions
from collector.spans import Spans, no_spans
from exporters.metrics.prometheus import Metrics
from exporters.store import Store, StoreContended, StoreError, StoreUnavailable

S = 1_000_000_000
ABOUT = FeedbackTarget(trace_id=f"{1:032x}")
THUMB_DOWN = Feedback(score=0.0, thumbs_up=False, time_ns=7)
LOCKED = StoreUnavailable("the store is locked by another process")
CONTENDED = StoreContended("a lock in the database was not released in time")
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


def thumb_record(trace: int = 0, *, up: bool = False, response: str = "", **parts: Any) -> LogRecord:
    """A log record of a thumb, about the n-th trace (0: none) and about a response where one is named."""
    named = {"gen_ai.evaluation.name": "thumbs", "gen_ai.evaluation.score.label": "up" if up else "down"}
    if response:
        named["gen_ai.response.id"] = response
    attributes = [text(key, value) for key, value in named.items()]
    ids = {"trace_id": trace.to_bytes(16, "big") if trace else b"", "span_id": b""}
    defaults = {"event_name": "gen_ai.evaluation.result", "attributes": attributes, "time_unix_nano": 7}
    return a_log_record(**{**ids, **defaults, **parts})


def text(key: str, value: str) -> KeyValue:
    """An attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


def a_thumb_piece(trace: int = 1, thumbs: int = 1, others: int = 0) -> Piece:
    """A piece of so many thumbs down on a trace, and so many other log records."""
    records = [thumb_record(trace, time_unix_nano=7 + n) for n in range(thumbs)]
    logs = a_logs_request(*records).SerializeToString() + a_piece(trace, logs=others).logs * bool(others)
    return Piece(trace_id=trace_id(trace), logs=logs, log_count=thumbs + others)


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

    async def inspect(self, jobs: Sequence[Job]) -> Judged:
        """Judge a batch."""
        self.batches.append(jobs)
        if self.error is not None:
            raise self.error
        return Judged.of(self._judge.judge_all(jobs))

    @property
    def jobs(self) -> list[Job]:
        """All jobs that came."""
        return [job for batch in self.batches for job in batch]


class FlakyStore:
    """A real store whose methods fail first, as ``fail`` was told, and wait while they are held."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._errors: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._gates: dict[str, threading.Event] = {}
        self._before: dict[str, Callable[[], None]] = {}

    def fail(self, method: str, *errors: Exception) -> None:
        """Let the next calls of ``method`` raise these, one each."""
        self._errors[method].extend(errors)

    def hold(self, method: str) -> threading.Event:
        """Let ``method`` wait until the returned event is set."""
        self._gates[method] = threading.Event()
        return self._gates[method]

    def before(self, method: str, act: Callable[[], None]) -> None:
        """Call ``act`` once on the thread that next calls ``method``."""
        self._before[method] = act

    @property
    def system(self) -> str:
        return self._store.system

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*args: Any) -> Any:
            self._before.pop(name, lambda: None)()
            if name in self._gates:
                self._gates[name].wait(30)
            if self._errors[name]:
                raise self._errors[name].popleft()
            return method(*args)

        return call


class Line:
    """A front with its fakes, moved by hand: ``async with Line(store) as line``.

    Attributes:
        front: The real thing.
        pool, store, metrics, clock: What it was given.
    """

    LIMITS = AssemblyLimits(settle_ns=2 * S, idle_ns=30 * S, max_age_ns=600 * S, max_spans=5, max_bytes=20_000)

    def __init__(
        self,
        store: Store,
        memory_bytes: int = 1_000_000,
        journal: Any = None,
        pool: InProcessPool | None = None,
        spans: Spans = no_spans,
    ) -> None:
        self.pool, self.metrics, self.clock = pool or InProcessPool(), Metrics(1_000), Clock()
        self.store = FlakyStore(store)
        self.front = Front(
            FrontOptions(self.LIMITS, memory_bytes),
            self.pool,
            self.store,
            self.metrics,
            journal,
            self.clock,
            self.clock,
            spans,
        )

    async def __aenter__(self) -> "Line":
        self.front.dispatch.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.front.dispatch.stop(1)

    async def receive(self, *pieces: Piece) -> None:
        """Take one request."""
        await self.front.accept(a_batch(*pieces))

    async def tick(self, seconds: float = 0) -> None:
        """Look at what came, let time pass, and have what is due judged, whether or not it is stored yet."""
        await self.front.tick()
        self.clock.step(seconds)
        await self.front.tick()
        await asyncio.gather(*self.front._batches)
        self.check_accounts()

    async def flow(self, seconds: float = 0) -> None:
        """As ``tick``, until everything judged is stored, and what the store re-opened is known."""
        await self.tick(seconds)
        await self.front.dispatch._queue.join()
        await self.tick()

    def count(self, name: str, **labels: str) -> int:
        """The sum of the series of ``name`` with these labels."""
        total = 0.0
        for line in self.metrics.render()[0].decode().splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
                total += float(found[2])
        return int(total)

    def outcome(self, trace: int = 1, check: str = "user_feedback") -> Outcome:
        """The outcome that the store knows."""
        return next(v.outcome for v in self.store.trace(trace_id(trace)).verdicts if v.check == check)

    @property
    def dropped(self) -> dict[tuple[str, str], int]:
        """What was dropped, by what and why."""
        found = re.findall(
            r'sidecheck_dropped_total\{reason="(.*?)",what="(.*?)"\} (\S+)', self.metrics.render()[0].decode()
        )
        return {(what, reason): int(float(count)) for reason, what, count in found if float(count)}

    def check_accounts(self) -> None:
        """Assert that every trace that was accepted is evaluated, open or dropped."""
        parts = (
            self.count("sidecheck_traces_evaluated_total"),
            self.count("sidecheck_traces_open"),
            self.count("sidecheck_dropped_total", what="trace"),
        )
        assert self.count("sidecheck_traces_accepted_total") == sum(parts), parts
        assert min(parts) >= 0
