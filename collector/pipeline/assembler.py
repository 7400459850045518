"""OTLP bytes of one trace to a ``Trace``: decoded, each record once, in an order that does not depend on arrival.

Owns the conversion to plain Python. Does not know what a span means, nor when a trace is complete.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from checks.span import Event, Link, LogRecord, Scope, Span, SpanKind, Status, StatusCode
from checks.trace import CloseReason, Feedback, Trace

_KINDS = {int(kind.value): kind for kind in SpanKind}
_STATUS_CODES = {int(code.value): code for code in StatusCode}


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
        truncated: Whether spans were left out because a limit was met.

    Raises:
        google.protobuf.message.DecodeError: If the bytes are not what they should be.
    """
    wanted = bytes.fromhex(trace_id)
    return Trace(
        trace_id=trace_id,
        spans=tuple(sorted(_spans(spans, wanted), key=lambda span: (span.start_ns, span.span_id))),
        closed_by=closed_by,
        logs=tuple(_logs(logs, wanted)),
        feedback=feedback,
        truncated=truncated,
    )


class _Origin:
    """Resource and scope of a group of records, converted once and shared by all of them."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self.resource = _attributes(resource.attributes)
        self.scope = Scope(scope.name, scope.version)
        self._messages = (resource, scope)

    def encoded(self) -> bytes:
        return b"".join(message.SerializeToString() for message in self._messages)


def _spans(encoded: bytes, trace_id: bytes) -> Iterator[Span]:
    found: dict[bytes, list[tuple[SpanMessage, _Origin]]] = defaultdict(list)
    for resource_spans in TracesData.FromString(encoded).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            origin = _Origin(resource_spans.resource, scope_spans.scope)
            for message in scope_spans.spans:
                if message.trace_id == trace_id:
                    found[message.span_id].append((message, origin))
    for copies in found.values():
        yield _span(*(copies[0] if len(copies) == 1 else max(copies, key=_span_order)))


def _span_order(copy: tuple[SpanMessage, _Origin]) -> tuple[int, int, bytes, bytes]:
    message, origin = copy
    encoded = message.SerializeToString()
    return message.end_time_unix_nano, len(encoded), encoded, origin.encoded()


def _logs(encoded: bytes, trace_id: bytes) -> list[LogRecord]:
    """The log records in order of time, then of their encoding; identical ones once."""
    found: dict[tuple[int, bytes], tuple[LogRecordMessage, _Origin]] = {}
    for resource_logs in LogsData.FromString(encoded).resource_logs:
        for scope_logs in resource_logs.scope_logs:
            origin = _Origin(resource_logs.resource, scope_logs.scope)
            for message in scope_logs.log_records:
                if message.trace_id == trace_id:
                    key = (_log_time(message), message.SerializeToString())
                    rival = found.get(key)
                    if rival is None or origin.encoded() > rival[1].encoded():
                        found[key] = message, origin
    return [_log(*found[key]) for key in sorted(found)]


def _span(message: SpanMessage, origin: _Origin) -> Span:
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_id=_id(message.parent_span_id),
        name=message.name,
        kind=_KINDS.get(message.kind, SpanKind.UNSPECIFIED),
        start_ns=message.start_time_unix_nano,
        end_ns=message.end_time_unix_nano,
        status=Status(_STATUS_CODES.get(message.status.code, StatusCode.UNSET), message.status.message),
        attributes=_attributes(message.attributes),
        events=tuple(Event(e.name, e.time_unix_nano, _attributes(e.attributes)) for e in message.events),
        links=tuple(Link(k.trace_id.hex(), k.span_id.hex(), _attributes(k.attributes)) for k in message.links),
        resource=origin.resource,
        scope=origin.scope,
    )


def _log(message: LogRecordMessage, origin: _Origin) -> LogRecord:
    attributes = _attributes(message.attributes)
    named = attributes.get("event.name")
    return LogRecord(
        trace_id=message.trace_id.hex(),
        span_id=_id(message.span_id),
        event_name=message.event_name or (named if isinstance(named, str) else ""),
        time_ns=_log_time(message),
        body=_value(message.body),
        attributes=attributes,
        resource=origin.resource,
        scope=origin.scope,
    )


def _log_time(message: LogRecordMessage) -> int:
    """When it happened or, where that was not recorded, when it was observed."""
    return message.time_unix_nano or message.observed_time_unix_nano


def _id(raw: bytes) -> str | None:
    """A span id as hex; ``None`` for an empty one and for all zeros, both of which stand for "none"."""
    return raw.hex() if any(raw) else None


def _attributes(pairs: Iterable[KeyValue]) -> Mapping[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(message: AnyValue) -> Any:
    """An ``AnyValue`` as plain Python. Nesting needs no guard: protobuf refuses to parse what is deeper than 100."""
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in message.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in message.kvlist_value.values}
    return getattr(message, kind)
