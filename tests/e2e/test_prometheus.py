"""A real Prometheus scrapes a real sidecheck, and the README's expression gives data."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from expectations import recordings
from externals import free_port
from otlp_senders import TRACES, by_grpc
from servers import CLIENT, Serving, serving, until

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
README = Path(__file__).parents[2] / "README.md"
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs: [{{job_name: sidecheck, static_configs: [{{targets: ["{target}"]}}]}}]
"""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus that scrapes ``server``."""

    url: str
    server: Serving

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an instant query gives."""
        answer = CLIENT.get(f"{self.url}/api/v1/query", params={"query": expression})
        return answer.raise_for_status().json()["data"]["result"]

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """The exemplars of an expression's series."""
        query = {"query": expression, "start": 0, "end": 10**10}
        answer = CLIENT.get(f"{self.url}/api/v1/query_exemplars", params=query)
        return [e for series in answer.raise_for_status().json()["data"] for e in series["exemplars"]]

    def value(self, expression: str) -> float | None:
        """The value of an expression that gives one series; ``None`` while it gives none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="module")
def programs(require) -> Path:
    return require("prometheus")


@pytest.fixture(scope="module")
def prometheus(programs, tmp_path_factory) -> Iterator[Prometheus]:
    """Prometheus, after it saw the results of two waves of recordings: a rate needs a before and an after."""
    folder = tmp_path_factory.mktemp("prometheus")
    with serving(folder / "sidecheck") as server, scraping(programs, server, folder) as started:
        half = len(recordings()) // 2
        for wave in (recordings()[:half], recordings()[half:]):
            send_and_see(started, wave)
        yield started


@contextmanager
def scraping(programs: Path, server: Serving, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ``server``."""
    config, log, port = folder / "prometheus.yml", folder / "prometheus.log", free_port()
    config.write_text(CONFIG.format(target=server.metrics))
    options = {"config.file": config, "storage.tsdb.path": folder / "data", "web.listen-address": f"127.0.0.1:{port}"}
    options |= {"enable-feature": "exemplar-storage", "log.level": "warn"}
    with log.open("wb") as file:
        command = [programs / "prometheus", *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder)
    try:
        started = Prometheus(f"http://127.0.0.1:{port}", server)
        until("Prometheus is ready", lambda: is_ready(started, process, log), 60)
        yield started
    finally:
        process.terminate()
        process.wait(30)


def is_ready(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return CLIENT.get(f"{prometheus.url}/-/ready").is_success
    except httpx.TransportError:
        return False


def send_and_see(prometheus: Prometheus, wave) -> None:
    """Send recordings, and wait until Prometheus saw them evaluated."""
    server = prometheus.server
    wanted = server.traces()["evaluated"] + len(wave)
    for each in wave:
        by_grpc(server, each.spans, TRACES)
    until("all are scraped", lambda: prometheus.value("sum(sidecheck_traces_evaluated_total)") == wanted)


def pass_rate() -> str:
    """The expression that the README gives for the pass rate."""
    (expression,) = re.findall(r"```promql\n(.*?)```", README.read_text(), re.DOTALL)
    return expression


def test_promtool_has_no_complaint_about_the_page(programs, prometheus):
    page = prometheus.server.metrics_text()
    done = subprocess.run([programs / "promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_is_scraped_without_an_error(prometheus):
    assert prometheus.value('up{job="sidecheck"}') == 1
    targets = CLIENT.get(f"{prometheus.url}/api/v1/targets").json()["data"]["activeTargets"]
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]


def test_the_counts_in_prometheus_are_those_of_the_recordings(prometheus):
    assert prometheus.value("sum(sidecheck_traces_evaluated_total)") == len(recordings())
    lost = "sum(sidecheck_traces_accepted_total) - sum(sidecheck_traces_evaluated_total) - sum(sidecheck_traces_open)"
    assert prometheus.value(lost) == 0


def test_the_pass_rate_of_the_readme_gives_a_share_for_each_check_that_applied(prometheus):
    shares = {series["metric"]["check"]: float(series["value"][1]) for series in prometheus.query(pass_rate())}
    assert shares.keys() == {"valid_json", "citations", "pii", "latency"}
    assert 0 < shares["citations"] < 1
    assert 0 < shares["valid_json"] < 1
    assert 0 < shares["pii"] < 1


def test_the_exemplar_of_a_failure_is_a_trace_that_the_api_knows(prometheus):
    failures = 'sidecheck_check_results_total{outcome="failed"}'
    exemplars = until("exemplars are stored", lambda: prometheus.exemplars(failures))
    trace_id = exemplars[-1]["labels"]["trace_id"]
    assert "failed" in prometheus.server.outcomes(trace_id).values()
