"""A real Prometheus scrapes a real sidecheck, and the README's expression gives data."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from expectations import recordings
from otlp_senders import TRACES, by_grpc
from prometheus_server import Prometheus, prometheus_server
from servers import Serving, serving, until

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
README = Path(__file__).parents[2] / "exporters" / "README.md"
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs: [{{job_name: sidecheck, static_configs: [{{targets: ["{target}"]}}]}}]
"""


@dataclass(frozen=True)
class Scraped:
    """A sidecar, and the Prometheus that scrapes it."""

    prometheus: Prometheus
    server: Serving


@pytest.fixture(scope="module")
def programs(require) -> Path:
    return require("prometheus")


@pytest.fixture(scope="module")
def scraped(programs, tmp_path_factory) -> Iterator[Scraped]:
    """Prometheus, after it saw the results of two waves of recordings: a rate needs a before and an after."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    with serving(folder / "sidecheck") as server:
        config.write_text(CONFIG.format(target=server.metrics))
        with prometheus_server(programs, config, folder) as started:
            both, half = Scraped(started, server), len(recordings()) // 2
            for wave in (recordings()[:half], recordings()[half:]):
                send_and_see(both, wave)
            yield both


@pytest.fixture(scope="module")
def prometheus(scraped) -> Prometheus:
    return scraped.prometheus


def send_and_see(scraped: Scraped, wave) -> None:
    """Send recordings, and wait until Prometheus saw them evaluated."""
    server, prometheus = scraped.server, scraped.prometheus
    wanted = server.traces()["evaluated"] + len(wave)
    for each in wave:
        by_grpc(server, each.spans, TRACES)
    until("all are scraped", lambda: prometheus.value("sum(sidecheck_traces_evaluated_total)") == wanted)


def pass_rate() -> str:
    """The expression that the README gives for the pass rate."""
    (expression,) = re.findall(r"```promql\n(.*?)```", README.read_text(), re.DOTALL)
    return expression


def test_promtool_has_no_complaint_about_the_page(programs, scraped):
    page = scraped.server.metrics_text()
    done = subprocess.run([programs / "promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_is_scraped_without_an_error(prometheus):
    assert prometheus.value('up{job="sidecheck"}') == 1
    assert [(target["health"], target["lastError"]) for target in prometheus.targets()] == [("up", "")]


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


def test_the_exemplar_of_a_failure_is_a_trace_that_the_api_knows(scraped):
    failures = 'sidecheck_check_results_total{outcome="failed"}'
    exemplars = until("exemplars are stored", lambda: scraped.prometheus.exemplars(failures))
    trace_id = exemplars[-1]["labels"]["trace_id"]
    assert "failed" in scraped.server.outcomes(trace_id).values()
