"""What one server makes of the records of a real Kafka: codecs, encodings, headers, feedback, and what is no OTLP."""

import base64
import json

import pytest
from kafka_senders import TOPICS, as_json, consuming, done, send, some_spans, trace_id
from otlp import a_log_record, a_logs_request, a_trace_request
from servers import eventually, until

HALF = 200


@pytest.fixture
def corner(kafka):
    kafka.create(*TOPICS, "dead")
    return kafka


def test_every_compression_and_every_form_of_a_message_is_read(corner, tmp_path):
    requests = {
        "gzip": some_spans(1),
        "snappy": some_spans(2),
        "lz4": some_spans(3),
        "zstd": some_spans(4),
        None: as_json(some_spans(5)),
    }
    for codec, value in requests.items():
        send(corner, "traces", value, compression_type=codec)
    request = a_trace_request().FromString(some_spans(6))
    send(corner, "traces", request.resource_spans[0].SerializeToString())
    with consuming(corner, tmp_path / "data") as server:
        for number in range(1, 7):
            assert server.judged(trace_id(number))["service"] == "shop"
        assert eventually(lambda: server.metric("sidecheck_spans_accepted_total", source="kafka"), 6) == 6
        done(corner, "traces")


def test_headers_become_attributes_of_the_resource_and_what_the_app_says_wins(corner, tmp_path):
    with corner.broker.producer() as producer:
        for number, value in ((1, some_spans(1)), (2, some_spans(2, service=""))):
            request = a_trace_request().FromString(value)
            if number == 2:
                del request.resource_spans[0].resource.attributes[:]
            headers = [("team", b"search"), ("other", b"x")]
            producer.send(corner.topic("traces"), request.SerializeToString(), headers=headers)
    with consuming(corner, tmp_path / "data", SIDECHECK_KAFKA__HEADERS="{team: service.name}") as server:
        assert server.judged(trace_id(1))["service"] == "shop"
        assert server.judged(trace_id(2))["service"] == "search"


def test_logs_meet_their_trace_and_ordinary_logs_are_passed(corner, tmp_path):
    ids = {"trace_id": (1).to_bytes(16, "big"), "span_id": (1).to_bytes(8, "big")}
    send(corner, "logs", a_logs_request(a_log_record(**ids), a_log_record(trace_id=b"")).SerializeToString())
    send(corner, "logs", a_logs_request(a_log_record()).SerializeToString())  # of a trace that nobody sampled
    send(corner, "traces", some_spans(1))
    with consuming(corner, tmp_path / "data") as server:
        server.judged(trace_id(1))
        done(corner, "traces", "logs")
        assert server.metric("sidecheck_logs_accepted_total", source="kafka") == 2
        assert server.metric("sidecheck_dropped_total", what="logs", reason="no_spans") == 1


def test_feedback_promotes_its_trace_whether_it_comes_before_or_after(corner, tmp_path):
    def thumb(number: int) -> bytes:
        return json.dumps({"trace_id": trace_id(number), "thumbs_up": False}).encode()

    send(corner, "feedback", thumb(1))
    with consuming(corner, tmp_path / "data") as server:
        done(corner, "feedback")
        send(corner, "traces", some_spans(1), some_spans(2))
        server.judged(trace_id(2))
        send(corner, "feedback", thumb(2))
        for number in (1, 2):
            assert eventually(lambda n=number: server.outcomes(trace_id(n)).get("user_feedback"), "failed") == "failed"
        assert server.metric("sidecheck_feedback_accepted_total") == 2
        done(corner, "feedback", "traces")


def test_one_percent_poison_goes_to_the_dead_letter_topic_and_its_neighbours_are_judged(corner, tmp_path):
    poison = [(b"\x0a\xff", "malformed"), (b"{no json", "malformed"), (None, "null"), (b"\x0a" * 70_000, "too_large")]
    values: list[bytes | None] = [some_spans(n) for n in range(1, HALF * 2 + 1)]
    for place, (value, _) in enumerate(poison):
        values.insert(place * HALF // 2, value)
    send(corner, "traces", *values)
    more = {"SIDECHECK_KAFKA__DEAD_LETTER_TOPIC": corner.topic("dead"), "SIDECHECK_LIMITS__REQUEST": "64KiB"}
    with consuming(corner, tmp_path / "data", **more) as server:
        assert eventually(lambda: server.traces()["evaluated"], HALF * 2) == HALF * 2
        done(corner, "traces")
        assert server.metric("sidecheck_kafka_dead_letters_total", topic=corner.topic("traces")) == len(poison)
    letters = corner.records("dead")
    found = [(letter.value, dict(letter.headers)) for letter in letters]
    assert [(value, told["sidecheck.error"].decode()) for value, told in found] == [(v or b"", e) for v, e in poison]
    for place, (_, told) in enumerate(found):
        assert told["sidecheck.topic"].decode() == corner.topic("traces")
        assert (told["sidecheck.partition"], told["sidecheck.offset"]) == (b"0", b"%d" % (place * HALF // 2))
        assert told["sidecheck.problem"]


def test_without_a_dead_letter_topic_or_where_it_is_missing_letters_go_to_a_file(corner, tmp_path):
    send(corner, "traces", b"\x0a\xff", some_spans(1))
    send(corner, "feedback", b'{"thumbs_up": true}')
    with consuming(corner, tmp_path / "data", SIDECHECK_KAFKA__DEAD_LETTER_TOPIC=corner.topic("missing")) as server:
        server.judged(trace_id(1))
        done(corner, "traces", "feedback", within_s=60)
    lines = (tmp_path / "data" / "dead-letters.jsonl").read_text().splitlines()
    letters = {letter["topic"]: letter for letter in map(json.loads, lines)}
    assert letters.keys() == {corner.topic("traces"), corner.topic("feedback")}
    assert letters[corner.topic("traces")]["error"] == "malformed"
    assert base64.b64decode(letters[corner.topic("traces")]["value"]) == b"\x0a\xff"


def test_records_wait_while_there_is_no_room_and_none_is_lost(corner, tmp_path):
    """An open trace takes 2 KiB: the budget's share holds some 100 of them, and each stays open for a second."""
    number = 300
    send(corner, "traces", *(some_spans(n, 2) for n in range(1, number + 1)))
    with consuming(corner, tmp_path / "data", SIDECHECK_LIMITS__MEMORY="512KiB") as server:
        until("reading has paused", lambda: server.metric("sidecheck_kafka_paused") == 1)
        done(corner, "traces")
        assert eventually(lambda: server.traces()["evaluated"], number) == number
        assert server.metric("sidecheck_traces_evaluated_total", closed_by="evicted") == 0
        assert server.traces()["dropped"] == 0
        assert server.metric("sidecheck_kafka_paused") == 0
