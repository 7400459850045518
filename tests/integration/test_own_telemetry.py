"""Sidecheck's own traces and log lines, to real servers: without captured text, and never in a circle."""

import json

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import a_proto_span, a_trace_request
from otlp_backends import grpc_backend, http_backend
from otlp_senders import by_grpc, by_http
from servers import CLIENT, run_sidecheck, serving, until

TRACE = f"{1:032x}"
SECRET = "the words of a user 4711"
BOTH = pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])


def a_request(number: int = 1) -> bytes:
    span = a_proto_span(trace_id=number.to_bytes(16, "big"), name=SECRET)
    span.attributes.add(key="gen_ai.prompt").value.string_value = SECRET
    return a_trace_request(span, service=SECRET).SerializeToString()


def telling(address, sample=1, **more) -> dict[str, str]:
    return {
        "SIDECHECK_TELEMETRY__OTLP": json.dumps({"endpoint": address, **more}),
        "SIDECHECK_TELEMETRY__SAMPLE": str(sample),
    }


def spans(backend) -> dict[str, list]:
    """What came of traces, by name: each span with its attributes."""
    found: dict[str, list] = {}
    for resource, scope in scopes(backend, "traces"):
        for span in scope.spans:
            found.setdefault(span.name, []).append((span, attributes(span)))
            assert attributes(resource)["service.name"] == "sidecheck"
            assert scope.scope.name == "sidecheck.telemetry"
    return found


def lines(backend) -> dict[str, tuple]:
    """What came of the log, by text."""
    found = [record for _, scope in scopes(backend, "logs") for record in scope.log_records]
    return {record.body.string_value: (record, attributes(record)) for record in found}


def scopes(backend, signal):
    kind = ExportTraceServiceRequest if signal == "traces" else ExportLogsServiceRequest
    for got in list(backend.got):
        if got.signal == signal:
            for resource in getattr(kind.FromString(got.body), f"resource_{'spans' if signal == 'traces' else 'logs'}"):
                for scope in getattr(resource, f"scope_{'spans' if signal == 'traces' else 'logs'}"):
                    yield resource.resource, scope


def attributes(holder) -> dict:
    return {a.key: getattr(a.value, a.value.WhichOneof("value") or "string_value") for a in holder.attributes}


