"""OTLP over HTTP, by requests to a real server."""

import asyncio
import gzip
import threading
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import zstandard
from fakes import FakeIntake, overloaded
from google.protobuf.json_format import Parse
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp import TRACE, a_log_record, a_logs_request, a_proto_span, a_trace_request, as_otlp_json, recorded
from otlp_servers import otlp_http

from collector.intake import Refusal, Refused, Source
from collector.receivers.limits import MIB, ReceiverLimits
from collector.receivers.otlp_http import create_app
from collector.receivers.wire import delimited

PROTOBUF, JSON = "application/x-protobuf", "application/json"
BODIES = {PROTOBUF: a_trace_request().SerializeToString(), JSON: as_otlp_json(a_trace_request())}
GOOD = BODIES[PROTOBUF]
both_encodings = pytest.mark.parametrize("media_type", [PROTOBUF, JSON])


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


@pytest.fixture
async def client(intake) -> AsyncIterator[httpx.AsyncClient]:
    async with otlp_http(intake) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def post(
    client: httpx.AsyncClient, body: Any = GOOD, media_type: str = PROTOBUF, path: str = "/v1/traces", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, content=body, headers={"Content-Type": media_type, **named})


def status_of(response: httpx.Response) -> Status:
    if response.headers["Content-Type"] == PROTOBUF:
        return Status.FromString(response.content)
    return Parse(response.content, Status())


@pytest.mark.parametrize("path", recorded("*.binpb")[::7], ids=lambda p: f"{p.parent.name}/{p.name}")
async def test_a_recording_is_taken(client, intake, path):
    signal = "/v1/logs" if path.name.endswith(".logs.binpb") else "/v1/traces"
    assert (await post(client, path.read_bytes(), path=signal)).status_code == 200
    assert len(intake.pieces) == 1


@both_encodings
async def test_success_is_an_empty_response_in_the_encoding_of_the_request(client, intake, media_type):
    response = await post(client, BODIES[media_type], media_type)
    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert response.content == (b"" if media_type == PROTOBUF else b"{}")
    assert [(b.source, b.span_count) for b in intake.batches] == [(Source.OTLP_HTTP, 1)]


async def test_parameters_and_case_of_the_content_type_do_not_matter(client):
    response = await post(client, BODIES[JSON], "Application/JSON; charset=utf-8")
    assert (response.status_code, response.headers["Content-Type"]) == (200, JSON)


async def test_rejected_spans_are_told_as_a_partial_success(client, intake):
    body = a_trace_request(a_proto_span(), a_proto_span(span_id=b""), a_proto_span(trace_id=b"x")).SerializeToString()
    response = await post(client, body)
    told = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (response.status_code, told.rejected_spans) == (200, 2)
    assert "2 refused as invalid_id: a trace id is 16 bytes" in told.error_message
    assert intake.span_count == 1


async def test_rejected_spans_are_told_in_json_too(client):
    response = await post(client, as_otlp_json(a_trace_request(a_proto_span(span_id=b"x"))), JSON)
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"


async def test_rejected_log_records_are_told_and_records_without_a_trace_are_not(client):
    late = a_log_record(observed_time_unix_nano=1 << 63)
    body = a_logs_request(late, a_log_record(trace_id=b""), a_log_record()).SerializeToString()
    response = await post(client, body, path="/v1/logs")
    assert ExportLogsServiceResponse.FromString(response.content).partial_success.rejected_log_records == 1
    body = a_logs_request(a_log_record(trace_id=b"")).SerializeToString()
    assert (await post(client, body, path="/v1/logs")).content == b""


async def test_an_empty_body_is_an_empty_request(client):
    assert (await post(client, b"")).status_code == 200


@both_encodings
async def test_metrics_are_counted_and_dropped(client, intake, media_type):
    response = await post(client, b"whatever", media_type, "/v1/metrics")
    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.METRICS_SIGNAL): 1}
    assert intake.batches == []


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.ZstdCompressor().compress)],
    ids=["gzip", "deflate", "zstd"],
)
async def test_a_compressed_body_is_unpacked(client, intake, encoding, pack):
    assert (await post(client, pack(GOOD), Content_Encoding=encoding)).status_code == 200
    assert intake.pieces[0].trace_id == TRACE.hex()


@both_encodings
async def test_a_malformed_body_is_400_with_a_status_and_the_next_good_one_works(client, intake, media_type):
    response = await post(client, b"\x0a\x05no", media_type)
    assert (response.status_code, response.headers["Content-Type"]) == (400, media_type)
    assert (status_of(response).code, bool(status_of(response).message)) == (3, True)
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.MALFORMED): 1}
    assert (await post(client, BODIES[media_type], media_type)).status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", ""])
async def test_another_content_type_is_415(client, intake, media_type):
    response = await post(client, GOOD, media_type)
    assert (response.status_code, status_of(response).code) == (415, 3)
    assert "application/x-protobuf or application/json" in status_of(response).message
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.UNSUPPORTED_TYPE): 1}


