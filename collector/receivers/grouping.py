"""Sorting the records of a request by trace. Owns how the pieces of a trace are encoded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from collector.receivers.records import Record
from collector.receivers.wire import delimited

_RESOURCE_FIELD = 1
_INNER_FIELD = 2
"""``resource_spans`` and ``resource_logs`` are field 1 of a request; ``scope_*`` and the records are field 2 inside."""


@dataclass(slots=True)
class TraceRecords:
    """The records of one trace, each with the places of its resource and scope in the request."""

    records: list[tuple[int, int, bytes]] = field(default_factory=list)
    span_ids: list[bytes] = field(default_factory=list)
    has_root: bool = False


class Grouping:
    """Takes resources, scopes and records in the order of the request; gives one message per trace."""

    def __init__(self) -> None:
        self._resources: list[bytes] = []
        self._scopes: list[bytes] = []
        self._traces: dict[bytes, TraceRecords] = {}

    def start_resource(self, encoded: bytes) -> None:
        """Go on with the records of this resource: a ``ResourceSpans`` or ``ResourceLogs`` without its scopes."""
        self._resources.append(encoded)

    def start_scope(self, encoded: bytes) -> None:
        """Go on with the records of this scope: a ``ScopeSpans`` or ``ScopeLogs`` without its records."""
        self._scopes.append(encoded)

    def add(self, record: Record) -> None:
        """Add a record of the scope that was started last."""
        trace = self._traces.get(record.trace_id)
        if trace is None:
            trace = self._traces[record.trace_id] = TraceRecords()
        trace.records.append((len(self._resources) - 1, len(self._scopes) - 1, record.data))
        if record.span_id:
            trace.span_ids.append(record.span_id)
        trace.has_root |= record.is_root

    def traces(self) -> Iterator[tuple[str, TraceRecords, bytes]]:
        """Give, for each trace, its id, its records and the encoded message that holds them."""
        for trace_id, trace in self._traces.items():
            yield trace_id.hex(), trace, self._encode(trace)

    def _encode(self, trace: TraceRecords) -> bytes:
        resources = []
        for number, records in groupby(trace.records, key=itemgetter(0)):
            scopes = (self._encode_scope(scope, of_scope) for scope, of_scope in groupby(records, key=itemgetter(1)))
            resources.append(delimited(_RESOURCE_FIELD, self._resources[number] + b"".join(scopes)))
        return b"".join(resources)

    def _encode_scope(self, number: int, records: Iterator[tuple[int, int, bytes]]) -> bytes:
        encoded = (delimited(_INNER_FIELD, data) for _, _, data in records)
        return delimited(_INNER_FIELD, self._scopes[number] + b"".join(encoded))
