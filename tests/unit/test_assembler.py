"""The assembler: OTLP bytes to a trace that does not depend on how the bytes arrived."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Status as StatusMessage
from otlp import OTHER_TRACE, PARENT, SPAN, TRACE, a_log_record, a_logs_request, a_proto_span, a_trace_request

from checks.span import Event, Link, Scope, SpanKind, Status, StatusCode
from checks.trace import CloseReason, Feedback, Trace
from collector.pipeline.assembler import LARGEST_RESOURCE, MOST_RESOURCES, _resources, assemble

TRACE_ID = TRACE.hex()


def assembled(*requests, logs=(), **parts) -> Trace:
    spans = b"".join(request.SerializeToString() for request in requests)
    records = b"".join(request.SerializeToString() for request in logs)
    return assemble(TRACE_ID, spans, records, CloseReason.IDLE, **parts)


def attribute(key: str, **value) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(**value))


def test_a_span_keeps_everything_that_was_recorded():
    message = a_proto_span(
        parent_span_id=PARENT,
        kind=3,
        status=StatusMessage(code=2, message="boom"),
        attributes=[attribute("a", int_value=1)],
        events=[{"name": "exception", "time_unix_nano": 7, "attributes": [attribute("e", bool_value=True)]}],
        links=[{"trace_id": OTHER_TRACE, "span_id": PARENT}],
    )
    (span,) = assembled(a_trace_request(message)).spans
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE_ID, SPAN.hex(), PARENT.hex())
    assert (span.name, span.kind, span.start_ns, span.end_ns) == ("chat", SpanKind.CLIENT, 1_000, 2_000)
    assert span.status == Status(StatusCode.ERROR, "boom")
    assert span.attributes == {"a": 1}
    assert span.events == (Event("exception", 7, {"e": True}),)
    assert span.links == (Link(OTHER_TRACE.hex(), PARENT.hex(), {}),)
    assert span.resource == {"service.name": "shop"}
    assert span.scope == Scope("openai", "")


def test_every_kind_of_value_becomes_plain_python():
    nested = KeyValueList(values=[attribute("k", array_value=ArrayValue(values=[AnyValue(int_value=-1), AnyValue()]))])
    span = a_proto_span(
        attributes=[
            attribute("s", string_value="x"),
            attribute("b", bool_value=False),
            attribute("i", int_value=2**63 - 1),
            attribute("d", double_value=0.5),
            attribute("y", bytes_value=b"\xff"),
            attribute("n"),
            attribute("m", kvlist_value=nested),
        ]
    )
    found = assembled(a_trace_request(span)).spans[0].attributes
    expected = {"s": "x", "b": False, "i": 2**63 - 1, "d": 0.5, "y": b"\xff", "n": None, "m": {"k": [-1, None]}}
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize("parent", [b"", bytes(8)])
def test_an_empty_parent_id_and_one_of_zeros_are_no_parent(parent):
    assert assembled(a_trace_request(a_proto_span(parent_span_id=parent))).spans[0].parent_id is None


def test_unknown_kinds_and_status_codes_are_taken_as_unspecified():
    (span,) = assembled(a_trace_request(a_proto_span(kind=77, status=StatusMessage(code=9)))).spans
    assert (span.kind, span.status.code) == (SpanKind.UNSPECIFIED, StatusCode.UNSET)


def test_spans_are_in_order_of_their_start_then_of_their_id():
    ids = [bytes([0] * 7 + [n]) for n in (3, 1, 2)]
    starts = [5, 9, 5]
    spans = [a_proto_span(span_id=i, start_time_unix_nano=start) for i, start in zip(ids, starts, strict=True)]
    assert [span.span_id[-1] for span in assembled(a_trace_request(*spans)).spans] == ["2", "3", "1"]


def test_spans_and_logs_of_another_trace_are_left_out():
    trace = assembled(
        a_trace_request(a_proto_span(), a_proto_span(trace_id=OTHER_TRACE, span_id=PARENT)),
        logs=[a_logs_request(a_log_record(trace_id=OTHER_TRACE))],
    )
    assert [span.span_id for span in trace.spans] == [SPAN.hex()]
    assert trace.logs == ()


def test_of_a_span_that_was_sent_twice_the_one_that_ended_later_stands():
    early, late = (a_proto_span(end_time_unix_nano=end, name=str(end)) for end in (2_000, 3_000))
    for order in ((early, late), (late, early)):
        (span,) = assembled(*(a_trace_request(span) for span in order)).spans
        assert span.name == "3000"


def test_of_equal_copies_under_two_resources_the_same_one_stands_in_any_order():
    requests = [a_trace_request(service=name) for name in ("shop", "stock")]
    assert assembled(*requests) == assembled(*reversed(requests))
    assert len(assembled(*requests).spans) == 1


def test_spans_of_one_group_share_their_resource():
    trace = assembled(a_trace_request(a_proto_span(), a_proto_span(span_id=PARENT)))
    assert trace.spans[0].resource is trace.spans[1].resource


def test_a_resource_that_comes_again_is_read_once_and_another_one_by_itself():
    first, again, other = (assembled(a_trace_request(service=name)) for name in ("shop", "shop", "stock"))
    assert first.spans[0].resource is again.spans[0].resource
    assert other.spans[0].resource == {"service.name": "stock"}


def test_so_many_resources_are_remembered_and_no_more():
    for n in range(2 * MOST_RESOURCES):
        assert assembled(a_trace_request(service=f"shop-{n}")).service == f"shop-{n}"
        assert len(_resources) <= MOST_RESOURCES


def test_a_large_resource_is_not_remembered():
    name = "shop" * LARGEST_RESOURCE
    first, again = (assembled(a_trace_request(service=name)) for _ in range(2))
    assert first.spans[0].resource == again.spans[0].resource == {"service.name": name}
    assert first.spans[0].resource is not again.spans[0].resource


def test_a_log_record_that_was_sent_twice_is_one():
    record = a_log_record(body=AnyValue(string_value="hello"))
    assert len(assembled(logs=[a_logs_request(record, record), a_logs_request(record)]).logs) == 1


def test_log_records_that_differ_in_anything_are_kept_apart():
    said = [a_log_record(body=AnyValue(string_value=text)) for text in ("yes", "no")]
    assert {record.body for record in assembled(logs=[a_logs_request(*said)]).logs} == {"yes", "no"}


def test_a_log_record_is_timed_by_its_own_time_or_else_by_when_it_was_seen():
    timed, seen = a_log_record(time_unix_nano=5), a_log_record(span_id=PARENT, observed_time_unix_nano=3)
    assert [record.time_ns for record in assembled(logs=[a_logs_request(timed, seen)]).logs] == [3, 5]


def test_a_log_record_names_its_event_by_the_field_or_by_the_attribute():
    named = a_log_record(event_name="gen_ai.choice")
    older = a_log_record(attributes=[attribute("event.name", string_value="gen_ai.user.message")])
    odd = a_log_record(attributes=[attribute("event.name", int_value=4)])
    names = [record.event_name for record in assembled(logs=[a_logs_request(named, older, odd)]).logs]
    assert sorted(names) == ["", "gen_ai.choice", "gen_ai.user.message"]


def test_a_log_record_without_a_span_names_the_trace_alone():
    assert assembled(logs=[a_logs_request(a_log_record(span_id=b""))]).logs[0].span_id is None


def test_what_came_beside_the_telemetry_is_kept():
    thumb = Feedback(score=0.0, thumbs_up=False)
    trace = assembled(feedback=(thumb,), truncated=True)
    assert (trace.feedback, trace.truncated, trace.closed_by) == ((thumb,), True, CloseReason.IDLE)


def test_a_trace_of_nothing_is_empty():
    trace = assembled()
    assert (trace.trace_id, trace.spans, trace.logs) == (TRACE_ID, (), ())


def test_bytes_that_are_no_protobuf_are_refused():
    with pytest.raises(DecodeError):
        assemble(TRACE_ID, b"\xff\xff", b"", CloseReason.IDLE)


SPANS = st.builds(
    a_proto_span,
    span_id=st.sampled_from([bytes([0] * 7 + [n]) for n in (1, 2, 3)]),
    start_time_unix_nano=st.integers(0, 3),
    end_time_unix_nano=st.integers(0, 3),
    name=st.sampled_from(["a", "b"]),
)
RECORDS = st.builds(a_log_record, time_unix_nano=st.integers(0, 2), event_name=st.sampled_from(["a", "b"]))


@given(st.lists(SPANS, max_size=6), st.lists(RECORDS, max_size=6), st.randoms())
def test_the_order_of_arrival_makes_no_difference(spans, records, random):
    once = assembled(*map(a_trace_request, spans), logs=[a_logs_request(r) for r in records])
    random.shuffle(spans)
    random.shuffle(records)
    again = assembled(*map(a_trace_request, spans), logs=[a_logs_request(r) for r in records])
    assert once == again
