"""The life of one consumer: poll, read, hand on, pause, commit. Runs on the receiver's thread, which may block.

Owns the order of the steps. A record is in hand from when it was polled until the intake has it; while the intake has
no room nothing more is fetched, and the group goes on being polled so that the partitions stay here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol, TypeVar

import structlog
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, Meter, PullIntake, Refused
from collector.progress import Position
from collector.receivers.faults import own_fault
from collector.receivers.kafka.assignment import LAG, Assignment
from collector.receivers.kafka.assignor import ColocatingAssignor
from collector.receivers.kafka.dead_letters import DeadLetter, DeadLetters
from collector.receivers.kafka.options import Content, KafkaOptions, consumer_config
from collector.receivers.kafka.partition import Partition
from collector.receivers.kafka.records import Reader
from collector.receivers.limits import ReceiverLimits
from collector.receivers.reception import JSON_COST, PROTOBUF_COST

POLL_MS = 200
BUSY_POLL_MS = 50
"""How long a poll waits for records: with nothing to do, and while the intake has no room."""
RUN_RECORDS, RUN_BYTES = 64, 1 << 20
"""As many records, of as many bytes, are decoded before the event loop is asked to take them."""
COMMIT_EVERY_S = 1.0
LOOK_EVERY_S = 5.0
LOOK_AGAIN_S = 1.0
"""How often the broker is asked for the ends of the partitions: while it answers, and while it does not."""
ANSWER_WITHIN_MS = 2_000
MILLISECOND = 1_000_000
"""In nanoseconds; the unit of a record's time."""

NULL = "null"
INTERNAL = "internal_error"
"""Errors of dead letters beside the refusals: a record without a value, and a fault of the sidecar's own."""

log = structlog.get_logger()
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


