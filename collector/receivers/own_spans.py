"""What is taken in, as the sidecar's own spans: in the words of OpenTelemetry's conventions for HTTP, RPC and Kafka.

Sources: https://opentelemetry.io/docs/specs/semconv/http/http-spans/, .../rpc/grpc/ and .../messaging/kafka/. A request
that its sender may not repeat is no error of the server's by them; its reason is noted all the same.
"""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from collector.intake import Refused, Source
from collector.receivers import answers
from collector.spans import UNTOLD, Kind, OwnSpan, Spans, Value, no_spans

_SERVICES = {"traces": "trace.v1.TraceService", "logs": "logs.v1.LogsService", "metrics": "metrics.v1.MetricsService"}
ERROR = "error.type"


def request(spans: Spans, source: Source, signal: str) -> AbstractContextManager[OwnSpan]:
    """The span of an OTLP request, until it can be answered."""
    return UNTOLD if spans is no_spans else _request(spans, source, signal)


@contextmanager
def _request(spans: Spans, source: Source, signal: str) -> Iterator[OwnSpan]:
    name, attributes = _described(source, signal)
    with spans(name, Kind.SERVER, attributes) as span:
        try:
            yield span
        except Refused as refused:
            _refused(span, source, refused)
            raise
        span.note({"rpc.response.status_code": "OK"} if source is Source.OTLP_GRPC else _status(200))


def records(spans: Spans, topics: Collection[str], count: int) -> AbstractContextManager[OwnSpan]:
    """The span of some Kafka records that are taken in together; these are of ``topics``."""
    attributes: dict[str, Value] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.batch.message_count": count,
    }
    if len(topics) > 1:
        return spans("process", Kind.CONSUMER, attributes)
    (topic,) = topics
    return spans(f"process {topic}", Kind.CONSUMER, {**attributes, "messaging.destination.name": topic})


def _described(source: Source, signal: str) -> tuple[str, dict[str, Value]]:
    if source is Source.OTLP_GRPC:
        method = f"opentelemetry.proto.collector.{_SERVICES[signal]}/Export"
        return method, {"rpc.system.name": "grpc", "rpc.method": method}
    route = f"/v1/{signal}"
    return f"POST {route}", {"http.request.method": "POST", "http.route": route}


def _refused(span: OwnSpan, source: Source, refused: Refused) -> None:
    is_grpc = source is Source.OTLP_GRPC
    code = answers.grpc_status(refused).name
    span.note({"rpc.response.status_code": code} if is_grpc else _status(answers.http_status(refused)))
    if refused.is_retryable:
        span.fail(refused.reason.value)
    else:
        span.note({ERROR: refused.reason.value})


def _status(code: int) -> dict[str, Value]:
    return {"http.response.status_code": code}
