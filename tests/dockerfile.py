"""A Dockerfile's own steps, executed without a container engine: where there is none, its commands can still be proven.

``Image.build`` reads the file, takes from the context what ``.dockerignore`` lets through, and runs each step in a
folder that stands for the root of a stage. Paths of the image become paths below that folder: it is the same for every
stage, as a virtual environment cannot be moved. ``Image.start`` runs the start command as the image's user over a tree
that nobody may write to, the volumes excepted. Not shown: the base image, and that nothing outside is reachable.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

STEP_WITHIN_S = 280
IMAGE_ONLY = ("STOPSIGNAL", "ARG")


def _is_public(program: Path) -> bool:
    """Whether another user gets at it: a Python in somebody's home is out of reach for the image's user."""
    return program.exists() and all(parent.stat().st_mode & 0o001 for parent in program.parents)


_OWN = Path(sys.executable).resolve()
PYTHON = next(filter(_is_public, (_OWN, Path("/usr/bin/python3"))), _OWN)
BECOMES_USER = os.geteuid() == 0 and _is_public(PYTHON)
"""Whether commands run as the image's user. Where they cannot, they run as whoever runs the tests."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction with its argument: comments are left out, continued lines are one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


ABOUT = ("ENV", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD", "USER")
"""What says how a container is started, and makes nothing."""


@dataclass
class Image:
    """What the steps made below ``folder``: ``root`` is the last stage's file system."""

    context: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    volumes: list[str] = field(default_factory=list)
    exposed: list[int] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    _stage: str = ""

    @property
    def root(self) -> Path:
        """The folder that stands for ``/``."""
        return self.folder / "root"

    def build(self, dockerfile: Path) -> "Image":
        """Execute every step; then take the right to write from all but the volumes."""
        for name, argument in instructions(dockerfile.read_text()):
            step = getattr(self, f"_{name.lower()}", None)
            assert step or name in IMAGE_ONLY, f"no step is known for {name}"
            if step:
                step(argument)
        self._lock()
        return self

    def read(self, dockerfile: Path) -> "Image":
        """Take from the file how a container is started, and make nothing."""
        for name, argument in instructions(dockerfile.read_text()):
            if name in ABOUT:
                getattr(self, f"_{name.lower()}")(argument)
        return self

    def start(self, command: list[str], env: Mapping[str, str] = {}, **options: Any) -> "subprocess.Popen[bytes]":
        """Run a command in the last stage, as its user where this process may become another one."""
        given = {**self._environment(), "HOME": "/nonexistent", **env}
        program = shutil.which(command[0], path=given["PATH"])
        assert program, f"{command[0]} is not on {given['PATH']}"
        become = []
        if BECOMES_USER:
            uid, gid = self.user.split(":")
            become = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--"]
        started = [*become, program, *command[1:]]
        return subprocess.Popen(started, cwd=self._inside(self.workdir), env=given, **options)

    def _from(self, argument: str) -> None:
        if self._stage:
            self.root.rename(self.folder / self._stage)
        name = re.search(r"\sAS\s+(\S+)$", argument, re.IGNORECASE)
        self._stage, self.env, self.workdir, self.user = name[1] if name else "last", {}, "/", "0:0"
        programs = self.root / "usr" / "bin"  # all that the base image has is Python
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(PYTHON)

    def _copy(self, argument: str) -> None:
        stage, words = re.match(r"(?:--from=(\S+)\s+)?(.*)", argument).groups()
        *sources, target = words.split()
        place = self._inside(target)
        if target.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        for source in sources:
            origin = self.folder / stage / source.lstrip("/") if stage else self._in_context(source)
            if origin.is_dir():
                shutil.copytree(origin, place, symlinks=True, ignore=None if stage else self._ignored())
            else:
                shutil.copy(origin, place)

    def _run(self, argument: str) -> None:
        command = re.sub(r"--mount=\S+\s+", "", argument)
        env = {**os.environ, **self._environment()}
        if os.geteuid():  # cannot give files away
            command = re.sub(r"\b\d{5}\b", str(os.getuid()), command)
        done = subprocess.run(
            ["sh", "-c", self._mapped(command)],
            cwd=self._inside(self.workdir),
            env=env,
            capture_output=True,
            text=True,
            timeout=STEP_WITHIN_S,
        )
        assert done.returncode == 0, f"RUN {argument}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def _env(self, argument: str) -> None:
        for word in shlex.split(argument):
            key, _, value = word.partition("=")
            self.env[key] = value

    def _workdir(self, argument: str) -> None:
        self.workdir = argument
        self._inside(argument).mkdir(parents=True, exist_ok=True)

    def _user(self, argument: str) -> None:
        self.user = argument

    def _volume(self, argument: str) -> None:
        self.volumes.append(argument)

    def _expose(self, argument: str) -> None:
        self.exposed = [int(port) for port in argument.split()]

    def _healthcheck(self, argument: str) -> None:
        self.health = json.loads(argument.partition("CMD ")[2])

    def _entrypoint(self, argument: str) -> None:
        self.entrypoint = json.loads(argument)

    def _cmd(self, argument: str) -> None:
        self.command = json.loads(argument)

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.root / self.workdir.lstrip("/") / path

    def _mapped(self, command: str) -> str:
        """A command whose absolute paths are below the root."""
        return re.sub(r"(?<![\w.$}/-])/(?=\w)", f"{self.root}/", command)

    def _environment(self) -> dict[str, str]:
        outside = f"{self.root}/usr/bin:{os.defpath}"
        mapped = {key: self._mapped(value).replace("$PATH", outside) for key, value in self.env.items()}
        return {"PATH": outside, **mapped}

    def _in_context(self, source: str) -> Path:
        allowed = self._patterns("!")
        assert any(source == each or source.startswith(f"{each}/") for each in allowed), f"{source} is ignored"
        return self.context / source

    def _ignored(self) -> Any:
        names = [each.removeprefix("**/") for each in self._patterns("") if each.startswith("**/")]
        return lambda _, found: [name for name in found if any(fnmatch(name, each) for each in names)]

    def _patterns(self, mark: str) -> list[str]:
        lines = (self.context / ".dockerignore").read_text().splitlines()
        kept = [line for line in lines if line and not line.startswith("#")]
        return [line.removeprefix("!") for line in kept if line.startswith("!") == bool(mark)]

    def _lock(self) -> None:
        writable = [self._inside(volume) for volume in self.volumes]
        for path in [self.root, *self.root.rglob("*")]:
            if not path.is_symlink() and not any(path == each or each in path.parents for each in writable):
                path.chmod(path.stat().st_mode & ~0o222)
