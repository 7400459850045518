"""The client library, where it was mended, against a real Kafka."""

import socket
import time

import pytest
from kafka import KafkaConsumer
from kafka.net.transport import KafkaTCPTransport
from kafka.structs import TopicPartition

from collector.receivers.kafka.client import GroupConsumer

MANY = 30
WITHIN_S = 5.0


@pytest.fixture
def partitions(kafka):
    """Two partitions with records."""
    kafka.create("traces", partitions=2)
    found = [TopicPartition(kafka.topic("traces"), number) for number in (0, 1)]
    with kafka.broker.producer() as producer:
        for at in found:
            for number in range(MANY):
                producer.send(at.topic, b"%d" % number, partition=at.partition)
    return found


def read(kafka, partitions, make) -> int:
    """How many records come, where a partition is paused amid its records until the other one is at its end."""
    consumer = make(bootstrap_servers=kafka.broker.bootstrap, max_poll_records=MANY // 3, fetch_max_wait_ms=50)
    try:
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        came = 0
        first = None
        until = time.monotonic() + WITHIN_S
        while came < 2 * MANY and time.monotonic() < until:
            polled = consumer.poll(timeout_ms=100)
            came += sum(map(len, polled.values()))
            if polled and first is None:
                first = next(iter(polled))
                consumer.pause(first)
            if came >= MANY + MANY // 3:
                consumer.resume(*consumer.paused())
        return came
    finally:
        consumer.close()


def test_a_partition_that_was_paused_amid_its_records_is_read_on_once_it_is_resumed(kafka, partitions):
    assert read(kafka, partitions, GroupConsumer) == 2 * MANY


def test_the_library_still_needs_to_be_mended(kafka, partitions):
    """Once this fails, the library can do it, and ``GroupConsumer.poll`` can go."""
    assert read(kafka, partitions, KafkaConsumer) == MANY + MANY // 3


def test_what_came_together_with_the_end_of_a_connection_is_heard():
    """A broker says why it refuses a login and closes: a client that is slow finds both at once."""
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    theirs.sendall(b"why")
    theirs.close()
    transport = KafkaTCPTransport(None, ours)
    assert transport._sock_recv() == (b"why", None)
    data, error = transport._sock_recv()
    assert (data, str(error)) == (b"", "KafkaConnectionError: socket disconnected")
    ours.close()
