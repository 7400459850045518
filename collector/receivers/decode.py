"""An OTLP request body becomes a ``Batch`` of pieces, one per trace. Does no I/O and knows no transport.

The body is walked by its lengths and every record in it decoded by itself, one after another: a request never exists as
objects in whole, and its spans are counted before they are made. A record's bytes are kept as they came unless
something in them had to change.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from collector.intake import Batch, Piece, Refusal, Refused, Source
from collector.receivers import otlp_json
from collector.receivers.grouping import Grouping, TraceRecords
from collector.receivers.limits import ReceiverLimits
from collector.receivers.records import (
    Record,
    read_log,
    read_resource_logs,
    read_resource_spans,
    read_scope_logs,
    read_scope_spans,
    read_span,
)
from collector.receivers.truncation import cut_attributes
from collector.receivers.wire import DELIMITED, Field, WireError, fields

FIELDS_PER_SPAN = 4
"""How many fields outside the spans a request may hold for each span it may hold: resources, scopes, their names."""

SPREAD = 4
"""How many times larger than a request its pieces may be: each trace in it gets a copy of its resource and scope."""


@dataclass(frozen=True, slots=True)
class _Signal:
    """What differs between traces and logs."""

    record: str
    read_resource: Callable[[bytes, str], ResourceSpans | ResourceLogs]
    read_scope: Callable[[bytes, str], Message]
    read: Callable[[bytes, str, ReceiverLimits], Record | Refusal]
    piece: Callable[[str, TraceRecords, bytes], Piece]


def _spans_piece(trace_id: str, trace: TraceRecords, encoded: bytes) -> Piece:
    return Piece(trace_id, spans=encoded, span_ids=tuple(trace.span_ids), has_root=trace.has_root)


def _logs_piece(trace_id: str, trace: TraceRecords, encoded: bytes) -> Piece:
    return Piece(trace_id, logs=encoded, log_count=len(trace.records))


_SPANS = _Signal("span", read_resource_spans, read_scope_spans, read_span, _spans_piece)
_LOGS = _Signal("log record", read_resource_logs, read_scope_logs, read_log, _logs_piece)


def traces_from_protobuf(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportTraceServiceRequest`` (the same on the wire as ``TracesData``).

    Returns:
        The pieces in the order in which their traces first appear, and the spans that were refused, by reason
        (``INVALID_ID``, ``INVALID_TIME``).

    Raises:
        Refused: ``MALFORMED``, ``TOO_MANY_SPANS`` or ``TOO_LARGE``: nothing of the request can be taken.
    """
    return _Decoding(body, limits, _SPANS).batch(source)


def logs_from_protobuf(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportLogsServiceRequest`` (the same on the wire as ``LogsData``).

    Records without a trace are counted in the batch as ``NO_TRACE_ID``. Returns and raises as ``traces_from_protobuf``.
    """
    return _Decoding(body, limits, _LOGS).batch(source)


def traces_from_json(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportTraceServiceRequest`` in OTLP/JSON; returns and raises as ``traces_from_protobuf``."""
    return traces_from_protobuf(otlp_json.traces_to_protobuf(body, limits), source, limits)


def logs_from_json(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportLogsServiceRequest`` in OTLP/JSON; returns and raises as ``logs_from_protobuf``."""
    return logs_from_protobuf(otlp_json.logs_to_protobuf(body, limits), source, limits)


class _Decoding:
    """The decoding of one request."""

    def __init__(self, body: bytes, limits: ReceiverLimits, signal: _Signal) -> None:
        self._body = body
        self._limits = limits
        self._signal = signal
        self._records_left = limits.spans_per_request
        self._fields_left = FIELDS_PER_SPAN * limits.spans_per_request
        self._grouping = Grouping()
        self._rejected: Counter[Refusal] = Counter()

    def batch(self, source: Source) -> Batch:
        """Decode it all."""
        try:
            _, resources = self._split(0, len(self._body), 1)
            for resource in resources:
                self._read_resource(resource)
        except WireError as error:
            raise Refused(Refusal.MALFORMED, f"the body is not valid OTLP protobuf: {error}") from None
        return Batch(source, self._pieces(), dict(self._rejected))

    def _read_resource(self, resource: Field) -> None:
        header, scopes = self._split(resource.start, resource.end, 2)
        self._grouping.start_resource(self._checked_resource(header, resource.start))
        for scope in scopes:
            self._read_scope(scope)

    def _read_scope(self, scope: Field) -> None:
        header, records = self._split(scope.start, scope.end, 2, are_records=True)
        self._signal.read_scope(header, f"the scope at byte {scope.start}")
        self._grouping.start_scope(header)
        for record in records:
            self._read_record(record)

    def _read_record(self, place: Field) -> None:
        what = f"the {self._signal.record} at byte {place.start}"
        record = self._signal.read(self._body[place.start : place.end], what, self._limits)
        if isinstance(record, Refusal):
            self._rejected[record] += 1
        else:
            self._grouping.add(record)

    def _split(self, start: int, end: int, number: int, *, are_records: bool = False) -> tuple[bytes, list[Field]]:
        """Take apart a message: return it without the messages in its field ``number``, and where those are."""
        rest, inner = [], []
        for found in fields(self._body, start, end):
            self._count(is_record=are_records and found.number == number)
            if found.number == number and found.wire_type == DELIMITED:
                inner.append(found)
            else:
                rest.append(self._body[found.tag_at : found.end])
        return b"".join(rest), inner

    def _count(self, *, is_record: bool) -> None:
        """Count a field before anything is made of it."""
        self._records_left -= is_record
        self._fields_left -= 1
        if self._records_left < 0 or self._fields_left < 0:
            raise Refused(
                Refusal.TOO_MANY_SPANS,
                f"the request holds more than {self._limits.spans_per_request} {self._signal.record}s, resources and "
                "scopes (limits.spans_per_request); send smaller batches",
            )

    def _checked_resource(self, header: bytes, at: int) -> bytes:
        """Return the resource, its attributes cut where they are too large."""
        message = self._signal.read_resource(header, f"the resource at byte {at}")
        limit = self._limits.attribute_bytes
        if len(header) > limit and cut_attributes(message.resource.attributes, limit):
            return message.SerializeToString()
        return header

    def _pieces(self) -> tuple[Piece, ...]:
        pieces = []
        room = SPREAD * max(len(self._body), self._limits.request_bytes)
        for trace_id, trace, encoded in self._grouping.traces():
            room -= len(encoded)
            if room < 0:
                raise Refused(
                    Refusal.TOO_LARGE,
                    "the request's resource or scope is too large for so many traces; send smaller batches",
                )
            pieces.append(self._signal.piece(trace_id, trace, encoded))
        return tuple(pieces)
