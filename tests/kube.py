"""Objects of Kubernetes: those of ``deploy/``, how a cluster takes them, and what their pods are told."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import exports_env
import go_tools
import yaml
from doctables import ROOT

from collector.settings import Settings, load, parse_size
from collector.settings_backends import ForwardQueueSection

DEPLOY = ROOT / "deploy"
MANIFESTS = DEPLOY / "kubernetes"
KUBERNETES = "1.34.0"
OPERATOR = "monitoring.coreos.com/v1"
TAKE = ROOT / "tests" / "integration" / "exports" / "tools" / "kubernetes_objects.py"
FILES = Path("/etc/sidecheck")
"""Where everything is mounted that a configuration may name."""
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


def of_kind(objects: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (each for each in objects if each["kind"] == kind)


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["spec"]["template"] for each in objects if each["kind"] in ("Deployment", "StatefulSet")]


def container(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The container of sidecheck, wherever in the pod."""
    everywhere = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    (found,) = (each for each in everywhere if each["name"] == "sidecheck")
    return found


def settings_of(pod: Mapping[str, Any], objects: list[dict[str, Any]]) -> Settings:
    """What the program makes of a container's environment and file; the Secrets hold a URL where one is asked for.

    Files that the configuration names are there: whether they are mounted says ``files_of``.
    """
    variables = {each["name"]: each.get("value", "postgresql+psycopg://h/d") for each in container(pod)["env"]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sidecheck.yaml"
        file.write_text(configuration(pod, objects).replace(f"{FILES}/", f"{folder}/"))
        for name in files_of(pod, objects):
            place = Path(folder) / name.relative_to(FILES)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        return load(file, {**LINKS, **variables})


def files_of(pod: Mapping[str, Any], objects: list[dict[str, Any]]) -> set[Path]:
    """The files that its configuration names."""
    return {Path(found) for found in re.findall(rf"{FILES}/[\w./-]+", configuration(pod, objects))}


def configuration(pod: Mapping[str, Any], objects: list[dict[str, Any]]) -> str:
    """The text of the file that sidecheck is told to read, empty where it is told of none.

    The file is in a ConfigMap that is mounted as a folder, so that a change of it arrives.
    """
    found = container(pod)
    before = dict(pairwise(found.get("args", ())))
    if "-c" not in before:
        return ""
    file = Path(before["-c"])
    (mount,) = (mount for mount in found["volumeMounts"] if mount["mountPath"] == str(file.parent))
    assert "subPath" not in mount
    (volume,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == mount["name"])
    name = volume["configMap"]["name"]
    (data,) = (each["data"] for each in of_kind(objects, "ConfigMap") if each["metadata"]["name"] == name)
    text: str = data[file.name]
    return text


def assert_sound(pod: Mapping[str, Any], objects: list[dict[str, Any]], claims: tuple[str, ...] = ()) -> None:
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
    assert {str(file.parent) for file in files_of(pod, objects)} <= set(mounts)
    settings = settings_of(pod, objects)
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
    assert_room(pod, settings)


def assert_room(pod: Mapping[str, Any], settings: Settings) -> None:
    """A pod that has more in an emptyDir than its limit is evicted: there is room for a store that is written anew.

    VACUUM makes a copy and writes it through the log: thrice the file. Beside it is what waits for a destination.
    """
    (data,) = (mount["name"] for mount in container(pod)["volumeMounts"] if mount["mountPath"] == "/data")
    limits = [volume["emptyDir"]["sizeLimit"] for volume in pod["spec"]["volumes"] if volume["name"] == data]
    if limits and settings.store.url is None:
        destination = ForwardQueueSection().size
        assert parse_size(f"{limits[0]}B") >= 3 * settings.store.retention.size + 2 * destination


def assert_scraped(monitor: Mapping[str, Any], found: list[dict[str, Any]], objects: list[dict[str, Any]]) -> None:
    """Its port, its token and its job are those that the pods have and the alerts go by."""
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    secret = endpoint["authorization"]["credentials"]
    for pod in found:
        assert endpoint["port"] in {port["name"] for port in container(pod)["ports"]}
        assert secret["name"] in {v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v}
        assert settings_of(pod, objects).metrics.token_file.name == secret["key"]
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"][0]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": scrape["job_name"]}]
