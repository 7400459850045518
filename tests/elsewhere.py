"""Commands of the documentation that cannot run in a test, each with the reason; and what can be said of them anyway.

``look`` gets the words after the program and the folder in which the command would run, and gives the problem that it
found: a file, a service or an object that the command names and that is not there.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml
from doctables import ROOT
from go_tools import program

KUBE_VERSION = "1.29"
"""The oldest that the chart and the manifests are for."""
KUBERNETES = ROOT / "deploy" / "kubernetes"
OBJECT = re.compile(r"(deployment|podmonitor|configmap|statefulset)(/.+)?")
INSTALLED = [
    "image.repository=registry.example.com/sidecheck",
    "group.enabled=true",
    "group.kafka.bootstrapServers={k:1}",
]
"""Values of the release that the documentation installs; what an upgrade reuses."""


@dataclass(frozen=True)
class Elsewhere:
    """Why a program is not run, and how its command is looked at."""

    why: str
    look: Callable[[list[str], Path], str | None]


def _docker(words: list[str], folder: Path) -> str | None:
    if words[0] == "compose":
        return _compose(words[1:], folder)
    mounted = [word.partition(":")[0].replace("$PWD", ".") for word in _after(words, "-v")]
    return _missing([*mounted, *_after(words, "-f")], folder)


def _compose(words: list[str], folder: Path) -> str | None:
    assert words[0] == "-f", words
    services = yaml.safe_load((folder / words[1]).read_text())["services"]
    action, *rest = words[2:]
    named = [word.partition(":")[0] for word in rest if not word.startswith("-")]
    named = {"up": [], "down": [], "stop": named, "exec": named[:1], "cp": named[:1]}[action]
    return next((f"{words[1]} has no service {name}" for name in named if name not in services), None)


def _kubectl(words: list[str], folder: Path) -> str | None:
    files = _after(words, "-f")
    if words[:2] == ["create", "secret"]:
        names = re.compile(rf": {re.escape(words[3])}\b")
        used = any(names.search(path.read_text()) for path in (ROOT / "deploy").rglob("*.yaml"))
        return None if used else f"nothing uses the secret {words[3]}"
    if words[:2] == ["create", "configmap"]:
        return _missing([word.removeprefix("--from-file=") for word in words[3:]], folder)
    for word, after in pairwise([*words, ""]):
        name = f"{word}/{after}" if OBJECT.fullmatch(word) and "/" not in word else word
        if OBJECT.fullmatch(name) and name not in _objects():
            return f"there is no {name}"
    return _missing(files, folder)


def _helm(words: list[str], folder: Path) -> str | None:
    """What fetches a dependency is done, as it needs no cluster; what would be installed is rendered."""
    if words[0] == "dependency":
        done = _run_helm(words, folder)
        return None if done.returncode == 0 else done.stderr
    assert words[0] in ("install", "upgrade"), words
    reused = [word for value in INSTALLED for word in ("--set", value)]
    told = [part for word in words[1:] for part in (reused if word == "--reset-then-reuse-values" else [word])]
    done = _run_helm(["template", "--kube-version", KUBE_VERSION, *told], folder)
    return None if done.returncode == 0 and list(yaml.safe_load_all(done.stdout)) else done.stderr


def _run_helm(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("helm"), *words], cwd=folder, env=os.environ, capture_output=True, text=True)


def _make(words: list[str], _folder: Path) -> str | None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr


ELSEWHERE: Mapping[str, Elsewhere] = {
    "docker": Elsewhere(
        "no container engine runs here; test_container.py performs the image's steps, test_compose.py the files",
        _docker,
    ),
    "kubectl": Elsewhere(
        "no cluster runs here; test_kubernetes.py validates the manifests, test_pods.py starts the pods",
        _kubectl,
    ),
    "helm": Elsewhere("no cluster runs here; what would be installed is rendered", _helm),
    "make": Elsewhere("the tests would run within a test; what a target would do is asked for", _make),
}


def _after(words: list[str], flag: str) -> list[str]:
    return [word for before, word in pairwise(words) if before == flag]


def _missing(paths: list[str], folder: Path) -> str | None:
    return next((f"{path} is not there" for path in paths if not (folder / path).exists()), None)


def _objects() -> Iterator[str]:
    """Kind and name of every object of the manifests, then of the release that the documentation installs."""
    yield "configmap/sidecheck-boards"
    for path in KUBERNETES.glob("*.yaml"):
        yield from _names(path.read_text())
    words = ["template", "--kube-version", KUBE_VERSION, "sidecheck", "deploy/helm/sidecheck"]
    release = _run_helm([*words, *(word for value in INSTALLED for word in ("--set", value))], ROOT)
    yield from _names(release.stdout)


def _names(text: str) -> Iterator[str]:
    return (f"{each['kind']}/{each['metadata']['name']}".lower() for each in yaml.safe_load_all(text) if each)
