"""The chart in ``deploy/helm``: what it renders is valid, and what its containers are told is what sidecheck takes."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import charts
import pytest
import yaml
from charts import CHART, helm, rendered
from documented import blocks
from kube import (
    DEPLOY,
    assert_scraped,
    assert_sound,
    container,
    files_of,
    judged,
    manifests,
    of_kind,
    pods,
    settings_of,
    validate,
)

from collector.settings import load

pytestmark = [pytest.mark.late, pytest.mark.timeout(900)]  # what checks them is made first
IMAGE = {"repository": "registry.example.com/sidecheck"}
GROUP = {
    "image": IMAGE,
    "group": {
        "enabled": True,
        "kafka": {"bootstrapServers": ["kafka-1:9092", "kafka-2:9092"]},
        "autoscaling": {"enabled": True},
        "podMonitor": {"enabled": True, "labels": {"release": "p"}},
        "networkPolicy": {"enabled": True},
    },
    "config": {"allow_insecure": False, "store": {"retention": {"age": "48h"}}, "checks": {"pii": {}}},
}


def by_part(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods of a group: replica and page."""
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in pods(objects)}


def test_the_chart_is_in_order():
    helm("lint", CHART, "--strict")


def test_the_chart_alone_makes_nothing(tmp_path):
    assert rendered(CHART, tmp_path, {}) == []


def test_a_group_needs_kafka(tmp_path):
    with pytest.raises(AssertionError, match="say where Kafka is"):
        rendered(CHART, tmp_path, {"image": IMAGE, "group": {"enabled": True}})


def test_a_group_needs_an_image_that_is_somewhere(tmp_path):
    with pytest.raises(AssertionError, match=r"image\.repository: build the image"):
        rendered(CHART, tmp_path, {"group": GROUP["group"]})


def test_the_readme_names_the_topics_that_a_replica_reads_and_writes(tmp_path):
    objects = rendered(CHART, tmp_path, GROUP)
    (stateful,) = of_kind(objects, "StatefulSet")
    kafka = settings_of(stateful["spec"]["template"], objects).kafka
    rows = re.findall(r"^\| (`.+`) \|", (CHART / "README.md").read_text(), re.MULTILINE)
    named = [topic for row in rows for topic in re.findall(r"`(\w+)`", row)]
    assert named == [*kafka.topics.named.values(), kafka.dead_letter_topic]
    made = yaml.safe_load((DEPLOY / "compose.kafka.yaml").read_text())["services"]["topics"]["command"][0]
    assert f"for topic in {' '.join(named)}; do" in made


def test_a_value_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(AssertionError, match="replica"):
        rendered(CHART, tmp_path, {"group": {"replica": 3}})


@pytest.mark.parametrize("persistent", [True, False])
def test_the_group(persistent, tmp_path):
    values = {**GROUP, "group": {**GROUP["group"], "persistence": {"enabled": persistent}}}
    objects = rendered(CHART, tmp_path, values)
    validate(objects, tmp_path)
    for pod in pods(objects):
        assert_sound(pod, objects, claims=("sidecheck-data",) if persistent else ())
        settings = settings_of(pod, objects)
        assert settings.store.url == "postgresql+psycopg://h/d"
        assert (
            settings.store.retention.age == load(None, {"SIDECHECK_STORE__RETENTION__AGE": "48h"}).store.retention.age
        )
        assert list(settings.checks) == ["pii"]
    (stateful,) = of_kind(objects, "StatefulSet")
    kafka = settings_of(stateful["spec"]["template"], objects).kafka
    assert kafka.bootstrap_servers == ("kafka-1:9092", "kafka-2:9092")
    assert ("volumeClaimTemplates" in stateful["spec"]) is persistent
    (monitor,) = of_kind(objects, "PodMonitor")
    assert monitor["metadata"]["labels"] == {"release": "p"}
    assert_scraped(monitor, pods(objects), objects)


@pytest.mark.parametrize("persistent", [True, False])
def test_the_group_is_taken_by_an_api_server_and_in_a_restricted_namespace(persistent, tmp_path):
    scaling = {"enabled": True, "lagPerReplica": 2_000_000}
    parts = {"persistence": {"enabled": persistent}, "autoscaling": scaling}
    objects = rendered(CHART, tmp_path, {**GROUP, "group": {**GROUP["group"], **parts}})
    assert judged(objects) == []
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler")
    assert scaler["spec"]["metrics"][0]["external"]["target"]["averageValue"] == "2000000"


