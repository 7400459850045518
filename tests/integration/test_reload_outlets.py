"""Where telemetry, verdicts and messages go, and what is let in, changed while a real sidecar runs."""

import json
import threading

import grpc
import httpx
import pytest
from otlp import a_proto_span, a_trace_request
from otlp_backends import grpc_backend, http_backend
from otlp_senders import by_grpc, by_http, post
from servers import CLIENT, eventually, serving, until

S = 1_000_000_000


def a_request(number: int, name: str = "") -> bytes:
    """A trace that took two seconds."""
    span = a_proto_span(trace_id=number.to_bytes(16, "big"), start_time_unix_nano=S, end_time_unix_nano=3 * S)
    span.name = name or span.name
    return a_trace_request(span).SerializeToString()


class Config:
    """The configuration of a running sidecar."""

    def __init__(self, folder):
        self.path = folder / "sidecheck.yaml"
        self.write()

    def write(self, **sections):
        self.path.write_text(json.dumps({"checks": {"latency": {"max_trace": "1s"}}, **sections}))

    def put(self, server, **sections) -> dict:
        """Put it to use; gives the answer."""
        self.write(**sections)
        return server.post("/api/reload").raise_for_status().json()

    def refused(self, server, **sections) -> str:
        """Have it refused; gives the reason."""
        self.write(**sections)
        answer = server.post("/api/reload")
        assert answer.status_code == 422, answer.text
        return answer.json()["error"]["message"]


@pytest.fixture
def config(tmp_path):
    return Config(tmp_path)


def to(backend, name="tempo", **more):
    return {"endpoint": backend.address, "name": name, **more}


def waits(server, name="tempo"):
    return server.metric("sidecheck_forward_queue_bytes", destination=name)


def test_destinations_change_under_load_and_every_request_goes_once_to_one_of_them(tmp_path, config):
    with (
        http_backend() as first,
        grpc_backend() as second,
        serving(tmp_path / "data", "-c", str(config.path)) as server,
    ):
        assert config.put(server, forward=[to(first)]) == {"changed": ["forward"], "needsRestart": []}
        sent, numbers = threading.Event(), []

        def send() -> None:
            while not sent.is_set():
                by_http(server, a_request(len(numbers) + 1))
                numbers.append(len(numbers) + 1)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for turn in range(4):
                least = len(numbers) + 30
                until("some more are sent", lambda want=least: len(numbers) >= want)
                where = to(second, protocol="grpc", headers={"x-turn": str(turn)}) if turn % 2 == 0 else to(first)
                config.put(server, forward=[where])
        finally:
            sent.set()
            sender.join()
        wanted = sorted(a_request(number) for number in numbers)
        assert eventually(lambda: sorted(first.bodies + second.bodies), wanted) == wanted
        assert first.got
        assert {got.headers["x-turn"] for got in second.got} == {"0", "2"}
        assert server.metric("sidecheck_dropped_total") == 0
        assert eventually(lambda: waits(server), 0) == 0


def test_what_waits_for_a_destination_that_hangs_goes_where_its_name_leads_now(tmp_path, config):
    with http_backend() as bad, http_backend() as good:
        bad.gate.clear()
        config.write(forward=[to(bad, timeout="500ms")])
        with serving(tmp_path / "data", "-c", str(config.path)) as server:
            for number in range(1, 11):
                by_http(server, a_request(number))
            config.put(server, forward=[to(good, headers={"authorization": "Bearer new"})])
            wanted = {a_request(number) for number in range(1, 11)}
            assert eventually(lambda: set(good.bodies), wanted) == wanted
            assert {got.headers["authorization"] for got in good.got} == {"Bearer new"}
            assert eventually(lambda: waits(server), 0) == 0
            assert server.metric("sidecheck_dropped_total") == 0


def test_a_destination_that_is_taken_out_gets_what_waited_and_is_gone_from_the_metrics(tmp_path, config):
    with http_backend() as backend:
        backend.gate.clear()
        config.write(forward=[to(backend)])
        with serving(tmp_path / "data", "-c", str(config.path)) as server:
            for number in range(1, 11):
                by_http(server, a_request(number))
            config.put(server)
            by_http(server, a_request(11))
            backend.gate.set()
            wanted = {a_request(number) for number in range(1, 11)}
            assert eventually(lambda: set(backend.bodies), wanted) == wanted
            gone = lambda: "sidecheck_forward_queue_bytes{" not in server.metrics_text()  # noqa: E731 - asked again
            until("it is gone", gone)
            assert server.metric("sidecheck_dropped_total") == 0
            post(server, b"", "metrics").raise_for_status()
            assert server.metric("sidecheck_requests_refused_total", reason="metrics_signal") == 1
        assert len(backend.got) == 10


