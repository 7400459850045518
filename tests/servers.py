"""A real ``sidecheck serve`` in a process of its own, and what tests ask of it. No sleeping: every wait has a deadline.

Every port is chosen by the system and read back from the line that ``serve`` logs when it is ready.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

SIDECHECK = Path(sys.executable).with_name("sidecheck")
LISTENERS = ("OTLP__GRPC", "OTLP__HTTP", "API", "METRICS")
QUICK = {"SIDECHECK_ASSEMBLY__SETTLE": "200ms", "SIDECHECK_ASSEMBLY__IDLE": "1s", "SIDECHECK_WORKERS": "1"}
"""Settings of a server in tests: whoever waits for a verdict waits for the assembly first."""
UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 10.0
JUDGED_WITHIN_S = 60.0
POLL_S = 0.03

CLIENT = httpx.Client(timeout=30, verify=False, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all requests: to make one takes 30 ms. Nothing is kept open, as a server that stops would wait for it."""

Result = TypeVar("Result")


def until(what: str, ask: Callable[[], Result], within_s: float = JUDGED_WITHIN_S) -> Result:
    """Ask until the answer counts as true and give it; fail with ``what`` after ``within_s``."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what}; the last answer was {answer!r}")
        time.sleep(POLL_S)
    return answer


def eventually(ask: Callable[[], Result], wanted: Result, within_s: float = JUDGED_WITHIN_S) -> Result:
    """Ask until the answer is ``wanted`` or the time is over; give the last answer, for the test to compare."""
    deadline = time.monotonic() + within_s
    while (answer := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return answer


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a product process: this one's, without what would configure it, and ``more``."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("SIDECHECK_", "OTEL_"))}
    return {**plain, **more}


def run_sidecheck(*arguments: str | Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    command = [SIDECHECK, *map(str, arguments)]
    return subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=timeout)


def check_json(*paths: Path) -> dict[str, dict[str, Any]]:
    """What ``sidecheck check --json`` prints of these files, by trace id."""
    done = run_sidecheck("check", "--json", *paths)
    assert done.returncode in (0, 1), done.stderr
    traces = [json.loads(line) for line in done.stdout.splitlines()]
    return {trace["trace_id"]: trace for trace in traces}


@dataclass(frozen=True)
class Serving:
    """One running ``sidecheck serve``, or another command that serves. Addresses are ``host:port``, or ``None``."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    otlp_grpc: str | None
    otlp_http: str | None
    api: str | None
    metrics: str

    def get(self, path: str, **query: Any) -> httpx.Response:
        """GET from the API."""
        return CLIENT.get(f"http://{self.api}{path}", params=query)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        """POST JSON to the API."""
        return CLIENT.post(f"http://{self.api}{path}", json=body)

    def health(self) -> dict[str, Any]:
        """What ``/healthz`` says."""
        return CLIENT.get(f"http://{self.metrics}/healthz").raise_for_status().json()

    def metrics_text(self) -> str:
        """The page that Prometheus would scrape."""
        return CLIENT.get(f"http://{self.metrics}/metrics").raise_for_status().text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series that have these labels; 0 where there is none."""
        return total(self.metrics_text(), name, labels)

    def traces(self) -> dict[str, float]:
        """The counts of traces on ``/metrics``: accepted, evaluated, open, dropped."""
        text = self.metrics_text()
        return {
            "accepted": total(text, "sidecheck_traces_accepted_total"),
            "evaluated": total(text, "sidecheck_traces_evaluated_total"),
            "open": total(text, "sidecheck_traces_open"),
            "dropped": total(text, "sidecheck_dropped_total", {"what": "trace"}),
        }

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """A trace as the API shows it; ``None`` while it is not stored."""
        response = self.get(f"/api/traces/{trace_id}")
        return None if response.status_code == 404 else response.raise_for_status().json()

    def checked(self, trace_id: str) -> dict[str, Any] | None:
        """A trace in the form in which ``sidecheck check --json`` prints it; ``None`` while it is not stored."""
        shown = self.trace(trace_id)
        return shown and as_checked(shown)

    def judged(self, trace_id: str) -> dict[str, Any]:
        """Wait until a trace is stored; give it as the API shows it."""
        return until(f"trace {trace_id} is stored", lambda: self.trace(trace_id))

    def outcomes(self, trace_id: str) -> dict[str, str]:
        """The outcomes of a trace's verdicts, by check; none while it is not stored."""
        shown = self.trace(trace_id) or {"verdicts": []}
        return {verdict["check"]: verdict["outcome"] for verdict in shown["verdicts"]}

    def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = DOWN_WITHIN_S) -> int:
        """Send a signal to the process and wait for its end; give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(within_s)


def samples(text: str, name: str) -> list[Sample]:
    """The samples of a metric on a page."""
    families = text_string_to_metric_families("\n".join(line for line in text.splitlines() if line.startswith(name)))
    return [sample for family in families for sample in family.samples if sample.name == name]


def total(text: str, name: str, labels: Mapping[str, str] | None = None) -> float:
    """The sum of a metric over all series of a page that have these labels."""
    return sum(s.value for s in samples(text, name) if (labels or {}).items() <= s.labels.items())


def as_checked(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A trace of the API in the form in which ``sidecheck check --json`` prints it."""
    return {
        "trace_id": shown["traceId"],
        "service": shown["service"],
        "convention": shown["convention"],
        "closed_by": shown["closedBy"],
        "view": shown["view"],
        "verdicts": [_verdict(verdict) for verdict in shown["verdicts"]],
    }


def _verdict(shown: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("check", "version", "outcome", "score", "findings", *(("error",) if shown["error"] else ()))
    return {key: _snake(shown[key]) for key in kept}


def _snake(value: Any) -> Any:
    if isinstance(value, list):
        return [_snake(item) for item in value]
    if isinstance(value, dict):
        return {re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", key): _snake(item) for key, item in value.items()}
    return value


@contextmanager
def serving(data_dir: Path, *options: str, command: str = "serve", **settings: str) -> Iterator[Serving]:
    """Run ``sidecheck serve`` on free ports with its data in ``data_dir``; ``settings`` are more of its variables."""
    listeners = {f"SIDECHECK_{name}__LISTEN": "127.0.0.1:0" for name in LISTENERS}
    env = environment({**listeners, **QUICK, "SIDECHECK_DATA_DIR": str(data_dir), **settings})
    log = data_dir.parent / f"{data_dir.name}.{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen([SIDECHECK, command, *options], env=env, stdout=file, stderr=file)
    try:
        addresses = until("serve is up", lambda: _addresses(process, log), UP_WITHIN_S)
        started = Serving(process, data_dir, **addresses)
        until("serve is ready", lambda: CLIENT.get(f"http://{started.metrics}/readyz").is_success, UP_WITHIN_S)
        yield started
    finally:
        _end(process)
    assert "Traceback" not in log.read_text(), log.read_text()


def _addresses(process: subprocess.Popen[bytes], log: Path) -> dict[str, str] | None:
    """The addresses out of the line that says it is ready."""
    assert process.poll() is None, f"serve ended with {process.returncode}: {log.read_text()}"
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    ready = next((line for line in lines if line["event"] == "ready"), None)
    return ready and {name: ready.get(name) for name in ("otlp_grpc", "otlp_http", "api", "metrics")}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that is still there: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
