"""What real producers write into a test's topics, and a server that reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from brokers import Corner
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from otlp import a_proto_span, a_trace_request, as_otlp_json
from servers import Serving, eventually, serving

TOPICS = ("traces", "logs", "feedback")
QUICK_CLIENT = {
    "session_timeout_ms": 6_000,
    "heartbeat_interval_ms": 500,
    "metadata_max_age_ms": 1_000,
    "fetch_max_wait_ms": 100,
    "reconnect_backoff_max_ms": 500,
}
"""Options of the client with which a test need not wait long for the group and for what changes."""


LIGHT = {"SIDECHECK_CHECKS__PII__ENABLED": "false", "SIDECHECK_PROMOTION__MODE": "off"}
"""Without what takes a worker seconds to load."""


FULL = dict.fromkeys(LIGHT, "")
"""With all of it: an empty variable counts as not set."""


def settings(corner: Corner, **more: str) -> dict[str, str]:
    """The variables of a server that reads a test's topics."""
    topics = {f"SIDECHECK_KAFKA__TOPICS__{kind.upper()}": corner.topic(kind) for kind in TOPICS}
    return {
        **LIGHT,
        "SIDECHECK_KAFKA__BOOTSTRAP_SERVERS": corner.broker.bootstrap,
        "SIDECHECK_KAFKA__GROUP_ID": corner.group,
        "SIDECHECK_KAFKA__CONSUMER": yaml.safe_dump(QUICK_CLIENT),
        **topics,
        **more,
    }


@contextmanager
def consuming(corner: Corner, data_dir: Path, **more: str) -> Iterator[Serving]:
    """A server that reads a test's topics, with its data in ``data_dir``."""
    with serving(data_dir, **settings(corner, **more)) as server:
        yield server


def done(corner: Corner, *kinds: str, within_s: float = 30.0) -> None:
    """Wait until the group has committed everything that is in these topics."""

    def left() -> dict[str, int]:
        committed = {kind: corner.committed(kind) for kind in kinds}
        return {k: sum(end - committed[k].get(at, 0) for at, end in corner.ends(k).items()) for k in kinds}

    nothing = dict.fromkeys(kinds, 0)
    assert eventually(left, nothing, within_s) == nothing


def by_trace(spans: bytes) -> dict[bytes, bytes]:
    """A request taken apart as a Collector does that keys by trace: one request a trace, by its id."""
    found: dict[bytes, ExportTraceServiceRequest] = {}
    for resource in ExportTraceServiceRequest.FromString(spans).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                one = ResourceSpans(
                    resource=resource.resource,
                    schema_url=resource.schema_url,
                    scope_spans=[ScopeSpans(scope=scope.scope, schema_url=scope.schema_url, spans=[span])],
                )
                found.setdefault(span.trace_id, ExportTraceServiceRequest()).resource_spans.append(one)
    return {trace_id: request.SerializeToString() for trace_id, request in found.items()}


def as_json(spans: bytes, *, are_logs: bool = False) -> bytes:
    """The same request as OTLP/JSON."""
    kind = ExportLogsServiceRequest if are_logs else ExportTraceServiceRequest
    return as_otlp_json(kind.FromString(spans))


def trace_id(number: int) -> str:
    """The id of the n-th trace."""
    return f"{number:032x}"


def some_spans(number: int, *positions: int, service: str = "shop") -> bytes:
    """A request with these spans of the n-th trace; the first span is the root."""
    spans = (
        a_proto_span(
            trace_id=number.to_bytes(16, "big"),
            span_id=position.to_bytes(8, "big"),
            parent_span_id=b"" if position == 1 else (1).to_bytes(8, "big"),
        )
        for position in positions or (1,)
    )
    return a_trace_request(*spans, service=service).SerializeToString()


def send(corner: Corner, kind: str, *values: bytes | None, **options: object) -> None:
    """Write records without a key; ``options`` are the producer's."""
    with corner.broker.producer(**options) as producer:
        for value in values:
            producer.send(corner.topic(kind), value, key=b"null" if value is None else None)


def send_keyed(corner: Corner, *numbers: int, positions: tuple[int, ...] = (1,)) -> None:
    """Write these spans of the n-th traces, by the key that a Collector gives them."""
    with corner.broker.producer() as producer:
        for number in numbers:
            producer.send(corner.topic("traces"), some_spans(number, *positions), key=trace_id(number).encode())
