"""Scale: workers, traces one after the other and at once, and the delay of a verdict at half the load.

Everything runs on one machine. The sender is a process of its own and takes a share of the same cores, as an app does;
so one worker against two is also measured without sender and front, with traces that are closed already.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.ageing import NEW, cost_growth_line, new_ones
from bench.alternate import in_turn
from bench.delay import delay_lines
from bench.growth import Seen, growth_line
from bench.lines import Line, at_least, at_most
from bench.load import Load, sent
from bench.measure import Run, run, send, sidecar_of_its_own, warm_up
from bench.processes import MIB, usage
from bench.workersteps import ALL, Checks
from servers import Serving, until

from checks import catalogue
from checks.trace import CloseReason
from collector.intake import Source
from collector.pipeline.inspection import BATCH, InspectionPool
from collector.pipeline.job import Job, JudgeOptions
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits

TWO_BY_ONE, BYTES_BY_BYTES = 1.8, 3
"""The goals."""
SHORT = (1_000, 10_000)
LONG = (1_000, 10_000, 100_000, 1_000_000)
BLOCK, BLOCKS = 25_000, 4
"""The most traces of one load, and the fewest loads on the way to a mark: a median needs some. Those to 100 k and to
1 M are of one size, since memory goes with how many traces waited at once, and the longer a load the more do."""
LAST_BLOCKS = 3
"""Of so many blocks before a mark the middle one counts: at rest, too, two differ by what lies where in the heap."""
KEEPING = {"SIDECHECK_STORE__RETENTION__SIZE": "256MiB"}
"""What the store may keep while many traces come, so that a million does not fill the disk. Retention is at work then,
as it is in a sidecar that has run for a day."""
REST_S, LOOK_EVERY_S = 8.0, 1.0
"""Within so long the least that is held is what stays: what was freed is given back some seconds later, and retention,
which comes every 15 seconds, takes a few megabytes until then."""
SLOTS_A_WORKER = 2
OPEN = {"SIDECHECK_ASSEMBLY__SETTLE": "1h", "SIDECHECK_ASSEMBLY__IDLE": "1h", "SIDECHECK_ASSEMBLY__MAX_AGE": "1h"}


def lines(is_long: bool = False) -> Iterator[Line]:
    """All of it; 100 k and 1 M traces only where it may be long."""
    with sidecar_of_its_own(SIDECHECK_WORKERS="1") as one, sidecar_of_its_own(SIDECHECK_WORKERS="2") as two:
        warm_up(one)
        warm_up(two)
        yield from worker_lines(one, two)
    with pool(1) as one, pool(2) as two:
        yield from pool_lines(one, two)
    with new_ones(KEEPING, NEW if is_long else 0) as as_old, sidecar_of_its_own(**KEEPING) as sidecar:
        warm_up(sidecar)
        yield from count_lines(sidecar, LONG if is_long else SHORT)
        if is_long:
            yield cost_growth_line(sidecar, LONG[-1], KEEPING, as_old)
        yield from delay_lines(sidecar)
    with sidecar_of_its_own(**OPEN) as sidecar:
        yield from open_lines(sidecar)


def worker_lines(one: Serving, two: Serving, rounds: int = 3, traces: int = 2_000) -> Iterator[Line]:
    """Two sidecars that take turns, one with one worker and one with two."""
    found: dict[str, list[Run]] = {"1": [], "2": []}
    for number in range(rounds):
        for workers, sidecar in in_turn([("1", one), ("2", two)], number):
            found[workers].append(run(sidecar, Load(traces)))
    ratio = median(b.traces_s / a.traces_s for a, b in zip(found["1"], found["2"], strict=True))
    beside = {f"traces/s with {workers}": median(r.traces_s for r in runs) for workers, runs in found.items()}
    yield Line("2 workers by 1, sidecar and sender on the same cores", ratio, "x", beside=beside)


def pool_lines(one: InspectionPool, two: InspectionPool, rounds: int = 5, traces: int = 2_000) -> Iterator[Line]:
    """Pools of one and of two workers that take turns over traces that are closed already."""
    seconds = asyncio.run(_in_turn([one, two], _jobs(traces), rounds))
    ratio = median(a / b for a, b in zip(*seconds, strict=True))
    beside = {f"traces/s with {n}": traces / median(taken) for n, taken in enumerate(seconds, 1)}
    yield Line("2 workers by 1, closed traces through the pool alone", ratio, "x", at_least(TWO_BY_ONE), beside)


def count_lines(sidecar: Serving, marks: Sequence[int], rest_s: float = REST_S) -> Iterator[Line]:
    """Traces until each mark, one after the other, in one sidecar; with three marks and more, whether memory grew."""
    at_rest: list[Seen] = []
    done = 0
    for mark in marks:
        runs: list[Run] = []
        while done < mark:
            runs.append(run(sidecar, Load(min(BLOCK, mark // BLOCKS, mark - done))))
            done += runs[-1].traces
            at_rest.append((done, _memory_at_rest(sidecar, rest_s)))
        memory = median(mib for _, mib in at_rest[-min(LAST_BLOCKS, len(runs)) :])
        peak, name = max(r.peak_mib for r in runs), f"until {mark:,} traces"
        floors, us = median(r.floors for r in runs), median(r.us(r.cpu_s) for r in runs)
        yield Line(f"{name}: CPU", floors, "x floor", beside={"us a trace": us})
        yield Line(f"{name}: speed", median(r.traces_s for r in runs), "traces/s")
        yield Line(f"{name}: memory at rest", memory, "MiB", beside={"peak": peak})
    if len(marks) > len(SHORT):
        yield growth_line(at_rest, marks[-2], marks[-1])


def open_lines(sidecar: Serving, traces: int = 10_000) -> Iterator[Line]:
    """Traces that stay open: what the front process holds more than with a tenth of them."""
    some = send(sidecar, Load(max(20, traces // 10)))
    before = _memory_when_open(sidecar, some["traces"])
    more = send(sidecar, Load(traces))
    held = _memory_when_open(sidecar, some["traces"] + more["traces"]) - before
    yield Line(
        f"memory of {traces:,} open traces by their bytes",
        held * MIB / more["bytes"],
        "x",
        at_most(BYTES_BY_BYTES),
        {"MiB held": held, "MiB of telemetry": more["bytes"] / MIB, "bytes a trace": more["bytes"] / more["traces"]},
    )


@contextmanager
def pool(workers: int, checks: Checks = ALL) -> Iterator[InspectionPool]:
    """So many worker processes, not yet started."""
    with tempfile.TemporaryDirectory(prefix="sidecheck-bench-") as folder:
        options, plan = JudgeOptions(checks), catalogue.build(checks)
        made = InspectionPool(options, plan, workers, Path(folder) / "quarantine")
        try:
            yield made
        finally:
            made.close()


async def _in_turn(pools: Sequence[InspectionPool], jobs: Sequence[Job], rounds: int) -> list[list[float]]:
    """Seconds by pool and round."""
    seconds: list[list[float]] = [[] for _ in pools]
    for pool in pools:
        await pool.warm_up()
        await _judge(pool, jobs)
    for number in range(rounds):
        for pool, taken in in_turn(zip(pools, seconds, strict=True), number):
            began = time.monotonic()
            await _judge(pool, jobs)
            taken.append(time.monotonic() - began)
    return seconds


async def _judge(pool: InspectionPool, jobs: Sequence[Job]) -> None:
    slots = asyncio.Semaphore(pool.workers * SLOTS_A_WORKER)

    async def inspect(batch: Sequence[Job]) -> None:
        async with slots:
            await pool.inspect(batch)

    await asyncio.gather(*(inspect(jobs[start : start + BATCH]) for start in range(0, len(jobs), BATCH)))


def _jobs(traces: int) -> list[Job]:
    batches = (decode.traces_from_protobuf(r.traces, Source.FILE, ReceiverLimits()) for r in sent(Load(traces)))
    return [Job(p.trace_id, p.spans, p.logs, CloseReason.ROOT_SEEN) for batch in batches for p in batch.pieces]


def _memory_at_rest(sidecar: Serving, rest_s: float) -> float:
    """The least MiB that front and workers hold within so many seconds."""
    until_s, least = time.monotonic() + rest_s, usage(sidecar.process.pid).memory_mib
    while time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)
        least = min(least, usage(sidecar.process.pid).memory_mib)
    return least


def _memory_when_open(sidecar: Serving, traces: int) -> float:
    until("all traces are open", lambda: sidecar.metric("sidecheck_traces_open") >= traces)
    return usage(sidecar.process.pid).front_mib  # where they are; the workers may still be loading