def test_a_configuration_that_cannot_be_used_changes_nothing_of_all_it_says(tmp_path, config):
    with http_backend() as backend, http_backend() as other:
        config.write(forward=[to(backend)])
        with serving(tmp_path / "data", "-c", str(config.path)) as server:
            secure = {"endpoint": "https://localhost:1", "tls": {"ca": str(tmp_path / "none")}}
            hook = {"url": other.address}
            good = {"forward": [to(other)], "notify": [hook], "api": {"trace_url": "https://jaeger/{trace_id}"}}
            for bad, key in (
                ({"forward": [to(other), secure]}, "forward"),
                ({"notify": [hook, {**hook, "name": "b", "template": "{{ clusters[0].nme }}"}]}, "notify.1.template"),
                ({"notify": [{**hook, "secret_file": "/none"}]}, "notify.0.secret_file"),
                ({"results": {"otlp": {**hook, "endpoint": "http://localhost:1"}}}, "results.otlp"),
                ({"results": {"otlp": {"endpoint": "http://localhost:1", "headers_file": "/none"}}}, "results.otlp"),
                ({"limits": {"memory": "much"}}, "limits.memory"),
                ({"api": {"public_url": "here"}}, "api.public_url"),
            ):
                assert key in config.refused(server, **{**good, **bad})
            by_http(server, a_request(1))
            assert backend.next().body == a_request(1)
            assert server.judged(f"{1:032x}")["traceUrl"] is None
            assert server.metric("sidecheck_config_reloads_total", result="refused") == 7
        assert other.got == []


def test_results_and_webhooks_begin_change_and_end(tmp_path, config):
    with (
        http_backend() as first,
        http_backend() as second,
        serving(tmp_path / "data", "-c", str(config.path)) as server,
    ):
        api = {"public_url": "https://sidecheck.example", "trace_url": "https://jaeger/{trace_id}"}
        config.put(
            server, api=api, results={"otlp": {"endpoint": first.address}}, notify=[{"url": f"{first.address}/hook"}]
        )
        by_http(server, a_request(1, "first"))
        came = {got.signal: got for got in (first.next(), first.next())}
        assert b"gen_ai.evaluation.result" in came["logs"].body
        text = json.loads(came["/hook"].body)["text"]
        assert (
            text
            == f"shop: 1 new kind of failure\nlatency (slow_trace): 1 trace, https://sidecheck.example/traces/{1:032x}"
        )
        template = '{"kinds": {{ clusters | map(attribute="failures") | list | tojson }}}'
        hook = {"url": f"{second.address}/hook", "name": "new", "template": template}
        config.put(server, results={"otlp": {"endpoint": second.address}}, notify=[hook])
        by_http(server, a_request(2))
        assert second.next().signal == "logs"
        answer = config.put(server)
        assert answer["changed"] == ["notify", "results.otlp"]
        by_http(server, a_request(3))
        server.judged(f"{3:032x}")
        assert 'sidecheck_queue_length{queue="results"}' not in server.metrics_text()
        assert server.metric("sidecheck_dropped_total") == 0
    assert len(first.got) == 2


def test_limits_hold_for_the_next_request_and_what_grpc_cannot_be_told_is_named(tmp_path, config):
    with serving(tmp_path / "data", "-c", str(config.path)) as server:
        size = len(a_request(1))
        answer = config.put(server, limits={"request": size - 1})
        assert answer == {"changed": ["limits.request"], "needsRestart": ["limits.request"]}
        assert post(server, a_request(1)).status_code == 413
        with pytest.raises(grpc.RpcError) as raised:
            by_grpc(server, a_request(1))
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        config.put(server, limits={"memory": 1})
        assert post(server, a_request(1)).status_code in (413, 503)
        answer = config.put(server, limits={"attribute_value": 1, "connections": 2000})
        assert answer == {
            "changed": ["limits.memory", "limits.attribute_value", "limits.connections"],
            "needsRestart": ["limits.connections"],
        }
        by_http(server, a_request(1))
        assert server.judged(f"{1:032x}")["truncated"] is True
        config.put(server, limits={"connections": 1})
        with httpx.Client(timeout=30) as held:
            held.get(f"http://{server.api}/api/stats")  # it is idle, and gives way
            assert CLIENT.get(f"http://{server.api}/api/traces").status_code == 200
        assert config.put(server)["needsRestart"] == []
        by_http(server, a_request(2))
        assert server.judged(f"{2:032x}")["truncated"] is False
