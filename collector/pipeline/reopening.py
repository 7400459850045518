"""Closed traces become jobs, with what the store holds of them: a little at a time, however many are opened at once.

What is loaded here was let in long ago, so nobody at the door can refuse it: a burst of feedback may open any number of
large traces. It has a share of the memory budget, and is loaded as that gets free.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from operator import attrgetter

from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.decided import Decided, job_of
from collector.pipeline.inspection import batches
from collector.pipeline.job import Job
from collector.pipeline.options import FrontOptions
from collector.pipeline.room import Room
from collector.progress import Position
from exporters.metrics.prometheus import Metrics

LOADED_SHARE = 0.25
"""The part of the memory budget for what is loaded; more only where a single batch needs it."""
LOOK_S = 0.05
"""How often to look whether there is room: only a burst of large traces ever waits."""

_size_of_job = attrgetter("size")


class Reopening:
    """``release`` is called with the positions of a trace of which there is nothing to judge.

    ``room`` tells of which traces the cases have none.
    """

    def __init__(
        self,
        options: FrontOptions,
        decided: Decided,
        metrics: Metrics,
        release: Callable[[Sequence[Position]], None],
        room: Room,
    ) -> None:
        self._decided = decided
        self._metrics = metrics
        self._release = release
        self._room = room
        self.adopt(options)

    def adopt(self, options: FrontOptions) -> None:
        """Go by these limits of assembly and of memory from now on."""
        self._limits = options.assembly
        self._most_loaded = int(LOADED_SHARE * options.memory_bytes)

    async def jobs(self, closed: Sequence[ClosedTrace]) -> AsyncIterator[list[Job]]:
        """Jobs of a batch of closed traces, in batches: mostly it is one. Waits for room.

        Raises ``exporters.store.StoreError``, but for one that says to try again.
        """
        async for jobs in self._jobs(closed, waits=True):
            yield jobs

    async def jobs_at_once(self, closed: Sequence[ClosedTrace]) -> AsyncIterator[list[Job]]:
        """The same for whom others wait: without waiting for them to make room."""
        async for jobs in self._jobs(closed, waits=False):
            yield jobs

    async def _jobs(self, closed: Sequence[ClosedTrace], *, waits: bool) -> AsyncIterator[list[Job]]:
        again = [trace.trace_id for trace in closed if trace.late or trace.touched]
        if not again:
            full = self._room.full
            yield [job_of(trace, None, self._limits, full) for trace in closed]
            return
        self._metrics.inc("sidecheck_late_spans_total", sum(trace.span_count for trace in closed if trace.late))
        sizes = await self._decided.sizes(again)
        for part in batches(closed, lambda trace: trace.size + sizes.get(trace.trace_id, 0)):
            while waits and self._decided.loaded > self._most_loaded:  # noqa: ASYNC110 - rare
                await asyncio.sleep(LOOK_S)
            for jobs in batches(await self._load(part), _size_of_job):
                yield jobs

    async def _load(self, closed: Sequence[ClosedTrace]) -> list[Job]:
        kept = await self._decided.kept([trace.trace_id for trace in closed if trace.late or trace.touched])
        jobs, full = [], self._room.full
        for trace in closed:
            job = job_of(trace, kept.get(trace.trace_id), self._limits, full)
            if job.spans or job.earlier is not None:
                jobs.append(job)
            else:  # what was kept is gone: retention was faster
                self._release(self._decided.ended([trace.trace_id]))
        return jobs
