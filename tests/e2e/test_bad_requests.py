"""Whatever comes in over the real ports: an answer on purpose, a count, and the next good request works."""

import gzip
import json
import math
import os
import zlib
from collections.abc import Iterator

import grpc
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request, as_otlp_json
from otlp_senders import JSON, LOGS, TRACES, by_grpc, by_http, by_json, post
from servers import CLIENT, Serving, serving, until

MIB = 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("bad") / "data") as started:
        yield started


def a_span(**parts):
    """A root span of a new trace."""
    return a_proto_span(**{"trace_id": os.urandom(16), "span_id": os.urandom(8), **parts})


def body_of(*spans) -> bytes:
    return a_trace_request(*spans).SerializeToString()


def a_value(value: AnyValue) -> KeyValue:
    return KeyValue(key="gen_ai.input.messages", value=value)


def nested(depth: int) -> AnyValue:
    value = AnyValue(string_value="deep")
    for _ in range(depth):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    return value


def nested_bytes(depth: int) -> bytes:
    """A request whose one attribute is nested too deep for protobuf, which cannot make it either."""
    value = AnyValue(string_value="deep").SerializeToString()
    for _ in range(depth):
        value = field(5, field(1, value))  # array_value of AnyValue, values of ArrayValue
    attribute = field(9, field(1, b"k") + field(2, value))
    span = a_span().SerializeToString() + attribute
    return field(1, field(2, field(2, span)))


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


