"""Where load goes, over OTLP/HTTP, OTLP/gRPC or Kafka, and how an answer is read: as OTLP tells senders to.

https://opentelemetry.io/docs/specs/otlp/ , "OTLP/gRPC Throttling", "Retryable Response Codes", "OTLP/HTTP Throttling".
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import grpc
import httpx
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from kafka import KafkaProducer
from kafka.errors import KafkaError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

RETRYABLE_HTTP = frozenset({429, 502, 503, 504})
RETRYABLE_GRPC = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
TIMEOUT_S = 10.0
"""What SDKs wait for an answer (OTEL_EXPORTER_OTLP_TIMEOUT)."""
_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_CHANNEL = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500))


class Kind(Enum):
    """What an answer means for the sender."""

    ACKNOWLEDGED = auto()
    RETRY = auto()
    DROP = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; ``status`` is its code, or what kept it from coming."""

    kind: Kind
    status: str
    retry_after_s: float | None = None


class Target(Protocol):
    """Something that takes OTLP trace requests. Safe from many threads."""

    name: str

    def send(self, body: bytes) -> Answer:
        """Send one encoded request and read the answer."""

    def close(self) -> None:
        """Close the connections."""


class HttpTarget:
    """OTLP/HTTP, protobuf, at ``host:port``. ``headers`` are added to each request."""

    name = "http"

    def __init__(self, address: str, headers: dict[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._url = f"http://{address}/v1/traces"
        self._client = httpx.Client(
            headers={"content-type": "application/x-protobuf", **(headers or {})}, timeout=timeout_s
        )

    def send(self, body: bytes) -> Answer:
        """See ``Target.send``."""
        try:
            response = self._client.post(self._url, content=body)
        except httpx.TransportError as error:
            return Answer(Kind.RETRY, type(error).__name__)
        status = response.status_code
        if status == 200:
            return Answer(Kind.ACKNOWLEDGED, "200")
        if status not in RETRYABLE_HTTP:
            return Answer(Kind.DROP, str(status))
        after = response.headers.get("retry-after")
        return Answer(Kind.RETRY, str(status), float(after) if after is not None else None)

    def close(self) -> None:
        """See ``Target.close``."""
        self._client.close()


class GrpcTarget:
    """OTLP/gRPC at ``host:port``."""

    name = "grpc"

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S) -> None:
        self._channel = grpc.insecure_channel(address, options=_CHANNEL)
        self._export = self._channel.unary_unary(_METHOD)
        self._timeout_s = timeout_s

    def send(self, body: bytes) -> Answer:
        """See ``Target.send``."""
        try:
            self._export(body, timeout=self._timeout_s)
        except grpc.RpcError as error:
            return _grpc_answer(error)
        return Answer(Kind.ACKNOWLEDGED, "OK")

    def close(self) -> None:
        """See ``Target.close``."""
        self._channel.close()


class KafkaTarget:
    """A topic, keyed by trace id as a Collector does it; acknowledged by the broker. Every body is of one trace."""

    name = "kafka"

    def __init__(self, bootstrap: str, topic: str, timeout_s: float = TIMEOUT_S) -> None:
        self._topic, self._timeout_s = topic, timeout_s
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, reconnect_backoff_max_ms=500)

    def send(self, body: bytes) -> Answer:
        """See ``Target.send``."""
        span = TracesData.FromString(body).resource_spans[0].scope_spans[0].spans[0]
        try:
            sent = self._producer.send(self._topic, body, key=span.trace_id.hex().encode())
            sent.get(self._timeout_s)
        except KafkaError as error:
            return Answer(Kind.RETRY, type(error).__name__)
        return Answer(Kind.ACKNOWLEDGED, "acked")

    def close(self) -> None:
        """See ``Target.close``."""
        self._producer.close(timeout=self._timeout_s)


def _grpc_answer(error: grpc.RpcError) -> Answer:
    code = error.code()
    delay = _retry_delay(error)
    may_retry = code in RETRYABLE_GRPC or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and delay is not None)
    return Answer(Kind.RETRY if may_retry else Kind.DROP, code.name, delay)


def _retry_delay(error: grpc.RpcError) -> float | None:
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return None
    info = RetryInfo()
    for detail in Status.FromString(details).details:
        if detail.Unpack(info):
            return info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return None