@BOTH
def test_a_backend_gets_spans_of_the_work_and_the_lines_of_the_log_without_captured_text(tmp_path, protocol, serve):
    with serve() as backend:
        settings = telling(backend.address, protocol=protocol, headers={"X-Tenant": "shop"})
        with serving(tmp_path / "data", **settings) as server:
            by_http(server, a_request())
            by_grpc(server, a_request(2))
            assert CLIENT.post(f"http://{server.otlp_http}/v1/traces", content=b"no protobuf").status_code == 415
            for number in (1, 2):
                server.judged(f"{number:032x}")
            said = {"trace_id": TRACE, "thumbs_up": False, "comment": SECRET}
            assert CLIENT.post(f"http://{server.otlp_http}/v1/feedback", json=said).is_success
            until("it has failed", lambda: server.outcomes(TRACE)["user_feedback"] == "failed")
            assert server.post(f"/api/traces/{TRACE}/promote", {"who": "Ann", "why": SECRET}).is_success
            assert server.post("/api/reload").is_success
            wanted = {"start", "judge", "save traces", "admit case", "reload", "POST /v1/traces"}
            until("the spans have come", lambda: wanted <= spans(backend).keys())
            assert server.metric("sidecheck_dropped_total", what="telemetry") == 0
        got = spans(backend)
        ((_, start),) = got["start"]
        assert start == {}
        assert "stop" in got
        http = [a for _, a in got["POST /v1/traces"]]
        assert {"http.request.method": "POST", "http.route": "/v1/traces", "http.response.status_code": 200} in http
        assert [a["error.type"] for a in http if a["http.response.status_code"] == 415] == ["unsupported_type"]
        method = "opentelemetry.proto.collector.trace.v1.TraceService/Export"
        ((_, rpc),) = got[method]
        assert rpc == {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": "OK"}
        assert sum(a["db.operation.batch.size"] for _, a in got["save traces"]) == 3
        assert sum(a["sidecheck.batch.traces"] for _, a in got["judge"]) == 3
        told = lines(backend)
        assert {"ready", "reloaded", "stopping"} <= told.keys()
        reloaded, said = told["reloaded"]
        assert (reloaded.severity_text, said.keys()) == ("info", {"changed", "needs_restart"})
        ((reload, _),) = got["reload"]
        assert (reloaded.trace_id, reloaded.span_id) == (reload.trace_id, reload.span_id)
        assert {request.headers["x-tenant"] for request in backend.got} == {"shop"}
        assert not any(SECRET.encode() in request.body for request in backend.got)


def test_what_a_sidecar_told_of_itself_and_comes_back_is_dropped_and_counted_and_told_of_no_more(tmp_path):
    with serving(tmp_path / "second") as second:
        for protocol, address in (("http/protobuf", second.otlp_http), ("grpc", second.otlp_grpc)):
            refused = second.metric("sidecheck_spans_refused_total", reason="own_telemetry")
            with serving(tmp_path / protocol[:4], **telling(f"http://{address}", protocol=protocol)) as first:
                by_http(first, a_request())
                first.judged(TRACE)
            assert second.metric("sidecheck_spans_refused_total", reason="own_telemetry") > refused
        assert second.traces()["accepted"] == 0
        assert second.metric("sidecheck_spans_accepted_total") == 0
        assert second.metric("sidecheck_logs_accepted_total") == 0


def test_what_comes_back_from_a_collector_makes_no_more_of_it(tmp_path):
    with http_backend() as backend, serving(tmp_path / "data", **telling(backend.address)) as server:
        until("it has begun", lambda: "start" in spans(backend))
        own = next(got.body for got in backend.got if got.signal == "traces")
        by_http(server, own)
        by_grpc(server, own)
        by_http(server, a_request())  # a mark: what is told of comes in order
        until("the mark has come", lambda: "POST /v1/traces" in spans(backend))
        assert server.metric("sidecheck_spans_refused_total", reason="own_telemetry") == 2 * own.count(b"start")
        assert len(spans(backend)["POST /v1/traces"]) == 1
        assert not any("TraceService" in name for name in spans(backend))


def test_a_backend_that_hangs_or_is_away_holds_no_verdict_up_and_its_end_is_bounded(tmp_path):
    with http_backend() as backend:
        pass
    with serving(tmp_path / "data", **telling(backend.address, timeout="300ms")) as server:
        for number in range(1, 21):
            by_http(server, a_request(number))
        until("all is judged", lambda: server.traces()["evaluated"] == 20)
        until(
            "drops are counted", lambda: server.metric("sidecheck_dropped_total", what="telemetry", reason="not_taken")
        )
        assert server.health()["problems"] == []
    with http_backend() as backend, serving(tmp_path / "more", **telling(backend.address, timeout="60s")) as server:
        backend.gate.clear()
        by_http(server, a_request())
        server.judged(TRACE)
        assert server.stop() == 0


def test_the_api_alone_tells_of_itself_as_well(tmp_path):
    with http_backend() as backend:
        with serving(tmp_path / "data", "--only", "api", **telling(backend.address)):
            pass
        assert spans(backend).keys() == {"start", "stop"}
        assert "ready" in lines(backend)


def test_a_backend_that_is_sidecheck_itself_stops_the_start(tmp_path):
    found = run_sidecheck("serve", SIDECHECK_DATA_DIR=str(tmp_path / "data"), **telling("http://localhost:9464"))
    assert found.returncode == 2
    assert "telemetry.otlp.endpoint: http://localhost:9464 is metrics.listen" in found.stderr


def test_a_start_that_fails_is_told_of(tmp_path):
    with http_backend() as taken, http_backend() as backend:
        listen = taken.address.removeprefix("http://")
        found = run_sidecheck(
            "serve",
            SIDECHECK_DATA_DIR=str(tmp_path / "data"),
            SIDECHECK_OTLP__GRPC__LISTEN=listen,
            SIDECHECK_OTLP__HTTP__LISTEN="127.0.0.1:0",
            SIDECHECK_API__LISTEN="127.0.0.1:0",
            SIDECHECK_METRICS__LISTEN="127.0.0.1:0",
            **telling(backend.address),
        )
        assert found.returncode == 2
        ((_, start),) = spans(backend)["start"]
        assert start == {"error.type": "CannotListen"}
