"""The worker processes: closed traces out in batches, records back.

Owns the pool and what happens when a worker dies: the batch's traces are tried again one by one, so that only the
culprit suffers; a trace that takes a second worker with it is quarantined on disk and judged ``ERRORED``.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as TaskTimeout
from pathlib import Path

import structlog
from pebble import CONSTS, ProcessExpired, ProcessPool

from checks.catalogue import PlannedCheck
from collector.logs import place_of
from collector.pipeline.judge import Job, Judge, JudgeOptions, unjudged
from exporters.record import Record

BATCH = 64
SECONDS_A_TRACE = 30.0
"""A worker that is busy with one trace for longer is replaced; checks have shorter deadlines of their own."""
SECONDS_A_FURTHER_TRACE = 1.0
"""What each further trace of a batch adds to that: a batch that takes longer is judged again, one trace at a time."""
POOLS_TRIED = 3
"""How often a batch is given to a new set of workers, where all of them are gone."""
KILLED_AFTER_S = 0.5
"""Workers ignore the polite signal (see ``start_worker``); after so long comes the other one."""
_PR_SET_PDEATHSIG = 1

log = structlog.get_logger()
_judge: Judge | None = None


def start_worker(options: JudgeOptions) -> None:
    """Prepare a worker process: leave signals to the front process, die with it, load the checks."""
    from collector.pipeline.deadline import SignalDeadline

    global _judge  # noqa: PLW0603 - a worker process is its own world and has exactly one judge
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Service managers signal all processes at once: what is still open has to be judged before the workers may go.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_the_front_process()
    _judge = Judge(options, deadline=SignalDeadline())
    _judge.load()


def _die_with_the_front_process() -> None:
    """Have the kernel kill this worker when its parent is gone, even while a check hangs.

    Elsewhere than on Linux a worker ends when it is done with its batch and finds the channel closed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it was gone before the kernel was asked
        os._exit(1)


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
        self._options = options
        self._is_closed = False
        CONSTS.term_timeout = KILLED_AFTER_S
        self._pool = self._new_pool()

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
        self._is_closed = True
        self._pool.close()
        try:
            self._pool.join(wait_s)
        except TimeoutError:
            self._pool.stop()
            self._pool.join(wait_s)

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.workers,
            initializer=start_worker,
            initargs=[self._options],
            context=multiprocessing.get_context("spawn"),
        )

    async def _send(self, jobs: Sequence[Job]) -> list[Record]:
        for _ in range(POOLS_TRIED - 1):
            pool = self._pool
            try:
                return await self._send_to(pool, jobs)
            except Exception:
                if pool.active or self._is_closed:
                    raise
                await self._replace(pool)
        return await self._send_to(self._pool, jobs)

    async def _send_to(self, pool: ProcessPool, jobs: Sequence[Job]) -> list[Record]:
        timeout = self._seconds + SECONDS_A_FURTHER_TRACE * max(0, len(jobs) - 1)
        future = pool.schedule(judge_batch, args=[jobs], timeout=timeout)
        records: list[Record] = await asyncio.wrap_future(future)
        return records

    async def _replace(self, broken: ProcessPool) -> None:
        """A pool gives up when a worker dies while none has a task: the kernel was short of memory, for instance."""
        if self._pool is broken:
            log.warning("the workers are gone; starting new ones")
            self._on_restart()
            self._pool = self._new_pool()
            await asyncio.to_thread(broken.join)

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
