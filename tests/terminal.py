"""A terminal that performs what the documentation shows: each command for real, or, where that cannot be, looked at.

Commands are taken as they are written, but for what ``Terminal.texts`` replaces (ports, the id of a trace). A program
that is neither in ``RUN`` nor in ``elsewhere`` is unknown, and fails the test.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from doctables import ROOT
from documented import Block, blocks
from elsewhere import ELSEWHERE
from externals import free_port
from servers import CLIENT, LISTENERS, QUICK, environment, until

RUN = frozenset(
    {
        "cp",
        "curl",
        "df",
        "git",
        "grep",
        "jq",
        "kafka-consumer-groups.sh",
        "kafka-topics.sh",
        "ls",
        "mkdir",
        "pg_dump",
        "pg_restore",
        "ps",
        "python",
        "rm",
        "sed",
        "sha256sum",
        "sidecheck",
        "sort",
        "sqlite3",
        "tee",
        "umask",
        "uniq",
    }
)
"""Programs that are executed, and what the shell itself does."""
SERVERS = ("sidecheck serve", "sidecheck relay", "prometheus")
"""Commands that run until they are stopped: started, waited for, and ended with the terminal."""
EMPTY = re.compile(r'"(result|traces|clusters)": ?\[\]')
"""An answer in which there is nothing to see."""
PORTS = (4317, 4318, 8321, 9464, 9090, 9092, 14317, 14318, 19464)
"""Those that the documentation names; each stands for a free one."""
UP_WITHIN_S = 60
COMMAND_WITHIN_S = 60


@dataclass
class Terminal:
    """A folder to work in, an environment, and what was started. ``texts`` are replaced in every command."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=lambda: {port: free_port() for port in PORTS})
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Settle into the folder: the files of ``deploy`` in it, sidecheck and this Python in the path."""
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        listen = zip(LISTENERS, (4317, 4318, 8321, 9464), strict=True)
        self.env |= {f"SIDECHECK_{name}__LISTEN": self.address(port) for name, port in listen}
        programs = Path(sys.executable).parent
        self.env |= {**QUICK, "PATH": f"{programs}:{self.env.get('PATH', os.environ['PATH'])}"}
        self.texts[".venv/bin/"] = f"{programs}/"
        (self.folder / ".curlrc").write_text("fail-with-body\n")  # an error of HTTP is one of the command
        self.env["CURL_HOME"] = str(self.folder)
        targets, prometheus = (
            self.folder / "deploy/prometheus" / n for n in ("targets/sidecheck.yaml", "prometheus.yml")
        )
        targets.write_text(self.rewritten(targets.read_text()))
        prometheus.write_text(re.sub(r"_interval: \w+", "_interval: 500ms", prometheus.read_text()))

    def address(self, port: int) -> str:
        """Where the server is that the documentation has on this port."""
        return f"127.0.0.1:{self.ports[port]}"

    def rewritten(self, command: str) -> str:
        """A command with the addresses and texts of this test."""
        command = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: self.address(int(found[1])), command)
        for text, mine in self.texts.items():
            command = command.replace(text, mine)
        return command

    def perform(self, block: Block) -> list[str]:
        """Perform the commands of a block in their order; gives what those printed that ran."""
        return [said for command in block.commands if (said := self.perform_one(block, command)) is not None]

    def stop(self, name: str) -> None:
        """Stop what was started by a command that begins so."""
        process = self.servers.pop(name)
        process.terminate()
        process.wait(UP_WITHIN_S)

    def close(self) -> None:
        """Stop all that was started."""
        for name in list(self.servers):
            self.stop(name)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def perform_one(self, where: Block, command: str) -> str | None:
        """Perform one command of a block; gives what it printed, if it ran."""
        text = self.rewritten(command)
        if text.startswith("export "):
            self._export(where, text)
            return None
        own, words = _split(text)
        started = " ".join([Path(words[0]).name, *words[1:2]])
        server = next((name for name in SERVERS if started.startswith(name)), None)
        if server:
            return self._start(server, words, own)
        if words[0] in ELSEWHERE:
            problem = ELSEWHERE[words[0]].look(words[1:], self.folder)
            assert problem is None, f"{where}: {command}: {problem}"
            return None
        if text.endswith("| kubectl apply -f -"):
            return self._look_at_objects(where, text.removesuffix("| kubectl apply -f -"))
        programs = {Path(part[0]).name for part in map(_words, re.split(r"\||&&", _without_quotes(text))) if part}
        assert programs <= RUN, f"{where}: nobody said how to try {sorted(programs - RUN)}: {command}"
        return self._run(where, text)

    def _export(self, where: Block, text: str) -> None:
        names = [word.partition("=")[0] for word in shlex.split(text, comments=True)[1:] if "=" in word]
        shown = " ".join(f'"${name}"' for name in names)
        values = self._run(where, f"{text}\nprintf '%s\\n' {shown}").splitlines()
        self.env |= dict(zip(names, values, strict=True))

    def _run(self, where: Block, text: str) -> str:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", text],
            cwd=self.folder,
            env=environment(self.env),
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
        )
        assert done.returncode == 0, f"{where}: {text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert not EMPTY.search(done.stdout), f"{where}: {text}\nshows nothing: {done.stdout}"
        return done.stdout

    def _start(self, name: str, words: Sequence[str], own: Mapping[str, str]) -> None:
        if name in self.servers:
            return
        env = environment({**self.env, **own})
        ready = f"http://{env['SIDECHECK_METRICS__LISTEN']}/readyz"
        if name == "prometheus":
            ready = f"http://{self.address(9090)}/-/ready"
        log = self.folder / f"{name}.{time.monotonic_ns()}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(words, cwd=self.folder, env=env, stdout=file, stderr=file)
        self.servers[name] = process
        until(f"{name} is up", lambda: _is_up(process, ready, log), UP_WITHIN_S)

    def _look_at_objects(self, where: Block, text: str) -> None:
        objects = list(yaml.safe_load_all(self._run(where, text)))
        assert objects, f"{where}: {text} printed no objects"
        assert all(each["kind"] and each["metadata"]["name"] for each in objects)


def _split(text: str) -> tuple[dict[str, str], list[str]]:
    """The variables that are set for a command, and its words."""
    words = _words(text)
    own = {}
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        own[name] = value
    return own, words


def _words(text: str) -> list[str]:
    return shlex.split(text.replace("\\\n", " "), comments=True)


def _without_quotes(text: str) -> str:
    """A command whose quoted parts hold nothing: what is in them is no program, no pipe and no comment."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\$\([^)]*\)", "x", text)


def _is_up(process: subprocess.Popen[bytes], ready: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return CLIENT.get(ready).is_success
    except httpx.TransportError:
        return False


def the_app(folder: Path, answers: int = 60) -> None:
    """The app of the README as ``app.py``: as it is written, but for how long it takes."""
    (block,) = blocks("README.md", "python")
    text = block.text
    for slow, quick in (("time.sleep(1)", "time.sleep(0.05)"), (", 60)", f", {answers})")):
        assert slow in text, f"{block}: {slow}"
        text = text.replace(slow, quick)
    (folder / "app.py").write_text(text)


def traces_of(terminal: Terminal, service: str) -> list[dict[str, Any]]:
    """The traces of a service that are stored, the newest 200."""
    address = f"http://{terminal.address(8321)}/api/traces"
    return CLIENT.get(address, params={"service": service, "limit": 200}).raise_for_status().json()["traces"]