GOOD = body_of(a_span())
REFUSED = {
    "no protobuf": (400, b"no protobuf at all", {}),
    "truncated protobuf": (400, GOOD[:-3], {}),
    "text that is no UTF-8": (400, GOOD.replace(b"shop", b"\xff\xfe\xfd\xfc"), {}),
    "JSON called protobuf": (400, as_otlp_json(a_trace_request(a_span())), {}),
    "protobuf called JSON": (400, GOOD, {"Content-Type": JSON}),
    "invalid JSON": (400, b'{"resourceSpans": [', {"Content-Type": JSON}),
    "JSON that is no object": (400, b"[1, 2]", {"Content-Type": JSON}),
    "JSON of wrong types": (400, b'{"resourceSpans": {"a": 1}, "resourceLogs": "b"}', {"Content-Type": JSON}),
    "deep JSON": (400, b"[" * 200_000, {"Content-Type": JSON}),
    "a huge number": (400, b'{"resourceSpans": ' + b"9" * 200_000 + b"}", {"Content-Type": JSON}),
    "JSON that is no UTF-8": (400, b'{"resourceSpans": "\xff\xfe"}', {"Content-Type": JSON}),
    "deep protobuf": (400, nested_bytes(2_000), {}),
    "another content type": (415, GOOD, {"Content-Type": "text/plain"}),
    "no content type": (415, GOOD, {"Content-Type": ""}),
    "an unknown compression": (415, GOOD, {"Content-Encoding": "br"}),
    "no gzip": (400, GOOD, {"Content-Encoding": "gzip"}),
    "truncated gzip": (400, gzip.compress(GOOD)[:-6], {"Content-Encoding": "gzip"}),
    "truncated deflate": (400, zlib.compress(GOOD)[:-3], {"Content-Encoding": "deflate"}),
    "a small bomb": (413, gzip.compress(bytes(30 * MIB)), {"Content-Encoding": "gzip"}),
    "a large body": (413, bytes(21 * MIB), {}),
}
BAD_FEEDBACK = {
    "no JSON": b"{",
    "no object": b"[]",
    "deep": b"[" * 10_000,
    "no UTF-8": b'{"comment": "\xff"}',
    "no target": b'{"thumbs_up": true}',
    "a short id": b'{"trace_id": "4bf9", "thumbs_up": true}',
    "an id of zeros": json.dumps({"trace_id": "0" * 32, "thumbs_up": True}).encode(),
    "a word for a thumb": json.dumps({"trace_id": "a" * 32, "thumbs_up": "yes"}).encode(),
    "NaN": b'{"trace_id": "' + b"a" * 32 + b'", "score": NaN}',
    "an unknown key": json.dumps({"trace_id": "a" * 32, "thumbs_up": True, "surprise": 1}).encode(),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("path", [TRACES, LOGS])
def test_a_malformed_request_is_refused_counted_and_the_next_good_one_works(server, path, what):
    status, body, headers = REFUSED[what]
    before = server.metric("sidecheck_requests_refused_total", source="otlp_http")
    response = post(server, body, path, **headers)
    assert response.status_code == status, response.content
    assert server.metric("sidecheck_requests_refused_total", source="otlp_http") == before + 1
    by_http(server, GOOD)


@pytest.mark.parametrize(
    "what", ["no protobuf", "truncated protobuf", "text that is no UTF-8", "deep protobuf", "a large body"]
)
def test_a_malformed_call_is_refused_counted_and_the_next_good_one_works(server, what):
    before = server.metric("sidecheck_requests_refused_total", source="otlp_grpc")
    with pytest.raises(grpc.RpcError) as caught:
        by_grpc(server, REFUSED[what][1])
    expected = grpc.StatusCode.RESOURCE_EXHAUSTED if what == "a large body" else grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.code() is expected
    assert server.metric("sidecheck_requests_refused_total", source="otlp_grpc") == before + 1
    by_grpc(server, GOOD)


@pytest.mark.parametrize("port", ["otlp_http", "api"])
@pytest.mark.parametrize("what", BAD_FEEDBACK)
def test_feedback_that_cannot_be_is_refused_with_a_sentence_and_counted(server, what, port):
    before = server.metric("sidecheck_requests_refused_total", source="api")
    response = post_feedback(server, port, BAD_FEEDBACK[what])
    assert (response.status_code, bool(response.json()["detail"])) == (400, True)
    assert server.metric("sidecheck_requests_refused_total", source="api") == before + 1


def post_feedback(server: Serving, port: str, body: bytes):
    url = f"http://{getattr(server, port)}/v1/feedback"
    return CLIENT.post(url, content=body, headers={"Content-Type": JSON})


@pytest.mark.parametrize("send", [by_grpc, by_http, by_json])
@pytest.mark.parametrize(
    "parts",
    [{"trace_id": b""}, {"trace_id": b"short"}, {"trace_id": bytes(16)}, {"span_id": b""}, {"span_id": bytes(8)}],
    ids=["no trace id", "short trace id", "trace id of zeros", "no span id", "span id of zeros"],
)
def test_a_span_with_an_impossible_id_is_refused_and_its_neighbour_is_taken(server, send, parts):
    before = server.metric("sidecheck_spans_refused_total", reason="invalid_id")
    neighbour = a_span()
    send(server, body_of(a_span(**parts), neighbour))
    assert server.metric("sidecheck_spans_refused_total", reason="invalid_id") == before + 1
    server.judged(neighbour.trace_id.hex())


ODD = {
    "it ends before it begins": {"start_time_unix_nano": 2_000, "end_time_unix_nano": 1_000},
    "no times": {"start_time_unix_nano": 0, "end_time_unix_nano": 0},
    "NaN": {"attributes": [a_value(AnyValue(double_value=math.nan))]},
    "infinity": {"attributes": [KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(double_value=math.inf))]},
    "bytes": {"attributes": [a_value(AnyValue(bytes_value=b"\x00\xff\xfe"))]},
    "an empty value": {"attributes": [a_value(AnyValue())]},
    "nesting": {"attributes": [a_value(nested(20))]},
    "deep JSON text": {"attributes": [a_value(AnyValue(string_value="[" * 50_000))]},
    "a huge number in text": {"attributes": [a_value(AnyValue(string_value="9" * 50_000))]},
    "its own parent": {"span_id": b"12345678", "parent_span_id": b"12345678"},
    "control characters": {"name": "\x00\x1b[31m", "attributes": [a_value(AnyValue(string_value="\x00\x1b\u202e"))]},
}


