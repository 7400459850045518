"""Who of a group reads which partitions: cooperative and sticky, each topic balanced, and topics kept together.

Partition n of all topics that have as many partitions goes to the same replica, so that a trace's logs, which producers
key as its spans, come to where its spans are. The library's own cooperative-sticky assignor balances the sum over all
topics, and may give all partitions of one topic, such as the traces, to a single replica.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
from kafka.structs import TopicPartition

NAME = "sidecheck-cooperative"

Owners = Mapping[TopicPartition, str]


def assign(
    counts: Mapping[str, int], readers: Mapping[str, Sequence[str]], owners: Owners
) -> dict[TopicPartition, str]:
    """Give every partition a member; as few as possible change theirs.

    Args:
        counts: How many partitions each topic has.
        readers: Which members read each topic.
        owners: Who has what now.
    """
    together: defaultdict[tuple[int, tuple[str, ...]], list[str]] = defaultdict(list)
    for topic in sorted(counts):
        together[counts[topic], tuple(sorted(readers[topic]))].append(topic)
    found: dict[TopicPartition, str] = {}
    for (count, members), topics in together.items():
        had = [_owner(owners, topics, number) for number in range(count)]
        for number, member in enumerate(_shared_out(had, members)):
            found.update((TopicPartition(topic, number), member) for topic in topics)
    return found


def _owner(owners: Owners, topics: Iterable[str], number: int) -> str | None:
    return next((owners[at] for topic in topics if (at := TopicPartition(topic, number)) in owners), None)


def _shared_out(had: Sequence[str | None], members: Sequence[str]) -> list[str]:
    """The member of each place; each has as many as any other, or one more, and keeps what it ``had`` up to that."""
    least, more = divmod(len(had), len(members))
    by_holdings = sorted(members, key=lambda member: (-had.count(member), member))
    room = {member: least + (rank < more) for rank, member in enumerate(by_holdings)}
    given: list[str | None] = []
    for member in had:
        keeps = member is not None and room.get(member, 0) > 0
        if member is not None and keeps:
            room[member] -= 1
        given.append(member if keeps else None)
    free = iter([member for member in members for _ in range(room[member])])
    return [member if member is not None else next(free) for member in given]


class ColocatingAssignor(CooperativeStickyAssignor):  # type: ignore[misc]  # the library has no types
    """The above, in two rounds: what moves is first taken from its owner, and given to the next one when it is free."""

    name = NAME

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """See the library's ``AbstractPartitionAssignor.assign``."""
        told = {member.member_id: self.parse_member_metadata(member.metadata) for member in members}
        owners = {at: member for member, metadata in told.items() for at in metadata.partitions}
        readers: defaultdict[str, list[str]] = defaultdict(list)
        for member, metadata in told.items():
            for topic in metadata.subscription:
                readers[topic].append(member)
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in readers}
        given: dict[str, defaultdict[str, list[int]]] = {member: defaultdict(list) for member in told}
        for at, member in assign(counts, readers, owners).items():
            if owners.get(at, member) == member:
                given[member][at.topic].append(at.partition)
        return {
            member: ConsumerProtocolAssignment(self.version, sorted((t, sorted(n)) for t, n in topics.items()), b"")
            for member, topics in given.items()
        }

    def forget(self) -> None:
        """Note that nothing is owned any more: else the next join would claim what others have by now."""
        self.member_assignment = None
