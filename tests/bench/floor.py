"""The floor: what it costs to decode the same bytes with protobuf and to read every attribute into a dict."""

import time
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


def cpu_seconds(bodies: Iterable[tuple[bytes, bytes]]) -> float:
    """CPU seconds of this process for requests of traces, each with the logs that belong to it."""
    bodies = list(bodies)
    started = time.process_time()
    for traces, logs in bodies:
        _read_spans(traces)
        _read_logs(logs)
    return time.process_time() - started


def _read_spans(body: bytes) -> None:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                _attributes = {item.key: _value(item.value) for item in span.attributes}


def _read_logs(body: bytes) -> None:
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                _attributes = {item.key: _value(item.value) for item in record.attributes}
                _body = _value(record.body)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _value(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None
