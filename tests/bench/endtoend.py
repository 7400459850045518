"""End to end: OTLP in, journal, assembly, all five checks, metrics, store; against the floor in the same run."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench import floor
from bench.processes import usage
from bench.workload import SPANS_A_TRACE, Mix, requests
from servers import Serving, serving, total

SENDER = Path(__file__).with_name("sender.py")
SETTLE_S = 0.2
FLOOR_TRACES = 1_000
JUDGED_WITHIN_S = 600.0


def rows(traces: int = 6_000, rounds: int = 3, size: int = 2_000) -> list[dict[str, Any]]:
    """One row for gRPC, one for HTTP: CPU of front and workers as a multiple of the floor, traces a second, memory."""
    found: dict[str, list[dict[str, float]]] = {"grpc": [], "http": []}
    for number in range(rounds):
        for transport, results in found.items():
            results.append(once(transport, traces, size, number * traces))
    return [_row(f"end to end, {transport}, {size} characters", results) for transport, results in found.items()]


def once(transport: str, traces: int, size: int, first: int = 0, **settings: str) -> dict[str, float]:
    """Send the load to a fresh sidecar and wait until every trace is judged and stored."""
    before = _floor_us(size)
    folder = tempfile.TemporaryDirectory(prefix="sidecheck-bench-")
    with folder as path, serving(Path(path) / "data", SIDECHECK_WORKERS="2", **settings) as sidecar:
        warm_up(sidecar, transport, size)
        start = usage(sidecar.process.pid)
        began = time.monotonic()
        evaluated = _evaluated(sidecar)
        send(sidecar, transport, traces, size, first)
        _wait(sidecar, evaluated + traces)
        wall = time.monotonic() - began - SETTLE_S
        end = usage(sidecar.process.pid)
    spans = traces * SPANS_A_TRACE
    return {
        "floor_us": (before + _floor_us(size)) / 2,
        "us": (end.cpu_s - start.cpu_s) / spans * 1e6,
        "traces_s": traces / wall,
        "memory_mib": end.memory_mib,
        "idle_mib": start.memory_mib,
    }


def warm_up(sidecar: Serving, transport: str, size: int) -> None:
    """Let every worker judge something, so that imports are paid for."""
    send(sidecar, transport, 400, size, 10_000_000)
    _wait(sidecar, 400)


def send(sidecar: Serving, transport: str, traces: int, size: int, first: int, rate: float = 0) -> tuple[int, int]:
    """Run the sender; returns when it began and ended, in nanoseconds since the epoch."""
    address = sidecar.otlp_grpc if transport == "grpc" else sidecar.otlp_http
    command = [sys.executable, str(SENDER), transport, address, str(traces), str(size), str(first), str(rate)]
    began, ended = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(began), int(ended)


def _wait(sidecar: Serving, traces: float) -> None:
    deadline = time.monotonic() + JUDGED_WITHIN_S
    while _evaluated(sidecar) < traces or sidecar.metric("sidecheck_queue_length", queue="store"):
        if time.monotonic() > deadline:
            sys.exit(f"only {_evaluated(sidecar):.0f} of {traces:.0f} traces were judged in time")
        time.sleep(0.1)


def _evaluated(sidecar: Serving) -> float:
    return total(sidecar.metrics_text(), "sidecheck_traces_evaluated_total")


def _floor_us(size: int) -> float:
    seconds, spans = floor.cpu_seconds(requests(FLOOR_TRACES, Mix(size=size)))
    return seconds / spans * 1e6


def _row(line: str, results: list[dict[str, float]]) -> dict[str, Any]:
    ratios = [result["us"] / result["floor_us"] for result in results]
    return {
        "line": line,
        "floor us/span": round(median(r["floor_us"] for r in results), 1),
        "us/span": round(median(r["us"] for r in results), 1),
        "x floor": round(median(ratios), 1),
        "traces/s": round(median(r["traces_s"] for r in results)),
        "memory MiB": round(max(r["memory_mib"] for r in results)),
    }
