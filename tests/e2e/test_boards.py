"""Grafana's boards: their files are what the script writes, and every panel's query gives data.

The data is that of a real Prometheus, which scrapes a real sidecheck by the files in ``deploy/prometheus``. What only
a sidecar with Kafka counts comes from a metrics port whose figures are set by hand.
"""

import filecmp
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from boards import BOARDS, GRAFANA, TARGETS, configured, figures, panels, variables
from e2e.browser import hosted
from expectations import recordings
from otlp_senders import TRACES, by_grpc, post
from prometheus_server import Prometheus, prometheus_server
from promql import known_labels, mistakes, names
from servers import CLIENT, Serving, serving, until

from exporters.metrics.catalogue import METRICS
from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health, create_metrics_app

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
WITHOUT_LOGIN = {"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer"}
KAFKA = {"topic": "otlp_spans", "partition": "0", "reason": "malformed", "event": "assigned"}


@dataclass(frozen=True)
class Scraped:
    """A sidecar, and the Prometheus that scrapes it."""

    server: Serving
    prometheus: Prometheus


@pytest.fixture(scope="module")
def scraped(require, tmp_path_factory) -> Iterator[Scraped]:
    """A sidecar that got all recordings, in two waves, with thumbs, bad requests and Kafka's figures beside it."""
    folder = tmp_path_factory.mktemp("boards")
    budgets = json.dumps({"*": {"per_day": 25}})
    with serving(folder / "sidecheck", SIDECHECK_BUDGETS=budgets) as server, kafka_figures() as by_hand:
        config = configured(folder, server.metrics, by_hand)
        with prometheus_server(require("prometheus"), config, folder) as started:
            both = Scraped(server, started)
            for wave in (recordings()[::2], recordings()[1::2]):
                send_and_see(both, wave)
            yield both


@contextmanager
def kafka_figures() -> Iterator[str]:
    """The metrics port of a sidecar that reads from Kafka, as far as its metrics go."""
    metrics = Metrics(max_series=1000)
    for metric in METRICS.values():
        if metric.name.startswith("sidecheck_kafka_"):
            count = metrics.set if metric.kind == "gauge" else metrics.inc
            count(metric.name, 7, **{label: KAFKA[label] for label in metric.labels})
    with hosted(create_metrics_app(metrics, lambda: Health(ready=True))) as address:
        yield address.removeprefix("http://")


def send_and_see(scraped: Scraped, wave) -> None:
    """Send recordings, a bad request and two thumbs; wait until Prometheus saw what came of them."""
    server, prometheus = scraped.server, scraped.prometheus
    judged, thumbs = "sum(sidecheck_traces_evaluated_total)", "sum(sidecheck_user_feedback_total)"
    wanted = server.traces()["evaluated"] + len(wave)
    said = server.metric("sidecheck_user_feedback_total")
    for each in wave:
        by_grpc(server, each.spans, TRACES)
    assert post(server, b"\xff").status_code == 400
    until("all are scraped", lambda: prometheus.value(judged) == wanted)
    for recording, thumbs_up in ((wave[0], True), (wave[1], False)):
        server.post("/v1/feedback", {"trace_id": recording.trace_ids[0], "thumbs_up": thumbs_up}).raise_for_status()
    until("the thumbs are scraped", lambda: (prometheus.value(thumbs) or 0) >= said + 2)


def test_the_files_are_those_that_the_script_writes(tmp_path):
    subprocess.run([sys.executable, GRAFANA / "build.py", "--out", tmp_path], check=True)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == [path.name for path in BOARDS]
    _, differing, missing = filecmp.cmpfiles(tmp_path, GRAFANA / "dashboards", written, shallow=False)
    assert (differing, missing) == ([], []), "run: python deploy/grafana/build.py"


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_panel_names_metrics_and_labels_that_there_are(target):
    assert names(target.asked)
    assert mistakes(target.asked, known_labels()) == []


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_panel_gives_data(scraped, target):
    assert until(f"{target} gives data: {target.asked}", lambda: figures(scraped.prometheus, target.asked), 10)


@pytest.mark.parametrize("target", [t for t in TARGETS if t.has_exemplars], ids=str)
def test_a_dot_of_a_panel_opens_the_page_of_its_trace(scraped, target):
    found = until("exemplars are stored", lambda: scraped.prometheus.exemplars(target.asked))
    link = exemplar_link(f"http://{scraped.server.api}").replace("${__value.raw}", found[-1]["labels"]["trace_id"])
    page = CLIENT.get(link)
    assert page.status_code == 200
    assert found[-1]["labels"]["trace_id"] in page.text


def exemplar_link(pages: str) -> str:
    """The link of the provisioned datasource, its variable replaced as Grafana does."""
    (source,) = provisioned("datasources")["datasources"]
    (destination,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["name"] == "trace_id"
    return destination["url"].replace("$SIDECHECK_URL", pages).replace("$$", "$")


@pytest.mark.parametrize("query", sorted(set(variables())))
def test_a_variable_has_values_to_choose_from(scraped, query):
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    assert scraped.prometheus.label_values(label, selector.replace("$service", ".*"))


def test_a_panel_is_described_and_known_by_its_title():
    for board in BOARDS:
        shown = [panel for name, panel in panels() if name == board.stem]
        assert len({panel["title"] for panel in shown}) == len(shown)
        assert all(panel["description"] and panel["targets"] for panel in shown)


def test_the_account_adds_up(scraped):
    (target,) = [t for t in TARGETS if t.panel == "Unaccounted for"]
    assert scraped.prometheus.value(target.asked) == 0


def test_every_rule_can_be_evaluated(scraped):
    rules = until("all were evaluated", lambda: all_evaluated(scraped.prometheus))
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}


def all_evaluated(prometheus: Prometheus) -> list[dict[str, Any]]:
    rules = prometheus.rules()
    return [] if any(rule["health"] == "unknown" for rule in rules) else rules


def test_grafana_is_given_what_its_provisioning_asks_for():
    (source,) = provisioned("datasources")["datasources"]
    (provider,) = provisioned("dashboards")["providers"]
    readme = (GRAFANA.parents[1] / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"docker run (?:(?!docker run)[^`])* grafana/grafana:", readme)
    assert dict(re.findall(r"-e (\w+)=(\S+)", command)) == {
        "PROMETHEUS_URL": "http://127.0.0.1:9090",
        "SIDECHECK_URL": "http://127.0.0.1:8321",
        **WITHOUT_LOGIN,
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",  # on the host's network, so that nobody but this machine gets in
    }
    assert source["url"] == "$PROMETHEUS_URL"
    assert f"$PWD/deploy/grafana/dashboards:{provider['options']['path']}:ro" in command
    assert "$PWD/deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in command


@pytest.mark.parametrize("name", ["compose.yaml", "compose.kafka.yaml"])
def test_grafana_of_a_compose_file_asks_for_no_login(name):
    grafana = yaml.safe_load((GRAFANA.parent / name).read_text(encoding="utf-8"))["services"]["grafana"]
    assert grafana["environment"].items() >= WITHOUT_LOGIN.items()
    assert grafana["ports"] == ["127.0.0.1:3000:3000"]


def provisioned(kind: str) -> dict[str, Any]:
    return yaml.safe_load((GRAFANA / "provisioning" / kind / "sidecheck.yaml").read_text(encoding="utf-8"))
