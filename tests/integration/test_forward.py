"""What comes in goes on to other backends byte for byte, through a real sidecar and real servers."""

import json
import re
import signal
from pathlib import Path

import httpx
import pytest
from certificates import Authority
from externals import free_port
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request, as_otlp_json
from otlp_backends import Backend, grpc_backend, http_backend
from otlp_senders import JSON, by_grpc, by_http, post
from servers import eventually, serving, until

from exporters.otlp.hops import HEADER


def forward(*destinations) -> str:
    return json.dumps(list(destinations))


def a_request(number: int = 1) -> bytes:
    """A request of a trace, with a field that no decoder knows: it has to arrive, too."""
    span = a_proto_span(trace_id=number.to_bytes(16, "big"))
    return a_trace_request(span).SerializeToString() + bytes.fromhex("fa0703") + b"abc"


def metrics_request() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    point = metric.sum.data_points.add(as_int=5)
    point.exemplars.add(as_int=5, trace_id=bytes(range(16)), span_id=bytes(range(8)))
    return request


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_bytes_arrive_unchanged_by_both_protocols_and_are_judged_here(tmp_path):
    with http_backend() as http, grpc_backend() as rpc:
        destinations = forward(
            {"endpoint": http.address, "name": "http"},
            {"endpoint": rpc.address, "name": "rpc", "protocol": "grpc", "compression": "none"},
        )
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            logs = a_logs_request(a_log_record(trace_id=(1).to_bytes(16, "big"))).SerializeToString()
            by_grpc(server, a_request(1))
            by_http(server, a_request(2))
            by_grpc(server, logs, "logs")
            post(server, metrics_request().SerializeToString(), "metrics").raise_for_status()
            for backend in (http, rpc):
                got = [backend.next() for _ in range(4)]
                assert sorted((one.signal, one.body) for one in got) == sorted(
                    [
                        ("traces", a_request(1)),
                        ("traces", a_request(2)),
                        ("logs", logs),
                        ("metrics", metrics_request().SerializeToString()),
                    ]
                )
            server.judged(f"{1:032x}")
            server.judged(f"{2:032x}")
            for name in ("http", "rpc"):
                wanted = {"traces": 2, "logs": 1, "metrics": 1}
                for kind, count in wanted.items():
                    ask = lambda n=name, k=kind: server.metric(  # noqa: E731 - of this round
                        "sidecheck_forwarded_requests_total", destination=n, signal=k
                    )
                    assert eventually(ask, count) == count
                waits = lambda n=name: server.metric("sidecheck_forward_queue_bytes", destination=n)  # noqa: E731
                assert eventually(waits, 0) == 0
            assert server.metric("sidecheck_dropped_total") == 0


def test_json_goes_on_as_json_over_http_and_as_protobuf_over_grpc(tmp_path):
    with http_backend() as http, grpc_backend() as rpc:
        destinations = forward({"endpoint": http.address}, {"endpoint": rpc.address, "protocol": "grpc"})
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            request = a_trace_request(a_proto_span(trace_id=(1).to_bytes(16, "big")))
            body = b" " + as_otlp_json(request) + b"\n"
            post(server, body, **{"Content-Type": JSON}).raise_for_status()
            got = http.next()
            assert (got.body, got.headers["content-type"]) == (body, JSON)
            assert ExportTraceServiceRequest.FromString(rpc.next().body) == request
            post(server, as_otlp_json(metrics_request()), "metrics", **{"Content-Type": JSON}).raise_for_status()
            assert ExportMetricsServiceRequest.FromString(rpc.next().body) == metrics_request()
            bad = post(server, b'{"resourceMetrics": 5}', "metrics", **{"Content-Type": JSON})
            assert (bad.status_code, "resourceMetrics" in bad.text) == (400, True)


def test_without_a_destination_for_them_metrics_are_dropped_as_ever(tmp_path):
    with http_backend() as backend:
        destinations = forward({"endpoint": backend.address, "signals": ["traces"]})
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            post(server, metrics_request().SerializeToString(), "metrics").raise_for_status()
            by_http(server, a_request())
            assert backend.next().signal == "traces"
            assert server.metric("sidecheck_requests_refused_total", reason="metrics_signal") == 1
    assert len(backend.got) == 1


