"""A record's value becomes a batch or feedback, or is refused. Does no I/O.

OTLP comes as a whole request (``ExportTraceServiceRequest``, ``TracesData``) or as a single ``ResourceSpans``, as
protobuf or as JSON; the same of logs. Feedback is the body of ``POST /v1/feedback``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collector.intake import Batch, Refusal, Refused, Said, Source
from collector.receivers.decode import logs_from_protobuf, traces_from_protobuf
from collector.receivers.feedback_request import parse_feedback
from collector.receivers.kafka.options import Content, Encoding
from collector.receivers.limits import ReceiverLimits
from collector.receivers.otlp_json import load, to_protobuf
from collector.receivers.wire import DELIMITED, WireError, delimited, walk

Headers = Sequence[tuple[str, bytes | None]]

LONGEST_HEADER = 1024
"""Bytes of a header's value that become an attribute."""

_RESOURCES, _SCOPES = 1 << 3 | DELIMITED, 2 << 3 | DELIMITED
"""The tags of a request's resources, and of the scopes in one of them."""


@dataclass(frozen=True, slots=True)
class _Signal:
    key: str
    scopes_key: str
    request: Callable[[], Message]
    decode: Callable[[bytes, Source, ReceiverLimits], Batch]


_SIGNALS = {
    Content.TRACES: _Signal("resourceSpans", "scopeSpans", ExportTraceServiceRequest, traces_from_protobuf),
    Content.LOGS: _Signal("resourceLogs", "scopeLogs", ExportLogsServiceRequest, logs_from_protobuf),
}


class Reader:
    """Decodes records.

    Args:
        limits: What one record may hold; larger attribute values are cut.
        encoding: How OTLP is encoded.
        headers: Which attribute of the resource each of these record headers becomes. What the app recorded itself
            under that key wins.
    """

    def __init__(self, limits: ReceiverLimits, encoding: Encoding, headers: Mapping[str, str]) -> None:
        self._limits = limits
        self._encoding = encoding
        self._headers = headers

    def telemetry(self, content: Content, value: bytes, headers: Headers) -> Batch:
        """Decode a record of a topic of traces or logs.

        Raises:
            Refused: ``MALFORMED``, ``TOO_LARGE`` or ``TOO_MANY_SPANS``; nothing of what it says was in the record.
        """
        self._check_size(value)
        signal = _SIGNALS[content]
        try:
            request = self._request(signal, value)
            attributes = self._attributes(headers)
            if attributes:
                request = _with_resource(request, attributes)
        except WireError as error:
            raise Refused(Refusal.MALFORMED, f"the record is not valid OTLP protobuf: {error}") from None
        return signal.decode(request, Source.KAFKA, self._limits)

    def feedback(self, value: bytes, time_ns: int) -> Said:
        """Decode a record of the topic of feedback; ``time_ns`` is when it was given. Raises ``Refused``."""
        self._check_size(value)
        parsed = parse_feedback(value)
        return parsed.target, parsed.feedback(time_ns)

    def is_json(self, value: bytes) -> bool:
        """Whether a record of OTLP is JSON."""
        return self._encoding is Encoding.JSON or (self._encoding is Encoding.AUTO and value[:1] == b"{")

    def _check_size(self, value: bytes) -> None:
        if len(value) > self._limits.request_bytes:
            raise Refused(
                Refusal.TOO_LARGE, f"the record is larger than {self._limits.request_bytes} bytes (limits.request)"
            )

    def _request(self, signal: _Signal, value: bytes) -> bytes:
        if not self.is_json(value):
            return delimited(1, value) if _is_one_resource(value) else value
        document: Mapping[str, Any] = load(value, self._limits)
        if signal.scopes_key in document and signal.key not in document:
            document = {signal.key: [document]}
        return to_protobuf(document, signal.request())

    def _attributes(self, headers: Headers) -> bytes:
        found = [
            KeyValue(key=self._headers[name], value=AnyValue(string_value=_text(value)))
            for name, value in headers
            if name in self._headers and value is not None
        ]
        return Resource(attributes=found).SerializeToString() if found else b""


def _is_one_resource(value: bytes) -> bool:
    """Whether it is a single ``ResourceSpans``: that has its scopes in field 2, which a request does not have."""
    return any(tag == _SCOPES for tag, *_ in walk(value, 0, len(value)))


def _with_resource(request: bytes, attributes: bytes) -> bytes:
    """Put attributes before those that each resource has: protobuf merges a message that is there twice."""
    return b"".join(_resources(request, delimited(1, attributes)))


def _resources(request: bytes, resource: bytes) -> Iterator[bytes]:
    for tag, tag_at, value_at, value_end in walk(request, 0, len(request)):
        if tag == _RESOURCES:
            yield delimited(1, resource, request[value_at:value_end])
        else:
            yield request[tag_at:value_end]


def _text(value: bytes) -> str:
    return value[:LONGEST_HEADER].decode(errors="replace")
