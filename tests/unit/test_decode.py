"""An OTLP request becomes pieces, one per trace."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp import (
    OTHER_TRACE,
    PARENT,
    SPAN,
    TRACE,
    a_log_record,
    a_logs_request,
    a_proto_span,
    a_trace_request,
    as_otlp_json,
    recorded,
)
from pipeline_fakes import text, thumb_record

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, Refusal, Source
from collector.receivers.decode import (
    MOST_SAID,
    logs_from_json,
    logs_from_protobuf,
    traces_from_json,
    traces_from_protobuf,
)
from collector.receivers.limits import ReceiverLimits

LIMITS = ReceiverLimits()


def decode(*spans) -> Batch:
    return traces_from_protobuf(a_trace_request(*spans).SerializeToString(), Source.OTLP_HTTP, LIMITS)


def decode_logs(*records) -> Batch:
    return logs_from_protobuf(a_logs_request(*records).SerializeToString(), Source.OTLP_HTTP, LIMITS)


def span_bytes(number: int) -> bytes:
    return number.to_bytes(8)


@pytest.mark.parametrize("path", recorded("*.binpb"), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_recording_of_one_trace_is_one_piece_that_holds_all_of_it(path):
    body = path.read_bytes()
    if path.name.endswith(".logs.binpb"):
        (piece,) = logs_from_protobuf(body, Source.FILE, LIMITS).pieces
        assert LogsData.FromString(piece.logs) == LogsData.FromString(body)
        return
    (piece,) = traces_from_protobuf(body, Source.FILE, LIMITS).pieces
    assert TracesData.FromString(piece.spans) == TracesData.FromString(body)
    assert piece.has_root


@pytest.mark.parametrize("path", recorded("*.binpb"), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_recording_gives_the_same_pieces_as_otlp_json(path):
    is_logs = path.name.endswith(".logs.binpb")
    kind, by_proto, by_json = (
        (a_logs_request, logs_from_protobuf, logs_from_json)
        if is_logs
        else (a_trace_request, traces_from_protobuf, traces_from_json)
    )
    request = type(kind()).FromString(path.read_bytes())
    text = as_otlp_json(request)
    # Serialized anew: a recording's own order of fields is its library's.
    assert by_json(text, Source.FILE, LIMITS) == by_proto(request.SerializeToString(), Source.FILE, LIMITS)


def test_spans_are_sorted_by_trace_and_keep_their_resource_and_scope():
    request = a_trace_request(
        a_proto_span(span_id=span_bytes(1)), a_proto_span(trace_id=OTHER_TRACE, span_id=span_bytes(2))
    )
    request.MergeFrom(a_trace_request(a_proto_span(span_id=span_bytes(3), parent_span_id=PARENT), service="search"))

    first, second = traces_from_protobuf(request.SerializeToString(), Source.KAFKA, LIMITS).pieces

    assert (first.trace_id, first.span_ids) == (TRACE.hex(), (span_bytes(1), span_bytes(3)))
    assert (second.trace_id, second.span_ids) == (OTHER_TRACE.hex(), (span_bytes(2),))
    kept = TracesData.FromString(first.spans).resource_spans
    assert [r.resource.attributes[0].value.string_value for r in kept] == ["shop", "search"]
    assert [s.span_id for r in kept for s in r.scope_spans[0].spans] == [span_bytes(1), span_bytes(3)]
    assert kept[0].scope_spans[0].scope.name == "openai"


def test_joined_pieces_of_a_trace_are_a_message_of_all_its_spans():
    one, two = decode(a_proto_span(span_id=span_bytes(1))), decode(a_proto_span(span_id=span_bytes(2)))
    joined = TracesData.FromString(one.pieces[0].spans + two.pieces[0].spans)
    assert len(joined.resource_spans) == 2


def test_a_resource_that_stands_after_its_spans_is_kept():
    request = a_trace_request()
    scopes_only, resource_only = type(request)(), type(request)()
    scopes_only.resource_spans.add().scope_spans.extend(request.resource_spans[0].scope_spans)
    resource_only.resource_spans.add().resource.CopyFrom(request.resource_spans[0].resource)
    inner = scopes_only.SerializeToString()[2:] + resource_only.SerializeToString()[2:]
    body = b"\x0a" + bytes((len(inner),)) + inner

    (piece,) = traces_from_protobuf(body, Source.FILE, LIMITS).pieces

    assert TracesData.FromString(piece.spans) == TracesData.FromString(request.SerializeToString())


@pytest.mark.parametrize("parent", [b"", bytes(8)], ids=["none", "zeros"])
def test_a_span_without_a_parent_is_the_root(parent):
    (piece,) = decode(a_proto_span(parent_span_id=parent)).pieces
    assert piece.has_root
    kept = TracesData.FromString(piece.spans).resource_spans[0].scope_spans[0].spans[0]
    assert kept.parent_span_id == b""


def test_a_child_alone_is_no_root():
    assert not decode(a_proto_span(parent_span_id=PARENT)).pieces[0].has_root


@pytest.mark.parametrize(
    "ids",
    [
        {"trace_id": b""},
        {"trace_id": bytes(16)},
        {"trace_id": TRACE[:15]},
        {"trace_id": TRACE + b"x"},
        {"span_id": b""},
        {"span_id": bytes(8)},
        {"span_id": SPAN + b"x"},
        {"parent_span_id": PARENT[:7]},
    ],
    ids=str,
)
def test_a_span_with_a_bad_id_is_rejected_alone(ids):
    batch = decode(a_proto_span(**ids), a_proto_span())
    assert batch.rejected == {Refusal.INVALID_ID: 1}
    assert batch.span_count == 1


def test_a_span_that_ends_before_it_starts_is_accepted():
    assert decode(a_proto_span(start_time_unix_nano=9, end_time_unix_nano=3)).span_count == 1


@pytest.mark.parametrize("key", ["start_time_unix_nano", "end_time_unix_nano"])
def test_a_time_that_no_database_can_hold_rejects_its_span(key):
    assert decode(a_proto_span(**{key: 1 << 63})).rejected == {Refusal.INVALID_TIME: 1}


def test_log_records_are_sorted_by_trace():
    first, second = decode_logs(a_log_record(), a_log_record(trace_id=OTHER_TRACE), a_log_record()).pieces
    assert (first.trace_id, first.log_count, first.spans) == (TRACE.hex(), 2, b"")
    assert (second.trace_id, second.log_count) == (OTHER_TRACE.hex(), 1)


@pytest.mark.parametrize("trace_id", [b"", bytes(16), b"short"], ids=["none", "zeros", "short"])
def test_a_log_record_without_a_valid_trace_id_is_counted_and_dropped(trace_id):
    batch = decode_logs(a_log_record(trace_id=trace_id), a_log_record())
    assert batch.rejected == {Refusal.NO_TRACE_ID: 1}
    assert batch.pieces[0].log_count == 1


@pytest.mark.parametrize("trace_id", [b"", bytes(16)], ids=["none", "zeros"])
@pytest.mark.parametrize("as_json", [False, True])
def test_feedback_that_names_no_trace_but_a_response_is_about_that(trace_id, as_json):
    request = a_logs_request(thumb_record(response="chatcmpl-1", trace_id=trace_id), a_log_record(trace_id=b""))
    body = as_otlp_json(request) if as_json else request.SerializeToString()
    batch = (logs_from_json if as_json else logs_from_protobuf)(body, Source.OTLP_HTTP, LIMITS)
    thumb = Feedback(0.0, False, time_ns=7, source="log")
    assert batch.said == ((FeedbackTarget(response_id="chatcmpl-1"), thumb),)
    assert (batch.rejected, batch.pieces) == ({Refusal.NO_TRACE_ID: 1}, ())


@pytest.mark.parametrize(
    "record",
    [
        thumb_record(),
        thumb_record(response="r" * 257),
        thumb_record(response="chatcmpl-1", event_name="gen_ai.choice"),
        thumb_record(response="chatcmpl-1", attributes=[text("gen_ai.response.id", "chatcmpl-1")]),
        a_log_record(trace_id=b"", body={"string_value": "gen_ai.evaluation.result gen_ai.response.id"}),
    ],
    ids=["no response", "a long id", "another event", "a judge's score", "words"],
)
def test_what_names_no_trace_and_is_no_feedback_on_a_response_is_counted_and_dropped(record):
    batch = decode_logs(record)
    assert (batch.said, batch.rejected) == ((), {Refusal.NO_TRACE_ID: 1})


def test_feedback_that_names_a_trace_stays_with_its_records():
    batch = decode_logs(thumb_record(1, response="chatcmpl-1"))
    assert (batch.said, batch.rejected, batch.pieces[0].log_count) == ((), {}, 1)


def test_a_request_holds_so_much_feedback_without_a_trace_and_the_rest_is_counted_and_dropped():
    batch = decode_logs(*(thumb_record(response=f"r-{number}") for number in range(MOST_SAID + 2)))
    assert (len(batch.said), batch.rejected) == (MOST_SAID, {Refusal.NO_TRACE_ID: 2})


def test_the_texts_of_feedback_without_a_trace_are_as_long_as_elsewhere():
    said = {"thumbs_up": "true", "comment": "x" * 20_000, "user_id": "u" * 300, "gen_ai.response.id": "chatcmpl-1"}
    record = thumb_record(event_name="gen_ai.user.feedback", attributes=[text(*pair) for pair in said.items()])
    ((_, given),) = decode_logs(record).said
    assert (given.thumbs_up, len(given.comment), given.user_id) == (True, 10_000, None)


def test_a_log_record_with_a_bad_span_id_stays_with_its_trace():
    (piece,) = decode_logs(a_log_record(span_id=b"bad")).pieces
    kept = LogsData.FromString(piece.logs).resource_logs[0].scope_logs[0].log_records[0]
    assert (kept.trace_id, kept.span_id) == (TRACE, b"")


def test_an_empty_body_is_an_empty_request():
    assert traces_from_protobuf(b"", Source.FILE, LIMITS) == Batch(Source.FILE)


def test_fields_that_a_later_otlp_adds_to_a_span_are_kept():
    later = a_proto_span().SerializeToString() + b"\xfa\x07\x03new"
    (piece,) = decode(type(a_proto_span()).FromString(later)).pieces
    assert b"\xfa\x07\x03new" in piece.spans


def test_a_request_of_which_all_is_taken_can_be_kept_as_it_came():
    batch = decode(a_proto_span(), a_proto_span(trace_id=OTHER_TRACE), a_proto_span(span_id=span_bytes(2)))
    assert batch.traces is not None
    assert traces_from_protobuf(batch.traces, Source.OTLP_HTTP, LIMITS) == batch
    assert decode_logs(a_log_record()).traces is None


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize("odd", [{"trace_id": b"short"}, {"parent_span_id": bytes(8)}], ids=str)
def test_a_request_of_which_a_span_is_refused_or_changed_is_not_kept_as_it_came(odd, others):
    assert decode(a_proto_span(**odd), *(a_proto_span(span_id=span_bytes(2 + n)) for n in range(others))).traces is None


@pytest.mark.parametrize("where", ["span", "resource"])
def test_a_request_of_which_an_attribute_is_cut_is_not_kept_as_it_came(where):
    request = a_trace_request(a_proto_span())
    resource = request.resource_spans[0]
    carrier = resource.resource if where == "resource" else resource.scope_spans[0].spans[0]
    carrier.attributes.add(key="long").value.string_value = "long" * 100
    batch = traces_from_protobuf(request.SerializeToString(), Source.FILE, ReceiverLimits(attribute_bytes=200))
    assert (batch.span_count, batch.traces) == (1, None)
