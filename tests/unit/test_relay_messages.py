"""What the relay writes: one message a trace, keyed by it; what is large in several; feedback as it came."""

import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp import a_logs_request, a_proto_span, a_trace_request
from pipeline_fakes import a_batch, a_piece, text, thumb_record, trace_id

from checks.trace import FeedbackTarget
from collector.intake import Batch, Source
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.feedback_request import parse_feedback
from collector.receivers.limits import ReceiverLimits
from collector.relay.messages import LARGE, of_batch, of_feedback
from collector.relay.options import RelayOptions

OPTIONS = RelayOptions("spans", "logs", "said", "kafka:9092", {}, "zstd", 1 << 20, 1 << 20, 1.0)
LIMITS = ReceiverLimits()


def large_trace(spans, size):
    """A request with so many spans of one trace, each with an attribute of ``size`` characters."""
    made = [a_proto_span(span_id=n.to_bytes(8), attributes=[text("said", "x" * size)]) for n in range(1, spans + 1)]
    return a_trace_request(*made)


def test_a_request_is_one_message_a_trace_keyed_by_its_id():
    found = of_batch(a_batch(a_piece(1, 1, 2), a_piece(2, 1)), OPTIONS)
    assert [(m.topic, m.key.decode(), m.what, m.count) for m in found] == [
        ("spans", trace_id(1), "span", 2),
        ("spans", trace_id(2), "span", 1),
    ]


def test_a_message_is_the_request_again_for_whoever_reads_it():
    (message,) = of_batch(a_batch(a_piece(1, 1, 2)), OPTIONS)
    (piece,) = traces_from_protobuf(message.value, Source.KAFKA, LIMITS).pieces
    assert (piece.trace_id, piece.count, piece.has_root) == (trace_id(1), 2, True)


def test_log_records_go_to_a_topic_of_their_own():
    batch = logs_from_protobuf(a_logs_request().SerializeToString(), Source.OTLP_HTTP, LIMITS)
    (message,) = of_batch(batch, OPTIONS)
    assert (message.topic, message.key.decode(), message.what) == ("logs", batch.pieces[0].trace_id, "logs")
    assert logs_from_protobuf(message.value, Source.KAFKA, LIMITS).pieces == batch.pieces


def test_a_large_trace_is_several_messages_that_together_hold_every_span_once():
    batch = traces_from_protobuf(large_trace(10, LARGE // 4).SerializeToString(), Source.OTLP_HTTP, LIMITS)
    found = of_batch(batch, OPTIONS)
    assert len(found) == 4
    assert {m.key for m in found} == {batch.pieces[0].trace_id.encode()}
    assert sum(m.count for m in found) == 10
    again = TracesData.FromString(b"".join(m.value for m in found))
    assert {r.resource.attributes[0].value.string_value for r in again.resource_spans} == {"shop"}
    ids = [span.span_id for r in again.resource_spans for scope in r.scope_spans for span in scope.spans]
    assert sorted(ids) == sorted(batch.pieces[0].span_ids)


def test_a_large_span_is_a_message_of_its_own():
    batch = traces_from_protobuf(large_trace(3, LARGE + 1).SerializeToString(), Source.OTLP_HTTP, LIMITS)
    assert [m.count for m in of_batch(batch, OPTIONS)] == [1, 1, 1]


def test_a_request_of_which_nothing_was_taken_is_no_message():
    assert of_batch(Batch(Source.OTLP_HTTP), OPTIONS) == []


@pytest.mark.parametrize(
    "body",
    [
        {"trace_id": "ab" * 16, "thumbs_up": False, "comment": "wrong plan", "user_id": "ann"},
        {"span_id": "cd" * 8, "score": 0.25},
        {"session_id": "visit-7", "rating": "4/5"},
        {"response_id": "chatcmpl-1", "comment": "hm"},
    ],
)
def test_feedback_means_the_same_to_whoever_reads_it(body):
    said = parse_feedback(orjson.dumps(body))
    message = of_feedback(said.target, said.feedback(7_000_000), OPTIONS)
    again = parse_feedback(message.value)
    assert again.target == said.target
    assert again.feedback(message.time_ns) == said.feedback(7_000_000)
    assert message.topic == "said"


def test_feedback_on_a_trace_goes_where_the_trace_goes():
    said = parse_feedback(orjson.dumps({"trace_id": trace_id(1), "thumbs_up": True}))
    assert of_feedback(FeedbackTarget(trace_id=trace_id(1)), said.feedback(1), OPTIONS).key == trace_id(1).encode()


def test_feedback_in_log_records_without_a_trace_goes_to_the_topic_of_feedback():
    body = a_logs_request(thumb_record(response="chatcmpl-1")).SerializeToString()
    (message,) = of_batch(logs_from_protobuf(body, Source.OTLP_HTTP, LIMITS), OPTIONS)
    assert (message.topic, message.time_ns) == ("said", 7)
    parsed = parse_feedback(message.value)
    assert (parsed.target, parsed.thumbs_up) == (FeedbackTarget(response_id="chatcmpl-1"), False)
