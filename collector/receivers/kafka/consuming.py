"""The life of one consumer: give on, pause, poll, commit. Runs on the receiver's thread, which may block.

Owns the order of the steps, and what the broker is asked beside them. While the intake has no room nothing is fetched,
and the group goes on being polled so that the partitions stay here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from collector.intake import Meter, PullIntake
from collector.receivers.kafka.assignment import LAG, Assignment
from collector.receivers.kafka.assignor import ColocatingAssignor
from collector.receivers.kafka.dead_letters import DeadLetters
from collector.receivers.kafka.early import Early
from collector.receivers.kafka.hand import Hand, OnLoop
from collector.receivers.kafka.options import Content, KafkaOptions, consumer_config
from collector.receivers.kafka.partition import Partition
from collector.receivers.kafka.records import Reader
from collector.receivers.limits import ReceiverLimits
from collector.spans import Spans, no_spans

POLL_MS = 200
BUSY_POLL_MS = 50
"""How long a poll waits for records: with nothing to do, and while the intake has no room."""
COMMIT_EVERY_S = 1.0
LOOK_EVERY_S = 5.0
LOOK_AGAIN_S = 1.0
"""How often the broker is asked for the ends of the partitions: while it answers, and while it does not."""
ANSWER_WITHIN_MS = 2_000

log = structlog.get_logger()


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
        spans: Spans = no_spans,
    ) -> None:
        self._meter = meter
        self._monotonic = monotonic
        self._hand = Hand(Reader(limits, options.encoding, options.headers), intake, on_loop, letters, spans)
        self._early = Early()
        self._paused = False
        self._said: set[tuple[str, str]] = set()
        self._commit_at = self._look_at = 0.0
        self._ends: dict[TopicPartition, int] = {}
        self._gaps: list[tuple[TopicPartition, int, int]] = []
        self.trouble: KafkaError | None = None
        """What keeps the broker from answering; ``None`` while it does."""
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
        """One round. May be called again after a ``KafkaError`` that is ``retriable``: it loses nothing in hand."""
        look_at, self._look_at = self._look_at, 0.0  # after a round that failed, only an answer tells that all is well
        self._hand.give()
        self._pause_or_resume()
        self._poll()
        self._begin()
        self._explain_gaps()
        self._commit_marks()
        self._look_at = look_at
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
        polled = self._consumer.poll(timeout_ms=BUSY_POLL_MS if self._hand else POLL_MS)
        # From here on the client counts them as read: they are in hand before anything else can fail.
        self._hand.drop()
        self._early.drop()
        for at, records in polled.items():
            self._take(at, self._following(at, records), records)
            self._meter.inc("sidecheck_kafka_records_total", len(records), topic=at.topic)
        for partition, record in self._early.due(self._assignment.partitions, self._ends):
            self._hand.add(partition, (record,))

    def _take(self, at: TopicPartition, partition: Partition, records: Sequence[Any]) -> None:
        """Take records in hand; those of logs by way of where they wait for their spans."""
        if partition.content is not Content.LOGS:
            self._hand.add(partition, records)
            return
        for record in records:
            self._early.add(at, partition, record)

    def _following(self, at: TopicPartition, records: Sequence[Any]) -> Partition:
        """The partition that these records follow in; what is odd about their offsets is looked into later."""
        partition = self._assignment.partitions[at]
        first, expected = records[0].offset, partition.next
        if expected is None:
            partition.first = first
        elif first < expected:
            self._say_once("a partition begins anew: was its topic made again?", at)
            partition = self._assignment.replace(at)
        elif first > expected:
            self._gaps.append((at, expected, first))
        partition.next = records[-1].offset + 1
        partition.time_ms = records[-1].timestamp
        return partition

    def _begin(self) -> None:
        """Find out how far the group had come in partitions that are new here."""
        for at, partition in self._assignment.partitions.items():
            if partition.is_begun:
                continue
            committed = self._consumer.committed(at, timeout_ms=ANSWER_WITHIN_MS)
            if partition.next is None:
                partition.next = committed
            if partition.next is None:
                partition.next = self._consumer.position(at, timeout_ms=ANSWER_WITHIN_MS)
            partition.committed, partition.is_begun = committed, True
            if committed is not None and partition.first is not None and partition.first != committed:
                self._gaps.append((at, committed, partition.first))

    def _explain_gaps(self) -> None:
        """Count what was deleted before it was read. Marks of transactions and compaction leave gaps, too."""
        self._gaps = [gap for gap in self._gaps if gap[0] in self._assignment.partitions]
        while self._gaps:
            at, expected, came = self._gaps[-1]
            begins = self._consumer.beginning_offsets([at], timeout_ms=ANSWER_WITHIN_MS)[at]
            self._gaps.pop()
            lost = min(begins, came) - expected
            if came < expected:
                self._say_once("a partition begins anew: was its topic made again?", at)
            elif lost > 0:
                self._meter.inc("sidecheck_kafka_lost_records_total", lost, topic=at.topic)
                self._say_once("records were deleted before they were read; more are only counted", at)

    def _say_once(self, event: str, at: TopicPartition) -> None:
        if (event, at.topic) not in self._said:
            self._said.add((event, at.topic))
            log.error(event, topic=at.topic, partition=at.partition)

    def _pause_or_resume(self) -> None:
        wait = bool(self._hand)
        assigned = set(self._consumer.assignment())
        paused, to_pause = set(self._consumer.paused()), assigned if wait else self._early.waits & assigned
        if to_pause - paused:
            self._consumer.pause(*(to_pause - paused))
        if paused - to_pause:
            self._consumer.resume(*(paused - to_pause))
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
        is_known = self.trouble is not None or self._assignment.partitions.keys() <= self._ends.keys()
        if self._monotonic() < self._look_at and is_known:
            return
        self.trouble = None
        try:
            self._ends = self._asked_ends()
        except KafkaError as error:
            self.trouble = error
        self._look_at = self._monotonic() + (LOOK_AGAIN_S if self.trouble else LOOK_EVERY_S)

    def _asked_ends(self) -> dict[TopicPartition, int]:
        """The ends of the partitions that are read here; of any other where there are none."""
        asked = list(self._assignment.partitions) or [TopicPartition(min(self._consumer.subscription()), 0)]
        found: dict[TopicPartition, int] = self._consumer.end_offsets(asked, timeout_ms=ANSWER_WITHIN_MS)
        return found

    def _measure_lag(self) -> None:
        for at, part in self._assignment.partitions.items():
            stands = part.next if part.mark is None else part.mark
            if stands is not None:
                end = max(self._ends.get(at, 0), part.next or 0)
                self._meter.set(LAG, max(0, end - stands), topic=at.topic, partition=at.partition)
