"""Recorded requests moved in time: the demo's traces happened just now, so that they stand in the charts of today."""

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TIMES = ("start_time_unix_nano", "end_time_unix_nano", "time_unix_nano", "observed_time_unix_nano")


def moved(bodies: Sequence[tuple[str, bytes]], now_ns: int) -> list[bytes]:
    """The requests (pairs of signal and bytes) moved together, so that the last thing in them ends at ``now_ns``."""
    requests = [_parsed(signal, body) for signal, body in bodies]
    last = max((time for request in requests for _, _, time in _times(request)), default=now_ns)
    for request in requests:
        for record, name, time in _times(request):
            setattr(record, name, time + now_ns - last)
    return [request.SerializeToString() for request in requests]


def _parsed(signal: str, body: bytes) -> Any:
    kind = ExportLogsServiceRequest if signal == "logs" else ExportTraceServiceRequest
    return kind.FromString(body)


def _times(request: Any) -> Iterator[tuple[Any, str, int]]:
    """Every time that is set: the record that it is of, its field and its value."""
    for record in list(_records(request)):
        for name in TIMES:
            if value := getattr(record, name, 0):
                yield record, name, value


def _records(request: Any) -> Iterator[Any]:
    if isinstance(request, ExportLogsServiceRequest):
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                yield from scope.log_records
        return
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield span
                yield from span.events
