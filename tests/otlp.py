"""OTLP requests for tests: small ones that are built, the recorded ones, and both as OTLP/JSON."""

import base64
import json
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

RECORDINGS = Path(__file__).parent / "data" / "spans"
TRACE = bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")
OTHER_TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SPAN = bytes.fromhex("00f067aa0ba902b7")
PARENT = bytes.fromhex("b7ad6b7169203331")

_ID_KEYS = {"traceId", "spanId", "parentSpanId"}


def recorded(pattern: str) -> list[Path]:
    """The recordings whose names match, in order; at least one."""
    found = sorted(RECORDINGS.glob(f"*/{pattern}"))
    assert found, pattern
    return found


def a_proto_span(**parts: Any) -> Span:
    """A root span."""
    times = {"start_time_unix_nano": 1_000, "end_time_unix_nano": 2_000}
    return Span(**{"trace_id": TRACE, "span_id": SPAN, "name": "chat", **times, **parts})


def a_log_record(**parts: Any) -> LogRecord:
    """A log record of a span."""
    return LogRecord(**{"trace_id": TRACE, "span_id": SPAN, "observed_time_unix_nano": 1_000, **parts})


def a_trace_request(*spans: Span, service: str = "shop") -> ExportTraceServiceRequest:
    """A request of these spans (one if none is given) under one resource and scope."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = resource.scope_spans.add()
    scope.scope.name = "openai"
    scope.spans.extend(spans or (a_proto_span(),))
    return request


def a_logs_request(*records: LogRecord) -> ExportLogsServiceRequest:
    """A request of these log records (one if none is given) under one resource and scope."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    scope.scope.name = "openai"
    scope.log_records.extend(records or (a_log_record(),))
    return request


def as_otlp_json(request: Message) -> bytes:
    """The request in OTLP/JSON: protobuf's own JSON with the ids in hex and enums as numbers."""
    return json.dumps(_with_hex_ids(MessageToDict(request, use_integers_for_enums=True))).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in _ID_KEYS else _with_hex_ids(item) for key, item in value.items()
    }
