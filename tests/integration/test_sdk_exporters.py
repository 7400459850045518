"""The exporters of the OpenTelemetry SDK send to the receivers, as they do inside an app."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import grpc
import pytest
from fakes import FakeIntake, overloaded
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otlp_servers import otlp_grpc, otlp_http

from collector.intake import Refusal

RESOURCE = Resource({"service.name": "shop"})
Server = Callable[[FakeIntake], AbstractAsyncContextManager[str]]


def by_grpc(exporter: type, **options: Any) -> Callable[[str, str], Any]:
    return lambda address, _signal: exporter(endpoint=address, insecure=True, timeout=20, **options)


def by_http(exporter: type, **options: Any) -> Callable[[str, str], Any]:
    return lambda address, signal: exporter(endpoint=f"{address}/v1/{signal}", timeout=20, **options)


SPAN_EXPORTERS = {
    "grpc": (otlp_grpc, by_grpc(GrpcSpanExporter)),
    "grpc, gzip": (otlp_grpc, by_grpc(GrpcSpanExporter, compression=grpc.Compression.Gzip)),
    "http": (otlp_http, by_http(HttpSpanExporter)),
    "http, gzip": (otlp_http, by_http(HttpSpanExporter, compression=Compression.Gzip)),
    "http, deflate": (otlp_http, by_http(HttpSpanExporter, compression=Compression.Deflate)),
}
each_span_exporter = pytest.mark.parametrize(("server", "exporter"), SPAN_EXPORTERS.values(), ids=list(SPAN_EXPORTERS))


@contextmanager
def tracing(exporter: Any):
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider.get_tracer("shop.chat", "1.0")
    finally:
        provider.shutdown()


def answer_a_question(exporter: Any) -> None:
    with (
        tracing(exporter) as tracer,
        tracer.start_as_current_span("POST /chat"),
        tracer.start_as_current_span("chat gpt-4o") as call,
    ):
        call.set_attribute("gen_ai.prompt", "How long? " * 50)
        call.add_event("gen_ai.choice", {"index": 0})


@each_span_exporter
async def test_the_spans_of_an_app_arrive_as_one_trace(server: Server, exporter):
    intake = FakeIntake()
    async with server(intake) as address:
        await asyncio.to_thread(answer_a_question, exporter(address, "traces"))

    assert len({piece.trace_id for piece in intake.pieces}) == 1
    assert any(piece.has_root for piece in intake.pieces)
    (resource,) = TracesData.FromString(b"".join(p.spans for p in intake.pieces)).resource_spans
    names = [span.name for span in resource.scope_spans[0].spans]
    assert (names, resource.scope_spans[0].scope.name) == (["chat gpt-4o", "POST /chat"], "shop.chat")
    assert not intake.refusals


@each_span_exporter
async def test_an_exporter_keeps_and_sends_again_what_was_refused_for_want_of_room(server: Server, exporter):
    intake = FakeIntake(refuse=overloaded(0.1))

    async def recover() -> None:
        await intake.asked.wait()
        intake.refuse = None

    async with server(intake) as address:
        sending = asyncio.to_thread(answer_a_question, exporter(address, "traces"))
        await asyncio.gather(sending, recover())

    assert intake.span_count == 2


@pytest.mark.parametrize(
    ("server", "exporter"),
    [(otlp_grpc, by_grpc(GrpcLogExporter)), (otlp_http, by_http(HttpLogExporter))],
    ids=["grpc", "http"],
)
async def test_the_log_records_of_an_app_arrive_with_their_trace(server: Server, exporter):
    intake = FakeIntake()

    def log_twice(log_exporter: Any) -> str:
        provider = LoggerProvider(resource=RESOURCE)
        provider.add_log_record_processor(SimpleLogRecordProcessor(log_exporter))
        logger = provider.get_logger("shop.chat")
        logger.emit(LogRecord(severity_number=SeverityNumber.INFO, body="outside of any trace"))
        with TracerProvider().get_tracer("x").start_as_current_span("chat") as span:
            logger.emit(LogRecord(event_name="gen_ai.choice", body={"message": {"content": "Thirty days."}}))
        provider.shutdown()
        return format(span.get_span_context().trace_id, "032x")

    async with server(intake) as address:
        trace_id = await asyncio.to_thread(log_twice, exporter(address, "logs"))

    (piece,) = intake.pieces
    assert (piece.trace_id, piece.log_count) == (trace_id, 1)
    assert LogsData.FromString(piece.logs).resource_logs[0].scope_logs[0].log_records[0].event_name == "gen_ai.choice"
    assert sum(batch.rejected.get(Refusal.NO_TRACE_ID, 0) for batch in intake.batches) == 1


@pytest.mark.parametrize(
    ("server", "exporter"),
    [(otlp_grpc, by_grpc(GrpcMetricExporter)), (otlp_http, by_http(HttpMetricExporter))],
    ids=["grpc", "http"],
)
async def test_the_metrics_of_an_app_are_taken_without_an_error(server: Server, exporter, caplog):
    intake = FakeIntake()

    def count_once(metric_exporter: Any) -> None:
        provider = MeterProvider([PeriodicExportingMetricReader(metric_exporter)], RESOURCE)
        provider.get_meter("shop").create_counter("orders").add(1)
        provider.shutdown()

    async with server(intake) as address:
        await asyncio.to_thread(count_once, exporter(address, "metrics"))

    assert sum(intake.refusals.values()) >= 1
    assert {reason for _, reason in intake.refusals} == {Refusal.METRICS_SIGNAL}
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "WARNING"}]