def test_the_group_grows_with_its_lag_and_keeps_most_of_itself(tmp_path):
    objects = rendered(CHART, tmp_path, GROUP)
    (stateful,), (scaler,) = of_kind(objects, "StatefulSet"), of_kind(objects, "HorizontalPodAutoscaler")
    assert "replicas" not in stateful["spec"]  # else every upgrade would take back what the scaler did
    assert scaler["spec"]["scaleTargetRef"]["name"] == stateful["metadata"]["name"]
    (metric,) = scaler["spec"]["metrics"]
    assert f"| `{metric['external']['metric']['name']}` |" in (DEPLOY.parent / "exporters" / "README.md").read_text()
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    assert budget["spec"]["selector"] == stateful["spec"]["selector"]


def test_a_group_reads_the_files_that_its_configuration_names(tmp_path, monkeypatch):
    """Those of the README: a password and a certificate for Kafka, and a check of one's own."""
    check, *_ = blocks("checks/README.md", "python")
    (tmp_path / "mychecks.py").write_text(check.text)
    monkeypatch.syspath_prepend(tmp_path)
    values = charts.files()["group.yaml"]
    objects = rendered(CHART, tmp_path, yaml.safe_load(values))
    validate(objects, tmp_path)
    assert judged(objects) == []
    for pod in pods(objects):
        assert_sound(pod, objects)
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        settings = settings_of(pod, objects)
        assert (settings.kafka.password_file.name, list(settings.checks)) == ("password", ["pii", "politeness"])
        (path,) = (each["value"] for each in container(pod)["env"] if each["name"] == "PYTHONPATH")
        assert path in {mount["mountPath"] for mount in container(pod)["volumeMounts"]}


def test_a_sidecar_reads_the_files_that_its_configuration_names(shop, tmp_path):
    ours = {
        "config": {"forward": [{"endpoint": "https://b.example", "headers_file": "/etc/sidecheck/backend/headers"}]},
        "sidecar": {
            "volumes": [{"name": "backend", "secret": {"secretName": "backend", "defaultMode": 0o440}}],
            "volumeMounts": [{"name": "backend", "mountPath": "/etc/sidecheck/backend", "readOnly": True}],
        },
    }
    objects = rendered(shop, tmp_path, {"sidecheck": ours})
    validate(objects, tmp_path)
    (pod,) = pods(objects)
    assert_sound(pod, objects)
    assert [file.name for file in files_of(pod, objects)] == ["headers"]


def test_no_pod_of_a_group_is_scraped_by_the_monitor_of_the_manifests_too(tmp_path):
    (monitor,) = manifests("podmonitor.yaml")
    (wanted,) = monitor["spec"]["selector"]["matchExpressions"]
    labels = [pod["metadata"]["labels"] for pod in pods(rendered(CHART, tmp_path, GROUP))]
    assert {each[wanted["key"]] for each in labels} == {"group"}
    assert "group" not in wanted["values"]


INGRESS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}


@pytest.mark.parametrize(
    ("told", "let_in"),
    [({}, [[{"podSelector": {}}]]), ({"pageFrom": [INGRESS]}, [[INGRESS]]), ({"pageFrom": []}, [])],
)
def test_the_page_is_open_to_those_who_are_told(told, let_in, tmp_path):
    """A rule that names nobody would let everybody in."""
    group = {**GROUP["group"], "networkPolicy": {"enabled": True, **told}}
    objects = rendered(CHART, tmp_path, {**GROUP, "group": group})
    assert judged(objects) == []
    (policy,) = of_kind(objects, "NetworkPolicy")
    rules = [rule["from"] for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == "http"]
    assert rules == let_in


@pytest.mark.parametrize("scaled", [True, False])
def test_a_group_can_be_stopped_for_an_upgrade(scaled, tmp_path):
    group = {**GROUP["group"], "autoscaling": {"enabled": scaled}, "replicas": 0, "page": {"replicas": 0}}
    objects = rendered(CHART, tmp_path, {**GROUP, "group": group})
    assert judged(objects) == []
    running = [each["spec"]["replicas"] for kind in ("StatefulSet", "Deployment") for each in of_kind(objects, kind)]
    assert running == [0, 0]


