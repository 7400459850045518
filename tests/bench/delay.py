"""The delay from a root span's arrival to the verdict on ``/metrics``, at half of the load that can be judged.

The sender says when each request was due, whenever it was taken; ``/metrics`` is asked every 50 ms how many traces were
judged. The n-th trace that was due is matched with the n-th verdict that was seen. So the delay holds all of it: the
way in, ``settle``, the judging, and up to 50 ms until the page was asked again, which itself costs the front process.
"""

import bisect
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from statistics import median
from typing import Any

from bench.lines import Line, at_most
from bench.load import Load
from bench.measure import evaluated, run, send
from servers import Serving

LATE_MS = 300
"""The goal: how much later than ``settle`` a verdict may come, but for one in a hundred."""
ASK_EVERY_S = 0.05
GIVE_UP_S = 60.0
SHARE = 0.5
PER_REQUEST = 5
"""Small requests, so that a delay is not that of its request's other traces."""


def delay_lines(sidecar: Serving, traces: int = 6_000, settle_s: float = 0.2) -> Iterator[Line]:
    """Measure the capacity, then the delay at half of it; ``traces`` are for each of the two."""
    load = Load(traces, per_request=PER_REQUEST)
    rate = SHARE * run(sidecar, load, settle_s).traces_s
    late_ms = [delay * 1e3 - settle_s * 1e3 for delay in _delays_s(sidecar, replace(load, rate=rate).again())]
    p50, p99 = median(late_ms), sorted(late_ms)[int(0.99 * len(late_ms))]
    yield Line(
        "verdict on /metrics later than settle, p99, at 50 % load",
        p99,
        "ms",
        at_most(LATE_MS),
        {"p50 ms": p50, "traces/s": rate, "settle ms": settle_s * 1e3},
    )


def _delays_s(sidecar: Serving, load: Load) -> list[float]:
    before = evaluated(sidecar)
    with ThreadPoolExecutor(1) as pool:
        seen = _watch(sidecar, before, sending := pool.submit(send, sidecar, load))
    times, counts = zip(*seen, strict=True)
    due_ns = _due_ns(sending.result()["due"])
    return [(times[bisect.bisect_left(counts, n)] - due) / 1e9 for n, due in enumerate(due_ns, 1)]


def _watch(sidecar: Serving, before: float, sending: "Future[dict[str, Any]]") -> list[tuple[int, float]]:
    """When how many traces were seen to be judged, until all that were sent are."""
    seen: list[tuple[int, float]] = []
    deadline = None
    while True:
        judged = evaluated(sidecar) - before
        seen.append((time.time_ns(), judged))
        if sending.done():
            if judged >= sending.result()["traces"]:
                return seen
            deadline = deadline or time.monotonic() + GIVE_UP_S
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {judged:.0f} traces were judged in time")
        time.sleep(ASK_EVERY_S)


def _due_ns(due: Sequence[tuple[int, int]]) -> list[int]:
    """When each trace was due, out of the requests' times and running totals."""
    times: list[int] = []
    for at, total in due:
        times += [at] * (total - len(times))
    return times
