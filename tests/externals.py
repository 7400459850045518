"""Real servers that some tests need and that no package index brings: where they are, and one of them made for a run.

A test that needs one that is not there is skipped and says how to get it; named in ``SIDECHECK_REQUIRE`` (a list with
commas), it fails instead.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ondemand import missing
from servers import until

POSTGRES_USER = "postgres"
POSTGRES_SETTINGS = {"listen_addresses": "127.0.0.1", "fsync": "off", "full_page_writes": "off", "max_connections": 60}
PROGRAMS = ("curl", "git", "jq", "sqlite3")
"""What the commands in the documentation use."""
UP_WITHIN_S = 30.0


@dataclass(frozen=True)
class External:
    """How to find a server's folder of programs (``None``: it is not there), and the command that brings it."""

    find: Callable[[], Path | None]
    command: str


def _postgres() -> Path | None:
    """The newest PostgreSQL: Debian keeps its server programs out of the PATH."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -float(folder.parent.name))
    return next(
        (f for f in (*_in_path("initdb"), *packaged) if (f / "initdb").exists() and (f / "postgres").exists()), None
    )


def _prometheus() -> Path | None:
    return next((f for f in _in_path("prometheus") if (f / "promtool").exists()), None)


def _kafka() -> Path | None:
    """The folder of ``java``; Kafka itself is brought by Maven (``brokers.py``)."""
    return next(iter(_in_path("java")), None) if shutil.which("mvn") else None


def _chromium() -> Path | None:
    """The folder in the PATH, not that of the program behind: Debian's is a script that sets it up."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found).parent if found else None


def _programs() -> Path | None:
    """The folder of ``curl``, where all that the documentation uses beside it is there, too."""
    return next(iter(_in_path("curl")), None) if all(map(shutil.which, PROGRAMS)) else None


def _in_path(program: str) -> list[Path]:
    found = shutil.which(program)
    return [Path(found).resolve().parent] if found else []


EXTERNALS: Mapping[str, External] = {
    "chromium": External(_chromium, "apt-get install chromium"),
    "kafka": External(_kafka, "apt-get install default-jre-headless maven"),
    "postgres": External(_postgres, "apt-get install postgresql"),
    "programs": External(_programs, f"apt-get install {' '.join(PROGRAMS)}"),
    "prometheus": External(_prometheus, "apt-get install prometheus"),
}


def require(name: str, env: Mapping[str, str] = os.environ, externals: Mapping[str, External] = EXTERNALS) -> Path:
    """The folder with the programs of a server; skips the test, or fails it where it is required, if there is none."""
    external = externals[name]
    return external.find() or missing(name, f"{name} is not installed: {external.command}", env)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class PostgresCluster:
    """A PostgreSQL server in a folder of its own, to be stopped and started at will. ``url`` is its first database's.

    PostgreSQL does not run as root, so root runs it as somebody else.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder, self._log = programs, folder, folder / "log"
        self._account = _unprivileged()
        if self._account:
            shutil.chown(folder, self._account["user"])
        port = free_port()
        self._settings = {**POSTGRES_SETTINGS, "port": port, "unix_socket_directories": folder}
        self.url = f"postgresql+psycopg://{POSTGRES_USER}@127.0.0.1:{port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        options = ("-U", POSTGRES_USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale")
        make = [programs / "initdb", "-D", folder / "data", *options]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **self._account)

    @property
    def pid(self) -> int:
        """The id of the running server's first process."""
        assert self._process is not None
        return self._process.pid

    def create(self, name: str) -> str:
        """Make a database; gives its URL."""
        admin = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return sa.make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = [part for key, value in self._settings.items() for part in ("-c", f"{key}={value}")]
        with self._log.open("ab") as file:
            serve = [self._programs / "postgres", "-D", self._folder / "data", *options]
            process = subprocess.Popen(serve, stdout=file, stderr=file, cwd=self._folder, **self._account)
        self._process = process
        until("PostgreSQL is up", lambda: _answers(self.url, process, self._log), UP_WITHIN_S)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is its fast shutdown, which does not wait for clients."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(UP_WITHIN_S)
            self._process = None


@contextmanager
def postgres_cluster(programs: Path) -> Iterator[PostgresCluster]:
    """A PostgreSQL server that runs, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sidecheck-postgres-", ignore_cleanup_errors=True) as name:
        cluster = PostgresCluster(programs, Path(name))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def account() -> str:
    """The name of a user that servers run as that do not run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _unprivileged() -> dict[str, Any]:
    """Arguments of ``subprocess`` that give root's rights away; none where there are none to give."""
    if os.geteuid() != 0:
        return {}
    return {"user": account(), "extra_groups": []}


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    engine = sa.create_engine(url)
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()
