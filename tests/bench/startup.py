"""Start-up: how long until telemetry is taken and until the first verdict, and what an idle sidecar holds."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.lines import Line, at_most
from bench.load import Load
from bench.measure import evaluated, send
from bench.processes import Usage, usage
from servers import serving, until

READY_WITHIN_S, IDLE_MIB = 2, 300
"""The goals."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds from the command until ``/readyz``, and until one trace that was sent then was judged."""

    ready_s: float
    judged_s: float
    at_ready: Usage
    at_verdict: Usage
    idle: Usage


def lines(rounds: int = 2) -> Iterator[Line]:
    """Starts in an empty folder and starts that find their data, in turn; a worker a core."""
    first, later = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="sidecheck-bench-") as folder:
            first.append(start(Path(folder) / "data"))
            later.append(start(Path(folder) / "data"))
    yield from of_starts(first, later)


def of_starts(first: Sequence[Start], later: Sequence[Start]) -> Iterator[Line]:
    """The lines of starts in an empty folder and of later ones: medians."""
    for name, starts in (("in an empty folder", first), ("with its data there", later)):
        yield Line(
            f"ready, {name}",
            median(start.ready_s for start in starts),
            "s",
            at_most(READY_WITHIN_S),
            {
                "CPU s until then": median(start.at_ready.cpu_s for start in starts),
                "first verdict after s": median(start.judged_s for start in starts),
                "CPU s": median(start.at_verdict.cpu_s for start in starts),
            },
        )
    starts = [*first, *later]
    yield Line("memory when ready", median(start.at_ready.memory_mib for start in starts), "MiB")
    yield Line(
        "memory when idle, front and workers",
        median(start.idle.memory_mib for start in starts),
        "MiB",
        at_most(IDLE_MIB),
        {
            "front": median(start.idle.front_mib for start in starts),
            "workers": median(start.idle.workers_mib for start in starts),
        },
    )


def start(data: Path, idle_s: float = 3.0, **settings: str) -> Start:
    """Start a sidecar and end it; what it holds when idle is looked at ``idle_s`` after its first verdict."""
    began = time.monotonic()
    with serving(data, **{"SIDECHECK_WORKERS": "auto", **settings}) as sidecar:
        ready_s = time.monotonic() - began
        at_ready = usage(sidecar.process.pid)
        send(sidecar, Load(1, per_request=1))
        until("the first trace is judged", lambda: evaluated(sidecar))
        judged_s = time.monotonic() - began
        at_verdict = usage(sidecar.process.pid)
        time.sleep(idle_s)
        return Start(ready_s, judged_s, at_ready, at_verdict, usage(sidecar.process.pid))