class Consuming:
    """One consumer at work; ``turn`` is called again and again.

    Args:
        make: Makes the client's consumer from its options.
        on_loop: See ``OnLoop``.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        options: KafkaOptions,
        limits: ReceiverLimits,
        intake: PullIntake,
        on_loop: OnLoop,
        letters: DeadLetters,
        meter: Meter,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intake = intake
        self._on_loop = on_loop
        self._letters = letters
        self._meter = meter
        self._monotonic = monotonic
        self._where = options.where
        self._reader = Reader(limits, options.encoding, options.headers)
        self._in_hand: deque[_Item] = deque()
        self._paused = False
        self._said: set[tuple[str, str]] = set()
        self._commit_at = self._look_at = 0.0
        self._ends: dict[TopicPartition, int] = {}
        self.problem: str | None = None
        """What is wrong at this moment, in a sentence; ``None`` while all is well."""
        assignor = ColocatingAssignor()
        self._consumer = make(**consumer_config(options, assignor))
        self._assignment = Assignment(
            options.topics,
            assignor,
            lambda parts, within_s: on_loop(intake.hand_over(parts, within_s)),
            self._commit,
            meter,
        )
        self._consumer.subscribe(topics=sorted(options.topics), listener=self._assignment)

    def turn(self) -> None:
        """One round. Raises ``KafkaError`` and whatever else goes wrong with the client."""
        self._feed()
        self._pause_or_resume()
        self._poll()
        self._commit_marks()
        self._look()

    def close(self, within_ms: int) -> None:
        """Hand over what is open, commit, leave the group."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=within_ms)
        finally:
            left = list(self._assignment.partitions)
            if left:  # the client could not say so itself
                self._assignment.on_partitions_lost(left)

    def _poll(self) -> None:
        polled = self._consumer.poll(timeout_ms=BUSY_POLL_MS if self._in_hand else POLL_MS)
        self._begin()
        self._in_hand = deque(item for item in self._in_hand if not item.partition.is_over)
        for at, records in polled.items():
            partition = self._expecting(at, records[0].offset)
            partition.expected = records[-1].offset + 1
            self._in_hand.extend(_Item(partition, record) for record in records)
            self._meter.inc("sidecheck_kafka_records_total", len(records), topic=at.topic)

    def _begin(self) -> None:
        """Find out where partitions that are new here stand."""
        for at, partition in self._assignment.partitions.items():
            if not partition.is_begun:
                committed = self._consumer.committed(at, timeout_ms=ANSWER_WITHIN_MS)
                first = None if committed is not None else self._consumer.position(at, timeout_ms=ANSWER_WITHIN_MS)
                partition.begin(committed, first)

    def _expecting(self, at: TopicPartition, offset: int) -> Partition:
        """The partition, once it is clear why its next record is not the one that was expected, if so."""
        partition = self._assignment.partitions[at]
        expected = partition.expected
        if expected is None or offset == expected:
            return partition
        if offset < expected:
            self._say_once("a partition begins anew: was its topic made again?", partition)
            return self._assignment.replace(at)
        # Marks of transactions and compaction leave gaps, too. What is gone lies before the beginning.
        begins = self._consumer.beginning_offsets([at], timeout_ms=ANSWER_WITHIN_MS)[at]
        lost = min(begins, offset) - expected
        if lost > 0:
            self._meter.inc("sidecheck_kafka_lost_records_total", lost, topic=at.topic)
            self._say_once("records were deleted before they were read; more are only counted", partition)
        return partition

    def _say_once(self, event: str, partition: Partition) -> None:
        if (event, partition.topic) not in self._said:
            self._said.add((event, partition.topic))
            log.error(event, partition=repr(partition))

    def _feed(self) -> None:
        """Hand on what is in hand, as far as there is room."""
        while self._in_hand and self._intake.has_room:
            items = self._read_run()
            taken, is_broken = self._on_loop(self._take(items))
            for _ in range(taken):
                self._in_hand.popleft()
            if is_broken:
                self._set_aside(self._in_hand[0], INTERNAL, "the sidecar could not take the record")
            elif taken < len(items) or not items:
                return

    def _read_run(self) -> list[_Item]:
        """Decode the next items in hand; those that cannot be become dead letters, and have to be passed."""
        items: list[_Item] = []
        size = 0
        dead: list[DeadLetter] = []
        for item in islice(self._in_hand, RUN_RECORDS):
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
            error, problem = INTERNAL, str(own_fault("decoding_failed", fault))
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
        for number, item in enumerate(items):
            try:
                if not self._intake.has_room:
                    return number, False
                await self._give(item)
            except Refused:
                return number, False  # it cannot take it now
            except Exception as error:  # noqa: BLE001 - one record must not keep the others from being judged
                own_fault("intake_failed", error)
                return number, True
        return len(items), False

    async def _give(self, item: _Item) -> None:
        partition, offset = item.partition, item.record.offset
        if partition.is_over:
            return
        if item.batch is not None:
            await self._intake.accept(replace(item.batch, position=Position(partition, offset)))
            return
        if item.said is not None:
            await self._intake.accept_feedback(*item.said)
        partition.passed(offset)

    def _set_aside(self, item: _Item, error: str, problem: str) -> None:
        self._letters.put([_letter(item.record, error, problem)])
        item.batch = item.said = None  # what is left to do is to pass it

    def _pause_or_resume(self) -> None:
        wait = bool(self._in_hand)
        if wait:
            self._consumer.pause(*self._consumer.assignment())  # those that are new, too
        elif self._paused:
            self._consumer.resume(*self._consumer.paused())
        if wait != self._paused:
            self._paused = wait
            self._meter.set("sidecheck_kafka_paused", int(wait))

    def _commit_marks(self) -> None:
        if self._monotonic() < self._commit_at:
            return
        self._commit_at = self._monotonic() + COMMIT_EVERY_S
        parts = self._assignment.partitions
        marks = {at: OffsetAndMetadata(part.mark) for at, part in parts.items() if part.uncommitted is not None}
        if marks:
            self._commit(marks)
        self._measure_lag()

    def _commit(self, marks: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        self._consumer.commit_async(dict(marks), callback=self._committed)

    def _committed(self, marks: Mapping[TopicPartition, OffsetAndMetadata], answer: object) -> None:
        if isinstance(answer, Exception):
            log.debug("offsets were not committed; the next time", error=type(answer).__name__)
            return
        for at, meta in marks.items():
            if at in self._assignment.partitions:
                self._assignment.partitions[at].committed = meta.offset

    def _look(self) -> None:
        """Ask for the ends of the partitions: for the lag, and to know whether the broker is there."""
        if self._monotonic() < self._look_at:
            return
        problem = None
        try:
            self._ends = self._asked_ends()
        except KafkaError as error:
            problem = f"Kafka ({self._where}) does not answer: {type(error).__name__}; trying again"
        self._look_at = self._monotonic() + (LOOK_AGAIN_S if problem else LOOK_EVERY_S)
        self.problem = problem

    def _asked_ends(self) -> dict[TopicPartition, int]:
        """The ends of the partitions that are read here; of any other where there are none."""
        asked = list(self._assignment.partitions) or [TopicPartition(min(self._consumer.subscription()), 0)]
        found: dict[TopicPartition, int] = self._consumer.end_offsets(asked, timeout_ms=ANSWER_WITHIN_MS)
        return found

    def _measure_lag(self) -> None:
        for at, part in self._assignment.partitions.items():
            stands = part.expected if part.mark is None else part.mark
            if stands is not None:
                end = max(self._ends.get(at, 0), part.expected or 0)
                self._meter.set(LAG, max(0, end - stands), topic=at.topic, partition=at.partition)


def _letter(record: Any, error: str, problem: str) -> DeadLetter:
    return DeadLetter(
        record.topic, record.partition, record.offset, error, problem, record.key, record.value, record.headers
    )


def on_loop(loop: asyncio.AbstractEventLoop, within_s: float) -> OnLoop:
    """What other threads run coroutines of ``loop`` with."""

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(within_s)

    return run
