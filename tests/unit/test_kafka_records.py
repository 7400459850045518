"""A record's value: OTLP in every form, feedback, and what is neither."""

import json

import pytest
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request, as_otlp_json

from checks.trace import CloseReason
from collector.intake import Refusal, Refused
from collector.pipeline.assembler import assemble
from collector.receivers.kafka.options import Content, Encoding
from collector.receivers.kafka.records import Reader
from collector.receivers.limits import ReceiverLimits

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST = a_trace_request()
LOGS = a_logs_request()


def a_reader(encoding=Encoding.AUTO, **headers) -> Reader:
    return Reader(ReceiverLimits(request_bytes=4_000), encoding, headers)


FORMS = {
    "request": REQUEST.SerializeToString(),
    "one resource": REQUEST.resource_spans[0].SerializeToString(),
    "request as JSON": as_otlp_json(REQUEST),
    "one resource as JSON": as_otlp_json(REQUEST.resource_spans[0]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_spans_is_told_apart_and_gives_the_same(form):
    (piece,) = a_reader().telemetry(Content.TRACES, FORMS[form], []).pieces
    assert piece.trace_id == TRACE
    assert piece.has_root
    (span,) = assemble(TRACE, piece.spans, b"", CloseReason.ROOT_SEEN).spans
    assert (span.name, span.resource["service.name"]) == ("chat", "shop")


@pytest.mark.parametrize(
    "value",
    [
        LOGS.SerializeToString(),
        LOGS.resource_logs[0].SerializeToString(),
        as_otlp_json(LOGS),
        as_otlp_json(LOGS.resource_logs[0]),
    ],
)
def test_every_form_of_logs_is_told_apart(value):
    (piece,) = a_reader().telemetry(Content.LOGS, value, []).pieces
    assert (piece.trace_id, piece.log_count) == (TRACE, 1)


def test_an_encoding_that_is_set_is_not_guessed():
    with pytest.raises(Refused, match="not valid OTLP protobuf") as caught:
        a_reader(Encoding.PROTO).telemetry(Content.TRACES, as_otlp_json(REQUEST), [])
    assert caught.value.reason is Refusal.MALFORMED
    with pytest.raises(Refused, match="not valid JSON"):
        a_reader(Encoding.JSON).telemetry(Content.TRACES, REQUEST.SerializeToString(), [])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x0a\xff", Refusal.MALFORMED),
        (b"\x12\xff\xff", Refusal.MALFORMED),
        (b"{", Refusal.MALFORMED),
        (b"[]", Refusal.MALFORMED),
        (b"\x00" * 5_000, Refusal.TOO_LARGE),
    ],
)
@pytest.mark.parametrize("content", [Content.TRACES, Content.LOGS])
def test_what_is_no_otlp_is_refused_with_and_without_headers(value, reason, content):
    for reader in (a_reader(), a_reader(team="team")):
        with pytest.raises(Refused) as caught:
            reader.telemetry(content, value, [("team", b"x")])
        assert caught.value.reason is reason


def test_an_empty_record_holds_nothing():
    assert a_reader().telemetry(Content.TRACES, b"", []).pieces == ()


def resources(batch) -> list[dict]:
    return [assemble(p.trace_id, p.spans, b"", CloseReason.ROOT_SEEN).spans[0].resource for p in batch.pieces]


def test_headers_that_are_named_become_attributes_of_every_resource():
    request = a_trace_request()
    request.MergeFrom(a_trace_request(a_proto_span(trace_id=b"\x01" * 16)))
    reader = a_reader(team="app.team", tenant="tenant.id")
    headers = [("team", b"search"), ("tenant", None), ("other", b"x")]
    for value in (request.SerializeToString(), as_otlp_json(request)):
        found = resources(reader.telemetry(Content.TRACES, value, headers))
        assert found == [{"app.team": "search", "service.name": "shop"}] * 2


def test_what_the_app_recorded_wins_over_a_header_and_bytes_that_are_no_text_are_replaced():
    reader = a_reader(a="service.name", b="raw")
    value = REQUEST.resource_spans[0].SerializeToString()
    (found,) = resources(reader.telemetry(Content.TRACES, value, [("a", b"other"), ("b", b"\xff!")]))
    assert found == {"service.name": "shop", "raw": "\ufffd!"}


def test_headers_reach_logs_too():
    log = a_logs_request(a_log_record()).SerializeToString()
    (piece,) = a_reader(team="team").telemetry(Content.LOGS, log, [("team", b"x")]).pieces
    (record,) = assemble(piece.trace_id, b"", piece.logs, CloseReason.ROOT_SEEN).logs
    assert record.resource["team"] == "x"


def test_feedback_is_read_as_the_api_reads_it_with_the_time_of_the_record():
    target, said = a_reader().feedback(json.dumps({"trace_id": TRACE, "rating": "bad"}).encode(), 5)
    assert target.trace_id == TRACE
    assert (said.thumbs_up, said.score, said.time_ns) == (False, 0.0, 5)


@pytest.mark.parametrize("value", [b"", b"\x00\x01", b"{}", b'{"trace_id": 1, "thumbs_up": true}'])
def test_what_is_no_feedback_is_refused(value):
    with pytest.raises(Refused) as caught:
        a_reader().feedback(value, 5)
    assert caught.value.reason is Refusal.MALFORMED
