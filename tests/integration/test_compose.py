"""``deploy/compose.yaml`` and ``compose.kafka.yaml``, brought up: what they say is done, and traces get verdicts."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import compose
import httpx
import images
import pytest
from compose import ROOT, Project
from expectations import Recording, recording
from servers import until

pytestmark = [pytest.mark.late, pytest.mark.timeout(400)]  # what all of them share is made within the first
DEPLOY = ROOT / "deploy"
BROKEN = recording("opentelemetry-instrumentation-openai-v2-2.4b0__event-content/json_broken")
VALID = recording("openinference-instrumentation-openai-0.1.66/json_valid")
PROTOBUF = {"Content-Type": "application/x-protobuf"}
OTLP_HTTP, RELAY_HTTP, API, PROMETHEUS = 4318, 14318, 8321, 9090
SCRAPED_WITHIN_S = JUDGED_WITHIN_S = 60.0
OWN = ("sidecheck", "page", "relay")
"""The services of the group that are sidechecks."""
FAILED = 'sidecheck_check_results_total{check="valid_json",outcome="failed"} > 0'
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml"))


def up(name: str, **stand_ins: compose.Standin) -> Iterator[Project]:
    """The services of a file. Images are found by the last part of their names."""
    described = compose.read(DEPLOY / name)
    names = {service["image"] for service in described["services"].values()}
    found = {image: stand_ins[image.split(":")[0].split("/")[-1].replace("-", "_")] for image in names}
    with compose.project(described, DEPLOY, found) as project:
        yield project


@pytest.fixture(scope="module")
def beside_an_app() -> Iterator[Project]:
    yield from up(
        "compose.yaml", sidecheck=images.sidecheck(), prometheus=images.prometheus(), grafana=images.grafana()
    )


def get(project: Project, port: int, path: str, **query: str) -> dict:
    """A JSON answer of what is published on a port."""
    with project.joined(), httpx.Client(timeout=30) as client:
        return client.get(f"http://{project.published(port)}{path}", params=query).raise_for_status().json()


def send(project: Project, port: int, sent: Recording) -> None:
    """A recording to the OTLP that is published on a port, as soon as somebody listens there."""
    for signal, body in (("traces", sent.spans), ("logs", sent.logs)):
        if body:
            until("it is taken", lambda s=signal, b=body: _is_taken(project, f"{project.published(port)}/v1/{s}", b))


def _is_taken(project: Project, address: str, body: bytes) -> bool:
    with project.joined(), httpx.Client(timeout=30) as client:
        try:
            client.post(f"http://{address}", content=body, headers=PROTOBUF).raise_for_status()
        except httpx.ConnectError:
            return False
    return True


def outcomes(project: Project, trace_id: str) -> Mapping[str, str]:
    """What the page's API says of a trace; nothing while it does not know it."""
    with project.joined(), httpx.Client(timeout=30) as client:
        answer = client.get(f"http://{project.published(API)}/api/traces/{trace_id}")
    return {each["check"]: each["outcome"] for each in answer.json()["verdicts"]} if answer.is_success else {}


def series(project: Project, expression: str) -> list:
    """What Prometheus says."""
    return get(project, PROMETHEUS, "/api/v1/query", query=expression)["data"]["result"]


def test_the_demo_apps_answers_get_their_verdicts_in_prometheus(beside_an_app):
    failed = 'sidecheck_check_results_total{service="support-bot",outcome="failed"} > 0'
    until("verdicts are in Prometheus", lambda: series(beside_an_app, failed), SCRAPED_WITHIN_S)
    assert get(beside_an_app, API, "/api/traces")["traces"]


def test_an_app_of_ones_own_may_send_to_the_published_port(beside_an_app):
    send(beside_an_app, OTLP_HTTP, BROKEN)
    (trace_id,) = BROKEN.trace_ids
    until("it is judged", lambda: outcomes(beside_an_app, trace_id).get("valid_json") == "failed")