def test_what_is_refused_here_goes_nowhere(tmp_path):
    with (
        http_backend() as backend,
        serving(tmp_path / "data", SIDECHECK_FORWARD=forward({"endpoint": backend.address})) as server,
    ):
        assert post(server, b"\xff\xff\xff").status_code == 400
        by_http(server, a_request())
        assert backend.next().body == a_request()
    assert len(backend.got) == 1


@pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])
def test_tls_to_a_server_of_an_authority_of_ones_own_and_a_token_from_a_file(tmp_path, authority, protocol, serve):
    headers = tmp_path / "headers"
    headers.write_text("authorization: Bearer 12345\n")
    with serve(tls=authority.issue("127.0.0.1")) as backend:
        secure = {"endpoint": backend.address, "protocol": protocol, "headers_file": str(headers)}
        destinations = forward(
            {**secure, "name": "known", "tls": {"ca": str(authority.cert)}}, {**secure, "name": "unknown"}
        )
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            by_http(server, a_request())
            got = backend.next()
            assert (got.body, got.headers["authorization"]) == (a_request(), "Bearer 12345")
            assert server.metric("sidecheck_forward_queue_bytes", destination="unknown") > 0
            assert server.metric("sidecheck_forwarded_requests_total", destination="unknown") == 0


@pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])
def test_what_was_acknowledged_while_the_destination_is_down_arrives_after_kill_9(tmp_path, protocol, serve):
    with serve() as backend:
        port = int(backend.address.rpartition(":")[2])
    destinations = forward({"endpoint": backend.address, "protocol": protocol, "name": "tempo"})
    with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
        for number in range(1, 31):
            by_http(server, a_request(number))
        assert server.metric("sidecheck_forward_queue_bytes") > 30 * len(a_request(1))
        server.stop(signal.SIGKILL)
    with (
        serve(port=port, backend=Backend()) as again,
        serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server,
    ):
        until("all have arrived", lambda: len(set(again.bodies)) == 30)
        assert set(again.bodies) == {a_request(number) for number in range(1, 31)}
        until("all is judged", lambda: server.traces()["evaluated"] == 30)
        waits = lambda: server.metric("sidecheck_forward_queue_bytes")  # noqa: E731 - asked again and again
        assert eventually(waits, 0) == 0


def test_checks_go_on_while_a_destination_hangs_and_its_queue_stays_bounded(tmp_path):
    with http_backend() as backend:
        backend.gate.clear()
        size = 20 * (len(a_request(1)) + 200)
        destinations = forward({"endpoint": backend.address, "queue": {"size": size}})
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            for number in range(1, 51):
                by_http(server, a_request(number))
            until("all is judged", lambda: server.traces()["evaluated"] == 50)
            assert backend.got == []
            assert server.metric("sidecheck_forward_queue_bytes") <= size
            assert server.metric("sidecheck_dropped_total", what="forward", reason="queue_full") == 30
            assert server.health()["problems"] == []
            backend.gate.set()
            until("the newest arrive", lambda: a_request(50) in backend.bodies)


def test_a_stop_sends_what_came_last(tmp_path):
    with (
        http_backend() as backend,
        serving(tmp_path / "data", SIDECHECK_FORWARD=forward({"endpoint": backend.address})) as server,
    ):
        for number in range(1, 21):
            by_grpc(server, a_request(number))
        assert server.stop() == 0
    assert set(backend.bodies) == {a_request(number) for number in range(1, 21)}


def test_one_sidecar_may_forward_to_another(tmp_path):
    with serving(Path(tmp_path / "second")) as second:
        destinations = forward({"endpoint": f"http://{second.otlp_grpc}", "protocol": "grpc"})
        with serving(tmp_path / "first", SIDECHECK_FORWARD=destinations) as first:
            by_http(first, a_request())
            assert first.judged(f"{1:032x}")["spanCount"] == second.judged(f"{1:032x}")["spanCount"] == 1


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_two_that_forward_to_each_other_have_each_request_once(tmp_path, protocol):
    kind = "GRPC" if protocol == "grpc" else "HTTP"
    address = f"127.0.0.1:{free_port()}"
    back = forward({"endpoint": f"http://{address}", "protocol": protocol})
    logs = a_logs_request(a_log_record(trace_id=(1).to_bytes(16, "big"))).SerializeToString()
    with serving(tmp_path / "second", SIDECHECK_FORWARD=back) as second:
        there = forward({"endpoint": f"http://{getattr(second, f'otlp_{kind.lower()}')}", "protocol": protocol})
        listens = {f"SIDECHECK_OTLP__{kind}__LISTEN": address}
        with serving(tmp_path / "first", SIDECHECK_FORWARD=there, **listens) as first:
            by_http(first, a_request())
            by_grpc(first, logs, "logs")
            post(first, metrics_request().SerializeToString(), "metrics").raise_for_status()
            ended = lambda: first.metric("sidecheck_dropped_total", what="forward", reason="loop")  # noqa: E731
            assert eventually(ended, 3) == 3
            assert first.metric("sidecheck_requests_refused_total", reason="own_forwarded") == 3
            for server in (first, second):
                server.judged(f"{1:032x}")
                sent = lambda server=server: server.metric("sidecheck_forwarded_requests_total")  # noqa: E731 - asked again
                assert eventually(sent, 3) == 3
                assert server.metric("sidecheck_spans_accepted_total") == 1
                assert server.metric("sidecheck_late_spans_total") == 0
                assert server.metric("sidecheck_forward_queue_bytes") == 0
    (log,) = tmp_path.glob("first.*.log")
    assert log.read_text().count("what is forwarded comes back here") == 1


