"""Sorting the records of a request by trace. Owns how the pieces of a trace are encoded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from collector.receivers.records import Records
from collector.receivers.wire import delimited, of_one_scope

_RESOURCE_FIELD = 1
_SCOPE_FIELD = 2
"""``resource_spans`` and ``resource_logs`` are field 1 of a request, ``scope_spans`` and ``scope_logs`` 2 of those."""


@dataclass(slots=True)
class TraceRecords:
    """The records of one trace, encoded as fields of their scopes, by the number of the scope in the request."""

    scopes: dict[int, list[bytes | memoryview]] = field(default_factory=dict)
    span_ids: list[bytes] = field(default_factory=list)
    has_root: bool = False
    count: int = 0


class Grouping:
    """Takes resources, scopes and records in the order of the request; gives one message per trace."""

    def __init__(self) -> None:
        self._resources: list[bytes] = []
        self._scopes: list[tuple[int, bytes]] = []
        self._traces: dict[bytes, TraceRecords] = {}

    def start_resource(self, encoded: bytes) -> None:
        """Go on with the records of this resource: a ``ResourceSpans`` or ``ResourceLogs`` without its scopes."""
        self._resources.append(encoded)

    def start_scope(self, encoded: bytes) -> None:
        """Go on with the records of this scope: a ``ScopeSpans`` or ``ScopeLogs`` without its records."""
        self._scopes.append((len(self._resources) - 1, encoded))

    def add(self, records: Records) -> None:
        """Add records of the scope that was started last."""
        trace = self._traces.get(records.trace_id)
        if trace is None:
            trace = self._traces[records.trace_id] = TraceRecords()
        scope = len(self._scopes) - 1
        if scope in trace.scopes:
            trace.scopes[scope].append(records.fields)
        else:
            trace.scopes[scope] = [records.fields]
        trace.span_ids += records.span_ids
        trace.has_root |= records.has_root
        trace.count += records.count

    def traces(self) -> Iterator[tuple[str, TraceRecords, bytes]]:
        """Give, for each trace, its id, its records and the encoded message that holds them."""
        for trace_id, trace in self._traces.items():
            yield trace_id.hex(), trace, self._encode(trace)

    def _encode(self, trace: TraceRecords) -> bytes:
        if len(trace.scopes) == 1:
            ((number, fields),) = trace.scopes.items()
            resource, scope = self._scopes[number]
            return of_one_scope(self._resources[resource], scope, *fields)
        resources = []
        for number, scopes in groupby(trace.scopes, key=self._resource_of):
            encoded = [delimited(_SCOPE_FIELD, self._scopes[scope][1], *trace.scopes[scope]) for scope in scopes]
            resources.append(delimited(_RESOURCE_FIELD, self._resources[number], *encoded))
        return b"".join(resources)

    def _resource_of(self, scope: int) -> int:
        return self._scopes[scope][0]
