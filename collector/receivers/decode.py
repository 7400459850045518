"""An OTLP request body becomes a ``Batch`` of pieces, one per trace. Does no I/O and knows no transport.

The body is walked by its lengths and the records in it decoded a few at a time: a request never exists as objects in
whole, and its spans are counted before they are made. A record's bytes are kept as they came unless something in them
had to change.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs, ScopeLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from checks.constructor import constructor_of
from collector.intake import Batch, Piece, Refusal, Refused, Said, Source
from collector.receivers import otlp_json
from collector.receivers.grouping import Grouping, TraceRecords
from collector.receivers.limits import ReceiverLimits
from collector.receivers.records import (
    RECORD_FIELD,
    Records,
    check_log,
    check_span,
    enclosed,
    own,
    read_log,
    read_logs,
    read_resource_logs,
    read_resource_spans,
    read_scope_logs,
    read_scope_spans,
    read_span,
    read_spans,
    said_in,
)
from collector.receivers.runs import by_trace
from collector.receivers.truncation import cut_attributes
from collector.receivers.wire import DELIMITED, Place, WireError, delimited, places

FIELDS_PER_SPAN = 4
"""How many fields outside the spans a request may hold for each span it may hold: resources, scopes, their names."""

RUN_RECORDS, RUN_BYTES = 256, 256 << 10
"""As many records, of as many bytes, are decoded at once."""

COUNTED_AT_ONCE = 1_000
"""So many fields are found before it is looked whether there are too many."""

MOST_SAID = 1_000
"""Pieces of feedback without a trace that one request may hold: each is a write of its own."""

SPREAD = 4
"""How many times larger than a request its pieces may be: each trace in it gets a copy of its resource and scope."""


@dataclass(frozen=True, slots=True)
class _Signal:
    """What differs between traces and logs."""

    record: str
    read_resource: Callable[[bytes, str], ResourceSpans | ResourceLogs]
    read_scope: Callable[[bytes, str], ScopeSpans | ScopeLogs]
    read: Callable[[bytes, str], Message]
    read_run: Callable[[bytes], Sequence[Message]]
    sort_run: Callable[[memoryview, Sequence[Place], Any, ReceiverLimits], Sequence[Records]]
    check: Callable[[Any, bytes, ReceiverLimits], Records | Refusal]
    piece: Callable[[str, TraceRecords, bytes], Piece]


def _one_by_one(*_: object) -> Sequence[Records]:
    """What a run of log records is sorted into: nothing. Many name no trace, and each of these is looked into."""
    return ()


_new_piece = constructor_of(Piece)


def _spans_piece(trace_id: str, trace: TraceRecords, encoded: bytes) -> Piece:
    return _new_piece(trace_id, spans=encoded, span_ids=tuple(trace.span_ids), has_root=trace.has_root)


def _logs_piece(trace_id: str, trace: TraceRecords, encoded: bytes) -> Piece:
    return _new_piece(trace_id, logs=encoded, log_count=trace.count)


_SPANS = _Signal(
    "span", read_resource_spans, read_scope_spans, read_span, read_spans, by_trace, check_span, _spans_piece
)
_LOGS = _Signal(
    "log record", read_resource_logs, read_scope_logs, read_log, read_logs, _one_by_one, check_log, _logs_piece
)


def traces_from_protobuf(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportTraceServiceRequest`` (the same on the wire as ``TracesData``).

    Returns:
        The pieces in the order in which their traces first appear, and the spans that were refused, by reason
        (``INVALID_ID``, ``INVALID_TIME``; ``OWN_TELEMETRY``: what a sidecar told of itself).

    Raises:
        Refused: ``MALFORMED``, ``TOO_MANY_SPANS`` or ``TOO_LARGE``: nothing of the request can be taken.
    """
    return _Decoding(body, limits, _SPANS).batch(source)