@pytest.mark.parametrize("send", [by_grpc, by_http])
@pytest.mark.parametrize("what", ODD)
def test_an_odd_span_is_judged_and_shown(server, send, what):
    span = a_span(**ODD[what])
    send(server, body_of(span))
    shown = server.judged(span.trace_id.hex())
    assert not {v["outcome"] for v in shown["verdicts"]} & {"errored", "timed_out"}


@pytest.mark.parametrize("send", [by_grpc, by_http, by_json])
def test_ten_thousand_spans_in_one_request_are_taken_and_judged(server, send):
    before = server.metric("sidecheck_spans_accepted_total")
    spans = [a_span() for _ in range(100)]
    children = [a_span(trace_id=s.trace_id, parent_span_id=s.span_id) for s in spans for _ in range(99)]
    send(server, body_of(*children, *spans))
    assert server.metric("sidecheck_spans_accepted_total") == before + 10_000
    assert server.judged(spans[-1].trace_id.hex())["spanCount"] == 100


def test_ten_thousand_spans_of_one_trace_close_it_for_its_size(server):
    root = a_span()
    by_http(server, body_of(root, *(a_span(trace_id=root.trace_id, parent_span_id=root.span_id) for _ in range(9_999))))
    assert server.judged(root.trace_id.hex())["closedBy"] == "span_limit"


def test_logs_without_a_trace_are_taken_and_counted(server):
    before = server.metric("sidecheck_spans_refused_total", reason="no_trace_id")
    by_http(server, a_logs_request(a_log_record(trace_id=b"")).SerializeToString(), LOGS)
    assert server.metric("sidecheck_spans_refused_total", reason="no_trace_id") == before + 1


@pytest.mark.parametrize("send", [by_grpc, by_http])
def test_an_answer_that_is_cut_for_its_size_marks_its_trace_and_is_not_taken_for_broken_json(server, send):
    answer = json.dumps({"rows": [*range(200_000)]})
    said = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    recorded = {"operation.name": "chat", "output.type": "json", "output.messages": json.dumps(said)}
    attributes = [KeyValue(key=f"gen_ai.{key}", value=AnyValue(string_value=value)) for key, value in recorded.items()]
    span = a_span(attributes=attributes)
    send(server, body_of(span))
    shown = server.judged(span.trace_id.hex())
    outcomes = {verdict["check"]: verdict["outcome"] for verdict in shown["verdicts"]}
    assert (shown["truncated"], outcomes["valid_json"], shown["case"]) == (True, "not_applicable", None)


@pytest.mark.parametrize("trace_id", ["xyz", "0" * 31, "%00", "../../etc/passwd", "f" * 32])
@pytest.mark.parametrize("path", ["", "/online-eval"])
def test_the_api_answers_a_bad_trace_id_on_purpose(server, trace_id, path):
    response = server.get(f"/api/traces/{trace_id}{path}")
    assert (response.status_code in (400, 404), bool(response.json()["error"]["message"])) == (True, True)


def test_other_paths_and_methods_are_refused_by_every_port(server):
    urls = [f"http://{address}" for address in (server.otlp_http, server.api, server.metrics)]
    assert [CLIENT.get(f"{url}/nothing").status_code for url in urls] == [404] * 3
    assert CLIENT.get(f"{urls[0]}/v1/traces").status_code == 405
    assert CLIENT.delete(f"{urls[1]}/api/traces").status_code == 405


def test_after_all_of_this_no_trace_is_lost_and_no_worker_died(server):
    until("everything is judged", lambda: server.traces()["open"] == 0)
    traces = server.traces()
    assert traces["accepted"] == traces["evaluated"] + traces["open"] + traces["dropped"]
    assert (traces["dropped"], server.metric("sidecheck_worker_restarts_total")) == (0, 0)
    assert server.metric("sidecheck_requests_refused_total", reason="overloaded") == 0
