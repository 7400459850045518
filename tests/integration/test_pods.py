"""The pods of ``deploy/kubernetes`` and of the chart, brought up.

Probes pass, ports ask for their tokens, traces get verdicts.
"""

import dataclasses
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import charts
import compose
import httpx
import images
import kube
import pods
import pytest
from compose import ROOT, Container, Project
from expectations import recording
from servers import until

pytestmark = [pytest.mark.late, pytest.mark.timeout(300)]  # what all of them share is made within the first
VALID = recording("openinference-instrumentation-openai-0.1.66/json_valid")
TOKENS = {name: {"token": secrets.token_hex(32)} for name in ("sidecheck-metrics", "sidecheck-access")}
STORE = {"sidecheck-store": {"url": "postgresql+psycopg://sidecheck:sidecheck@postgres:5432/sidecheck"}}
API, OTLP_HTTP, METRICS = 8321, 4318, 9464
JUDGED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Pod:
    """A pod that is up."""

    project: Project
    sidecheck: Container
    config: Path
    """The folder with what is in its ConfigMap."""

    def get(self, port: int, path: str, token: str | None = None) -> httpx.Response:
        """Asked from another pod."""
        with self.project.joined():
            return httpx.get(f"http://{self.sidecheck.address}:{port}{path}", headers=bearer(token), timeout=30)

    def verdicts(self) -> list[dict[str, Any]]:
        """Of the last traces; asked within the pod, as by ``kubectl port-forward``."""
        with self.project.joined(self.sidecheck):
            traces = httpx.get(f"http://127.0.0.1:{API}/api/traces", timeout=30).json()["traces"]
        return [verdict for trace in traces for verdict in trace["verdicts"]]


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def up(objects: list[dict[str, Any]], kind: str, folder: Path) -> Iterator[Pod]:
    (found,) = (each for each in objects if each["kind"] == kind)
    claims = [claim["metadata"]["name"] for claim in found["spec"].get("volumeClaimTemplates", ())]
    described = pods.composed(
        {**found["spec"]["template"]["spec"], "claims": claims}, TOKENS, configs_of(objects), folder
    )
    (config,) = (each["name"] for each in found["spec"]["template"]["spec"]["volumes"] if "configMap" in each)
    with compose.project(described, folder, stand_ins(described)) as project:
        yield Pod(project, project.containers["sidecheck"][0], folder / config)


def configs_of(objects: list[dict[str, Any]]) -> Mapping[str, Mapping[str, str]]:
    return {each["metadata"]["name"]: each["data"] for each in kube.of_kind(objects, "ConfigMap")}


