"""Worker pools that follow one another without a break: the new one has begun before the old one is let go.

Owns which pool gets the next batch. A batch is judged to its end by the pool that it was given to.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from collector.pipeline.job import Job, Judged
from collector.spans import Kind, Spans, no_spans
from exporters.dataset.case import Case
from exporters.dataset.gate import Answer, Asked


class Workers(Protocol):
    """What judges, wherever it runs; see ``InspectionPool``."""

    @property
    def workers(self) -> int:
        """How many batches are judged at one time."""
        ...

    async def inspect(self, jobs: Sequence[Job]) -> Judged:
        """Judge a batch."""
        ...

    async def draft(self, job: Job) -> Case | None:
        """Make the case of a judged trace."""
        ...

    async def view(self, job: Job, costs: Sequence[float | None]) -> str:
        """Make the view of a judged trace."""
        ...

    async def admit(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Look whether cases may stand in the dataset."""
        ...


class Pool(Workers, Protocol):
    """A set of workers that can be let go."""

    @property
    def problem(self) -> str | None:
        """What is wrong at this moment; ``None`` while all is well."""
        ...

    async def warm_up(self) -> None:
        """Start the workers."""
        ...

    async def forget_last(self) -> None:
        """Hold on to no batch that is done."""
        ...

    def retire(self) -> None:
        """End the workers, which have nothing to do any more. Blocks."""
        ...

    def close(self) -> None:
        """End the workers, whatever they do. Blocks."""
        ...


class _Shift:
    """A pool and how much is under way in it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.under_way = 0
        self.idle = asyncio.Event()


class RollingPool:
    """The pool of the moment. Used on one event loop; has as many workers as the first pool, always.

    What it is given to do is told of to ``spans``.
    """

    def __init__(self, pool: Pool, spans: Spans = no_spans) -> None:
        self._spans = spans
        self.workers = pool.workers
        self._now = _Shift(pool)
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def problem(self) -> str | None:
        """See ``Pool``."""
        return self._now.pool.problem

    async def warm_up(self) -> None:
        """See ``Pool``."""
        await self._now.pool.warm_up()

    async def forget_last(self) -> None:
        """See ``Pool``."""
        with self._shift() as pool:
            await pool.forget_last()

    async def inspect(self, jobs: Sequence[Job]) -> Judged:
        """See ``InspectionPool.inspect``."""
        with self._spans("judge", Kind.INTERNAL, {"sidecheck.batch.traces": len(jobs)}), self._shift() as pool:
            return await pool.inspect(jobs)

    async def draft(self, job: Job) -> Case | None:
        """See ``InspectionPool.draft``."""
        with self._spans("draft case", Kind.INTERNAL, {}), self._shift() as pool:
            return await pool.draft(job)

    async def view(self, job: Job, costs: Sequence[float | None]) -> str:
        """See ``InspectionPool.view``."""
        with self._spans("view trace", Kind.INTERNAL, {}), self._shift() as pool:
            return await pool.view(job, costs)

    async def admit(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """See ``InspectionPool.admit``."""
        with self._spans("admit case", Kind.INTERNAL, {}), self._shift() as pool:
            return await pool.admit(asked)

    def replace(self, pool: Pool) -> None:
        """Give the next batch to another pool, and let the old one go when it is done with what it has."""
        old, self._now = self._now, _Shift(pool)
        task = asyncio.create_task(self._let_go(old), name="retiring workers")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def close(self) -> None:
        """End all workers. Blocks; nothing is under way any more."""
        self._now.pool.close()

    async def settled(self) -> None:
        """Wait until the workers of earlier pools are gone."""
        await asyncio.gather(*self._retiring)

    async def _let_go(self, shift: _Shift) -> None:
        if shift.under_way:
            await shift.idle.wait()
        await asyncio.to_thread(shift.pool.retire)

    @contextmanager
    def _shift(self) -> Iterator[Pool]:
        shift = self._now
        shift.under_way += 1
        try:
            yield shift.pool
        finally:
            shift.under_way -= 1
            if not shift.under_way:
                shift.idle.set()
