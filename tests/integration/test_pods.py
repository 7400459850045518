"""The pods of ``deploy/kubernetes``, brought up: probes pass, ports ask for their tokens, traces get verdicts."""

import dataclasses
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import compose
import httpx
import images
import pods
import pytest
import yaml
from compose import ROOT, Container, Project
from expectations import recording
from servers import until

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
MANIFESTS = ROOT / "deploy" / "kubernetes"
VALID = recording("openinference-instrumentation-openai-0.1.66/json_valid")
TOKENS = {name: {"token": secrets.token_hex(32)} for name in ("sidecheck-metrics", "sidecheck-access")}
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
            return httpx.get(f"http://{self.sidecheck.address}:{port}{path}", headers=bearer(token))

    def verdicts(self) -> list[dict[str, Any]]:
        """Of the last traces; asked within the pod, as by ``kubectl port-forward``."""
        with self.project.joined(self.sidecheck):
            traces = httpx.get(f"http://127.0.0.1:{API}/api/traces").json()["traces"]
        return [verdict for trace in traces for verdict in trace["verdicts"]]


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def up(name: str, kind: str, folder: Path) -> Iterator[Pod]:
    objects = [*yaml.safe_load_all((MANIFESTS / name).read_text())]
    (found,) = (each for each in objects if each["kind"] == kind)
    configs = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    claims = [claim["metadata"]["name"] for claim in found["spec"].get("volumeClaimTemplates", ())]
    described = pods.composed({**found["spec"]["template"]["spec"], "claims": claims}, TOKENS, configs, folder)
    (config,) = (each["name"] for each in found["spec"]["template"]["spec"]["volumes"] if "configMap" in each)
    with compose.project(described, folder, stand_ins(described)) as project:
        yield Pod(project, project.containers["sidecheck"][0], folder / config)


def stand_ins(described: Mapping[str, Any]) -> Mapping[str, compose.Standin]:
    """What stands for the image of sidecheck, and the demo app for the image of the app."""
    ours = images.sidecheck()
    demo = [sys.executable, str(ROOT / "deploy" / "demo-app" / "app.py")]
    app = dataclasses.replace(ours, entrypoint=demo, command=(), health=(), writes=(), workdir="/")
    names = {service["image"] for service in described["services"].values()}
    return {name: ours if "/sidecheck:" in name else app for name in names}


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Iterator[Pod]:
    yield from up("deployment.yaml", "Deployment", tmp_path_factory.mktemp("beside"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Iterator[Pod]:
    yield from up("statefulset.yaml", "StatefulSet", tmp_path_factory.mktemp("alone"))


def test_the_app_in_the_pod_gets_its_verdicts(beside):
    until("verdicts are there", lambda: any(v["outcome"] == "failed" for v in beside.verdicts()), JUDGED_WITHIN_S)


@pytest.mark.parametrize("port", [API, OTLP_HTTP])
def test_nobody_outside_the_pod_reaches_more_than_the_metrics(beside, port):
    with pytest.raises(httpx.ConnectError):
        beside.get(port, "/")


@pytest.mark.parametrize("name", ["beside", "alone"])
def test_the_metrics_ask_for_their_token_and_the_probes_for_none(request, name):
    pod = request.getfixturevalue(name)
    assert pod.get(METRICS, "/metrics").status_code == 401
    assert "sidecheck_build_info" in pod.get(METRICS, "/metrics", TOKENS["sidecheck-metrics"]["token"]).text
    assert pod.get(METRICS, "/readyz").status_code == pod.get(METRICS, "/healthz").status_code == 200


@pytest.mark.parametrize("name", ["beside", "alone"])
def test_only_the_data_and_the_folder_for_temporary_files_can_be_written_to(request, name):
    sidecheck = request.getfixturevalue(name).sidecheck
    assert sidecheck.run(["touch", "/data/file", "/tmp/file"]) == 0
    for place in ("/opt", "/etc/sidecheck/metrics"):
        assert sidecheck.run(["sh", "-c", f"! touch {place}/file 2>/dev/null"]) == 0


def test_apps_of_other_pods_send_with_the_token(alone):
    with alone.project.joined():
        address = f"http://{alone.sidecheck.address}:{OTLP_HTTP}/v1/traces"
        headers = {"Content-Type": "application/x-protobuf"}
        assert httpx.post(address, content=VALID.spans, headers=headers).status_code == 401
        token = bearer(TOKENS["sidecheck-access"]["token"])
        httpx.post(address, content=VALID.spans, headers=headers | token).raise_for_status()
    until("it is judged", alone.verdicts, JUDGED_WITHIN_S)


@pytest.mark.parametrize("name", ["beside", "alone"])
def test_a_changed_config_map_holds_after_a_reload(request, name):
    pod = request.getfixturevalue(name)
    (pod.config / "sidecheck.yaml").write_text("checks: {pii: {}}")
    pod.sidecheck.process.send_signal(signal.SIGHUP)  # as kill -HUP 1 in the container
    applied = 'sidecheck_config_reloads_total{result="applied"} 1.0'
    token = TOKENS["sidecheck-metrics"]["token"]
    until("the change holds", lambda: applied in pod.get(METRICS, "/metrics", token).text, JUDGED_WITHIN_S)
