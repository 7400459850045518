"""One span or log record of a request: is it valid, which trace is it of, and with what bytes is it kept.

What is wrong with one record is that record's refusal; what is no protobuf refuses the whole request: a sender that
garbles one record can't be trusted with the next.

Decisions:

- A span whose end lies before its start is accepted: clocks differ, and the assembler clamps the duration.
- A time that does not fit into a signed 64-bit integer (after the year 2262) is refused with its record.
- A parent id of zeros means "no parent".
- A log record without a valid trace id belongs to no trace (``logs.proto`` says so of both cases). It is counted and
  dropped; an app sends all of its logs here, so that is no error. An invalid span id is taken off it.
- What a sidecar tells of its verdicts or of itself, and a Collector brings back, is none of an app's telemetry: to
  judge the trace again for it, or to tell of it, would go on for ever.
- Feedback that names no trace but a response is not: it is sent when the trace is long over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from checks.constructor import constructor_of
from collector.conventions import feedback
from collector.intake import Refusal, Refused, Said
from collector.plain import log_record
from collector.receivers.limits import MIB, ReceiverLimits
from collector.receivers.truncation import cut_attributes, cut_value, mark_cut
from collector.receivers.wire import WireError, delimited, holds_more_than, of_one_scope

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
MAX_TIME_NS = (1 << 63) - 1
MAX_FIELDS = 100_000
"""The most fields in one record of more than 1 MiB, those of its attributes included."""

RECORD_FIELD = 2
"""``spans`` and ``log_records`` are field 2 of a scope."""

OWN_SCOPES = {"sidecheck.results": Refusal.OWN_RESULT, "sidecheck.telemetry": Refusal.OWN_TELEMETRY}
"""``SCOPE`` of ``exporters.otlp.results`` and of ``exporters.otlp.telemetry``; a test compares them."""
_RESPONSE_ID = b"gen_ai.response.id"

_Message = TypeVar("_Message", bound=Message)


@dataclass(frozen=True, slots=True)
class Records:
    """Valid records of one trace, side by side in one scope, and what is kept of them.

    ``fields`` are the records encoded as fields of their scope, tags and lengths included; where nothing changed, as
    they stand in the request. ``span_ids`` and ``has_root`` are those of spans.
    """

    trace_id: bytes
    fields: bytes | memoryview
    span_ids: tuple[bytes, ...] = ()
    has_root: bool = False
    count: int = 1


new_records = constructor_of(Records)


def parse(kind: type[_Message], data: bytes, what: str) -> _Message:
    """Return the message; ``what`` names it to the sender.

    Raises:
        Refused: ``MALFORMED`` for bytes that are no such message or hold text that is not UTF-8, ``TOO_LARGE`` for a
            message that is made of too many fields.
    """
    try:
        if len(data) > MIB and holds_more_than(MAX_FIELDS, data, kind):
            raise Refused(Refusal.TOO_LARGE, f"{what} holds more than {MAX_FIELDS} fields")
        return kind.FromString(data)
    except (DecodeError, WireError):
        raise malformed(what) from None


def malformed(what: str) -> Refused:
    """Return the refusal of bytes that cannot be read."""
    return Refused(
        Refusal.MALFORMED,
        f"{what} is not valid OTLP protobuf: it is cut off, of the wrong type, or its text is not UTF-8",
    )


def read_resource_spans(data: bytes, what: str) -> ResourceSpans:
    """Read a resource of spans, at the depth at which it is kept."""
    return parse(TracesData, delimited(1, data), what).resource_spans[0]


def read_scope_spans(data: bytes, what: str) -> ScopeSpans:
    """Read a scope of spans, at the depth at which it is kept."""
    return parse(TracesData, delimited(1, delimited(2, data)), what).resource_spans[0].scope_spans[0]


def read_resource_logs(data: bytes, what: str) -> ResourceLogs:
    """Read a resource of log records, at the depth at which it is kept."""
    return parse(LogsData, delimited(1, data), what).resource_logs[0]


def read_scope_logs(data: bytes, what: str) -> ScopeLogs:
    """Read a scope of log records, at the depth at which it is kept."""
    return parse(LogsData, delimited(1, delimited(2, data)), what).resource_logs[0].scope_logs[0]


def read_span(data: bytes, what: str) -> Span:
    """Read a span, at the depth at which it is kept."""
    return _spans(parse(TracesData, enclosed(_as_field(data)), what))[0]


def read_log(data: bytes, what: str) -> LogRecord:
    """Read a log record, at the depth at which it is kept."""
    return _log_records(parse(LogsData, enclosed(_as_field(data)), what))[0]


def read_spans(request: bytes) -> Sequence[Span]:
    """Read the spans of a request's only scope at once; raise ``DecodeError`` where one is malformed."""
    return _spans(TracesData.FromString(request))


