"""A stored trace read once more, for a person who looks at it. Judges nothing and changes nothing.

A worker makes the view: reading takes a hundred times a trace's bytes, seconds for a large one, and whatever an app (or
who it lets in) wrote there can end no more than that worker. A page also shows the spans, which are too many objects to
be sent between processes: it reads a trace of few bytes itself, and makes the view of that.
"""

import asyncio
import threading
from dataclasses import replace

from google.protobuf.message import DecodeError

from checks.interaction import Interaction
from collector.pipeline.assembler import assemble
from collector.pipeline.job import Job, NoView
from collector.pipeline.pricing import as_judged
from collector.pipeline.rolling import Workers
from exporters import codec
from exporters.store import StoredTrace

SHOWN_WITHIN_S = 15.0
"""A worker may first have to be started, and to finish the batch that it has."""

_one_at_a_time = threading.Lock()
"""A large trace takes a hundred times its bytes while it is read; several at once would take several times that."""


def read_trace(stored: StoredTrace) -> Interaction | None:
    """An ``exporters.review.site.ReadTrace``: what the app did in the trace, with all its spans."""
    from collector.conventions.read import read  # the first page of a trace waits for all conventions, and no start

    with _one_at_a_time:
        try:
            trace = assemble(stored.trace_id, stored.spans, stored.logs, stored.closed_by, (), stored.truncated)
        except DecodeError:
            return None
        return as_judged(read(trace), stored.costs)


class Showing:
    """An ``exporters.review.site.ShowTrace``. Called on other threads than the event loop's, which holds the pool.

    Whoever looks has one worker at a time, and the others go on judging.
    """

    def __init__(self, pool: Workers, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._turn = asyncio.Lock()

    def __call__(self, stored: StoredTrace) -> StoredTrace:
        """The trace with its view, or with nothing in it and the reason why."""
        if stored.view is not None:
            return stored
        view = asyncio.run_coroutine_threadsafe(self._view(stored), self._loop)
        try:
            return replace(stored, view=codec.from_json(view.result(SHOWN_WITHIN_S)))
        except TimeoutError:
            view.cancel()
            problem = "the workers are busy; ask again in a moment"
        except NoView as error:
            problem = str(error)
        return replace(stored, view={}, view_problem=problem)

    async def _view(self, stored: StoredTrace) -> str:
        job = Job(stored.trace_id, stored.spans, stored.logs, stored.closed_by, truncated=stored.truncated)
        async with self._turn:
            return await self._pool.view(job, stored.costs)
