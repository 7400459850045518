"""Grafana's boards: their files are what the script writes, and every panel's query gives data.

The data is that of a real Prometheus, which scrapes a real sidecheck by the files in ``deploy/prometheus``. The panels
on Kafka are asked in ``test_boards_kafka``.
"""

import filecmp
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from boards import BOARDS, GRAFANA, TARGETS, configured, figures, panels, variables
from expectations import Recording, recordings
from otlp import PARENT, a_proto_span, a_trace_request
from otlp_backends import http_backend
from otlp_senders import LOGS, by_grpc, by_http, post
from prometheus_server import Prometheus, prometheus_server
from promql import OTHERS, known_labels, mistakes, names
from servers import CLIENT, Serving, serving, until

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
WITHOUT_LOGIN = {"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer"}


@dataclass(frozen=True)
class Scraped:
    """A sidecar, and the Prometheus that scrapes it."""

    server: Serving
    prometheus: Prometheus


@pytest.fixture(scope="module")
def scraped(require, tmp_path_factory) -> Iterator[Scraped]:
    """A sidecar that got all recordings and whatever else it counts, in two waves: a rate needs two."""
    folder = tmp_path_factory.mktemp("boards")
    file = folder / "sidecheck.yaml"
    with (
        http_backend() as backend,
        serving(folder / "sidecheck", "-c", configuration(file, backend.address)) as server,
        prometheus_server(require("prometheus"), configured(folder, server.metrics), folder) as started,
    ):
        both = Scraped(server, started)
        for wave in (recordings()[::2], recordings()[1::2]):
            send_and_see(both, wave)
        have_no_room_for_names(server, file)
        yield both


def configuration(file: Path, backend: str) -> str:
    """Write a configuration with all that boards show of a sidecar without Kafka; give its path."""
    settings = {
        "budgets": {"*": {"per_day": 25}},
        "forward": [{"endpoint": backend, "name": "backend"}],
        "notify": [{"url": f"{backend}/hook", "name": "chat"}],
    }
    file.write_text(yaml.safe_dump(settings))
    return str(file)


def send_and_see(scraped: Scraped, wave: tuple[Recording, ...]) -> None:
    """Send recordings, what is no good, and thumbs; wait until Prometheus saw what came of them."""
    server, prometheus = scraped.server, scraped.prometheus
    judged, thumbs = "sum(sidecheck_traces_evaluated_total)", "sum(sidecheck_user_feedback_total)"
    wanted = server.traces()["evaluated"] + len(wave) + 1
    said = server.metric("sidecheck_user_feedback_total")
    for each in wave:
        by_grpc(server, each.spans)
        if each.logs:
            by_grpc(server, each.logs, LOGS)
    send_what_is_no_good(server)
    until("all are scraped", lambda: prometheus.value(judged) == wanted)
    change_ones_mind(server, wave[0].trace_ids[0])
    until("the thumbs are scraped", lambda: (prometheus.value(thumbs) or 0) >= said + 2)
    lose_a_trace(server)


def send_what_is_no_good(server: Serving) -> None:
    """A request that is refused; and one trace that no convention reads, with a span beside it that has no id."""
    assert post(server, b"\xff").status_code == 400
    unread = a_proto_span(trace_id=uuid.uuid4().bytes)
    by_http(server, a_trace_request(unread, a_proto_span(span_id=b"")).SerializeToString())


def change_ones_mind(server: Serving, trace_id: str) -> None:
    """A thumb up and, once it is a verdict, down: the verdict changes."""
    for thumbs_up, outcome in ((True, "passed"), (False, "failed")):
        said = {"trace_id": trace_id, "thumbs_up": thumbs_up, "user_id": "ann"}
        server.post("/v1/feedback", said).raise_for_status()
        until("it is heeded", lambda o=outcome: server.outcomes(trace_id).get("user_feedback") == o)


