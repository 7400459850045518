"""A pod without a cluster: its containers as ``compose`` runs them, in one network, with its volumes and its probes.

Taken from the pod: images, commands, variables, mounts, what a security context forbids, the order of native sidecars
and the probe that the next container waits for. Not shown: users and groups, limits, and what a cluster adds.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRIES_A_PROBE = "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=float(sys.argv[2]))"


Files = Mapping[str, Mapping[str, str]]
"""Secrets or ConfigMaps of a namespace, by name: what each holds, by key."""


def composed(pod: Mapping[str, Any], secrets: Files, configs: Files, folder: Path) -> dict[str, Any]:
    """A pod's ``spec`` as the description of a compose file. Each of its volumes is a folder in ``folder``, by name."""
    volumes = {volume["name"]: _volume(volume, secrets, configs, folder) for volume in pod.get("volumes", ())}
    for claim in pod.get("claims", ()):
        volumes[claim] = _made(folder / claim)
    sidecars = pod.get("initContainers", [])
    assert all(each["restartPolicy"] == "Always" for each in sidecars), "only native sidecars are known"
    services: dict[str, Any] = {}
    for container in (*sidecars, *pod["containers"]):
        services[container["name"]] = _service(container, volumes, secrets, services)
    return {"services": services}


def _service(
    container: Mapping[str, Any], volumes: Mapping[str, Path], secrets: Files, before: Mapping[str, Any]
) -> dict[str, Any]:
    context = container.get("securityContext", {})
    service: dict[str, Any] = {
        "image": container["image"],
        "environment": {each["name"]: _value(each, secrets) for each in container.get("env", ())},
        "volumes": [_mount(each, volumes) for each in container.get("volumeMounts", ())],
        "read_only": context.get("readOnlyRootFilesystem", False),
        "cap_drop": context.get("capabilities", {}).get("drop", []),
        "security_opt": [] if context.get("allowPrivilegeEscalation", True) else ["no-new-privileges:true"],
        "depends_on": {name: {"condition": "service_healthy"} for name in before},
        "healthcheck": {"test": ["CMD", *_probe(container)]},
    }
    service |= {"command": container["args"]} if "args" in container else {}
    service |= {"entrypoint": container["command"]} if "command" in container else {}
    return service | ({"network_mode": f"service:{next(iter(before))}"} if before else {})


def _value(variable: Mapping[str, Any], secrets: Files) -> str:
    if "value" in variable:
        return str(variable["value"])
    named = variable["valueFrom"]["secretKeyRef"]
    return secrets[named["name"]][named["key"]]


def _probe(container: Mapping[str, Any]) -> list[str]:
    """All probes of a container as one command; the kubelet asks the pod's address, not loopback."""
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
    lines = []
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if kind in container:
            asked = container[kind]["httpGet"]
            port = ports.get(asked["port"], asked["port"])
            address = f"http://$(hostname -I | cut -d' ' -f1):{port}{asked['path']}"
            lines.append(
                f'{sys.executable} -c "{TRIES_A_PROBE}" "{address}" {container[kind].get("timeoutSeconds", 1)}'
            )
    return ["sh", "-ec", "; ".join(lines)] if lines else []


def _mount(mount: Mapping[str, Any], volumes: Mapping[str, Path]) -> str:
    return f"{volumes[mount['name']]}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"


def _volume(volume: Mapping[str, Any], secrets: Files, configs: Files, folder: Path) -> Path:
    place = _made(folder / volume["name"])
    held: Mapping[str, str] = {}
    if "secret" in volume:
        held = secrets[volume["secret"]["secretName"]]
    elif "configMap" in volume:
        held = configs[volume["configMap"]["name"]]
    else:
        assert "emptyDir" in volume, volume
    for key, value in held.items():
        (place / key).write_text(value)
    return place


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
