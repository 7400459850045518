"""Encoded telemetry of several traces, taken apart by trace. Slow (it decodes), and rarely needed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

Data = TypeVar("Data", TracesData, LogsData)
Telemetry = tuple[bytes, bytes]
"""OTLP ``TracesData`` and ``LogsData``, encoded."""


def by_trace(telemetry: Telemetry) -> dict[str, Telemetry]:
    """What each trace has of it, by trace id in hex.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are not what they should be.
    """
    traces, logs = telemetry
    spans = dict(_split(TracesData.FromString(traces), TracesData, ("resource_spans", "scope_spans", "spans")))
    records = dict(_split(LogsData.FromString(logs), LogsData, ("resource_logs", "scope_logs", "log_records")))
    return {trace_id: (spans.get(trace_id, b""), records.get(trace_id, b"")) for trace_id in {**spans, **records}}


def without(telemetry: Telemetry, trace_ids: Collection[str]) -> Telemetry:
    """The rest, when these traces are taken out."""
    return joined(part for trace_id, part in by_trace(telemetry).items() if trace_id not in trace_ids)


def joined(parts: Iterable[Telemetry]) -> Telemetry:
    """Several made one: protobuf merges repeated fields."""
    listed = list(parts)
    return b"".join(traces for traces, _ in listed), b"".join(logs for _, logs in listed)


def _split(data: Data, kind: type[Data], names: tuple[str, str, str]) -> Iterator[tuple[str, bytes]]:
    of_data, of_resource, of_scope = names
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for resource in getattr(data, of_data):
        for scope in getattr(resource, of_resource):
            records: defaultdict[str, list[Any]] = defaultdict(list)
            for record in getattr(scope, of_scope):
                records[record.trace_id.hex()].append(record)
            for trace_id, own in records.items():
                made = kind()
                new_resource = getattr(made, of_data).add(resource=resource.resource, schema_url=resource.schema_url)
                new_scope = getattr(new_resource, of_resource).add(scope=scope.scope, schema_url=scope.schema_url)
                getattr(new_scope, of_scope).extend(own)
                found[trace_id].append(made.SerializeToString())
    for trace_id, encoded in found.items():
        yield trace_id, b"".join(encoded)
