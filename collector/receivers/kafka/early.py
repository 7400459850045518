"""Log records that were read before the spans of their time: they wait, so that they find their trace.

A topic of spans is larger than one of logs, so a group that is behind reads the logs first, by minutes. Without a span
their trace would be taken for one that nobody sampled, and let go of. Kafka Streams picks the partition to read by the
records' times for the same reason (KIP-353).
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from kafka.structs import TopicPartition

from collector.receivers.kafka.options import Content
from collector.receivers.kafka.partition import Partition

AHEAD_MS = 2_000
"""Logs may be read so far ahead: clocks differ, and exporters send every few seconds."""


class Early:
    """Records of logs by partition, in their order. A partition that ``waits`` is to be read no further meanwhile."""

    def __init__(self) -> None:
        self._records: dict[TopicPartition, deque[tuple[Partition, Any]]] = {}

    @property
    def waits(self) -> set[TopicPartition]:
        """The partitions with records here."""
        return set(self._records)

    def add(self, at: TopicPartition, partition: Partition, record: Any) -> None:
        """Keep one more record of a partition."""
        self._records.setdefault(at, deque()).append((partition, record))

    def drop(self) -> None:
        """Let go of records whose partitions have been given up: nothing of them was taken."""
        kept = {at: deque(item for item in items if not item[0].is_over) for at, items in self._records.items()}
        self._records = {at: items for at, items in kept.items() if items}

    def due(
        self, partitions: Mapping[TopicPartition, Partition], ends: Mapping[TopicPartition, int]
    ) -> Iterator[tuple[Partition, Any]]:
        """Take out what the spans have caught up with. ``ends`` are those of the partitions, as far as known."""
        for at, items in list(self._records.items()):
            while items and not _is_early(items[0][1], partitions, ends):
                yield items.popleft()
            if not items:
                del self._records[at]


def _is_early(record: Any, partitions: Mapping[TopicPartition, Partition], ends: Mapping[TopicPartition, int]) -> bool:
    """Whether spans of the time of this record of logs are still to be read here, in the partition of its number."""
    return any(
        part.content is Content.TRACES and part.number == record.partition and _is_behind(part, record, ends.get(at))
        for at, part in partitions.items()
    )


def _is_behind(part: Partition, record: Any, end: int | None) -> bool:
    if end is None or not part.is_begun:
        return True  # nobody knows yet
    if end <= (part.next or 0):
        return False
    return part.time_ms is None or part.time_ms + AHEAD_MS < record.timestamp