def read_logs(request: bytes) -> Sequence[LogRecord]:
    """Read several log records at once, likewise."""
    return _log_records(LogsData.FromString(request))


def check_span(span: Span, field: bytes, limits: ReceiverLimits) -> Records | Refusal:
    """Return what is kept of a span, or why it is refused.

    Args:
        span: The span.
        field: The same, encoded as a field of its scope.
        limits: What is larger is cut.
    """
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    if not (is_id(trace_id, TRACE_ID_BYTES) and is_id(span_id, SPAN_ID_BYTES)):
        return Refusal.INVALID_ID
    if parent_id and len(parent_id) != SPAN_ID_BYTES:
        return Refusal.INVALID_ID
    if span.start_time_unix_nano > MAX_TIME_NS or span.end_time_unix_nano > MAX_TIME_NS:
        return Refusal.INVALID_TIME
    is_root = not any(parent_id)
    changed = is_root and bool(parent_id)
    if changed:
        span.ClearField("parent_span_id")
    changed |= len(field) > limits.attribute_bytes and _cut_span(span, limits.attribute_bytes)
    return new_records(trace_id, _as_field(span.SerializeToString()) if changed else field, (span_id,), is_root)


def check_log(log: LogRecord, field: bytes, limits: ReceiverLimits) -> Records | Refusal:
    """Return what is kept of a log record, or why it is refused, as ``check_span`` does; it may name no trace."""
    if not is_id(log.trace_id, TRACE_ID_BYTES):
        return Refusal.NO_TRACE_ID
    if max(log.time_unix_nano, log.observed_time_unix_nano) > MAX_TIME_NS:
        return Refusal.INVALID_TIME
    changed = bool(log.span_id) and not is_id(log.span_id, SPAN_ID_BYTES)
    if changed:
        log.ClearField("span_id")
    changed |= len(field) > limits.attribute_bytes and _cut_log(log, limits.attribute_bytes)
    return new_records(log.trace_id, _as_field(log.SerializeToString()) if changed else field)


def said_in(log: LogRecord, field: bytes) -> Said | None:
    """Return the feedback in a log record that names no trace but a response; ``None`` where it is none.

    ``field`` is the record encoded. Most logs of an app name no trace, so it is looked into first.
    """
    return feedback.on_response(log_record(log, {})) if _RESPONSE_ID in field and feedback.may_be_in(field) else None


def own(scope: ScopeSpans | ScopeLogs) -> Refusal | None:
    """What a scope is refused as that holds what a sidecar told: of its verdicts, or of itself."""
    return OWN_SCOPES.get(scope.scope.name)


def _spans(message: TracesData) -> Sequence[Span]:
    return message.resource_spans[0].scope_spans[0].spans


def _log_records(message: LogsData) -> Sequence[LogRecord]:
    return message.resource_logs[0].scope_logs[0].log_records


def _as_field(record: bytes) -> bytes:
    """Return the record as a field of its scope."""
    return delimited(RECORD_FIELD, record)


def enclosed(fields: bytes | memoryview) -> bytes:
    """Return a message that holds the records alone, as deep as they are kept.

    Decoders stop at a depth of 100: what can be read here can be read again when the trace is put together.
    """
    return of_one_scope(b"", b"", fields)


def is_id(value: bytes, length: int) -> bool:
    """Whether this is a valid id: of this length and not all zeros (W3C Trace Context, section 3.2.2)."""
    return len(value) == length and any(value)


def _cut_span(span: Span, limit: int) -> bool:
    carriers = (span.attributes, *(e.attributes for e in span.events), *(link.attributes for link in span.links))
    return sum(cut_attributes(attributes, limit) for attributes in carriers) > 0


def _cut_log(log: LogRecord, limit: int) -> bool:
    body_cut = cut_value(log.body, limit)
    attributes_cut = cut_attributes(log.attributes, limit)
    if body_cut:
        mark_cut(log.attributes, ["body"])
    return body_cut or attributes_cut
