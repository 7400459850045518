"""A Kafka client that does what it is told, and an intake that keeps what it is given."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka.structs import TopicPartition

from collector.intake import Batch, Refusal, Refused
from collector.progress import Progress

AT = TopicPartition("traces", 0)


@dataclass
class FakeRecord:
    """A record as the client gives it."""

    offset: int
    value: bytes | None
    topic: str = "traces"
    partition: int = 0
    key: bytes | None = None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    timestamp: int = 1_700_000_000_000


class FakeConsumer:
    """A ``KafkaConsumer`` whose polls are scripted: what ``script`` holds is given, raised or called, one each.

    Attributes:
        commits: The offsets that were committed, one mapping a call.
        begins, ends, group: What the broker says of each partition.
    """

    def __init__(self, **config: Any) -> None:
        self.config = config
        self.script: deque[Any] = deque()
        self.commits: list[dict[TopicPartition, int]] = []
        self.begins: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.group: dict[TopicPartition, int] = {}
        self.error: Exception | None = None
        self.closed = False
        self._paused: set[TopicPartition] = set()
        self.assigned: set[TopicPartition] = set()

    def subscribe(self, topics: Collection[str], listener: Any) -> None:
        self.topics, self.listener = set(topics), listener

    def subscription(self) -> set[str]:
        return self.topics

    def assign(self, *partitions: TopicPartition) -> None:
        """Give partitions to the listener, as a rebalance does."""
        self.assigned |= set(partitions)
        self.listener.on_partitions_assigned(set(partitions))

    def revoke(self, *partitions: TopicPartition) -> None:
        """Take partitions away."""
        self.assigned -= set(partitions)
        self.listener.on_partitions_revoked(set(partitions))

    def poll(self, **_: object) -> dict[TopicPartition, list[FakeRecord]]:
        step = self.script.popleft() if self.script else {}
        if isinstance(step, Exception):
            raise step
        found = step() if callable(step) else step
        return {at: records for at, records in (found or {}).items() if at not in self._paused}

    def assignment(self) -> set[TopicPartition]:
        return set(self.assigned)

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused -= set(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def committed(self, at: TopicPartition, **_: object) -> int | None:
        return self.group.get(at)

    def position(self, at: TopicPartition, **_: object) -> int | None:
        return self.begins.get(at)

    def beginning_offsets(self, partitions: list[TopicPartition], **_: object) -> dict[TopicPartition, int]:
        return {at: self.begins.get(at, 0) for at in partitions}

    def end_offsets(self, partitions: list[TopicPartition], **_: object) -> dict[TopicPartition, int]:
        if self.error is not None:
            raise self.error
        return {at: self.ends.get(at, 0) for at in partitions}

    def commit_async(self, offsets: dict[TopicPartition, Any], callback: Callable[..., None]) -> None:
        self.commits.append({at: meta.offset for at, meta in offsets.items()})
        callback(offsets, None)

    def close(self, **_: object) -> None:
        self.closed = True
        if self.assigned:
            self.revoke(*self.assigned)


class FakeIntake:
    """An ``Intake`` whose traces stay open until ``store`` is called.

    Attributes:
        batches, feedback: What was taken.
        error: Raised instead, once for each.
    """

    def __init__(self) -> None:
        self.has_room = True
        self.batches: list[Batch] = []
        self.feedback: list[tuple[Any, Any]] = []
        self.errors: deque[Exception] = deque()
        self.handed_over: list[tuple[list[Progress], float]] = []
        self.no_memory = False

    @contextmanager
    def reserve(self, *_: object) -> Iterator[None]:
        if self.no_memory:
            raise Refused(Refusal.OVERLOADED, "no memory")
        yield

    async def accept(self, batch: Batch) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.batches.append(batch)
        batch.position.source.began(batch.position.number, len(batch.pieces))

    async def accept_feedback(self, target: Any, feedback: Any) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.feedback.append((target, feedback))

    async def hand_over(self, sources: Collection[Progress], within_s: float) -> int:
        self.handed_over.append((list(sources), within_s))
        for source in sources:
            source.is_over = True
        return 0

    def store(self, *offsets: int) -> None:
        """The traces at these offsets are judged and stored."""
        for batch in self.batches:
            if batch.position.number in offsets:
                batch.position.source.ended([batch.position.number])

    @property
    def taken(self) -> list[int]:
        """The offsets that were taken."""
        return [batch.position.number for batch in self.batches]


def on_loop(work: Any) -> Any:
    """Run a coroutine at once."""
    return asyncio.run(work)
