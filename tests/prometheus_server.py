"""A real Prometheus in a process of its own, and what tests ask of it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from externals import free_port
from servers import CLIENT, until

UP_WITHIN_S = 60.0


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an instant query gives."""
        return self._ask("query", query=expression)["result"]

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """The exemplars of an expression's series."""
        found = self._ask("query_exemplars", query=expression, start=0, end=10**10)
        return [exemplar for series in found for exemplar in series["exemplars"]]

    def label_values(self, label: str, selector: str) -> list[str]:
        """The values that a label has in the series of a selector."""
        return self._ask(f"label/{label}/values", **{"match[]": selector})

    def targets(self) -> list[dict[str, Any]]:
        """What is scraped, and how that went."""
        return self._ask("targets")["activeTargets"]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, and how their last evaluation went."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def value(self, expression: str) -> float | None:
        """The value of an expression that gives one series; ``None`` while it gives none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def _ask(self, path: str, **query: Any) -> Any:
        answer = CLIENT.get(f"{self.url}/api/v1/{path}", params=query)
        assert answer.is_success, (query, answer.text)
        return answer.json()["data"]


def promtool(programs: Path, *arguments: str | Path) -> str:
    """Run promtool; give what it printed, once it has no complaint."""
    done = subprocess.run([programs / "promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def prometheus_server(programs: Path, config: Path, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus by a configuration file, with its data and log in a folder, exemplars kept."""
    log, port = folder / "prometheus.log", free_port()
    options = {"config.file": config, "storage.tsdb.path": folder / "data", "web.listen-address": f"127.0.0.1:{port}"}
    options |= {"enable-feature": "exemplar-storage", "log.level": "warn"}
    with log.open("wb") as file:
        command = [programs / "prometheus", *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder)
    try:
        started = Prometheus(f"http://127.0.0.1:{port}")
        until("Prometheus is ready", lambda: _is_ready(started, process, log), UP_WITHIN_S)
        yield started
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return CLIENT.get(f"{prometheus.url}/-/ready").is_success
    except httpx.TransportError:
        return False
