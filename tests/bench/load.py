"""What is sent: a pool of requests that is made once, and copies of them whose ids are new, as many as are wanted.

To generate a trace takes about as long as to judge it; to exchange its ids takes a fraction of that.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count

from bench.workload import Mix, requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

POOL_TRACES = 1_000
POOL_CHARACTERS = 4_000_000
RECORDED = "recordings"
_SLOTS = 12
"""Bits for the ids of one request; the bits above hold the request's number."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a sender sends. Plain data, so that it can be told to another process.

    ``content`` is ``recordings`` or the number of characters of a generated text; ``rate`` is in traces a second, 0 for
    as fast as they are taken. ``first`` is the number of the first request: by the clock, so that no two loads on one
    sidecar share an id.
    """

    traces: int
    transport: str = "grpc"
    content: int | str = 2_000
    rate: float = 0.0
    per_request: int = 20
    first: int = field(default_factory=lambda: time.time_ns() // 1_000)

    def again(self) -> "Load":
        """The same load, with new ids."""
        return replace(self, first=time.time_ns() // 1_000)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request on its way: what it holds, and when it is due after the first."""

    traces: bytes
    logs: bytes
    trace_count: int
    span_count: int
    due_s: float


class Template:
    """An export request, and the logs that belong to it, whose trace and span ids can be exchanged."""

    def __init__(self, traces: bytes, logs: bytes = b"") -> None:
        resources = ExportTraceServiceRequest.FromString(traces).resource_spans
        spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
        self.span_count = len(spans)
        trace_ids = {span.trace_id for span in spans}
        self.trace_count = len(trace_ids)
        linked = {id_ for span in spans for link in span.links for id_ in (link.trace_id, link.span_id)}
        ids = trace_ids | linked | {id_ for span in spans for id_ in (span.span_id, span.parent_span_id)}
        self._slots = {id_: slot for slot, id_ in enumerate(sorted(ids - {b""}))}
        assert len(self._slots) < 1 << _SLOTS
        self._traces, self._logs = self._split(traces), self._split(logs)

    def numbered(self, number: int) -> tuple[bytes, bytes]:
        """The request and its logs with the ids of this number, which no other request may have."""
        first = number << _SLOTS
        ids = {id_: (first + slot).to_bytes(len(id_), "big") for id_, slot in self._slots.items()}
        return tuple(b"".join([ids.get(piece, piece) for piece in pieces]) for pieces in (self._traces, self._logs))

    def _split(self, body: bytes) -> list[bytes]:
        """The body in pieces, each an id or what lies between ids. The longer ids first: a short one may be in them."""
        longest_first = sorted(self._slots, key=len, reverse=True)
        return re.split(b"(" + b"|".join(map(re.escape, longest_first)) + b")", body)


@cache
def templates(content: int | str, traces: int, per_request: int) -> Sequence[Template]:
    """The pool of a load: generated texts that do not come again before all were sent once, or every recording."""
    if content == RECORDED:
        from expectations import recordings  # brings the product along, which a sender does not need otherwise

        found = recordings()
        groups = [found[start : start + per_request] for start in range(0, len(found), per_request)]
        return [Template(b"".join(r.spans for r in g), b"".join(r.logs or b"" for r in g)) for g in groups]
    most = max(per_request, min(traces, POOL_TRACES, POOL_CHARACTERS // int(content)))
    return [Template(body) for body in requests(most, Mix(size=int(content)), per_request)]


def sent(load: Load) -> Iterator[Sent]:
    """The requests of a load, whole ones: a few traces more than asked for may come."""
    pool = templates(load.content, load.traces, load.per_request)
    done = 0
    for number in count():
        if done >= load.traces:
            return
        template = pool[number % len(pool)]
        body, logs = template.numbered(load.first + number)
        yield Sent(body, logs, template.trace_count, template.span_count, done / load.rate if load.rate else 0.0)
        done += template.trace_count