def lose_a_trace(server: Serving) -> None:
    """Have a trace forgotten before it is judged, which counts as dropped."""
    before = server.traces()["dropped"]

    def is_lost() -> bool:
        trace_id = uuid.uuid4()
        waits = a_proto_span(trace_id=trace_id.bytes, parent_span_id=PARENT)  # for its root
        by_http(server, a_trace_request(waits).SerializeToString())
        server.post("/api/forget", {"traceId": trace_id.hex}).raise_for_status()
        return server.traces()["dropped"] > before

    until("a trace is forgotten while it is open", is_lost)
    until("the others are judged", lambda: server.traces()["open"] == 0)


def have_no_room_for_names(server: Serving, file: Path) -> None:
    """Let there be no more series than there are, and come a service that has none."""
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "metrics": {"max_series": 1}}))
    server.post("/api/reload").raise_for_status()
    new = a_proto_span(trace_id=uuid.uuid4().bytes)
    by_http(server, a_trace_request(new, service="new").SerializeToString())
    until("it is counted under other", lambda: server.metric("sidecheck_series_folded_total"))


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


@pytest.mark.parametrize("target", [t for t in TARGETS if not t.is_of_kafka], ids=str)
def test_a_panel_gives_data_that_a_sidecar_told(scraped, target):
    assert until(f"{target} gives data: {target.counted}", lambda: figures(scraped.prometheus, target.counted), 10)


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


LEADING = [panel for _, panel in panels() if panel.get("fieldConfig", {}).get("defaults", {}).get("links")]


@pytest.mark.parametrize("panel", LEADING, ids=lambda panel: panel["title"])
def test_what_a_panel_shows_leads_to_the_list_of_its_traces(scraped, panel):
    (link,) = panel["fieldConfig"]["defaults"]["links"]
    (target,) = (t for t in TARGETS if t.panel == panel["title"])
    for series in until("there is some", lambda: scraped.prometheus.query(target.asked)):
        path = filled(link["url"], series["metric"])
        page, api = (CLIENT.get(f"http://{scraped.server.api}{root}{path}") for root in ("", "/api"))
        assert page.status_code == 200
        traces = api.raise_for_status().json()["traces"]
        assert all(is_of(trace, series["metric"]) for trace in traces)
        assert traces or float(series["value"][1]) == 0


def is_of(trace: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a trace is of the service of a series, and failed its check or has its finding."""
    verdicts = [v for v in trace["verdicts"] if v["check"] == labels["check"]]
    codes = {finding["code"] for v in verdicts for finding in v["findings"]}
    is_meant = labels["code"] in codes if "code" in labels else verdicts[0]["outcome"] == "failed"
    return is_meant and trace["service"] == labels["service"]


def filled(link: str, labels: Mapping[str, str]) -> str:
    """A link to the pages as Grafana fills it in for a series, without their address; of all times."""
    link = link.replace("${sidecheck:raw}", "")
    for label, value in labels.items():
        for name in (f"__field.labels.{label}", f"__data.fields.{label}"):
            link = link.replace(f"${{{name}:percentencode}}", quote(value, safe=""))
    link = link.replace("${__from:date:iso}", "1970-01-01T00:00:00.000Z")
    link = link.replace("${__to:date:iso}", "2200-01-01T00:00:00.000Z")
    assert "$" not in link, link
    return link


def test_the_boards_know_where_the_pages_are_as_the_datasource_does():
    readme = (GRAFANA.parents[1] / "README.md").read_text(encoding="utf-8")
    boards = [board for board, panel in panels() if panel in LEADING]
    assert boards
    for path in BOARDS:
        found = [v for v in json.loads(path.read_text())["templating"]["list"] if v["name"] == "sidecheck"]
        assert len(found) == (path.stem in boards)
        assert all(f"SIDECHECK_URL={each['query']} " in readme for each in found)


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


@pytest.mark.parametrize("name", OTHERS)
def test_what_alerts_and_boards_read_beside_the_catalogue_is_there(scraped, name):
    assert scraped.prometheus.query(f'{name}{{job="sidecheck"}}')


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
