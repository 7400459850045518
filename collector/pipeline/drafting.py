"""The case of a stored trace that has none, for a person who promotes it: there were enough of its kind already.

Made of what is stored, by the verdicts that stand, in a worker: personal data is looked for there, and nowhere else.
"""

import asyncio

from checks.report import Outcome
from collector.pipeline.inspection import InspectionPool
from collector.pipeline.judge import Job
from exporters.dataset.case import Case
from exporters.store import Store, StoreUnavailable

DRAFTED_WITHIN_S = 60.0
"""A worker may first have to be started, and to finish the batch that it has."""


class Drafting:
    """An ``exporters.review.routes.DraftCase``. Called on other threads than the event loop's, which holds the pool."""

    def __init__(self, store: Store, pool: InspectionPool, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._pool = pool
        self._loop = loop

    def __call__(self, trace_id: str) -> Case | None:
        """The case that the trace makes; ``None`` where it makes none.

        Raises:
            RedactionFailed: it must not be written.
            StoreError: the trace cannot be read now, or no worker was free in time.
        """
        job = self._job(trace_id)
        if job is None:
            return None
        drafting = asyncio.run_coroutine_threadsafe(self._pool.draft(job), self._loop)
        try:
            return drafting.result(DRAFTED_WITHIN_S)
        except TimeoutError:
            drafting.cancel()
            raise StoreUnavailable("the workers are busy; ask again in a moment") from None

    def _job(self, trace_id: str) -> Job | None:
        stored = self._store.trace(trace_id)
        if stored is None or all(verdict.outcome is not Outcome.FAILED for verdict in stored.verdicts):
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
