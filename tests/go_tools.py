"""Programs of Go that check what is in ``deploy/``: helm, a Kubernetes API server's validation, a Collector.

The Collector is OpenTelemetry's with what the examples name.

``tests/go/TOOL`` pins the modules (``go.mod``, ``go.sum``). A program is built into the user's cache, outside the
checkout, and stays until its modules change. The first build takes minutes, so it is done only where
``SIDECHECK_REQUIRE`` names the tool, or by ``python tests/go_tools.py TOOL...``; without it the test is skipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ondemand import is_required, missing, one_at_a_time

MODULES = Path(__file__).parent / "go"
PACKAGES = {"helm": "helm.sh/helm/v3/cmd/helm", "kubeapi": ".", "otelcol": "."}
BUILT_WITHIN_S = 900


def program(tool: str, env: Mapping[str, str] = os.environ) -> Path:
    """The program, built if the tool is required; skips the test where it is not there, or fails it if required."""
    place = _place(tool, env)
    if not place.exists():
        if not is_required(tool, env):
            missing(tool, f"{tool} is not there: python tests/go_tools.py {tool}", env)
        with one_at_a_time(MODULES / tool):
            if not place.exists():  # else another process has built it
                _build(tool, place, env)
    return place


def _place(tool: str, env: Mapping[str, str]) -> Path:
    digest = hashlib.sha256()
    for file in sorted((MODULES / tool).iterdir()):
        digest.update(file.read_bytes())
    cache = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME", "~")).expanduser() / ".cache")
    return cache / "sidecheck-tests" / f"{tool}-{digest.hexdigest()[:12]}" / tool


def _build(tool: str, place: Path, env: Mapping[str, str]) -> None:
    """Build it beside its place and move it there: half a program is never found."""
    go = shutil.which("go", path=env.get("PATH"))
    if not go:
        missing(tool, f"{tool} needs Go to be built: https://go.dev/dl/", env)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{tool}-", dir=place.parent) as name:
        built = Path(name) / tool
        done = subprocess.run(
            [go, "build", "-mod=readonly", "-buildvcs=false", "-o", str(built), PACKAGES[tool]],
            cwd=MODULES / tool,
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=BUILT_WITHIN_S,
        )
        if done.returncode:
            missing(tool, f"{tool} cannot be built: {done.stderr.strip()[-300:]}", env)
        built.rename(place)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(program(each, {**os.environ, "SIDECHECK_REQUIRE": each}))
