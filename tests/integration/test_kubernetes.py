"""The manifests and the chart in ``deploy/`` are valid, and what their containers are told is what sidecheck takes.

The schemas are Kubernetes' own and the Prometheus operator's, in strict form: a field that there is not is an error.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import exports_env
import go_tools
import pytest
import yaml

from collector.settings import Settings, load

pytestmark = pytest.mark.timeout(900)  # what checks them is made first
DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = DEPLOY / "kubernetes"
CHART = DEPLOY / "helm" / "sidecheck"
KUBERNETES = "1.34.0"
OPERATOR = "monitoring.coreos.com/v1"
IMAGE = {"repository": "registry.example.com/sidecheck"}
TAKE = Path(__file__).parent / "exports" / "tools" / "kubernetes_objects.py"
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

LINKS = {
    "SIDECHECK_SERVICE_HOST": "10.0.0.1",
    "SIDECHECK_SERVICE_PORT": "4317",
    "SIDECHECK_PORT": "tcp://10.0.0.1:4317",
}
"""What a cluster puts into every pod of the namespace in which there is the Service of ``statefulset.yaml``."""


def manifests(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((MANIFESTS / name).read_text()) if each]


def validate(objects: list[dict[str, Any]], folder: Path) -> None:
    """By the schemas of each object's kind; a property that there is not is an error."""
    assert objects
    (folder / "objects.json").write_text(json.dumps(objects))
    version = KUBERNETES.rpartition(".")[0]
    exports_env.run("kubernetes", TAKE, folder / "objects.json", version, folder=folder)


