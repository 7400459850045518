"""A real ``sidecheck serve`` that is killed, starved and started again on the same ports and the same data.

Linux: processes are found in ``/proc``.
"""

import contextlib
import os
import random
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import httpx
from servers import QUICK, SIDECHECK, total, until

UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 10.0
LIGHT = {"SIDECHECK_CHECKS__PII__ENABLED": "false", "SIDECHECK_PROMOTION__MODE": "off"}
"""Settings without what takes a worker seconds to load, for tests of what happens around the checks."""
NAMES = {"otlp_grpc": "OTLP__GRPC", "otlp_http": "OTLP__HTTP", "api": "API", "metrics": "METRICS"}


class Sidecar:
    """``with Sidecar(data_dir, SIDECHECK_...="...") as sidecar:`` starts it, waits until it is ready, ends it.

    Attributes:
        addresses: ``host:port`` of ``otlp_grpc``, ``otlp_http``, ``api`` and ``metrics``; the same in every life.
        life: How often it was started.
    """

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.addresses = dict(zip(NAMES, free_addresses(len(NAMES)), strict=True))
        self.life = 0
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Sidecar":
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()
        if error is not None:
            error.add_note(f"--- the end of what sidecheck logged ---\n{self.logged()[-4000:]}")
        else:
            assert "Traceback" not in self.logged(), self.logged()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The front process of this life."""
        assert self._process is not None
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether the front process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start the next life; with ``wait``, return when it is ready."""
        assert not self.is_running
        self.life += 1
        listeners = {f"SIDECHECK_{NAMES[name]}__LISTEN": address for name, address in self.addresses.items()}
        own = {**QUICK, "SIDECHECK_WORKERS": "1", **listeners, "SIDECHECK_DATA_DIR": str(self.data_dir)}
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("SIDECHECK_", "OTEL_"))}
        with self._log(self.life).open("wb") as log:
            self._process = subprocess.Popen(
                [SIDECHECK, "serve"], env={**plain, **own, **self._settings}, stdout=log, stderr=log
            )
        if wait:
            until("serve is ready", self.is_ready, UP_WITHIN_S)

    def is_ready(self) -> bool:
        """Whether ``/readyz`` says so; fails if the process ended instead."""
        assert self.is_running, f"serve ended with {self.process.returncode}: {self.logged()}"
        try:
            return self.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, *, port: str = "metrics", timeout_s: float = 10.0) -> httpx.Response:
        """GET from one of its ports."""
        return httpx.get(f"http://{self.addresses[port]}{path}", timeout=timeout_s)

    def page(self) -> str:
        """``/metrics``."""
        return self.get("/metrics").raise_for_status().text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series that have these labels; 0 where there is none."""
        return total(self.page(), name, labels)

    def health(self) -> dict[str, object]:
        """``/healthz``: its ``status`` and ``problems``."""
        return self.get("/healthz").json()

    def workers(self) -> list[int]:
        """The worker processes' ids: they are copies of one that the front process started."""
        originals = (pid for pid in _children(self.process.pid) if b"forkserver" in _command(pid))
        return [worker for original in originals for worker in _children(original)]

    def rss_bytes(self) -> int:
        """Resident memory of the front process and its workers together."""
        return sum(_rss(pid) for pid in (self.process.pid, *self.workers()))

    def kill(self) -> None:
        """SIGKILL the front process, if it is there; its workers go with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def kill_worker(self, choice: random.Random | None = None) -> bool:
        """SIGKILL one worker; whether there was one."""
        workers = self.workers()
        if workers:
            _kill((choice or random.Random(1)).choice(workers))
        return bool(workers)

    def kill_both(self) -> None:
        """SIGKILL all workers and the front process at once."""
        for pid in self.workers():
            _kill(pid)
        self.kill()

    def restart(self) -> None:
        """Start again what was killed, and wait until it is ready."""
        self.start()

    def terminate(self, within_s: float = DOWN_WITHIN_S) -> tuple[int, float]:
        """SIGTERM, and wait; gives the exit code and how many seconds it took."""
        started = time.monotonic()
        self.process.terminate()
        code = self.process.wait(within_s)
        return code, time.monotonic() - started

    def limit_file_size(self, size: int | None) -> None:
        """Let no file of the front process grow beyond ``size`` bytes, as if the disk were full; ``None`` ends it."""
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def logged(self) -> str:
        """Everything that it logged, over all its lives."""
        logs = [self._log(life) for life in range(1, self.life + 1)]
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def _log(self, life: int) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.{life}.log")


def free_addresses(count: int) -> list[str]:
    """Addresses on the loopback that nobody listens on: asked of the system together, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:  # it ended meanwhile
            continue
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _rss(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, signal.SIGKILL)