async def test_another_encoding_is_415(client):
    assert (await post(client, GOOD, Content_Encoding="br")).status_code == 415


@both_encodings
async def test_another_method_is_405_with_a_status(client, media_type):
    response = await client.get("/v1/traces", headers={"Content-Type": media_type})
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert status_of(response).message == "this path takes POST only"


@pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/", "/docs", "/redoc", "/openapi.json"])
async def test_another_path_is_404_with_a_status_that_names_the_right_ones(client, path):
    response = await post(client, path=path)
    assert response.status_code == 404
    assert "/v1/traces" in status_of(response).message


@both_encodings
@pytest.mark.parametrize("reason", [Refusal.OVERLOADED, Refusal.SHUTTING_DOWN])
async def test_an_intake_without_room_is_503_with_the_time_to_come_back(client, intake, media_type, reason):
    intake.refuse = Refused(reason, "not now", 6.5)
    response = await post(client, BODIES[media_type], media_type)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    status, info = status_of(response), RetryInfo()
    assert status.code == 14
    assert status.details[0].Unpack(info)
    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (6, 500_000_000)


async def test_a_bug_behind_the_intake_is_503_and_says_nothing_of_it(client, intake):
    intake.refuse = RuntimeError("my secret")
    response = await post(client)
    assert response.status_code == 503
    assert b"secret" not in response.content


async def test_too_many_spans_are_413(client):
    response = await post(client, delimited(1, delimited(2, b"\x12\x00" * 100_001)))
    assert (response.status_code, status_of(response).code) == (413, 8)


async def test_a_bomb_is_413(client):
    body = gzip.compress(delimited(1, delimited(2, b"\x12\x00" * 5 * MIB)))
    assert (await post(client, body, Content_Encoding="gzip")).status_code == 413


async def test_a_body_that_is_announced_too_large_is_413_before_it_is_sent(intake):
    async with otlp_http(intake) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n")
        writer.write(b"Content-Length: 99999999999\r\n\r\n")
        answer = await reader.readuntil(b"\r\n")
        writer.close()
    assert b"413" in answer
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.TOO_LARGE): 1}


async def test_a_body_of_unknown_length_is_413_when_it_passes_the_limit(intake):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(100)

    async with (
        otlp_http(intake, ReceiverLimits(request_bytes=1000)) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        assert (await post(client, chunks())).status_code == 413


async def test_a_sender_of_a_large_body_gets_the_answer(client):
    response = await post(client, bytes(30 * MIB))
    assert (response.status_code, status_of(response).code) == (413, 8)


async def test_a_large_request_is_taken(client, intake):
    spans = (a_proto_span(span_id=number.to_bytes(8), name="x" * 200) for number in range(1, 10_001))
    assert (await post(client, a_trace_request(*spans).SerializeToString())).status_code == 200
    assert intake.span_count == 10_000


async def test_a_sender_that_goes_away_is_counted_and_the_next_one_is_served(intake):
    async with otlp_http(intake) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        host, _, port = url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n")
        writer.write(b"Content-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await post(client)).status_code == 200


async def test_feedback_is_taken_on_the_same_port(client, intake):
    response = await client.post("/v1/feedback", json={"trace_id": TRACE.hex(), "thumbs_up": True})
    assert response.status_code == 202
    assert len(intake.feedback) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=100) | st.binary(max_size=8).map(lambda tail: GOOD + tail),
    media_type=st.sampled_from([PROTOBUF, JSON]),
    encoding=st.sampled_from(["", "gzip", "deflate", "zstd"]),
    path=st.sampled_from(["/v1/traces", "/v1/logs", "/v1/metrics", "/v1/feedback"]),
)
def test_no_body_is_answered_with_a_server_error(body, media_type, encoding, path):
    async def status() -> int:
        transport = httpx.ASGITransport(create_app(FakeIntake(), ReceiverLimits()))
        async with httpx.AsyncClient(transport=transport, base_url="http://sidecheck") as client:
            return (await post(client, body, media_type, path, Content_Encoding=encoding)).status_code

    assert asyncio.run(status()) in {200, 400, 413, 415}


async def test_an_intake_that_recovers_takes_the_same_bytes_again(client, intake):
    intake.refuse = overloaded()
    assert (await post(client)).status_code == 503
    intake.refuse = None
    assert (await post(client)).status_code == 200
    assert intake.span_count == 1


async def test_a_large_request_does_not_wait_for_threads_that_wait_for_the_store(client):
    stuck = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    waiting = asyncio.create_task(asyncio.to_thread(stuck.wait, 30))
    try:
        response = await post(client, a_trace_request(a_proto_span(name="x" * (2 * MIB))).SerializeToString())
        assert not waiting.done()
    finally:
        stuck.set()
    assert response.status_code == 200
    assert await waiting
