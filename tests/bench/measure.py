"""A load, sent to a running sidecar and measured until every trace of it is judged and stored; the floor beside it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench import floor
from bench.load import Load, sent
from bench.processes import peak_memory, usage
from servers import Serving, serving, total

SENDER = Path(__file__).with_name("sender.py")
JUDGED_WITHIN_S = 900.0
ASK_AFTER_S = (0.05, 2.0)
"""The shortest and the longest pause between two questions. A page of metrics costs the front process some
milliseconds: to ask all the time would be a part of the result."""
WRITTEN_WITHIN_S = 0.5
"""The store's last transaction is in no queue any more when the queues are empty."""
UNTIL_STEADY = 2_000
"""Traces after which the clusters of the generated failures have their five cases each: see the README."""
FLOOR_TRACES = 400
FLOOR_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """One load, done. CPU times are seconds, those of the floor are for as many traces."""

    traces: int
    spans: int
    size: int
    wall_s: float
    front_s: float
    workers_s: float
    sender_s: float
    floor_s: float
    peak_mib: float

    @property
    def cpu_s(self) -> float:
        """Of front and workers together."""
        return self.front_s + self.workers_s

    @property
    def floors(self) -> float:
        """CPU as a multiple of the floor."""
        return self.cpu_s / self.floor_s

    @property
    def traces_s(self) -> float:
        """Traces a second."""
        return self.traces / self.wall_s

    def us(self, seconds: float) -> float:
        """Microseconds a trace."""
        return seconds / self.traces * 1e6


def run(sidecar: Serving, load: Load, settle_s: float = 0.2) -> Run:
    """Send it, wait until it is judged and stored, and say what that took.

    Args:
        sidecar: Where to.
        load: What; its ids are made new.
        settle_s: The sidecar's ``assembly.settle``, for which the last trace waits with nothing to do.
    """
    start, judged = usage(sidecar.process.pid), evaluated(sidecar)
    with peak_memory(sidecar.process.pid) as peak, floor.beside(_floor_requests(load.content, load.per_request)) as low:
        done = send(sidecar, load.again())
        _wait(sidecar, judged, done["traces"], done["began_ns"])
        ended_ns = time.time_ns()
        time.sleep(WRITTEN_WITHIN_S)
    end = usage(sidecar.process.pid)
    return Run(
        traces=done["traces"],
        spans=done["spans"],
        size=done["bytes"],
        wall_s=(ended_ns - done["began_ns"]) / 1e9 - settle_s,
        front_s=end.front_s - start.front_s,
        workers_s=end.workers_s - start.workers_s,
        sender_s=done["cpu_s"],
        floor_s=low.seconds(done["traces"], done["began_ns"], ended_ns),
        peak_mib=peak[0],
    )


@contextmanager
def sidecar_of_its_own(**settings: str) -> Iterator[Serving]:
    """A sidecar in a folder that goes with it, with a worker a core where ``settings`` do not say otherwise."""
    with (
        tempfile.TemporaryDirectory(prefix="sidecheck-bench-") as folder,
        serving(Path(folder) / "data", **{"SIDECHECK_WORKERS": "auto", **settings}) as sidecar,
    ):
        yield sidecar


def warm_up(sidecar: Serving, traces: int = 400) -> None:
    """Let every worker judge something, so that imports are paid for."""
    judged, done = evaluated(sidecar), send(sidecar, Load(traces))
    _wait(sidecar, judged, done["traces"], done["began_ns"])


def send(sidecar: Serving, load: Load) -> dict[str, Any]:
    """Run the sender to its end; gives what it printed."""
    address = sidecar.otlp_grpc if load.transport == "grpc" else sidecar.otlp_http
    command = [sys.executable, str(SENDER), address, json.dumps(asdict(load))]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def evaluated(sidecar: Serving) -> float:
    """How many traces it judged so far."""
    return total(sidecar.metrics_text(), "sidecheck_traces_evaluated_total")


def _wait(sidecar: Serving, before: float, traces: int, began_ns: int) -> None:
    """Wait until so many traces more than ``before`` are judged and nothing is queued; ask seldom until it is near."""
    while True:
        page, passed_s = sidecar.metrics_text(), (time.time_ns() - began_ns) / 1e9
        judged = total(page, "sidecheck_traces_evaluated_total") - before
        if judged >= traces and not total(page, "sidecheck_queue_length"):
            return
        if passed_s > JUDGED_WITHIN_S:
            raise TimeoutError(f"only {judged:.0f} of {traces} traces were judged in time")
        left_s = passed_s * (traces - judged) / max(1.0, judged)  # too much at first, when nothing had settled
        time.sleep(min(max(0.6 * min(left_s, passed_s / 2), ASK_AFTER_S[0]), ASK_AFTER_S[1]))


@cache
def _floor_requests(content: int | str, per_request: int) -> Sequence[floor.Request]:
    most = FLOOR_TRACES if isinstance(content, str) else min(FLOOR_TRACES, FLOOR_CHARACTERS // content)
    requests = sent(Load(most, content=content, per_request=per_request))
    return [floor.Request(request.traces, request.logs, request.trace_count) for request in requests]
