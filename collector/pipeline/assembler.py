"""OTLP bytes of one trace to a ``Trace``: decoded, each record once, in an order that does not depend on arrival.

Does not know what a span means, nor when a trace is complete. Each access to a protobuf message makes an object: what
most spans do not have is asked for once, and not converted.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status as StatusMessage
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from checks.constructor import constructor_of
from checks.cut import has_mark
from checks.span import Event, Link, LogRecord, Scope, Span, SpanKind, Status, StatusCode
from checks.trace import CloseReason, Feedback, Trace
from collector.plain import attributes_of, log_record, log_time

MOST_RESOURCES = 256
LARGEST_RESOURCE = 4096
"""Of so many resources the attributes are remembered, and of none that takes more bytes: apps choose them."""

_KINDS = {int(kind.value): kind for kind in SpanKind}
_STATUS_CODES = {int(code.value): code for code in StatusCode}
_UNSPECIFIED, _UNSET, _NO_STATUS = SpanKind.UNSPECIFIED, StatusCode.UNSET, Status()

_new_trace, _new_span = constructor_of(Trace), constructor_of(Span)
_new_scope, _new_status = constructor_of(Scope), constructor_of(Status)
_in_time = attrgetter("start_ns", "span_id")


def assemble(
    trace_id: str,
    spans: bytes,
    logs: bytes,
    closed_by: CloseReason,
    feedback: tuple[Feedback, ...] = (),
    truncated: bool = False,
) -> Trace:
    """The trace that the encoded records make up.

    The result is the same for any order and any split of the same records. Of spans with the same id the one that ended
    last stands (then the longer, then the greater encoding): clients resend, and some export a span twice.

    Args:
        trace_id: 32 lower-case hex digits. Records of another trace are left out.
        spans: OTLP ``TracesData``, or several joined; empty for none.
        logs: OTLP ``LogsData``, or several joined; empty for none.
        closed_by: Why the trace was closed.
        feedback: What came beside the telemetry.
        truncated: Whether spans were left out because a limit was met. So it is in any case where a value was cut.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are not what they should be.
    """
    wanted = bytes.fromhex(trace_id)
    found = tuple(sorted(_spans(spans, wanted), key=_in_time)) if spans else ()
    records = tuple(_logs(logs, wanted)) if logs else ()
    return _new_trace(
        trace_id=trace_id,
        spans=found,
        closed_by=closed_by,
        logs=records,
        feedback=feedback,
        truncated=truncated or has_mark(found, records),
    )


class _Resources(dict[bytes, Mapping[str, Any]]):
    """The attributes of resources, by their encoding: each app sends its own with all that it sends.

    Threads may share it; what it gives nobody changes, as all spans of a resource share it.
    """

    def __missing__(self, encoded: bytes) -> Mapping[str, Any]:
        attributes = attributes_of(Resource.FromString(encoded).attributes)
        if len(encoded) <= LARGEST_RESOURCE:
            if len(self) >= MOST_RESOURCES:
                self.clear()
            self[encoded] = attributes
        return attributes


_resources = _Resources()


class _Origin:
    """Resource and scope of a group of records, converted once and shared by all of them."""

    __slots__ = ("_messages", "resource", "scope")

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self.resource = _resources[resource.SerializeToString()]
        self.scope = _new_scope(scope.name, scope.version)
        self._messages = (resource, scope)

    def encoded(self) -> bytes:
        return b"".join(message.SerializeToString() for message in self._messages)


_Copy = tuple[SpanMessage, _Origin]
_LogCopy = tuple[LogRecordMessage, _Origin]


def _spans(encoded: bytes, trace_id: bytes) -> list[Span]:
    found: dict[bytes, _Copy] = {}
    rivals: dict[bytes, list[_Copy]] = {}
    for resource_spans in TracesData.FromString(encoded).resource_spans[:]:
        for scope_spans in resource_spans.scope_spans[:]:
            origin = _Origin(resource_spans.resource, scope_spans.scope)
            for message in scope_spans.spans[:]:  # as in `attributes_of`
                if message.trace_id == trace_id:
                    copy = (message, origin)
                    first = found.setdefault(message.span_id, copy)
                    if first is not copy:
                        rivals.setdefault(message.span_id, [first]).append(copy)
    for span_id, copies in rivals.items():
        found[span_id] = max(copies, key=_span_order)
    hex_id = trace_id.hex()
    return [_span(hex_id, span_id.hex(), message, origin) for span_id, (message, origin) in found.items()]


def _span_order(copy: _Copy) -> tuple[int, int, bytes, bytes]:
    message, origin = copy
    encoded = message.SerializeToString()
    return message.end_time_unix_nano, len(encoded), encoded, origin.encoded()


def _logs(encoded: bytes, trace_id: bytes) -> list[LogRecord]:
    """The log records in order of time, then of their encoding; identical ones once."""
    by_time: dict[int, list[_LogCopy]] = {}
    for resource_logs in LogsData.FromString(encoded).resource_logs:
        for scope_logs in resource_logs.scope_logs:
            origin = _Origin(resource_logs.resource, scope_logs.scope)
            for message in scope_logs.log_records:
                if message.trace_id == trace_id:
                    by_time.setdefault(log_time(message), []).append((message, origin))
    in_order = (copy for time_ns in sorted(by_time) for copy in _once(by_time[time_ns]))
    return [log_record(message, origin.resource, origin.scope) for message, origin in in_order]


def _once(copies: list[_LogCopy]) -> list[_LogCopy]:
    """The records of one moment in order of their encoding; identical ones once."""
    if len(copies) == 1:
        return copies
    found: dict[bytes, _LogCopy] = {}
    for message, origin in copies:
        encoded = message.SerializeToString()
        rival = found.get(encoded)
        if rival is None or origin.encoded() > rival[1].encoded():
            found[encoded] = message, origin
    return [found[encoded] for encoded in sorted(found)]


def _span(trace_id: str, span_id: str, message: SpanMessage, origin: _Origin) -> Span:
    """By position, in the order of ``Span``'s fields: names would cost as much again as the span itself."""
    parent_id = message.parent_span_id
    return _new_span(
        trace_id,
        span_id,
        parent_id.hex() if any(parent_id) else None,
        message.name,
        _KINDS.get(message.kind, _UNSPECIFIED),
        message.start_time_unix_nano,
        message.end_time_unix_nano,
        _status(message.status) if message.HasField("status") else _NO_STATUS,
        attributes_of(message.attributes),
        tuple(map(_event, events)) if (events := message.events) else (),
        tuple(map(_link, links)) if (links := message.links) else (),
        origin.resource,
        origin.scope,
    )


def _event(message: SpanMessage.Event) -> Event:
    return Event(message.name, message.time_unix_nano, attributes_of(message.attributes))


def _link(message: SpanMessage.Link) -> Link:
    return Link(message.trace_id.hex(), message.span_id.hex(), attributes_of(message.attributes))


def _status(message: StatusMessage) -> Status:
    return _new_status(_STATUS_CODES.get(message.code, _UNSET), message.message)
