"""The records in hand: polled, and not yet the intake's. Decodes them and gives them on, in their order.

What cannot be decoded, or breaks the intake, becomes a dead letter and is passed. What there is no room for stays.
"""

import time
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol, TypeVar

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, PullIntake, Refused
from collector.progress import Position
from collector.receivers import own_spans
from collector.receivers.faults import own_fault
from collector.receivers.kafka.dead_letters import DeadLetter, DeadLetters
from collector.receivers.kafka.options import Content
from collector.receivers.kafka.partition import Partition
from collector.receivers.kafka.records import Reader
from collector.receivers.reception import JSON_COST, PROTOBUF_COST
from collector.spans import Spans

RUN_RECORDS, RUN_BYTES = 64, 1 << 20
"""As many records, of as many bytes, are decoded before the event loop is asked to take them."""
MILLISECOND = 1_000_000
"""In nanoseconds; the unit of a record's time."""
NULL, INTERNAL = "null", "internal_error"
"""Errors of dead letters beside the refusals: a record without a value, and a fault of the sidecar's own."""

Result = TypeVar("Result")


class OnLoop(Protocol):
    """Runs a coroutine on the front process's event loop and waits for its result, for a bounded time."""

    def __call__(self, work: Awaitable[Result]) -> Result:
        """Raises what the coroutine raises, ``TimeoutError`` where it takes too long."""
        ...


@dataclass(slots=True)
class _Item:
    """A record in hand. Once it ``is_read``, with neither batch nor feedback, it only has to be passed."""

    partition: Partition
    record: Any
    is_read: bool = False
    batch: Batch | None = None
    said: tuple[FeedbackTarget, Feedback] | None = None


class Hand:
    """Used on the receiver's thread, but for what it runs on the event loop."""

    def __init__(self, reader: Reader, intake: PullIntake, on_loop: OnLoop, letters: DeadLetters, spans: Spans) -> None:
        self._spans = spans
        self._reader = reader
        self._intake = intake
        self._on_loop = on_loop
        self._letters = letters
        self._items: deque[_Item] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, partition: Partition, records: Iterable[Any]) -> None:
        """Take records of a partition in hand."""
        self._items.extend(_Item(partition, record) for record in records)

    def drop(self) -> None:
        """Let go of records whose partitions have been given up: nothing of them was taken."""
        self._items = deque(item for item in self._items if not item.partition.is_over)

    def give(self) -> None:
        """Give on what is in hand, as far as there is room."""
        while self._items and self._intake.has_room:
            items = self._read_run()
            taken, is_broken = self._on_loop(self._take(items))
            for _ in range(taken):
                self._items.popleft()
            if is_broken:
                self._set_aside(self._items[0])
            elif taken < len(items) or not items:
                return

    def _read_run(self) -> list[_Item]:
        """Decode the next items; those that cannot be become dead letters, and have to be passed."""
        items: list[_Item] = []
        dead: list[DeadLetter] = []
        size = 0
        for item in islice(self._items, RUN_RECORDS):
            try:
                letter = None if item.is_read else self._read(item)
            except Refused:
                break  # there is no room now
            if letter is not None:
                dead.append(letter)
            items.append(item)
            size += len(item.record.value or b"")
            if size > RUN_BYTES:
                break
        if dead:
            self._letters.put(dead)
        return items

    def _read(self, item: _Item) -> DeadLetter | None:
        """Decode one; returns the letter that became of it if that cannot be. Raises ``Refused`` for want of room."""
        error, problem = NULL, "the record has no value"
        try:
            if item.record.value is not None:
                self._decode(item)
                item.is_read = True
                return None
        except Refused as refused:
            if refused.is_retryable:
                raise
            error, problem = refused.reason.value, str(refused)
        except Exception as fault:  # noqa: BLE001 - one record must not keep the others from being judged
            own_fault("decoding_failed", fault)
            error, problem = INTERNAL, "the sidecar could not read the record"
        item.is_read = True
        return _letter(item.record, error, problem)

    def _decode(self, item: _Item) -> None:
        content, record = item.partition.content, item.record
        if content is Content.FEEDBACK:
            given_ns = record.timestamp * MILLISECOND if record.timestamp > 0 else time.time_ns()
            item.said = self._reader.feedback(record.value, given_ns)
            return
        cost = JSON_COST if self._reader.is_json(record.value) else PROTOBUF_COST
        with self._intake.reserve(len(record.value) * cost):
            item.batch = self._reader.telemetry(content, record.value, record.headers)

    async def _take(self, items: Sequence[_Item]) -> tuple[int, bool]:
        """On the event loop: give items to the intake. Returns how many it has, and whether the next one broke it."""
        if not items:
            return 0, False
        with own_spans.records(self._spans, {item.record.topic for item in items}, len(items)) as span:
            if all(item.batch is not None and item.batch.is_own for item in items):
                span.leave_out()
            return await self._take_each(items)

    async def _take_each(self, items: Sequence[_Item]) -> tuple[int, bool]:
        for number, item in enumerate(items):
            try:
                if not self._intake.has_room:
                    return number, False
                await self._give_one(item)
            except Refused:
                return number, False  # it cannot take it now
            except Exception as error:  # noqa: BLE001 - one record must not keep the others from being judged
                own_fault("intake_failed", error)
                return number, True
        return len(items), False

    async def _give_one(self, item: _Item) -> None:
        partition, offset = item.partition, item.record.offset
        if partition.is_over:
            return
        if item.batch is not None:
            await self._intake.accept(replace(item.batch, position=Position(partition, offset)))
            return
        if item.said is not None:
            await self._intake.accept_feedback(*item.said)
        partition.passed(offset)

    def _set_aside(self, item: _Item) -> None:
        self._letters.put([_letter(item.record, INTERNAL, "the sidecar could not take the record")])
        item.batch = item.said = None  # what is left to do is to pass it


def _letter(record: Any, error: str, problem: str) -> DeadLetter:
    return DeadLetter(
        record.topic, record.partition, record.offset, error, problem, record.key, record.value, record.headers
    )
