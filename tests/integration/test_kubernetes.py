"""The manifests in ``deploy/kubernetes`` are valid, and what their containers are told is what sidecheck takes.

The schemas are Kubernetes' own and the Prometheus operator's, in strict form: a field that there is not is an error.
"""

import subprocess

import pytest
import yaml
from kube import (
    DEPLOY,
    MANIFESTS,
    assert_scraped,
    assert_sound,
    container,
    judged,
    manifests,
    pods,
    settings_of,
    validate,
)

from collector.settings import load

pytestmark = [pytest.mark.late, pytest.mark.timeout(900)]  # what checks them is made first


@pytest.mark.parametrize("name", ["deployment.yaml", "statefulset.yaml", "networkpolicy.yaml", "podmonitor.yaml"])
def test_a_manifest_is_valid(name, tmp_path):
    validate(manifests(name), tmp_path)


def test_a_wrong_manifest_is_found(tmp_path):
    _, deployment = manifests("deployment.yaml")
    deployment["spec"]["template"]["spec"]["initContainers"][0]["restartpolicy"] = "Always"
    with pytest.raises(AssertionError, match="restartpolicy"):
        validate([deployment], tmp_path)


@pytest.mark.parametrize("name", ["statefulset.yaml", "networkpolicy.yaml"])
def test_a_manifest_is_taken_by_an_api_server_and_its_pod_by_a_restricted_namespace(name):
    assert judged(manifests(name)) == []


def test_the_sidecar_is_taken_by_an_api_server_and_in_a_restricted_namespace():
    config, deployment = manifests("deployment.yaml")
    app = deployment["spec"]["template"]["spec"]["containers"]
    assert [line.partition(" ")[0] for line in judged([deployment])] == ["restricted"] * 3  # the app's own
    app[0]["securityContext"] = container(deployment["spec"]["template"])["securityContext"]
    assert judged([config, deployment]) == []


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
    said = [
        line for line in judged([*yaml.safe_load_all(text.replace(right, wrong))]) if not line.startswith("restricted")
    ]
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
    objects = manifests("deployment.yaml")
    (pod,) = pods(objects)
    assert_sound(pod, objects)
    assert settings_of(pod, objects).checks == load(None, {}).checks
    found = container(pod)
    assert found["restartPolicy"] == "Always"
    assert "readinessProbe" not in found  # it would take the app out of its Service
    (app,) = pod["spec"]["containers"]
    sent_to = {each["name"]: each["value"] for each in app["env"]}["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert sent_to == f"http://{settings_of(pod, objects).otlp.http.listen}"


def test_the_pod_that_several_apps_share():
    objects = manifests("statefulset.yaml")
    _, service, stateful = objects
    (pod,) = pods(objects)
    assert_sound(pod, objects, claims=("data",))
    assert settings_of(pod, objects).checks == load(None, {}).checks
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= {p["name"] for p in container(pod)["ports"]}
    assert stateful["spec"]["serviceName"] == service["metadata"]["name"]


def test_policies_and_the_monitor_select_those_pods_and_ports_that_they_have():
    objects = [*manifests("deployment.yaml"), *manifests("statefulset.yaml")]
    labelled = {pod["metadata"]["labels"]["sidecheck"]: pod for pod in pods(objects)}
    for policy in manifests("networkpolicy.yaml"):
        pod = labelled.pop(policy["spec"]["podSelector"]["matchLabels"]["sidecheck"])
        let_in = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        by_name = {port["name"] for each in pod["spec"]["containers"] for port in each["ports"]}
        # Networks of before 2024 find no name of an init container: Prometheus would be kept out.
        by_number = {port["containerPort"] for each in pod["spec"].get("initContainers", ()) for port in each["ports"]}
        assert let_in == by_name | by_number
    assert not labelled
    (monitor,) = manifests("podmonitor.yaml")
    (wanted,) = monitor["spec"]["selector"]["matchExpressions"]
    assert (wanted["key"], wanted["operator"]) == ("sidecheck", "In")
    assert {*wanted["values"]} == {pod["metadata"]["labels"]["sidecheck"] for pod in pods(objects)}
    assert_scraped(monitor, pods(objects), objects)


def test_the_rules_become_objects_of_the_operator(tmp_path):
    done = subprocess.run([MANIFESTS / "prometheusrule.sh", "release=p"], capture_output=True, text=True, check=True)
    rules = list(yaml.safe_load_all(done.stdout))
    files = sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml"))
    assert [rule["metadata"]["name"] for rule in rules] == [f"sidecheck-{file.stem}" for file in files]
    for rule, file in zip(rules, files, strict=True):
        assert rule["spec"] == yaml.safe_load(file.read_text())
        assert rule["metadata"]["labels"] == {"release": "p"}
    validate(rules, tmp_path)
