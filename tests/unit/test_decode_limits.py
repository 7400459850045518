"""What a request may not be: malformed, too large, too many; and nothing of it costs more than its own size."""

import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from otlp import OTHER_TRACE, a_log_record, a_logs_request, a_proto_span, a_trace_request

from collector.intake import Refusal, Refused, Source
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.limits import MIB, ReceiverLimits
from collector.receivers.wire import delimited

SMALL = ReceiverLimits(spans_per_request=10, attribute_bytes=100)
GOOD = a_trace_request().SerializeToString()


def decode(body: bytes, limits: ReceiverLimits = SMALL):
    return traces_from_protobuf(body, Source.OTLP_GRPC, limits)


def refusal_of(body: bytes, limits: ReceiverLimits = SMALL) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(body, limits)
    return caught.value


def kept_span(span: Span) -> Span:
    (piece,) = decode(a_trace_request(span).SerializeToString()).pieces
    return TracesData.FromString(piece.spans).resource_spans[0].scope_spans[0].spans[0]


def with_spans(encoded: bytes) -> bytes:
    return delimited(1, delimited(2, encoded))


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


@pytest.mark.parametrize("length", range(1, len(GOOD)))
def test_a_truncated_request_is_malformed(length):
    assert refusal_of(GOOD[:length]).reason is Refusal.MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        b"hello, this is text",
        b"\x0b\x0c",
        b"\x00\x00",
        b"\xff" * 20,
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        with_spans(delimited(2, b"\x2a\x02\xff\xfe")),
        delimited(1, delimited(1, delimited(1, b"\x0a\x02\xff\xfe"))),
        delimited(1, delimited(2, delimited(1, b"\x0a\x02\xff\xfe"))),
    ],
    ids=["text", "group", "field 0", "long number", "huge length", "span name", "resource key", "scope name"],
)
def test_bytes_that_are_not_otlp_or_hold_text_that_is_not_utf8_are_malformed(body):
    assert refusal_of(body).reason is Refusal.MALFORMED


def nested_value(levels: int) -> bytes:
    """A value inside that many lists."""
    encoded = AnyValue(string_value="x").SerializeToString()
    for _ in range(levels):
        encoded = delimited(5, delimited(1, encoded))
    return encoded


def test_values_nested_deeper_than_protobuf_allows_are_malformed():
    span = a_proto_span().SerializeToString() + delimited(9, delimited(2, nested_value(500)))
    assert refusal_of(with_spans(delimited(2, span))).reason is Refusal.MALFORMED


@pytest.mark.parametrize("levels", range(40, 52))
@pytest.mark.parametrize("carrier", ["span", "scope", "resource"])
def test_what_is_accepted_near_the_deepest_level_can_be_read_again(levels, carrier):
    attribute = delimited(2, nested_value(levels))
    span = delimited(2, a_proto_span().SerializeToString() + (delimited(9, attribute) if carrier == "span" else b""))
    scope = delimited(1, delimited(3, attribute)) if carrier == "scope" else b""
    resource = delimited(1, delimited(1, attribute)) if carrier == "resource" else b""
    try:
        batch = decode(delimited(1, resource + delimited(2, scope + span)))
    except Refused:
        assert levels > 45
    else:
        assert TracesData.FromString(batch.pieces[0].spans).resource_spans


def test_a_refusal_repeats_nothing_of_the_request():
    span = a_proto_span(attributes=[text("gen_ai.prompt", "my secret")]).SerializeToString()
    assert "secret" not in str(refusal_of(with_spans(delimited(2, span + b"\x2a\x02\xff\xfe"))))


@pytest.mark.parametrize(
    "body",
    [with_spans(b"\x12\x00" * 11), b"\x0a\x00" * 50, delimited(1, b"\x12\x00" * 50), delimited(1, b"\x78\x01" * 50)],
    ids=["spans", "resources", "scopes", "unknown fields"],
)
def test_too_many_parts_are_refused(body):
    assert refusal_of(body).reason is Refusal.TOO_MANY_SPANS


def test_as_many_spans_as_allowed_are_taken():
    spans = (a_proto_span(span_id=number.to_bytes(8)) for number in range(1, 11))
    assert decode(a_trace_request(*spans).SerializeToString()).span_count == 10


