"""What people's decisions on cases need of the workers: personal data is looked for there, and nowhere else.

``Drafting`` makes the case of a stored trace that has none, by the verdicts that stand: there were enough of its kind
already, or nothing is wrong with it and a person takes it for an example. ``Admission`` looks at a case before it is
promoted, or changed.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from collector.pipeline.inspection import batches
from collector.pipeline.job import Job
from collector.pipeline.rolling import Workers
from exporters.codec import case_to_json
from exporters.dataset.case import Case
from exporters.dataset.gate import Answer, Asked
from exporters.store import Store, StoreUnavailable

ANSWERED_WITHIN_S = 60.0
"""A worker may first have to be started, and to finish the batch that it has."""
Made = TypeVar("Made")


class Drafting:
    """An ``exporters.review.routes.DraftCase``. Called on other threads than the event loop's, which holds the pool."""

    def __init__(self, store: Store, pool: Workers, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._pool = pool
        self._loop = loop

    def __call__(self, trace_id: str) -> Case | None:
        """The case of the trace; ``None`` where it is not stored, or no cases are made.

        Raises:
            RedactionFailed, RedactionUnavailable: it must not be written; its worker was lost.
            StoreError: the trace cannot be read now, or no worker was free in time.
        """
        job = self._job(trace_id)
        if job is None:
            return None
        return _result(self._pool.draft(job), self._loop)

    def _job(self, trace_id: str) -> Job | None:
        stored = self._store.trace(trace_id)
        if stored is None:
            return None
        return Job(
            stored.trace_id,
            stored.spans,
            stored.logs,
            stored.closed_by,
            stored.feedback,
            stored.truncated,
            previous=stored.verdicts,
        )


class Admission:
    """An ``exporters.dataset.gate.AdmitCases``. Called on other threads than the event loop's."""

    def __init__(self, pool: Workers, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop

    def __call__(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Each case as it may stand in the dataset, or why it must not; see ``collector.pipeline.judge.Judge.admit``.

        Raises:
            RedactionUnavailable: a worker was lost over them.
            StoreUnavailable: they were not all looked at within ``ANSWERED_WITHIN_S``.
        """
        return _result(self._admitted(asked), self._loop)

    async def _admitted(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """All the answers; a case and its whole history are few batches, or one."""
        several = batches(asked, lambda one: len(case_to_json(one.case)))
        return [answer for batch in several for answer in await self._pool.admit(batch)]


def _result(work: Coroutine[Any, Any, Made], loop: asyncio.AbstractEventLoop) -> Made:
    waited = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return waited.result(ANSWERED_WITHIN_S)
    except TimeoutError:
        waited.cancel()
        raise StoreUnavailable("the workers are busy; ask again in a moment") from None