def test_prometheus_has_the_rules_and_its_only_target(beside_an_app):
    groups = get(beside_an_app, PROMETHEUS, "/api/v1/rules")["data"]["groups"]
    assert {Path(group["file"]).name for group in groups} == {each.name for each in RULES}
    (target,) = until("it is found", lambda: targets(beside_an_app))
    assert target["labels"]["instance"] == "sidecheck:9464"


def targets(project: Project) -> list:
    return get(project, PROMETHEUS, "/api/v1/targets")["data"]["activeTargets"]


def test_grafana_finds_its_source_and_its_boards_which_show_something(beside_an_app):
    assert_boards_show_something(beside_an_app)


def assert_boards_show_something(project: Project) -> None:
    def read() -> dict:
        (grafana,) = project.containers["grafana"]
        done = grafana.start([*grafana.image.entrypoint, "--once"], stdout=subprocess.PIPE)
        said, _ = done.communicate(timeout=60)
        assert done.returncode == 0
        return json.loads(said)

    boards = [file.stem for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))]
    found = until("each board shows something", lambda: (r := read()) and all(r["boards"].values()) and r, 90)
    assert sorted(found["boards"]) == boards
    assert found["links"] == ["http://127.0.0.1:8321/traces/${__value.raw}"]


@pytest.mark.parametrize("service", ["app", "sidecheck"])
def test_nothing_can_be_written_but_the_volume_and_the_folder_for_temporary_files(beside_an_app, service):
    (container,) = beside_an_app.containers[service]
    assert container.run(["sh", "-c", "! touch /opt/file 2>/dev/null"]) == 0
    writable = {"app": 1, "sidecheck": 0}[service]
    assert container.run(["sh", "-c", "touch /tmp/file 2>/dev/null"]) == writable
    assert container.run(["touch", "/data/file"]) == 0


@pytest.fixture(scope="module")
def group() -> Iterator[Project]:
    yield from up(
        "compose.kafka.yaml",
        sidecheck=images.sidecheck(),
        opentelemetry_collector_contrib=images.collector(),
        postgres=images.postgres(),
        kafka=images.kafka(),
        prometheus=images.prometheus(),
        grafana=images.grafana(),
    )


def test_the_group_on_kafka_judges_what_came_by_either_way(group):
    assert len(group.containers["sidecheck"]) == 3
    send(group, OTLP_HTTP, BROKEN)
    send(group, RELAY_HTTP, VALID)
    for sent, outcome in ((BROKEN, "failed"), (VALID, "passed")):
        (trace_id,) = sent.trace_ids
        until("it is judged", lambda t=trace_id: outcomes(group, t).get("valid_json"), JUDGED_WITHIN_S)
        assert outcomes(group, trace_id)["valid_json"] == outcome
    with group.joined(), httpx.Client(timeout=30) as client:
        said = {"trace_id": trace_id, "thumbs_up": False}
        client.post(f"http://{group.published(RELAY_HTTP)}/v1/feedback", json=said).raise_for_status()
    until("it is heeded", lambda: outcomes(group, trace_id).get("user_feedback") == "failed", JUDGED_WITHIN_S)


def test_prometheus_scrapes_every_container_of_the_group_and_grafana_shows_what_they_judged(group):
    wanted = {f"{each.address}:9464" for name in OWN for each in group.containers[name]}
    assert len(wanted) == 5
    until("all are scraped", lambda: {s["metric"]["instance"] for s in series(group, "up == 1")} == wanted)
    send(group, RELAY_HTTP, BROKEN)
    until("the verdict is in Prometheus", lambda: series(group, FAILED), SCRAPED_WITHIN_S)
    assert {Path(g["file"]).name for g in get(group, PROMETHEUS, "/api/v1/rules")["data"]["groups"]} == {
        each.name for each in RULES
    }
    assert_boards_show_something(group)


@pytest.mark.parametrize("service", OWN)
def test_the_groups_sidechecks_may_write_to_their_data_and_temporary_files_alone(group, service):
    for container in group.containers[service]:
        assert container.run(["sh", "-c", "! touch /opt/file 2>/dev/null"]) == 0
        assert container.run(["touch", "/data/file", "/tmp/file"]) == 0
