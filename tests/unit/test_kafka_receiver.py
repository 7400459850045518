"""The receiver's thread: it outlives every fault, tells how it stands, and ends by giving its partitions away."""

import asyncio
import itertools
import json
import logging
import threading

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka_fakes import AT, FakeConsumer, FakeIntake, FakeRecord
from pipeline_fakes import span_bytes
from structlog.testing import capture_logs

from collector.progress import Position, Progress
from collector.receivers.kafka.options import Content, KafkaOptions
from collector.receivers.kafka.partition import Partition
from collector.receivers.kafka.receiver import FIRST_WAIT_S, LONGEST_WAIT_S, Backoff, KafkaReceiver
from collector.receivers.limits import ReceiverLimits
from exporters.metrics.prometheus import Metrics


class NoWait(Backoff):
    """Waits that tests need not sit through, noted."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def next_s(self) -> float:
        self.waits += 1
        return super().next_s() / 1_000


class Client:
    """Makes consumers; the first ones fail with ``errors``."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made: list[FakeConsumer] = []
        self.script: list = []

    def __call__(self, **config) -> FakeConsumer:
        if self.errors:
            raise self.errors.pop(0)
        consumer = FakeConsumer(**config)
        consumer.script.extend([lambda: consumer.assign(AT), *self.script])
        self.made.append(consumer)
        return consumer


@pytest.fixture
def receiver(tmp_path):
    def make(client: Client, intake: FakeIntake | None = None) -> KafkaReceiver:
        options = KafkaOptions(("kafka:9092",), "group", {"traces": Content.TRACES}, tmp_path)
        return KafkaReceiver(options, ReceiverLimits(), intake or FakeIntake(), Metrics(100), client, NoWait())

    return make


async def until(what) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.005)


async def test_a_client_that_cannot_be_made_is_made_again_and_health_says_so_meanwhile(receiver):
    client = Client(KafkaConnectionError(), KafkaTimeoutError())
    made = receiver(client)
    assert made.problem == "Kafka (kafka:9092) is not reached yet"
    with capture_logs() as lines:
        made.start()
        await until(lambda: made.problem is None)
        await made.stop()
    assert made._backoff.waits == 2
    assert [line["event"] for line in lines if line["event"].startswith("Kafka")] == ["Kafka is read"]


async def test_a_client_that_breaks_is_replaced_and_its_partitions_are_given_up(receiver):
    client, intake = Client(), FakeIntake()
    client.script = [{AT: [FakeRecord(0, span_bytes(1, 1))]}, ZeroDivisionError("secret text of a user")]
    made = receiver(client, intake)
    with capture_logs() as lines:
        made.start()
        await until(lambda: len(client.made) > 1)
        client.script = []
        await made.stop()
    assert client.made[0].closed
    assert len(intake.handed_over) >= 2
    assert "secret" not in json.dumps(lines, default=str)


async def test_errors_that_pass_leave_the_consumer_and_its_partitions_alone(receiver):
    client, intake = Client(), FakeIntake()
    client.script = [*[KafkaConnectionError()] * 3, {AT: [FakeRecord(0, span_bytes(1, 1))]}]
    made = receiver(client, intake)
    made.start()
    await until(lambda: intake.batches)
    assert made.problem is None
    assert len(client.made) == 1
    assert intake.handed_over == []
    await made.stop()


async def test_a_consumer_that_never_gets_over_an_error_is_replaced(receiver):
    client = Client()
    client.script = [KafkaConnectionError()] * 50
    made = receiver(client)
    made.start()
    await until(lambda: len(client.made) > 1)
    client.script = []
    await made.stop()


async def test_stopping_gives_the_partitions_away_and_commits(receiver):
    client, intake = Client(), FakeIntake()
    client.script = [{AT: [FakeRecord(0, span_bytes(1, 1))]}]
    made = receiver(client, intake)
    made.start()
    await until(lambda: intake.batches)
    await made.stop()
    assert client.made[0].closed
    assert client.made[0].commits[-1] == {AT: 0}
    assert not [thread for thread in threading.enumerate() if thread.name == "kafka" and thread.is_alive()]


async def test_a_trace_that_the_store_cannot_take_is_kept_before_its_offset_is_free(receiver, tmp_path):
    made = receiver(Client())
    kept = asyncio.Event()
    part = Partition("traces", 3, Content.TRACES)
    assert made.set_aside([b"spans", b""], [Position(part, 17)], "store_failed", kept.set)
    made.start()
    await asyncio.wait_for(kept.wait(), 30)
    await made.stop()
    (letter,) = map(json.loads, (tmp_path / "dead-letters.jsonl").read_text().splitlines())
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("traces", 3, 17)
    assert letter["error"] == "store_failed"


def test_what_came_from_elsewhere_is_not_set_aside_here(receiver):
    made = receiver(Client())
    assert not made.set_aside([b"spans"], [Position(Progress(), 1)], "store_failed", lambda: None)
    assert not made.set_aside([b"spans"], [], "store_failed", lambda: None)


def test_waits_double_with_jitter_up_to_a_bound_and_begin_again_after_it_worked():
    low, high = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    waits = [(low.next_s(), high.next_s()) for _ in range(20)]
    assert waits[0] == (FIRST_WAIT_S / 2, FIRST_WAIT_S)
    assert waits[-1] == (LONGEST_WAIT_S / 2, LONGEST_WAIT_S)
    assert all(a <= b for a, b in itertools.pairwise(wait for _, wait in waits))
    high.worked()
    assert high.next_s() == FIRST_WAIT_S


async def test_why_connections_are_lost_is_told_with_the_problem(receiver):
    client = Client(*[KafkaTimeoutError()] * 3)
    made = receiver(client)
    made._complaints.listen()
    connection = logging.getLogger("kafka.net.connection")
    connection.error("%s: Connection lost: %s", "node", "SaslAuthenticationFailedError: Authentication failed: wrong")
    connection.error("%s: Connection lost: %s", "node", "KafkaConnectionError: socket disconnected")
    made._complain(KafkaTimeoutError())
    assert made.problem == (
        "Kafka (kafka:9092) cannot be read: KafkaTimeoutError (Authentication failed: wrong); trying again"
    )
    made.start()
    await until(lambda: made.problem is None)
    assert made._complaints.last is None
    await made.stop()


def test_what_the_client_logs_goes_nowhere_else(receiver, capfd):
    receiver(Client())._complaints.listen()
    logging.getLogger("kafka.net.connection").error("Connection lost: x")
    logging.getLogger("kafka.coordinator").error("an attempt")
    assert capfd.readouterr().err == ""