@pytest.mark.parametrize("part", [b"\x12\x00", b"\x4a\x00", b"\x4a\x02\x12\x00"], ids=["spans", "attributes", "values"])
def test_a_body_of_tiny_messages_is_refused_before_they_are_objects(part):
    bomb = part * (2 * MIB)
    body = with_spans(bomb if part == b"\x12\x00" else delimited(2, bomb))
    tracemalloc.start()
    try:
        refused = refusal_of(body, ReceiverLimits())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.reason in {Refusal.TOO_MANY_SPANS, Refusal.TOO_LARGE}
    assert peak < 3 * len(body) + 40 * MIB


def test_a_large_resource_cannot_be_multiplied_by_many_traces():
    limits = ReceiverLimits(request_bytes=100_000)
    request = a_trace_request(*(a_proto_span(trace_id=number.to_bytes(16)) for number in range(1, 50)))
    request.resource_spans[0].resource.attributes.append(text("host", "x" * 50_000))
    assert refusal_of(request.SerializeToString(), limits).reason is Refusal.TOO_LARGE


def test_a_long_text_is_cut_between_characters_and_marked():
    span = kept_span(a_proto_span(attributes=[text("long", "é" * 80), text("short", "kept")]))
    assert [(a.key, a.value.string_value) for a in span.attributes[:2]] == [("long", "é" * 50), ("short", "kept")]
    assert span.attributes[2].key == "sidecheck.truncated"
    assert [v.string_value for v in span.attributes[2].value.array_value.values] == ["long"]


def test_long_bytes_are_cut():
    span = kept_span(a_proto_span(attributes=[KeyValue(key="raw", value=AnyValue(bytes_value=b"x" * 500))]))
    assert span.attributes[0].value.bytes_value == b"x" * 100


def test_of_a_long_list_the_first_elements_stay():
    values = [AnyValue(string_value="x" * 60) for _ in range(5)]
    span = kept_span(
        a_proto_span(attributes=[KeyValue(key="list", value=AnyValue(array_value=ArrayValue(values=values)))])
    )
    assert [len(v.string_value) for v in span.attributes[0].value.array_value.values] == [60, 40]


def test_of_a_long_map_the_first_entries_stay():
    entries = KeyValueList(values=[text(f"k{n}", "x" * 58) for n in range(5)])
    span = kept_span(a_proto_span(attributes=[KeyValue(key="map", value=AnyValue(kvlist_value=entries))]))
    assert [len(e.value.string_value) for e in span.attributes[0].value.kvlist_value.values] == [58, 38]


def test_a_long_value_in_a_span_event_is_cut_and_marked_there():
    span = kept_span(a_proto_span(events=[Span.Event(name="e", attributes=[text("long", "x" * 500)])]))
    assert len(span.events[0].attributes[0].value.string_value) == 100
    assert span.events[0].attributes[1].key == "sidecheck.truncated"


def test_a_long_body_of_a_log_record_is_cut_and_marked():
    body = a_logs_request(a_log_record(body=AnyValue(string_value="x" * 500))).SerializeToString()
    (piece,) = logs_from_protobuf(body, Source.FILE, SMALL).pieces
    kept = LogsData.FromString(piece.logs).resource_logs[0].scope_logs[0].log_records[0]
    assert len(kept.body.string_value) == 100
    assert kept.attributes[0].value.array_value.values[0].string_value == "body"


def test_a_long_attribute_of_a_resource_is_cut():
    request = a_trace_request(service="x" * 500)
    (piece,) = decode(request.SerializeToString()).pieces
    resource = TracesData.FromString(piece.spans).resource_spans[0].resource
    assert len(resource.attributes[0].value.string_value) == 100


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_batch_or_a_refusal(body):
    for decoder in (traces_from_protobuf, logs_from_protobuf):
        with contextlib.suppress(Refused):
            decoder(body, Source.FILE, SMALL)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_changed_request_gives_a_batch_or_a_refusal_and_what_is_kept_can_be_read(data):
    request = a_trace_request(a_proto_span(attributes=[text("k", "v")]), a_proto_span(trace_id=OTHER_TRACE))
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        batch = decode(bytes(body))
    except Refused:
        return
    for piece in batch.pieces:
        TracesData.FromString(piece.spans)