def judged(objects: list[dict[str, Any]]) -> list[str]:
    """What an API server says of them, and before that, what keeps pods out of a namespace of the level restricted."""
    known = [each for each in objects if each["apiVersion"] != OPERATOR]
    done = subprocess.run(
        [go_tools.program("kubeapi")], input=json.dumps(known), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == (0 if all(line.startswith("restricted") for line in done.stdout.splitlines()) else 1)
    return done.stdout.splitlines()


def helm(*arguments: str | Path) -> str:
    command = [go_tools.program("helm"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(chart: Path, folder: Path, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    text = helm("template", "judge", chart, "--kube-version", KUBERNETES, "--values", file)
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(objects: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (each for each in objects if each["kind"] == kind)


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["spec"]["template"] for each in objects if each["kind"] in ("Deployment", "StatefulSet")]


def container(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The container of sidecheck, wherever in the pod."""
    everywhere = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    (found,) = (each for each in everywhere if each["name"] == "sidecheck")
    return found


def settings_of(pod: Mapping[str, Any]) -> Settings:
    """What the program makes of a container's environment; the Secrets hold a URL where one is asked for."""
    variables = {each["name"]: each.get("value", "postgresql+psycopg://h/d") for each in container(pod)["env"]}
    return load(None, {**LINKS, **variables})


def assert_sound(pod: Mapping[str, Any], claims: tuple[str, ...] = ()) -> None:
    """What holds of every pod with a sidecheck: it may do little, is probed, and what it names is there."""
    found = container(pod)
    assert found["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert f"USER {10001}:{10001}" in (DEPLOY / "Dockerfile").read_text()
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | set(claims)
    mounts = {mount["mountPath"]: mount["name"] for mount in found["volumeMounts"]}
    assert set(mounts.values()) <= volumes
    assert {"/data", "/tmp"} <= set(mounts)
    settings = settings_of(pod)
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}
    reached = {address.port for address in settings.listeners.values() if not address.is_loopback}
    assert set(ports.values()) <= reached
    assert ports["metrics"] == settings.metrics.listen.port
    for probe, path in (("startupProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert found[probe]["httpGet"] == {"path": path, "port": "metrics"}
    assert settings.allow_insecure is False
    tokens = [value["value"] for value in found["env"] if value["name"].endswith("TOKEN_FILE")]
    assert {str(Path(token).parent) for token in tokens} <= set(mounts)
    assert found["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["deployment.yaml", "statefulset.yaml", "networkpolicy.yaml", "podmonitor.yaml"])
def test_a_manifest_is_valid(name, tmp_path):
    validate(manifests(name), tmp_path)


def test_a_wrong_manifest_is_found(tmp_path):
    (deployment,) = manifests("deployment.yaml")
    deployment["spec"]["template"]["spec"]["initContainers"][0]["restartpolicy"] = "Always"
    with pytest.raises(AssertionError, match="restartpolicy"):
        validate([deployment], tmp_path)


@pytest.mark.parametrize("name", ["statefulset.yaml", "networkpolicy.yaml"])
def test_a_manifest_is_taken_by_an_api_server_and_its_pod_by_a_restricted_namespace(name):
    assert judged(manifests(name)) == []


def test_the_sidecar_is_taken_by_an_api_server_and_in_a_restricted_namespace():
    (deployment,) = manifests("deployment.yaml")
    app = deployment["spec"]["template"]["spec"]["containers"]
    assert [line.partition(" ")[0] for line in judged([deployment])] == ["restricted"] * 3  # the app's own
    app[0]["securityContext"] = container(deployment["spec"]["template"])["securityContext"]
    assert judged([deployment]) == []


REFUSED = {
    "a mount without a volume": ("name: sidecheck-tmp, mountPath", "name: tmp, mountPath", "volumeMounts"),
    "no quantity": ("cpu: 100m", "cpu: 100x", "quantities must match"),
    "no name of a port": ("{name: http,", "{name: Http_1,", "ports"),
    "a selector of no pod": ("matchLabels: {app.kubernetes.io/name: app}", "matchLabels: {app: app}", "selector"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_api_server_refuses_is_found(name):
    right, wrong, told = REFUSED[name]
    text = (MANIFESTS / "deployment.yaml").read_text()
    assert right in text
    said = [line for line in judged([yaml.safe_load(text.replace(right, wrong))]) if not line.startswith("restricted")]
    assert said
    assert told in said[0]


WRONG = {
    "a field that there is not": ({"period": "15s"}, "period"),
    "a field that there is not, deep in it": (
        {"authorization": {"credentials": {"name": "a", "key": "b", "secret": "c"}}},
        "credentials.secret",
    ),
    "no duration": ({"interval": "15 s"}, "interval"),
    "an unknown action": ({"relabelings": [{"action": "replaced"}]}, "action"),
    "a key that is missing": ({"authorization": {"credentials": {"name": "sidecheck-metrics"}}}, "key"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_object_of_the_operator_is_found(name, tmp_path):
    (monitor,) = manifests("podmonitor.yaml")
    fields, told = WRONG[name]
    monitor["spec"]["podMetricsEndpoints"][0] |= fields
    with pytest.raises(AssertionError, match=told):
        validate([monitor], tmp_path)


def test_the_sidecar_of_the_deployment():
    (deployment,) = manifests("deployment.yaml")
    (pod,) = pods([deployment])
    assert_sound(pod)
    found = container(pod)
    assert found["restartPolicy"] == "Always"
    assert "readinessProbe" not in found  # it would take the app out of its Service
    (app,) = pod["spec"]["containers"]
    sent_to = {each["name"]: each["value"] for each in app["env"]}["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert sent_to == f"http://{settings_of(pod).otlp.http.listen}"


def test_the_pod_that_several_apps_share():
    service, stateful = manifests("statefulset.yaml")
    (pod,) = pods([stateful])
    assert_sound(pod, claims=("data",))
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= {p["name"] for p in container(pod)["ports"]}
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"]


def test_policies_and_the_monitor_select_those_pods_and_ports_that_they_have():
    (deployment,), (_, stateful) = manifests("deployment.yaml"), manifests("statefulset.yaml")
    labelled = {pod["metadata"]["labels"]["sidecheck"]: pod for pod in pods([deployment, stateful])}
    for policy in manifests("networkpolicy.yaml"):
        pod = labelled.pop(policy["spec"]["podSelector"]["matchLabels"]["sidecheck"])
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        by_name = {port["name"] for each in pod["spec"]["containers"] for port in each["ports"]}
        # Networks of before 2024 find no name of an init container: Prometheus would be kept out.
        by_number = {port["containerPort"] for each in pod["spec"].get("initContainers", ()) for port in each["ports"]}
        assert let_in == by_name | by_number
    assert not labelled
    (monitor,) = manifests("podmonitor.yaml")
    assert monitor["spec"]["selector"] == {"matchExpressions": [{"key": "sidecheck", "operator": "Exists"}]}
    assert_scraped(monitor, [*pods([deployment, stateful])])


def assert_scraped(monitor: Mapping[str, Any], found: list[dict[str, Any]]) -> None:
    """Its port, its token and its job are those that the pods have and the alerts go by."""
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    secret = endpoint["authorization"]["credentials"]
    for pod in found:
        assert endpoint["port"] in {port["name"] for port in container(pod)["ports"]}
        assert secret["name"] in {v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v}
        assert settings_of(pod).metrics.token_file.name == secret["key"]
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": scrape["job_name"]}]


def test_the_rules_become_objects_of_the_operator(tmp_path):
    done = subprocess.run([MANIFESTS / "prometheusrule.sh", "release=p"], capture_output=True, text=True, check=True)
    rules = list(yaml.safe_load_all(done.stdout))
    files = sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml"))
    assert [rule["metadata"]["name"] for rule in rules] == [f"sidecheck-{file.stem}" for file in files]
    for rule, file in zip(rules, files, strict=True):
        assert rule["spec"] == yaml.safe_load(file.read_text())
        assert rule["metadata"]["labels"] == {"release": "p"}
    validate(rules, tmp_path)


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
    (stateful,) = of_kind(rendered(CHART, tmp_path, GROUP), "StatefulSet")
    kafka = settings_of(stateful["spec"]["template"]).kafka
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
        assert_sound(pod, claims=("sidecheck-data",) if persistent else ())
        settings = settings_of(pod)
        assert settings.store.url == "postgresql+psycopg://h/d"
        assert (
            settings.store.retention.age == load(None, {"SIDECHECK_STORE__RETENTION__AGE": "48h"}).store.retention.age
        )
        assert list(settings.checks) == ["pii"]
    (stateful,) = of_kind(objects, "StatefulSet")
    assert settings_of(stateful["spec"]["template"]).kafka.bootstrap_servers == ("kafka-1:9092", "kafka-2:9092")
    assert ("volumeClaimTemplates" in stateful["spec"]) is persistent
    (monitor,) = of_kind(objects, "PodMonitor")
    assert monitor["metadata"]["labels"] == {"release": "p"}
    assert_scraped(monitor, pods(objects))


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


def test_the_templates_make_a_sidecar_in_a_chart_as_the_readme_says(tmp_path):
    chart = tmp_path / "shop"
    blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
    for name, text in blocks:
        (chart / name).parent.mkdir(parents=True, exist_ok=True)
        head = "apiVersion: v2\nname: shop\nversion: 1.0.0\n" if name == "Chart.yaml" else ""
        (chart / name).write_text(head + text)
    shutil.copytree(CHART, chart / "charts" / "sidecheck")
    objects = rendered(chart, tmp_path, {"sidecheck": {"image": IMAGE, "config": {"checks": {"pii": {}}}, "sidecar": {"workers": 2}}})
    validate(objects, tmp_path)
    (pod,) = pods(objects)
    assert_sound(pod)
    assert container(pod)["restartPolicy"] == "Always"
    settings = settings_of(pod)
    assert (list(settings.checks), settings.workers) == (["pii"], 2)
    assert pod["metadata"]["labels"]["sidecheck"] == "beside"