def test_a_request_names_those_that_forwarded_it_and_goes_no_further_after_sixteen(tmp_path):
    others = [f"{number:016x}" for number in range(16)]
    with (
        http_backend() as backend,
        serving(tmp_path / "data", SIDECHECK_FORWARD=forward({"endpoint": backend.address})) as server,
    ):
        post(server, a_request(1), **{HEADER: ",".join(others)}).raise_for_status()
        post(server, a_request(2), **{HEADER: f"{others[0]}, no id of ours,{others[1]}"}).raise_for_status()
        got = backend.next()
        *before, own = got.headers[HEADER].split(",")
        assert (got.body, before) == (a_request(2), others[:2])
        assert own not in others
        assert server.metric("sidecheck_dropped_total", what="forward", reason="loop") == 1
        server.judged(f"{1:032x}")
        post(server, a_request(3), **{HEADER: own}).raise_for_status()
        assert server.metric("sidecheck_requests_refused_total", reason="own_forwarded") == 1
    assert len(backend.got) == 1


@pytest.mark.parametrize("scope", ["sidecheck.results", "sidecheck.telemetry"])
def test_what_a_sidecheck_told_is_not_forwarded(tmp_path, scope):
    request = a_logs_request(a_log_record(trace_id=(1).to_bytes(16, "big")))
    request.resource_logs[0].scope_logs[0].scope.name = scope
    with (
        http_backend() as backend,
        serving(tmp_path / "data", SIDECHECK_FORWARD=forward({"endpoint": backend.address})) as server,
    ):
        by_grpc(server, request.SerializeToString(), "logs")
        by_http(server, a_request())
        assert backend.next().body == a_request()
        assert server.stop() == 0
    assert len(backend.got) == 1


def test_a_destination_that_is_down_is_named_by_healthz_which_stays_well_as_readyz_does(tmp_path):
    with http_backend() as backend:
        backend.answers.extend([503] * 1000)
        destinations = forward({"endpoint": backend.address, "name": "tempo", "signals": ["traces"]})
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            by_http(server, a_request())
            (problem,) = until("it is named", lambda: server.health()["problems"])
            assert re.fullmatch(
                r"forward: tempo does not take what waits for it \(traces\) since \S+Z; its last answer: HTTP 503",
                problem,
            )
            assert httpx.get(f"http://{server.metrics}/readyz", timeout=30).status_code == 200
            backend.answers.clear()
            until("it is well", lambda: server.health() == {"status": "ok", "problems": []})


def test_forgetting_writes_over_what_was_sent_and_tells_of_what_waits(tmp_path):
    with http_backend() as backend:
        destinations = forward({"endpoint": backend.address})
        with serving(tmp_path / "data", SIDECHECK_FORWARD=destinations) as server:
            waits = lambda: server.metric("sidecheck_forward_queue_bytes")  # noqa: E731 - asked again and again
            by_http(server, a_request())
            server.judged(f"{1:032x}")
            assert eventually(waits, 0) == 0
            assert server.post("/api/forget", {"traceId": f"{1:032x}"}).json()["erased"] is True
            assert a_request() not in (tmp_path / "data" / "forward.db").read_bytes()
            backend.gate.clear()
            by_http(server, a_request(2))
            server.judged(f"{2:032x}")
            assert server.post("/api/forget", {"traceId": f"{2:032x}"}).json()["erased"] is False
