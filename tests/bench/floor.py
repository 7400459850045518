"""The floor: what it costs to decode the same bytes with protobuf and to read every attribute into a dict.

It is looked at while the load runs, two milliseconds twenty times a second. What shares the machine's cores makes all
on them slower by half for a second or two, time and again: a floor of before or after the load has seen other such
seconds than the load.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

EVERY_S = 0.05
LOOK = 3
"""Requests that a look decodes: with 20 traces of 2 KB each some two milliseconds. One alone would find the caches full
of the load's data, and take a fifth longer a trace."""


class Request(NamedTuple):
    """What one look decodes a few of."""

    traces: bytes
    logs: bytes
    trace_count: int


class Look(NamedTuple):
    """What one look found: when it began (nanoseconds since the epoch), and its CPU seconds for so many traces."""

    began_ns: int
    taken_s: float
    traces: int


class Floor:
    """CPU time of this thread for the requests, one after the other and again from the first."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = cycle(requests)
        self._looks: list[Look] = []

    def look(self) -> None:
        """Decode the next few requests."""
        some = list(islice(self._requests, LOOK))
        began_ns, started = time.time_ns(), time.thread_time()
        for request in some:
            _read_spans(request.traces)
            _read_logs(request.logs)
        taken_s = time.thread_time() - started
        self._looks.append(Look(began_ns, taken_s, sum(request.trace_count for request in some)))

    def seconds(self, traces: int, began_ns: int, ended_ns: int) -> float:
        """CPU seconds for so many traces, by all looks of this time together: what the load took is a sum, too."""
        looks = [look for look in self._looks if began_ns <= look.began_ns <= ended_ns] or self._looks
        return sum(look.taken_s for look in looks) / sum(look.traces for look in looks) * traces


@contextmanager
def beside(requests: Sequence[Request]) -> Iterator[Floor]:
    """The floor, looked at by a thread from the begin of the block to its end."""
    found, done = Floor(requests), threading.Event()

    def look() -> None:
        found.look()
        while not done.wait(EVERY_S):
            found.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


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
