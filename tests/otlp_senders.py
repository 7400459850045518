"""Sends OTLP requests to a server's real ports, as an exporter does: over gRPC, over HTTP, and as OTLP/JSON."""

import gzip
from collections.abc import Callable, Mapping

import grpc
import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import as_otlp_json
from servers import CLIENT, Serving

TRACES, LOGS = "traces", "logs"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
TIMEOUT_S = 30.0

_METHODS = {
    TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_REQUESTS = {TRACES: ExportTraceServiceRequest, LOGS: ExportLogsServiceRequest}


def by_grpc(server: Serving, body: bytes, signal: str = TRACES) -> None:
    """One Export call. Raises ``grpc.RpcError`` where it is refused."""
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        channel.unary_unary(_METHODS[signal])(body, timeout=TIMEOUT_S)


def by_http(server: Serving, body: bytes, signal: str = TRACES) -> None:
    """One request of gzipped protobuf. Raises ``httpx.HTTPStatusError`` where it is refused."""
    post(server, gzip.compress(body), signal, **{"Content-Encoding": "gzip"}).raise_for_status()


def by_json(server: Serving, body: bytes, signal: str = TRACES) -> None:
    """The same request as OTLP/JSON. Raises ``httpx.HTTPStatusError`` where it is refused."""
    request = _REQUESTS[signal].FromString(body)
    post(server, as_otlp_json(request), signal, **{"Content-Type": JSON}).raise_for_status()


def post(server: Serving, body: bytes, signal: str = TRACES, **headers: str) -> httpx.Response:
    """One request over HTTP, protobuf if the headers do not say otherwise."""
    named = {"Content-Type": PROTOBUF, **headers}
    return CLIENT.post(f"http://{server.otlp_http}/v1/{signal}", content=body, headers=named)


Send = Callable[..., None]
SENDERS: Mapping[str, Send] = {"grpc": by_grpc, "http": by_http, "json": by_json}
