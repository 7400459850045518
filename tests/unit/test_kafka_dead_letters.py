"""Dead letters: to the topic where there is one, else to a file that does not grow for ever."""

import base64

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future
from pipeline_fakes import Clock
from servers import total

from collector.receivers.kafka.dead_letters import TOPIC_AGAIN_S, DeadLetter, DeadLetters, LetterFile
from collector.receivers.kafka.options import Content, KafkaOptions
from exporters.metrics.prometheus import Metrics


class FakeProducer:
    """A producer that keeps what it is sent, after raising ``errors`` one each."""

    def __init__(self, **config) -> None:
        self.config, self.sent, self.errors, self.closed = config, [], [], False

    def send(self, topic, key, value, headers) -> Future:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((topic, key, value, dict(headers)))
        return Future().success(None)

    def flush(self, timeout) -> None:
        assert timeout > 0

    def close(self, timeout) -> None:
        self.closed = timeout > 0


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(100)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def letters(tmp_path, producer, metrics, clock):
    def make(topic="dead"):
        options = KafkaOptions(("k:1",), "g", {"t": Content.TRACES}, tmp_path, dead_letter_topic=topic)

        def connect(**config):
            producer.config = config
            return producer

        return DeadLetters(options, metrics, connect, lambda: clock.now_ns / 1e9)

    return make


def a_letter(offset=7, value=b"\x00raw", **parts) -> DeadLetter:
    return DeadLetter("t", 3, offset, "malformed", "it is no OTLP", b"key", value, [("h", b"v"), ("n", None)], **parts)


def count(metrics, name, **labels) -> float:
    return total(metrics.render()[0].decode(), name, labels)


def kept(tmp_path) -> list[dict]:
    return list(LetterFile(tmp_path / "dead-letters.jsonl").read())


def test_a_letter_in_the_topic_is_the_record_with_where_it_stood_and_why_it_is_there(
    letters, producer, tmp_path, metrics
):
    letters().put([a_letter()])
    ((topic, key, value, headers),) = producer.sent
    assert (topic, key, value) == ("dead", b"key", b"\x00raw")
    assert headers == {
        "h": b"v",
        "n": b"",
        "sidecheck.topic": b"t",
        "sidecheck.partition": b"3",
        "sidecheck.offset": b"7",
        "sidecheck.error": b"malformed",
        "sidecheck.problem": b"it is no OTLP",
    }
    assert producer.config["bootstrap_servers"] == ["k:1"]
    assert producer.config["acks"] == "all"
    assert kept(tmp_path) == []
    assert count(metrics, "sidecheck_kafka_dead_letters_total", topic="t", reason="malformed") == 1


def test_a_letter_in_the_file_has_its_bytes_in_base64(letters, tmp_path):
    letters(topic=None).put([a_letter(), a_letter(8, value=None)])
    first, second = kept(tmp_path)
    assert base64.b64decode(first["value"]) == b"\x00raw"
    assert (first["topic"], first["partition"], first["offset"], first["error"]) == ("t", 3, 7, "malformed")
    assert first["headers"] == [["h", base64.b64encode(b"v").decode()], ["n", None]]
    assert (second["offset"], second["value"]) == (8, None)


def test_a_letter_that_the_topic_does_not_take_goes_to_the_file_and_the_others_to_the_topic(
    letters, producer, tmp_path
):
    producer.errors = [MessageSizeTooLargeError()]
    letters().put([a_letter(1), a_letter(2)])
    assert [letter["offset"] for letter in kept(tmp_path)] == [1]
    assert [headers["sidecheck.offset"] for *_, headers in producer.sent] == [b"2"]


def test_while_the_topic_cannot_be_reached_letters_go_to_the_file_and_it_is_asked_now_and_then(
    letters, producer, tmp_path, clock
):
    producer.errors = [KafkaTimeoutError()]
    made = letters()
    made.put([a_letter(1), a_letter(2)])
    made.put([a_letter(3)])
    assert [letter["offset"] for letter in kept(tmp_path)] == [1, 2, 3]
    clock.step(TOPIC_AGAIN_S)
    made.put([a_letter(4)])
    assert [headers["sidecheck.offset"] for *_, headers in producer.sent] == [b"4"]


def test_letters_that_no_disk_takes_are_counted_as_dropped(letters, tmp_path, metrics):
    (tmp_path / "dead-letters.jsonl").mkdir()
    letters(topic=None).put([a_letter(1), a_letter(2)])
    assert count(metrics, "sidecheck_dropped_total", what="dead_letter", reason="disk") == 2


def test_the_file_is_bounded_and_what_has_to_go_is_counted(tmp_path):
    file = LetterFile(tmp_path / "letters", most_bytes=1)
    assert file.append([a_letter(1), a_letter(2)]) == 0
    assert file.append([a_letter(3)]) == 0
    assert file.append([a_letter(4)]) == 2
    assert [letter["offset"] for letter in file.read()] == [3, 4]


def test_the_client_is_closed_with_the_rest(letters, producer):
    made = letters()
    made.close()
    made.put([a_letter()])
    made.close()
    assert producer.closed