def test_a_changed_configuration_starts_pods_anew_or_waits_to_be_reloaded(tmp_path):
    """The page cannot reload, so it is always started anew."""
    for mode, anew in (("restart", {"replica", "page"}), ("reload", {"page"})):
        values = {**GROUP, "onConfigChange": mode}
        before = by_part(rendered(CHART, tmp_path, values))
        after = by_part(rendered(CHART, tmp_path, {**values, "config": {"checks": {"latency": {}}}}))
        assert {part for part, pod in after.items() if pod != before[part]} == anew


def test_pods_of_the_group_go_where_they_are_told_each_kind_apart(tmp_path):
    told = {
        "podAnnotations": {"backup.example.com/skip": "true"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "telemetry", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
    }
    group = {**GROUP["group"], **told, "page": {"nodeSelector": {"disk": "none"}}}
    parts = by_part(rendered(CHART, tmp_path, {**GROUP, "group": group}))
    replica, page = parts["replica"], parts["page"]
    assert replica["metadata"]["annotations"].items() >= told.pop("podAnnotations").items()
    assert replica["spec"].items() >= told.items()
    assert page["spec"]["nodeSelector"] == {"disk": "none"}
    assert not {"tolerations", "affinity"} & page["spec"].keys()


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    return charts.shop(tmp_path_factory.mktemp("charts"))


def test_a_chart_does_without_what_helm_did_not_fetch(shop, tmp_path):
    shutil.copytree(shop, tmp_path / "shop")
    shutil.rmtree(tmp_path / "shop" / "charts")
    with pytest.raises(AssertionError, match="missing in charts/ directory: sidecheck"):
        rendered(tmp_path / "shop", tmp_path, {})


def test_the_templates_make_a_sidecar_in_a_chart_as_the_readme_says(shop, tmp_path):
    objects = rendered(shop, tmp_path, {"sidecheck": {"config": {"checks": {"pii": {}}}, "sidecar": {"workers": 2}}})
    validate(objects, tmp_path)
    (pod,) = pods(objects)
    assert_sound(pod, objects)
    found = container(pod)
    assert found["restartPolicy"] == "Always"
    assert found["image"] == "registry.example.com/sidecheck:0.1.0"
    settings = settings_of(pod, objects)
    assert (list(settings.checks), settings.workers) == (["pii"], 2)
    assert pod["metadata"]["labels"]["sidecheck"] == "beside"


VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
ANOTHER = {
    "image.pullPolicy": "Always",
    "onConfigChange": "reload",
    "group.kafka.bootstrapServers": ["another:9092"],
}
"""Where not everything is taken."""
FEATURES = ("autoscaling", "persistence", "podMonitor", "networkPolicy")
CONTEXTS = [
    {"image": IMAGE, "group": {"enabled": True, "kafka": {"bootstrapServers": ["k:1"]}, **each}}
    for each in ({}, {name: {"enabled": True} for name in FEATURES})
]
"""What else is set: some values mean nothing without a feature, and others nothing with one."""


def leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The values that have none below them, by their paths."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, key))
        else:
            yield ".".join((*above, key)), value


def another(value: Any) -> Any:
    """Not what it was, and of its type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, {"name": "another"}]
    return {"another": "one"} if isinstance(value, dict) else f"{value or ''}x"


def with_value(values: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    key, *below = path
    return {**values, key: with_value(values.get(key, {}), below, value) if below else value}


@pytest.mark.parametrize("name", [name for name, _ in leaves(VALUES)])
def test_every_value_does_something(name, shop, tmp_path):
    """In the pods of a group or in that of the chart which has this one as a dependency."""
    for context in CONTEXTS:
        now = dict(leaves(context)).get(name, dict(leaves(VALUES))[name])
        changed = with_value(context, name.split("."), ANOTHER.get(name, another(now)))
        if rendered(shop, tmp_path, {"sidecheck": changed}) != rendered(shop, tmp_path, {"sidecheck": context}):
            return
    pytest.fail(f"{name} changes nothing")
