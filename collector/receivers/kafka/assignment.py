"""Which partitions are this replica's, and what happens when they come and go.

The client calls this on its own thread, while the receiver's thread is within ``poll`` or ``close``.
"""

from collections.abc import Callable, Collection, Mapping

import structlog
from kafka import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata, TopicPartition

from collector.intake import Meter
from collector.receivers.kafka.assignor import ColocatingAssignor
from collector.receivers.kafka.options import Content
from collector.receivers.kafka.partition import Partition

LAG = "sidecheck_kafka_lag"
STORED_WITHIN_S = 2.0
"""How long a rebalance waits for the traces that are being judged: the client's heartbeats wait as well."""

log = structlog.get_logger()

GiveUp = Callable[[Collection[Partition], float], int]
Commit = Callable[[Mapping[TopicPartition, OffsetAndMetadata]], object]


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """The partitions that are read, by the client's name for them.

    Args:
        topics: What each topic holds.
        assignor: The consumer's.
        give_up: Hands partitions over, with the time that what is being judged has to be stored; see
            ``PullIntake.hand_over``.
        commit: Sends offsets to the broker, without waiting for the answer.
    """

    def __init__(
        self, topics: Mapping[str, Content], assignor: ColocatingAssignor, give_up: GiveUp, commit: Commit, meter: Meter
    ) -> None:
        self._topics = topics
        self._assignor = assignor
        self._give_up = give_up
        self._commit = commit
        self._meter = meter
        self.partitions: dict[TopicPartition, Partition] = {}

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin with partitions."""
        for at in assigned:
            self.partitions[at] = Partition(at.topic, at.partition, self._topics[at.topic])
        self._meter.inc("sidecheck_kafka_partitions_total", len(assigned), event="assigned")
        log.info("partitions taken over", partitions=_named(assigned))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """End with partitions that another replica gets: their offsets can still be committed."""
        gone = self._end(revoked, "revoked", STORED_WITHIN_S)
        marks = {at: OffsetAndMetadata(part.mark) for at, part in gone.items() if part.uncommitted is not None}
        if marks:
            # The client sends it before it asks to join the group again, and before it leaves: the broker takes a
            # connection's requests in their order, so whoever is given the partitions sees it.
            self._commit(marks)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """End with partitions that another replica has by now: nothing of them is ours to commit."""
        self._assignor.forget()
        self._end(lost, "lost", 0.0)

    def replace(self, at: TopicPartition) -> Partition:
        """Begin anew with a partition whose offsets went back."""
        fresh = self.partitions[at] = Partition(at.topic, at.partition, self._topics[at.topic])
        fresh.is_begun = True
        return fresh

    def _end(self, ended: Collection[TopicPartition], event: str, within_s: float) -> dict[TopicPartition, Partition]:
        gone = {at: self.partitions.pop(at) for at in ended if at in self.partitions}
        let_go = self._give_up(list(gone.values()), within_s) if gone else 0
        for at in gone:
            self._meter.forget(LAG, topic=at.topic, partition=at.partition)
        self._meter.inc("sidecheck_kafka_partitions_total", len(gone), event=event)
        log.info("partitions given up", how=event, partitions=_named(gone), open_traces=let_go)
        return gone


def _named(partitions: Collection[TopicPartition]) -> list[str]:
    return [f"{at.topic}[{at.partition}]" for at in sorted(partitions)]
