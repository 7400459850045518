"""The worker processes: closed traces out in batches, records back.

Owns the pool and what happens when a worker dies: the batch's traces are tried again one by one, so that only the
culprit suffers; a trace that takes a second worker with it is quarantined on disk and judged ``ERRORED``.
"""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as TaskTimeout
from pathlib import Path

import structlog
from pebble import ProcessExpired, ProcessPool

from checks.catalogue import PlannedCheck
from collector.logs import place_of
from collector.pipeline.judge import Job, Judge, JudgeOptions, unjudged
from exporters.record import Record

BATCH = 64
SECONDS_A_TRACE = 30.0
"""A worker that is busy with one trace for longer is replaced; checks have shorter deadlines of their own."""

log = structlog.get_logger()
_judge: Judge | None = None


def start_worker(options: JudgeOptions) -> None:
    """Prepare a worker process: leave signals to the front process, die with it, load the checks."""
    from collector.pipeline.deadline import SignalDeadline

    global _judge  # noqa: PLW0603 - a worker process is its own world and has exactly one judge
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _judge = Judge(options, deadline=SignalDeadline())
    _judge.load()


def judge_batch(jobs: Sequence[Job]) -> list[Record]:
    """Judge traces in a worker process."""
    if _judge is None:  # pragma: no cover - the pool runs start_worker first
        msg = "the worker was not started"
        raise RuntimeError(msg)
    return [_judge.judge(job) for job in jobs]


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class InspectionPool:
    """Worker processes that judge traces. ``on_restart`` is called once for each worker that had to be replaced."""

    def __init__(
        self,
        options: JudgeOptions,
        plan: Sequence[PlannedCheck],
        workers: int,
        quarantine: Path,
        on_restart: Callable[[], None] = lambda: None,
        seconds_a_trace: float = SECONDS_A_TRACE,
    ) -> None:
        self.workers = workers
        self._versions = [(p.name, p.check.info.version) for p in plan]
        self._quarantine = quarantine
        self._on_restart = on_restart
        self._seconds = seconds_a_trace
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=start_worker,
            initargs=[options],
            context=multiprocessing.get_context("spawn"),
        )

    async def warm_up(self) -> None:
        """Start the workers and load the checks, before the first trace waits for it."""
        await asyncio.gather(*(self._send(()) for _ in range(self.workers)))

    async def inspect(self, jobs: Sequence[Job]) -> list[Record]:
        """Judge a batch; one record for each job, whatever happens to the workers."""
        try:
            return await self._send(jobs)
        except (ProcessExpired, TaskTimeout):
            self._on_restart()
        except Exception as error:  # noqa: BLE001 - one trace that cannot be judged must not take its batch along
            log.warning("a batch could not be judged; its traces are tried one by one", error=place_of(error))
        return [await self._inspect_alone(job) for job in jobs]

    def close(self, *, wait_s: float = 5.0) -> None:
        """End the workers: those still busy after ``wait_s`` are killed."""
        self._pool.close()
        try:
            self._pool.join(wait_s)
        except TimeoutError:
            self._pool.stop()
            self._pool.join(wait_s)

    async def _send(self, jobs: Sequence[Job]) -> list[Record]:
        timeout = self._seconds * max(1, len(jobs))
        future = self._pool.schedule(judge_batch, args=[jobs], timeout=timeout)
        records: list[Record] = await asyncio.wrap_future(future)
        return records

    async def _inspect_alone(self, job: Job) -> Record:
        try:
            return (await self._send([job]))[0]
        except ProcessExpired as error:
            self._on_restart()
            reason = f"two workers died over this trace (exit code {error.exitcode})"
        except TaskTimeout:
            self._on_restart()
            reason = f"judging this trace took longer than {self._seconds:g} s"
        except Exception as error:  # noqa: BLE001 - a bug in reading a trace must not look like a bad answer
            reason = f"{type(error).__name__} while the trace was read"
        await asyncio.to_thread(self._set_aside, job, reason)
        return unjudged(job, self._versions, reason, time.time_ns())

    def _set_aside(self, job: Job, reason: str) -> None:
        log.error("trace quarantined", trace_id=job.trace_id, reason=reason)
        try:
            self._quarantine.mkdir(parents=True, exist_ok=True)
            (self._quarantine / f"{job.trace_id}.binpb").write_bytes(job.spans)
            if job.logs:
                (self._quarantine / f"{job.trace_id}.logs.binpb").write_bytes(job.logs)
            (self._quarantine / f"{job.trace_id}.reason.txt").write_text(reason + "\n", encoding="utf-8")
        except OSError as error:
            log.error("the quarantined trace could not be written", trace_id=job.trace_id, error=error.strerror)
