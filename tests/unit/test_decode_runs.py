"""Records that lie side by side are decoded several at a time; what comes out is as if they were read one by one."""

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from otlp import OTHER_TRACE, TRACE, a_log_record, a_logs_request, a_proto_span, a_trace_request

from collector.intake import Refusal, Refused, Source
from collector.receivers.decode import RUN_BYTES, RUN_RECORDS, logs_from_protobuf, traces_from_protobuf
from collector.receivers.limits import ReceiverLimits
from collector.receivers.wire import delimited, encode_varint

RESOURCE = delimited(1, b"")
BAD_NAME = b"\x2a\x02\xff\xfe"


def spans(count: int, **parts) -> list[Span]:
    return [a_proto_span(span_id=number.to_bytes(8), **parts) for number in range(1, count + 1)]


def scope(*fields: bytes) -> bytes:
    """A request of one scope with these encoded fields."""
    return delimited(1, RESOURCE + delimited(2, b"".join(fields)))


def encoded(span: Span) -> bytes:
    return delimited(2, span.SerializeToString())


def decode(body: bytes):
    return traces_from_protobuf(body, Source.FILE, ReceiverLimits())


def names(piece) -> list[str]:
    resources = TracesData.FromString(piece.spans).resource_spans
    return [span.name for resource in resources for scope in resource.scope_spans for span in scope.spans]


def test_more_spans_than_a_run_holds_are_all_kept_in_order():
    given = [a_proto_span(span_id=n.to_bytes(8), name=str(n)) for n in range(1, 2 * RUN_RECORDS + 10)]
    (piece,) = decode(a_trace_request(*given).SerializeToString()).pieces
    assert names(piece) == [span.name for span in given]


def test_more_bytes_than_a_run_holds_are_all_kept_in_order():
    given = [a_proto_span(span_id=n.to_bytes(8), name=str(n) * (RUN_BYTES // 3)) for n in range(1, 10)]
    (piece,) = decode(a_trace_request(*given).SerializeToString()).pieces
    assert names(piece) == [span.name for span in given]


def test_a_malformed_record_among_good_ones_is_named_by_its_place():
    good = [encoded(span) for span in spans(3)]
    body = scope(*good[:2], delimited(2, a_proto_span().SerializeToString() + BAD_NAME), good[2])
    with pytest.raises(Refused) as caught:
        decode(body)
    assert caught.value.reason is Refusal.MALFORMED
    assert f"the span at byte {body.index(good[1]) + len(good[1]) + 2} " in str(caught.value)


def test_an_invalid_record_among_good_ones_is_refused_alone():
    batch = decode(scope(*map(encoded, [*spans(2), a_proto_span(trace_id=b"short"), *spans(1, trace_id=OTHER_TRACE)])))
    assert batch.rejected == {Refusal.INVALID_ID: 1}
    assert [(piece.trace_id, piece.count) for piece in batch.pieces] == [(TRACE.hex(), 2), (OTHER_TRACE.hex(), 1)]


def test_records_with_other_fields_between_them_are_all_kept():
    first, second, third = map(encoded, spans(3))
    (piece,) = decode(scope(first, second, delimited(3, b"url"), third)).pieces
    assert piece.count == 3
    assert TracesData.FromString(piece.spans).resource_spans[0].scope_spans[0].schema_url == "url"


def test_a_length_that_is_written_longer_than_need_be_does_no_harm():
    span = a_proto_span().SerializeToString()
    padded = encode_varint(len(span))[:-1] + bytes((encode_varint(len(span))[-1] | 0x80, 0x80, 0x80, 0x80, 0x80, 0))
    body = scope(b"\x12" + padded + span, encoded(a_proto_span(span_id=b"12345678")))
    assert [len(names(piece)) for piece in decode(body).pieces] == [2]


def test_log_records_side_by_side_are_all_kept_in_order():
    given = [a_log_record(event_name=str(number)) for number in range(RUN_RECORDS + 5)]
    body = a_logs_request(*given).SerializeToString()
    (piece,) = logs_from_protobuf(body, Source.FILE, ReceiverLimits()).pieces
    kept = LogsData.FromString(piece.logs).resource_logs[0].scope_logs[0].log_records
    assert [record.event_name for record in kept] == [record.event_name for record in given]
    assert piece.log_count == len(given)


def encoded_alone(span: Span) -> tuple:
    batch = decode(scope(encoded(span)))
    return tuple((names(piece), piece.has_root) for piece in batch.pieces), batch.rejected


@pytest.mark.parametrize(
    "odd",
    [
        {"trace_id": bytes(16)},
        {"trace_id": b"short"},
        {"span_id": bytes(8)},
        {"span_id": b"short"},
        {"parent_span_id": bytes(8)},
        {"parent_span_id": b"short"},
        {"start_time_unix_nano": 2**63},
        {"end_time_unix_nano": 2**63},
    ],
    ids=str,
)
def test_an_odd_span_is_in_a_run_what_it_is_alone(odd):
    others = spans(3, trace_id=OTHER_TRACE, parent_span_id=b"12345678")
    span = a_proto_span(**{"parent_span_id": b"12345678", "name": "odd", **odd})
    batch = decode(scope(*map(encoded, [*others[:2], span, others[2]])))
    *kept, (other, has_root) = sorted(
        ((names(p), p.has_root) for p in batch.pieces), key=lambda piece: "odd" not in piece[0]
    )
    assert (tuple(kept), batch.rejected) == encoded_alone(span)
    assert (len(other), has_root) == (3, False)


def test_spans_of_traces_that_take_turns_are_sorted_by_trace():
    turns = [TRACE, TRACE, OTHER_TRACE, TRACE, OTHER_TRACE]
    given = [a_proto_span(trace_id=t, span_id=n.to_bytes(8), name=str(n)) for n, t in enumerate(turns, 1)]
    first, second = decode(scope(*map(encoded, given))).pieces
    assert (first.trace_id, names(first), len(first.span_ids)) == (TRACE.hex(), ["1", "2", "4"], 3)
    assert (second.trace_id, names(second), len(second.span_ids)) == (OTHER_TRACE.hex(), ["3", "5"], 2)


def test_only_the_trace_that_holds_a_root_is_said_to():
    child = {"parent_span_id": b"12345678"}
    given = [a_proto_span(**child), *spans(1), a_proto_span(trace_id=OTHER_TRACE, **child)]
    assert [piece.has_root for piece in decode(scope(*map(encoded, given))).pieces] == [True, False]


@pytest.mark.parametrize("apart", ["scopes", "resources"])
def test_runs_of_several_scopes_are_kept_each_with_its_own_ids(apart):
    mine, others = (b"".join(map(encoded, spans(2, trace_id=t, name=t.hex()))) for t in (TRACE, OTHER_TRACE))
    body = {
        "scopes": delimited(1, RESOURCE + delimited(2, mine) + delimited(2, others)),
        "resources": scope(mine) + scope(others),
    }[apart]
    assert {piece.trace_id: names(piece) for piece in decode(body).pieces} == {
        trace: [trace, trace] for trace in (TRACE.hex(), OTHER_TRACE.hex())
    }
