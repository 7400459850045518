"""OTLP over gRPC, by calls to a real server."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import grpc
import pytest
from fakes import FakeIntake
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from otlp import TRACE, a_log_record, a_logs_request, a_proto_span, a_trace_request, recorded
from otlp_servers import otlp_grpc

from collector.intake import Refusal, Refused, Source
from collector.receivers.limits import MIB, ReceiverLimits
from collector.receivers.otlp_grpc import create_server
from collector.receivers.wire import delimited

GOOD = a_trace_request().SerializeToString()
TRACES, LOGS, METRICS = (f"{s.lower()}.v1.{s}Service" for s in ("Trace", "Logs", "Metrics"))


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


@pytest.fixture
async def channel(intake) -> AsyncIterator[grpc.aio.Channel]:
    async with otlp_grpc(intake) as target, grpc.aio.insecure_channel(target) as channel:
        yield channel


async def export(channel: grpc.aio.Channel, body: bytes = GOOD, service: str = TRACES, **options) -> bytes:
    method = f"/opentelemetry.proto.collector.{service}/Export"
    return await channel.unary_unary(method)(body, timeout=30, **options)


async def failure(channel: grpc.aio.Channel, body: bytes, **options) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await export(channel, body, **options)
    return caught.value


@pytest.mark.parametrize("path", recorded("*.binpb")[::7], ids=lambda p: f"{p.parent.name}/{p.name}")
async def test_a_recording_is_taken(channel, intake, path):
    await export(channel, path.read_bytes(), LOGS if path.name.endswith(".logs.binpb") else TRACES)
    assert len(intake.pieces) == 1


async def test_success_is_an_empty_response(channel, intake):
    assert await export(channel) == b""
    assert [(b.source, b.span_count) for b in intake.batches] == [(Source.OTLP_GRPC, 1)]


async def test_rejected_spans_are_told_as_a_partial_success(channel):
    body = a_trace_request(a_proto_span(), a_proto_span(span_id=b"")).SerializeToString()
    told = ExportTraceServiceResponse.FromString(await export(channel, body)).partial_success
    assert (told.rejected_spans, "invalid_id" in told.error_message) == (1, True)


async def test_log_records_without_a_trace_are_not_told(channel, intake):
    body = a_logs_request(a_log_record(trace_id=b""), a_log_record()).SerializeToString()
    assert ExportLogsServiceResponse.FromString(await export(channel, body, LOGS)) == ExportLogsServiceResponse()
    assert intake.batches[0].rejected == {Refusal.NO_TRACE_ID: 1}


async def test_metrics_are_counted_and_dropped(channel, intake):
    answer = await export(channel, b"whatever", METRICS)
    assert ExportMetricsServiceResponse.FromString(answer) == ExportMetricsServiceResponse()
    assert intake.refusals == {(Source.OTLP_GRPC, Refusal.METRICS_SIGNAL): 1}


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"])
async def test_a_compressed_message_is_unpacked(channel, intake, compression):
    body = a_trace_request(a_proto_span(name="x" * 10_000)).SerializeToString()
    await export(channel, body, compression=compression)
    assert intake.pieces[0].trace_id == TRACE.hex()


@pytest.mark.parametrize(
    "body",
    [
        b"no protobuf",
        GOOD[:-1],
        gzip.compress(GOOD, mtime=0)[:-4],
        zlib.compress(GOOD)[:-2],
        gzip.compress(b"no", mtime=0),
    ],
)
async def test_a_malformed_message_is_an_invalid_argument_and_the_next_good_one_works(channel, intake, body):
    error = await failure(channel, body)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert intake.refusals == {(Source.OTLP_GRPC, Refusal.MALFORMED): 1}
    await export(channel)
    assert intake.span_count == 1


async def test_too_many_spans_are_resource_exhausted_and_not_to_be_sent_again(channel):
    error = await failure(channel, delimited(1, delimited(2, b"\x12\x00" * 100_001)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert Status.FromString(error.trailing_metadata()["grpc-status-details-bin"]).details == []


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
async def test_a_message_over_the_limit_is_resource_exhausted(compression):
    async with (
        otlp_grpc(FakeIntake(), ReceiverLimits(request_bytes=MIB)) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        error = await failure(channel, bytes(2 * MIB), compression=compression)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_bomb_is_refused_by_its_ratio_and_not_unpacked_by_grpc(channel, intake):
    error = await failure(channel, bytes(15 * MIB), compression=grpc.Compression.Gzip)
    assert "more than 200 times" in error.details()
    assert intake.refusals == {(Source.OTLP_GRPC, Refusal.TOO_LARGE): 1}


@pytest.mark.parametrize("reason", [Refusal.OVERLOADED, Refusal.SHUTTING_DOWN])
async def test_an_intake_without_room_is_unavailable_with_the_time_to_come_back(channel, intake, reason):
    intake.refuse = Refused(reason, "not now", 7.25)
    error = await failure(channel, GOOD)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "not now")
    status, info = Status.FromString(error.trailing_metadata()["grpc-status-details-bin"]), RetryInfo()
    assert status.code == 14
    assert status.details[0].Unpack(info)
    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (7, 250_000_000)


async def test_a_bug_behind_the_intake_is_unavailable_and_says_nothing_of_it(channel, intake):
    intake.refuse = RuntimeError("my secret")
    error = await failure(channel, GOOD)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "secret" not in repr(error)


async def test_another_method_is_unimplemented(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Import")(GOOD)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_many_calls_at_once_are_all_taken(channel, intake):
    await asyncio.gather(*(export(channel) for _ in range(50)))
    assert intake.span_count == 50


async def test_a_port_that_is_taken_is_not_shared(intake):
    async with otlp_grpc(intake) as target:
        with pytest.raises(RuntimeError, match="bind"):
            create_server(intake, ReceiverLimits()).add_insecure_port(target)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.binary(max_size=60) | st.binary(max_size=6).map(lambda tail: GOOD + tail), min_size=1))
def test_no_message_is_answered_with_a_server_error(bodies):
    async def codes() -> set[grpc.StatusCode]:
        async with otlp_grpc(FakeIntake()) as target, grpc.aio.insecure_channel(target) as channel:
            return {await code_of(channel, body) for body in bodies}

    async def code_of(channel: grpc.aio.Channel, body: bytes) -> grpc.StatusCode:
        try:
            await export(channel, body)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    assert asyncio.run(codes()) <= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
