"""A request as messages: one a trace, keyed by the trace's id, so that one replica gets all of it. Does no I/O.

The key is the id in hexadecimal, as the Collector's Kafka exporter writes it. Telemetry is an OTLP ``TracesData`` or
``LogsData``, which is a request of the same signal; feedback is the body of ``POST /v1/feedback``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import orjson
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch
from collector.relay.options import RelayOptions

LARGE = 512 * 1024
"""Bytes of one trace in a request from which on it is more than one message: brokers take 1 MiB by default."""
_SPANS = ("resource_spans", "scope_spans", "spans")
_LOGS = ("resource_logs", "scope_logs", "log_records")
_TARGETS = ("trace_id", "span_id", "session_id", "response_id")

Data = TypeVar("Data", TracesData, LogsData)


class TooLarge(Exception):
    """A message that its topic does not take, however often it comes."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to a topic: ``count`` of ``what``. ``time_ns`` is when it was said, where that matters."""

    topic: str
    key: bytes
    value: bytes
    what: str
    count: int = 1
    time_ns: int | None = None

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.key) + len(self.value)


def of_batch(batch: Batch, options: RelayOptions) -> list[Message]:
    """The messages of a request, in its order."""
    made = []
    for piece in batch.pieces:
        key = piece.trace_id.encode()
        spans = _parts(piece.spans, len(piece.span_ids), TracesData, _SPANS)
        logs = _parts(piece.logs, piece.log_count, LogsData, _LOGS)
        made += [Message(options.traces, key, value, "span", count) for value, count in spans]
        made += [Message(options.logs, key, value, "logs", count) for value, count in logs]
    made += [of_feedback(*said, options) for said in batch.said]
    return made


def of_feedback(target: FeedbackTarget, feedback: Feedback, options: RelayOptions) -> Message:
    """What a person said, in the form in which it came, and when."""
    named = {name: value for name in _TARGETS if (value := getattr(target, name)) is not None}
    said = {
        "thumbs_up": feedback.thumbs_up,
        "score": feedback.score,
        "comment": feedback.comment,
        "user_id": feedback.user_id,
    }
    body = {**named, **{name: value for name, value in said.items() if value is not None}}
    key = next(iter(named.values())).encode()
    return Message(options.feedback, key, orjson.dumps(body), "feedback", time_ns=feedback.time_ns)


def _parts(encoded: bytes, count: int, kind: type[Data], names: tuple[str, str, str]) -> Iterator[tuple[bytes, int]]:
    """Telemetry of one trace in messages of about ``LARGE`` bytes, each with its number of records.

    A record is not cut: one that is larger is a message of its own.
    """
    if len(encoded) <= LARGE:
        if encoded:
            yield encoded, count
        return
    of_data, of_resource, of_scope = names
    made, size, records = kind(), 0, 0
    for resource in getattr(kind.FromString(encoded), of_data):
        for scope in getattr(resource, of_resource):
            into = None
            for record in getattr(scope, of_scope):
                if records and size + record.ByteSize() > LARGE:
                    yield made.SerializeToString(), records
                    made, size, records, into = kind(), 0, 0, None
                if into is None:
                    under = getattr(made, of_data).add(resource=resource.resource, schema_url=resource.schema_url)
                    into = getattr(under, of_resource).add(scope=scope.scope, schema_url=scope.schema_url)
                    size += under.ByteSize()
                getattr(into, of_scope).append(record)
                size += record.ByteSize()
                records += 1
    if records:
        yield made.SerializeToString(), records
