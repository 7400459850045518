"""Relay and sidecar around a real Kafka tell of their own work, each as an instance of its own."""

from collections import defaultdict

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import a_trace_request
from otlp_backends import Backend, http_backend
from otlp_senders import by_http
from servers import serving, until

pytestmark = pytest.mark.timeout(300)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def names_by_instance(backend: Backend) -> list[set[str]]:
    """The names of the spans that each process sent."""
    found: dict[str, set[str]] = defaultdict(set)
    for got in backend.got:
        if got.signal == "traces":
            (resource,) = ExportTraceServiceRequest.FromString(got.body).resource_spans
            named = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            found[named["service.instance.id"]] |= {span.name for scope in resource.scope_spans for span in scope.spans}
    return list(found.values())


def test_a_relay_tells_of_requests_and_a_sidecar_of_records(kafka, tmp_path):
    kafka.create("traces", "logs", "feedback", partitions=1)
    with http_backend() as backend:
        settings = {
            "SIDECHECK_KAFKA__BOOTSTRAP_SERVERS": kafka.broker.bootstrap,
            "SIDECHECK_KAFKA__GROUP_ID": kafka.group,
            **{
                f"SIDECHECK_KAFKA__TOPICS__{kind.upper()}": kafka.topic(kind) for kind in ("traces", "logs", "feedback")
            },
            "SIDECHECK_TELEMETRY__OTLP": f"{{endpoint: '{backend.address}'}}",
            "SIDECHECK_TELEMETRY__SAMPLE": "1",
        }
        with (
            serving(tmp_path / "relay", command="relay", **settings) as relay,
            serving(tmp_path / "sidecar", **settings) as sidecar,
        ):
            until("the topics are reached", lambda: relay.health()["problems"] == [])
            by_http(relay, a_trace_request().SerializeToString())
            sidecar.judged(TRACE)
        relayed, judged = sorted(names_by_instance(backend), key=len)
    assert relayed == {"start", "POST /v1/traces", "stop"}
    assert judged == {"start", f"process {kafka.topic('traces')}", "judge", "save traces", "view trace", "stop"}
