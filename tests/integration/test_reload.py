"""A changed configuration while traces stream in: by signal and by the API, through a real sidecar."""

import signal
import threading

import pytest
from otlp import a_proto_span, a_trace_request
from otlp_senders import by_http
from servers import serving, until

S = 1_000_000_000
STRICT, LAX = "checks: {latency: {max_trace: 1s}}\n", "checks: {latency: {max_trace: 1h}}\n"


def a_request(number: int) -> bytes:
    """A trace that took two seconds."""
    span = a_proto_span(trace_id=number.to_bytes(16, "big"), start_time_unix_nano=S, end_time_unix_nano=3 * S)
    return a_trace_request(span).SerializeToString()


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "sidecheck.yaml"
    path.write_text(LAX)
    return path


def reloads(server, result: str) -> float:
    return server.metric("sidecheck_config_reloads_total", result=result)


def test_a_reload_under_load_changes_verdicts_and_loses_and_doubles_no_trace(tmp_path, config):
    with serving(tmp_path / "data", "-c", str(config), SIDECHECK_WORKERS="2") as server:
        sent = threading.Event()
        numbers = []

        def send() -> None:
            while not sent.is_set():
                number = len(numbers) + 1
                by_http(server, a_request(number))
                numbers.append(number)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for turn in range(4):
                config.write_text(STRICT if turn % 2 == 0 else LAX)
                server.process.send_signal(signal.SIGHUP)
                until("it is reloaded", lambda want=turn + 1: reloads(server, "applied") == want)
                least = len(numbers) + 30
                until("some more are sent", lambda want=least: len(numbers) >= want)
        finally:
            sent.set()
            sender.join()
        until("all is judged", lambda: server.traces()["open"] == 0)
        counts = server.traces()
        assert counts == {"accepted": len(numbers), "evaluated": len(numbers), "open": 0, "dropped": 0}
        judged = {outcome: server.metric("sidecheck_check_results_total", check="latency", outcome=outcome)
                  for outcome in ("passed", "failed", "errored", "timed_out")}  # fmt: skip
        assert judged["passed"] + judged["failed"] == len(numbers)
        assert min(judged["passed"], judged["failed"]) > 0
        assert server.metric("sidecheck_worker_restarts_total") == 0
        assert server.metric("sidecheck_verdict_changes_total") == 0


def test_a_bad_configuration_is_refused_and_the_old_one_judges_on(tmp_path, config):
    with serving(tmp_path / "data", "-c", str(config)) as server:
        config.write_text("checks: {latency: {max_trace: soon}}\n")
        server.process.send_signal(signal.SIGHUP)
        until("it is refused", lambda: reloads(server, "refused") == 1)
        assert server.metric("sidecheck_config_last_reload_success") == 0
        answer = server.post("/api/reload")
        assert answer.status_code == 422
        assert "checks.latency.max_trace" in answer.json()["error"]["message"]
        by_http(server, a_request(1))
        server.judged(f"{1:032x}")
        assert server.outcomes(f"{1:032x}") == {"latency": "passed"}


def test_checks_that_do_not_start_in_a_worker_are_refused(tmp_path, config):
    with serving(tmp_path / "data", "-c", str(config)) as server:
        config.write_text("checks: {latency: {}, own: {use: 'no_such_module:Check'}}\n")
        assert server.post("/api/reload").status_code == 422
        assert server.metric("sidecheck_config_last_reload_success") == 0


def test_the_answer_names_what_changed_and_what_waits_for_a_restart(tmp_path, config):
    with serving(tmp_path / "data", "-c", str(config)) as server:
        config.write_text(STRICT + "workers: 3\njournal: {sync: full}\napi: {trace_url: 'https://jaeger/{trace_id}'}\n")
        answer = server.post("/api/reload").json()
        # The test's own variables win over the file: workers stays.
        assert answer == {"changed": ["api.trace_url", "checks.latency"], "needsRestart": ["journal.sync"]}
        by_http(server, a_request(1))
        assert server.judged(f"{1:032x}")["traceUrl"] == f"https://jaeger/{1:032x}"
        assert f"https://jaeger/{1:032x}" in server.get(f"/traces/{1:032x}").text
        assert server.outcomes(f"{1:032x}") == {"latency": "failed"}
        explained = {check["check"]: check for check in server.get(f"/api/explain/{1:032x}").json()["checks"]}
        assert set(explained) == {"latency"}


def test_another_sites_page_cannot_reload(tmp_path, config):
    import httpx

    with serving(tmp_path / "data", "-c", str(config)) as server:
        answer = httpx.post(f"http://{server.api}/api/reload", headers={"Sec-Fetch-Site": "cross-site"}, timeout=30)
        assert answer.status_code == 403