def stand_ins(described: Mapping[str, Any]) -> Mapping[str, compose.Standin]:
    """What stands for the image of sidecheck, and the demo app for the image of the app."""
    ours = images.sidecheck()
    demo = [sys.executable, str(ROOT / "deploy" / "demo-app" / "app.py")]
    app = dataclasses.replace(ours, entrypoint=demo, command=(), health=(), writes=(), workdir="/")
    names = {service["image"] for service in described["services"].values()}
    return {name: ours if "/sidecheck:" in name else app for name in names}


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Iterator[Pod]:
    yield from up(kube.manifests("deployment.yaml"), "Deployment", tmp_path_factory.mktemp("beside"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Iterator[Pod]:
    yield from up(kube.manifests("statefulset.yaml"), "StatefulSet", tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def charted(tmp_path_factory) -> Iterator[Pod]:
    """The pod of a chart that has ours as a dependency, as the chart's README says."""
    shop = charts.shop(tmp_path_factory.mktemp("charts"))
    values = {"sidecheck": {"config": {"checks": {"valid_json": {}, "pii": {}}}}}
    objects = charts.rendered(shop, tmp_path_factory.mktemp("values"), values)
    yield from up(objects, "Deployment", tmp_path_factory.mktemp("charted"))


@pytest.mark.parametrize("name", ["beside", "charted"])
def test_the_app_in_the_pod_gets_its_verdicts(request, name):
    pod = request.getfixturevalue(name)
    until("verdicts are there", lambda: any(v["outcome"] == "failed" for v in pod.verdicts()), JUDGED_WITHIN_S)


@pytest.mark.parametrize("name", ["beside", "charted"])
@pytest.mark.parametrize("port", [API, OTLP_HTTP])
def test_nobody_outside_the_pod_reaches_more_than_the_metrics(request, name, port):
    with pytest.raises(httpx.ConnectError):
        request.getfixturevalue(name).get(port, "/")


@pytest.mark.parametrize("name", ["beside", "alone", "charted"])
def test_the_metrics_ask_for_their_token_and_the_probes_for_none(request, name):
    pod = request.getfixturevalue(name)
    assert pod.get(METRICS, "/metrics").status_code == 401
    assert "sidecheck_build_info" in pod.get(METRICS, "/metrics", TOKENS["sidecheck-metrics"]["token"]).text
    assert pod.get(METRICS, "/readyz").status_code == pod.get(METRICS, "/healthz").status_code == 200


@pytest.mark.parametrize("name", ["beside", "alone", "charted"])
def test_only_the_data_and_the_folder_for_temporary_files_can_be_written_to(request, name):
    sidecheck = request.getfixturevalue(name).sidecheck
    assert sidecheck.run(["touch", "/data/file", "/tmp/file"]) == 0
    for place in ("/opt", "/etc/sidecheck/metrics"):
        assert sidecheck.run(["sh", "-c", f"! touch {place}/file 2>/dev/null"]) == 0


def test_apps_of_other_pods_send_with_the_token(alone):
    with alone.project.joined():
        address = f"http://{alone.sidecheck.address}:{OTLP_HTTP}/v1/traces"
        headers = {"Content-Type": "application/x-protobuf"}
        assert httpx.post(address, content=VALID.spans, headers=headers, timeout=30).status_code == 401
        token = bearer(TOKENS["sidecheck-access"]["token"])
        httpx.post(address, content=VALID.spans, headers=headers | token, timeout=30).raise_for_status()
    until("it is judged", alone.verdicts, JUDGED_WITHIN_S)


@pytest.mark.parametrize("name", ["beside", "alone", "charted"])
def test_a_changed_config_map_holds_after_a_reload(request, name):
    pod = request.getfixturevalue(name)
    (pod.config / "sidecheck.yaml").write_text("checks: {pii: {}}")
    pod.sidecheck.process.send_signal(signal.SIGHUP)  # as kill -HUP 1 in the container
    applied = 'sidecheck_config_reloads_total{result="applied"} 1.0'
    token = TOKENS["sidecheck-metrics"]["token"]
    until("the change holds", lambda: applied in pod.get(METRICS, "/metrics", token).text, JUDGED_WITHIN_S)


@pytest.fixture
def group(tmp_path) -> Iterator[Project]:
    """A replica and the page of the chart, with the servers and the relay of ``compose.kafka.yaml``."""
    described = dict(compose.read(ROOT / "deploy" / "compose.kafka.yaml"))
    services = {name: described["services"][name] for name in ("kafka", "topics", "postgres", "relay")}
    kafka = {"bootstrapServers": ["kafka:9092"]}
    values = {"image": {"repository": "r/sidecheck"}, "group": {"enabled": True, "kafka": kafka}}
    objects = charts.rendered(charts.CHART, tmp_path, values | {"config": {"checks": {"valid_json": {}}}})
    for pod in kube.pods(objects):
        part = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        (tmp_path / part).mkdir()
        only = pods.composed(pod["spec"], TOKENS | STORE, configs_of(objects), tmp_path / part)["services"]["sidecheck"]
        only["depends_on"] = {"postgres": {"condition": "service_healthy"}, "relay": {"condition": "service_healthy"}}
        services[part] = only
    images_of = {"sidecheck": images.sidecheck(), "postgres": images.postgres(), "kafka": images.kafka()}
    found = {each["image"]: images_of[each["image"].split(":")[0].split("/")[-1]] for each in services.values()}
    with compose.project({**described, "services": services}, ROOT / "deploy", found) as project:
        yield project


def test_a_group_of_the_chart_judges_what_is_on_kafka_and_shows_it_to_who_has_the_token(group):
    (relay,), (page,) = group.containers["relay"], group.containers["page"]
    headers = {"Content-Type": "application/x-protobuf"}
    with group.joined():
        sent = f"http://{relay.address}:{OTLP_HTTP}/v1/traces"
        httpx.post(sent, content=VALID.spans, headers=headers, timeout=30).raise_for_status()
        traces = f"http://{page.address}:{API}/api/traces"
        assert httpx.get(traces, timeout=30).status_code == 401
        token = bearer(TOKENS["sidecheck-access"]["token"])
        (trace,) = until(
            "it is judged", lambda: httpx.get(traces, headers=token, timeout=30).json()["traces"], JUDGED_WITHIN_S
        )
    assert [(v["check"], v["outcome"]) for v in trace["verdicts"]] == [("valid_json", "passed")]