def logs_from_protobuf(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportLogsServiceRequest`` (the same on the wire as ``LogsData``).

    Records without a trace are counted in the batch as ``NO_TRACE_ID``, what a sidecar told as ``OWN_RESULT`` (of its
    verdicts) and ``OWN_TELEMETRY``. Returns and raises as ``traces_from_protobuf``.
    """
    return _Decoding(body, limits, _LOGS).batch(source)


def traces_from_json(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportTraceServiceRequest`` in OTLP/JSON; returns and raises as ``traces_from_protobuf``."""
    return traces_from_protobuf(otlp_json.traces_to_protobuf(body, limits), source, limits)


def logs_from_json(body: bytes, source: Source, limits: ReceiverLimits) -> Batch:
    """Decode an ``ExportLogsServiceRequest`` in OTLP/JSON; returns and raises as ``logs_from_protobuf``."""
    return logs_from_protobuf(otlp_json.logs_to_protobuf(body, limits), source, limits)


def _runs(records: Sequence[Place]) -> Iterator[Sequence[Place]]:
    """Give the records in runs, none of them too large. Other fields of their scope may lie between them."""
    ends = [place[3] for place in records]
    start = 0
    while start < len(records):
        fitting = bisect_right(ends, records[start][1] + RUN_BYTES, start)
        end = max(start + 1, min(fitting, start + RUN_RECORDS))
        yield records[start:end]
        start = end


class _Decoding:
    """The decoding of one request."""

    def __init__(self, body: bytes, limits: ReceiverLimits, signal: _Signal) -> None:
        self._body = body
        self._view = memoryview(body)  # whose slices take no copy
        self._limits = limits
        self._signal = signal
        self._records_left = limits.spans_per_request
        self._fields_left = FIELDS_PER_SPAN * limits.spans_per_request
        self._grouping = Grouping()
        self._rejected: Counter[Refusal] = Counter()
        self._is_as_sent = signal is _SPANS
        self._has_one_scope = False
        self._said: list[Said] = []

    def batch(self, source: Source) -> Batch:
        """Decode it all."""
        try:
            _, resources = self._split(0, len(self._body), 1)
            self._has_one_scope = len(resources) == 1
            for resource in resources:
                self._read_resource(resource)
        except WireError as error:
            raise Refused(Refusal.MALFORMED, f"the body is not valid OTLP protobuf: {error}") from None
        pieces = self._pieces()
        traces = self._body if pieces and self._is_as_sent and not self._rejected else None
        return Batch(source, pieces, dict(self._rejected), said=tuple(self._said), traces=traces)

    def _read_resource(self, resource: Place) -> None:
        _, _, start, end = resource
        header, scopes = self._split(start, end, 2)
        self._grouping.start_resource(self._checked_resource(header, start))
        self._has_one_scope &= len(scopes) == 1
        for scope in scopes:
            self._read_scope(scope)

    def _read_scope(self, scope: Place) -> None:
        _, _, start, end = scope
        header, records = self._split(start, end, RECORD_FIELD, are_records=True)
        read = self._signal.read_scope(header, f"the scope at byte {start}")
        refusal = own(read)
        if refusal is not None:
            self._rejected[refusal] += len(records)
            return
        self._grouping.start_scope(header)
        for run in _runs(records):
            is_all = self._has_one_scope and len(run) == len(records) and len(self._body) <= RUN_BYTES
            self._read_run(run, is_all=is_all)

    def _read_run(self, run: Sequence[Place], *, is_all: bool) -> None:
        """Read several records: all at once, or one by one where that fails, to tell which it was.

        ``is_all`` says that there are no others, so that they can be read where they are.
        """
        messages: Sequence[Message] = ()
        if len(run) > 1:
            with suppress(DecodeError):
                alone = self._body if is_all else enclosed(self._view[run[0][1] : run[-1][3]])
                messages = self._signal.read_run(alone)
        if len(messages) != len(run):
            for place in run:
                self._read_record(place)
            return
        found = self._signal.sort_run(self._view, run, messages, self._limits)
        for records in found:
            self._grouping.add(records)
        if not found:
            for (_, tag_at, _, end), message in zip(run, messages, strict=True):
                self._keep(message, self._body[tag_at:end])

    def _read_record(self, place: Place) -> None:
        _, _, start, end = place
        data = self._body[start:end]
        message = self._signal.read(data, f"the {self._signal.record} at byte {start}")
        self._keep(message, delimited(RECORD_FIELD, data))

    def _keep(self, message: Message, field: bytes) -> None:
        record = self._signal.check(message, field, self._limits)
        if isinstance(record, Refusal):
            self._refuse(record, message, field)
        else:
            self._is_as_sent &= record.fields is field
            self._grouping.add(record)

    def _refuse(self, reason: Refusal, message: Any, field: bytes) -> None:
        is_log = reason is Refusal.NO_TRACE_ID  # which is never said of a span
        said = said_in(message, field) if is_log and len(self._said) < MOST_SAID else None
        if said is not None:
            self._said.append(said)
        else:
            self._rejected[reason] += 1

    def _split(self, start: int, end: int, number: int, *, are_records: bool = False) -> tuple[bytes, list[Place]]:
        """Take apart a message: return it without the messages in its field ``number``, and where those are.

        Fields are counted before anything is made of them.
        """
        body, wanted = self._body, number << 3 | DELIMITED
        rest: list[bytes] = []
        inner: list[Place] = []
        while found := places(body, start, end, COUNTED_AT_ONCE):
            start = found[-1][3]
            self._fields_left -= len(found)
            inner += (wanted_here := [place for place in found if place[0] == wanted])
            others = [place for place in found if place[0] != wanted] if len(wanted_here) < len(found) else []
            if are_records:
                self._records_left -= len(wanted_here) + sum(place[0] >> 3 == number for place in others)
            if self._records_left < 0 or self._fields_left < 0:
                raise self._too_many()
            rest += [body[tag_at:value_end] for _, tag_at, _, value_end in others]
        return b"".join(rest), inner

    def _too_many(self) -> Refused:
        return Refused(
            Refusal.TOO_MANY_SPANS,
            f"the request holds more than {self._limits.spans_per_request} {self._signal.record}s, resources and "
            "scopes (limits.spans_per_request); send smaller batches",
        )

    def _checked_resource(self, header: bytes, at: int) -> bytes:
        """Return the resource, its attributes cut where they are too large."""
        message = self._signal.read_resource(header, f"the resource at byte {at}")
        limit = self._limits.attribute_bytes
        if len(header) > limit and cut_attributes(message.resource.attributes, limit):
            self._is_as_sent = False
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
