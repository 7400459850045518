"""OTLP/JSON is read by its own rules, and what breaks them is refused with the path and the rule."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from otlp import TRACE, a_logs_request, a_proto_span, a_trace_request, as_otlp_json, recorded

from collector.intake import Batch, Refusal, Refused, Source
from collector.receivers.decode import logs_from_json, traces_from_json
from collector.receivers.limits import ReceiverLimits

LIMITS = ReceiverLimits()
IDS = {"traceId": TRACE.hex(), "spanId": "00f067aa0ba902b7"}


def decode(document: object, limits: ReceiverLimits = LIMITS) -> Batch:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return traces_from_json(body, Source.OTLP_HTTP, limits)


def request(**span: object) -> dict:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{**IDS, **span}]}]}]}


def kept(**parts: object) -> Span:
    (piece,) = decode(request(**parts)).pieces
    return TracesData.FromString(piece.spans).resource_spans[0].scope_spans[0].spans[0]


def kept_value(value: object):
    return kept(attributes=[{"key": "k", "value": value}]).attributes[0].value


def refusal_of(document: object, limits: ReceiverLimits = LIMITS) -> Refused:
    with pytest.raises(Refused) as caught:
        decode(document, limits)
    return caught.value


def test_ids_are_hex_in_either_case():
    span = kept(traceId=TRACE.hex().upper(), parentSpanId="B7AD6B7169203331")
    assert (span.trace_id, span.parent_span_id.hex()) == (TRACE, "b7ad6b7169203331")


@pytest.mark.parametrize(
    "bad", ["", "00" * 16, "4bf9", "zz" * 16, "4bf92f3577b34da6a3ce929d0e0e473", "4b f9" * 8, "é" * 32]
)
def test_a_span_with_a_bad_id_is_rejected_alone(bad):
    document = request()
    document["resourceSpans"][0]["scopeSpans"][0]["spans"].append({**IDS, "traceId": bad})
    batch = decode(document)
    assert (batch.span_count, batch.rejected) == (1, {Refusal.INVALID_ID: 1})


@pytest.mark.parametrize("time", [1_700_000_000_000_000_000, "1700000000000000000"])
def test_64_bit_integers_are_numbers_or_strings(time):
    assert kept(startTimeUnixNano=time).start_time_unix_nano == 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "é"}, ("string_value", "é")),
        ({"boolValue": True}, ("bool_value", True)),
        ({"intValue": "-9223372036854775808"}, ("int_value", -(1 << 63))),
        ({"intValue": 7}, ("int_value", 7)),
        ({"intValue": 7.0}, ("int_value", 7)),
        ({"doubleValue": 0.5}, ("double_value", 0.5)),
        ({"doubleValue": 1}, ("double_value", 1.0)),
        ({"doubleValue": "1e3"}, ("double_value", 1000.0)),
        ({"doubleValue": "Infinity"}, ("double_value", math.inf)),
        ({"bytesValue": "aGk="}, ("bytes_value", b"hi")),
        ({"bytesValue": "aGk"}, ("bytes_value", b"hi")),
        ({"bytesValue": "-_8="}, ("bytes_value", b"\xfb\xff")),
    ],
    ids=str,
)
def test_a_value_keeps_its_type(value, expected):
    got = kept_value(value)
    assert (got.WhichOneof("value"), getattr(got, expected[0])) == expected


def test_nan_as_a_string_is_a_double():
    assert math.isnan(kept_value({"doubleValue": "NaN"}).double_value)


def test_lists_and_maps_are_kept():
    value = kept_value(
        {"arrayValue": {"values": [{"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}]}}
    )
    assert value.array_value.values[0].kvlist_value.values[0].value.int_value == 1


def test_an_empty_string_is_not_an_absent_value():
    assert kept_value({"stringValue": ""}).WhichOneof("value") == "string_value"
    assert kept_value({}).WhichOneof("value") is None


def test_keys_that_otlp_json_does_not_have_are_ignored():
    span = kept(name="chat", start_time_unix_nano=5, later={"deep": [1, {"x": None}]})
    assert (span.name, span.start_time_unix_nano) == ("chat", 0)


def test_null_is_an_absent_field():
    assert kept(name=None, attributes=None).name == ""


def test_an_enum_is_a_number():
    assert kept(kind=3, status={"code": 2}).kind == Span.SPAN_KIND_CLIENT


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"kind": "SPAN_KIND_CLIENT"}, "kind must be the number of the enum value"),
        ({"name": 5}, "name must be a string"),
        ({"traceId": 5}, "traceId must be a string of hex digits"),
        ({"startTimeUnixNano": -1}, "startTimeUnixNano must be from 0"),
        ({"startTimeUnixNano": "-1"}, "startTimeUnixNano must be from 0"),
        ({"startTimeUnixNano": 1 << 64}, "startTimeUnixNano must be an integer"),
        ({"startTimeUnixNano": str(1 << 64)}, "startTimeUnixNano must be from 0"),
        ({"startTimeUnixNano": "9" * 200_000}, "startTimeUnixNano must be an integer"),
        ({"startTimeUnixNano": "१२"}, "startTimeUnixNano must be an integer"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano must be an integer"),
        ({"startTimeUnixNano": True}, "startTimeUnixNano must be an integer"),
        ({"flags": 1 << 32}, "flags must be from 0"),
        ({"attributes": {}}, "attributes must be an array"),
        ({"attributes": ["x"]}, "attributes[0] must be an object"),
        ({"attributes": [{"key": "k", "value": {"boolValue": "true"}}]}, "boolValue must be true or false"),
        ({"attributes": [{"key": "k", "value": {"doubleValue": "x"}}]}, "doubleValue must be a number"),
        ({"attributes": [{"key": "k", "value": {"doubleValue": "1e999"}}]}, "doubleValue must be a number"),
        ({"attributes": [{"key": "k", "value": {"doubleValue": False}}]}, "doubleValue must be a number"),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "%%"}}]}, "bytesValue must be base64"),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "aGkaX"}}]}, "bytesValue must be base64"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_path(parts, complaint):
    refused = refusal_of(request(**parts))
    assert refused.reason is Refusal.MALFORMED
    assert "resourceSpans[0].scopeSpans[0].spans[0]." in str(refused)
    assert complaint in str(refused)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b"{",
        b'{"resourceSpans":[NaN]}',
        b'{"resourceSpans":' + b"1" * 200_000 + b"}",
        b'{"resourceSpans":"\xff"}',
        b'{"resourceSpans":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b'{"resourceSpans":[]} trailing',
        b'\xef\xbb\xbf{"resourceSpans":[]}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_json_object_is_malformed(body):
    assert refusal_of(body).reason is Refusal.MALFORMED


@pytest.mark.parametrize("levels", [40, 46, 47, 48, 49, 50, 60, 300])
def test_deep_values_are_taken_or_refused_on_purpose(levels):
    value: dict = {"stringValue": "x"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    document = request(attributes=[{"key": "k", "value": value}])
    try:
        assert decode(document).span_count == 1
    except Refused as refused:
        assert refused.reason is Refusal.MALFORMED and levels > 40  # noqa: PT017, PT018  # either way is right between


def test_too_many_objects_are_refused_before_they_are_made():
    limits = ReceiverLimits(spans_per_request=10)
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([b"{}"] * 200) + b"]}]}]}"
    assert refusal_of(body, limits).reason is Refusal.TOO_MANY_SPANS


def test_brackets_in_captured_text_are_no_objects():
    assert decode(request(name='{[\\"' * 500), ReceiverLimits(spans_per_request=10)).span_count == 1


def test_a_string_that_never_ends_is_looked_at_once():
    body = b"{" * 101 + b'"' + b'\\"' * 1_000_000
    assert refusal_of(body, ReceiverLimits(spans_per_request=10)).reason is Refusal.TOO_MANY_SPANS


def test_a_refusal_repeats_nothing_of_the_request():
    refused = refusal_of(request(attributes=[{"key": "my secret", "value": {"intValue": "my secret"}}]))
    assert "secret" not in str(refused)


def test_log_records_are_read():
    (piece,) = logs_from_json(as_otlp_json(a_logs_request()), Source.OTLP_HTTP, LIMITS).pieces
    assert (piece.trace_id, piece.log_count) == (TRACE.hex(), 1)


def test_an_empty_object_is_an_empty_request():
    assert decode({}) == Batch(Source.OTLP_HTTP)


BODIES = [
    as_otlp_json(a_trace_request(a_proto_span(name="x"))),
    as_otlp_json(type(a_trace_request()).FromString(recorded("tool_ok.binpb")[0].read_bytes())),
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_give_a_batch_or_a_refusal(data):
    body = bytearray(data.draw(st.sampled_from(BODIES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        assert decode(bytes(body)).source is Source.OTLP_HTTP
    except Refused:
        return


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["values", "value", "key"]), inner),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([field.json_name for field in Span.DESCRIPTOR.fields]), json_values)
def test_any_value_in_a_field_gives_a_batch_or_a_refusal(key, value):
    try:
        assert decode(request(**{key: value})).source is Source.OTLP_HTTP
    except Refused:
        return
