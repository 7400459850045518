"""Fakes of the seams between parts: each keeps the contract of the protocol it stands in for, and remembers."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, Piece, Refusal, Refused, Source
from collector.pipeline.admission import Admission, Reservation
from exporters.otlp.client import Client
from exporters.otlp.destination import Signal


class FakeIntake:
    """An ``Intake`` that keeps all it is given in lists.

    Attributes:
        batches: What was accepted, in order.
        feedback: Targets and feedback that were accepted, in order.
        refusals: How often each source and reason was counted by ``refused``.
        refuse: Raised instead of accepting, as long as it is set: a ``Refused`` for a refusal on purpose, any other
            exception for a bug.
        asked: Set as soon as a batch came, accepted or not.
        known_trace: The trace id that feedback is said to belong to.
        admission: The memory budget of requests under way.
    """

    def __init__(
        self, refuse: Exception | None = None, known_trace: str | None = None, memory_bytes: int = 1 << 40
    ) -> None:
        self.refuse = refuse
        self.admission = Admission(memory_bytes, held=lambda: 0)
        self.known_trace = known_trace
        self.asked = asyncio.Event()
        self.batches: list[Batch] = []
        self.feedback: list[tuple[FeedbackTarget, Feedback]] = []
        self.refusals: Counter[tuple[Source, Refusal]] = Counter()

    def reserve(self, size: int = 0) -> Reservation:
        """Set memory aside."""
        return self.admission.reserve(size)

    async def accept(self, batch: Batch) -> None:
        """Keep a batch, or refuse it."""
        self.asked.set()
        if self.refuse is not None:
            raise self.refuse
        self.batches.append(batch)

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """Keep feedback, or refuse it; return the trace that is known, if any."""
        if self.refuse is not None:
            raise self.refuse
        self.feedback.append((target, feedback))
        return self.known_trace

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:  # noqa: ARG002  # the protocol has it
        """Count a refusal."""
        self.refusals[source, reason] += 1

    @property
    def pieces(self) -> list[Piece]:
        """The pieces of all batches, in order."""
        return [piece for batch in self.batches for piece in batch.pieces]

    @property
    def span_count(self) -> int:
        """How many spans were accepted."""
        return sum(batch.span_count for batch in self.batches)


def overloaded(retry_after_s: float | None = 7.0) -> Refused:
    """The refusal of an intake that has no room."""
    return Refused(Refusal.OVERLOADED, "no room; send it again later", retry_after_s)


class FakeClient(Client):
    """Takes what it is sent, or answers as it was told; waits while it is held."""

    def __init__(self) -> None:
        self.got: list[tuple[Signal, bytes, bool]] = []
        self.forwarded_by: list[str] = []
        self.answers: defaultdict[bytes, deque[Exception]] = defaultdict(deque)
        self.free = asyncio.Event()
        self.free.set()
        self.under_way: Counter[Signal] = Counter()
        self.most: Counter[Signal] = Counter()
        self.is_closed = False

    async def send(self, signal: Signal, body: bytes, *, is_json: bool, forwarded_by: str = "") -> None:
        self.forwarded_by.append(forwarded_by)
        self.under_way[signal] += 1
        self.most[signal] = max(self.most[signal], self.under_way[signal])
        try:
            await asyncio.sleep(0)
            await self.free.wait()
            if self.answers[body]:
                raise self.answers[body].popleft()
            self.got.append((signal, body, is_json))
        finally:
            self.under_way[signal] -= 1

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class FakeSpan:
    """A span of the sidecar's own work, as it was told of."""

    name: str
    kind: str
    attributes: dict[str, str | int]
    failed: str | None = None
    is_left_out: bool = False

    def note(self, attributes: Mapping[str, str | int]) -> None:
        self.attributes.update(attributes)

    def fail(self, error: str) -> None:
        self.failed = error

    def leave_out(self) -> None:
        self.is_left_out = True


class FakeSpans:
    """``Spans`` that keeps what it is told in ``told``, in the order of the ends."""

    def __init__(self) -> None:
        self.told: list[FakeSpan] = []

    @contextmanager
    def __call__(self, name: str, kind: str, attributes: Mapping[str, str | int]) -> Iterator[FakeSpan]:
        span = FakeSpan(name, kind, dict(attributes))
        try:
            yield span
        finally:
            self.told.append(span)
