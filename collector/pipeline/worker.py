"""What runs inside a worker process: it is prepared once, then judges one batch after another.

Owns the process's signals, its limit of memory and its one judge. Who gives it work, and what becomes of a trace that
it does not survive, is the business of ``inspection``.
"""

import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.pipeline import heap, parent
from collector.pipeline.job import Job, Judged, JudgeOptions
from exporters.dataset.case import Case
from exporters.dataset.gate import Answer, Asked, one_by_one

MIB = 1 << 20
MEMORY_BYTES = 1024 * MIB
"""What a worker may usually allocate beyond what its checks and their libraries took when they were loaded. Beyond it a
check gets a ``MemoryError``, or ends the process where its library cannot bear one. Linux only: elsewhere there is no
limit that is enforced."""
KEPT = 0.5
"""A worker that holds so much of it between two batches is replaced: some check does not let go."""
EXIT_WORN_OUT = 77
"""The exit code of a worker that asks to be replaced. Its batch was not begun."""

_IN_MEMORY, _PRIVATE = 1, 5
"""Columns of ``/proc/self/statm`` (proc(5)), in pages: resident, and data + stack, which ``RLIMIT_DATA`` counts."""

_worker: "_Worker | None" = None


class _Worker:
    """The judge of this process, and the memory that it may hold between two batches."""

    def __init__(self, options: JudgeOptions, memory_bytes: int) -> None:
        from collector.pipeline.deadline import SignalDeadline
        from collector.pipeline.judge import Judge  # with all that it takes to judge, which is for workers alone

        self._deadline = SignalDeadline()
        self._tells_results = options.tells_results
        self.judge = Judge(options, deadline=self._deadline)
        self.judge.load()
        heap.collect_rarely()
        self._most = _memory(_IN_MEMORY) + int(memory_bytes * KEPT)

    def judged(self, jobs: Sequence[Job], left_out: Mapping[str, str]) -> Judged:
        self._deadline.install()  # a check may have taken the signal for itself
        records = self.judge.judge_all(jobs, left_out)
        return Judged.of(records, with_results=self._tells_results)

    def drafted(self, job: Job) -> Case | None:
        self._deadline.install()
        return self.judge.draft(job)

    def admitted(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        self._deadline.install()
        return one_by_one(self.judge.admit)(asked)

    @property
    def is_worn_out(self) -> bool:
        return _memory(_IN_MEMORY) > self._most


def start_worker(options: JudgeOptions, memory_bytes: int = MEMORY_BYTES) -> None:
    """Prepare the process: leave signals to the front process, die with it, load the checks, limit the memory."""
    global _worker  # noqa: PLW0603 - a worker process is its own world and has exactly one judge
    heap.keep_shared()
    parent.leave_signals()
    parent.end_with_parent()
    parent.end_if_orphaned()
    heap.keep_small()
    _worker = _Worker(options, memory_bytes)
    _limit_memory(memory_bytes)


def judge_batch(jobs: Sequence[Job], left_out: Mapping[str, str]) -> Judged:
    """Judge traces, without the checks in ``left_out`` (name and reason)."""
    worker = _started()
    if worker.is_worn_out:
        os._exit(EXIT_WORN_OUT)
    return worker.judged(jobs, left_out)


def try_check(job: Job, check: str) -> None:
    """Run one check on a trace, to see whether the process survives it."""
    _started().judge.try_check(job, check)


def draft_case(job: Job) -> Case | None:
    """The case that a judged trace makes; see ``Judge.draft``."""
    return _started().drafted(job)


def view_trace(job: Job, costs: Sequence[float | None]) -> str:
    """The view of a judged trace; see ``Judge.view``."""
    return _started().judge.view(job, costs)


def admit_cases(asked: Sequence[Asked]) -> Sequence[Answer]:
    """Each case as it may stand in the dataset, or why it must not; see ``Judge.admit``."""
    return _started().admitted(asked)


def _started() -> _Worker:
    if _worker is None:  # pragma: no cover - the pool runs start_worker first
        msg = "the worker was not started"
        raise RuntimeError(msg)
    return _worker


def _limit_memory(memory_bytes: int) -> None:
    """Limit private memory rather than address space: what is only mapped (a model's file) costs nobody anything."""
    if sys.platform != "linux":
        return
    most = _memory(_PRIVATE) + memory_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _memory(column: int) -> int:
    """Bytes of this process's memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[column]) * resource.getpagesize()
    except OSError:
        return 0
