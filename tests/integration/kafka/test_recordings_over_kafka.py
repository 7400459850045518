"""Every recording, read from a real Kafka, gets the verdicts that ``sidecheck check`` gives its file."""

from collections.abc import Iterator
from functools import cache

import brokers
import pytest
from expectations import RECORDINGS, recordings
from kafka_senders import FULL, TOPICS, as_json, by_trace, consuming, done
from servers import Serving, check_json, eventually

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first

PARTITIONS = 3
PATIENT = {"SIDECHECK_ASSEMBLY__SETTLE": "2s", "SIDECHECK_ASSEMBLY__IDLE": "10s"}
"""Logs are in another topic than the spans, and one may be read a while after the other."""


@cache
def from_files():
    return check_json(*sorted(RECORDINGS.glob("*/*.binpb")))


def keyed_proto(corner, producer) -> None:
    """As a Collector writes it that partitions by trace id."""
    for recording in recordings():
        if recording.logs:
            producer.send(corner.topic("logs"), recording.logs)
        for trace_id, request in by_trace(recording.spans).items():
            producer.send(corner.topic("traces"), request, key=trace_id.hex().encode())


def unkeyed_json(corner, producer) -> None:
    """As a Collector writes it by default, but as JSON: whole requests, anywhere."""
    for recording in recordings():
        if recording.logs:
            producer.send(corner.topic("logs"), as_json(recording.logs, are_logs=True))
        producer.send(corner.topic("traces"), as_json(recording.spans))


@pytest.fixture(scope="module", params=[keyed_proto, unkeyed_json])
def server(request, kafka_broker, tmp_path_factory) -> Iterator[tuple[Serving, brokers.Corner]]:
    """A server that reads topics with all recordings in them."""
    corner = brokers.corner(kafka_broker)
    corner.create(*TOPICS, partitions=PARTITIONS)
    with kafka_broker.producer() as producer:
        request.param(corner, producer)
    with consuming(corner, tmp_path_factory.mktemp("kafka") / "data", **FULL, **PATIENT) as started:
        yield started, corner


def test_view_and_verdicts_are_those_of_the_files(server):
    started, _ = server
    expected = from_files()
    judged = {trace_id: eventually(lambda t=trace_id: started.checked(t), expected[trace_id]) for trace_id in expected}
    assert judged == expected


def test_every_trace_is_counted_once_and_every_offset_committed(server):
    started, corner = server
    everything = {"accepted": len(from_files()), "evaluated": len(from_files()), "open": 0, "dropped": 0}
    assert eventually(started.traces, everything) == everything
    done(corner, "traces", "logs")
    assert eventually(lambda: started.metric("sidecheck_kafka_lag"), 0) == 0
    assert started.metric("sidecheck_kafka_dead_letters_total") == 0
