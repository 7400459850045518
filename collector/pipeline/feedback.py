"""Feedback on its way into the store: kept there first, by whichever process it reaches.

A process that judges goes on from there (``Front``). One that does not is an intake for feedback alone: the store holds
the trace out to the processes that judge (``Store.claim``).

One piece goes at a time, as the store takes it anyway: whoever sends a lot of it occupies one thread. Where the store
does not take it, those that waited meanwhile are refused as well; while the store is known to be degraded, one sender
finds out whether it is well again and the others are refused at once.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from checks.trace import CloseReason, Feedback, FeedbackTarget
from collector.conventions import feedback as convention
from collector.intake import Refusal, Refused, Source
from collector.logs import place_of
from collector.pipeline.assembler import assemble
from collector.pipeline.census import FORGOTTEN
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.counting import count_refused
from collector.pipeline.decided import in_the_end
from collector.pipeline.losses import Losses
from exporters.metrics.prometheus import Metrics
from exporters.store import Store, StoreError, TraceForgotten

MOST_EARLY = 200
"""Pieces of feedback that are kept of one trace of which no span has come; the latest ones."""

log = structlog.get_logger()


def _nothing_known() -> str | None:
    return None


class FeedbackDesk:
    """A ``FeedbackIntake`` over a store. ``wall_ns`` gives nanoseconds since the epoch.

    ``degraded`` gives what others found wrong with the store just now, ``None`` for nothing.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        losses: Losses,
        wall_ns: Callable[[], int],
        degraded: Callable[[], str | None] = _nothing_known,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._losses = losses
        self._wall_ns = wall_ns
        self._degraded = degraded
        self._turn = asyncio.Lock()
        self._failures = 0
        self._last_problem = ""

    async def keep(self, target: FeedbackTarget, feedback: Feedback) -> tuple[str, ...] | None:
        """Keep feedback. Returns the stored trace to judge again, ``None`` where it names a forgotten one.

        Raises ``Refused`` where the store cannot take it.
        """
        problem = self._degraded()
        if problem is not None and self._turn.locked():
            raise _later(problem)
        failures = self._failures
        async with self._turn:
            if self._failures > failures:  # while this one waited
                raise _later(self._last_problem)
            try:
                found = await self._add(target, feedback)
            except TraceForgotten:
                self._losses.dropped("feedback", FORGOTTEN, count=1)
                return None
        self._metrics.inc("sidecheck_feedback_accepted_total", source=feedback.source)
        return found

    async def keep_early(self, trace: ClosedTrace) -> tuple[str, ...]:
        """Keep what was said in the log records of a trace of which no span has come; the rest of them is dropped.

        Asks the store again and again while it is locked or away: the log records were acknowledged. Returns the trace
        to judge again, where it came meanwhile.
        """
        target = FeedbackTarget(trace_id=trace.trace_id)
        left, reason = trace.log_count, "no_spans"
        found: tuple[str, ...] = ()
        try:
            said = await asyncio.to_thread(_said_in, trace)
            for given in said[-MOST_EARLY:]:
                found = await in_the_end(partial(self._put, target, given))
                self._metrics.inc("sidecheck_feedback_accepted_total", source=given.source)
                left -= 1
        except TraceForgotten:
            reason = FORGOTTEN
        except Exception as error:  # noqa: BLE001 - counted, and the line lives on
            log.error("feedback in log records could not be kept", error=place_of(error))
            reason = "internal_error"
        self._losses.dropped("logs", reason, [trace.trace_id] if left else (), left)
        return found

    async def _put(self, target: FeedbackTarget, feedback: Feedback) -> tuple[str, ...]:
        return await asyncio.to_thread(self._store.add_feedback, target, feedback, self._wall_ns())

    async def _add(self, target: FeedbackTarget, feedback: Feedback) -> tuple[str, ...]:
        try:
            return await self._put(target, feedback)
        except TraceForgotten:
            raise
        except StoreError as error:
            self._failures += 1
            self._last_problem = str(error)
            raise _later(self._last_problem) from error

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """See ``FeedbackIntake.accept_feedback``."""
        found = await self.keep(target, feedback)
        return found[0] if found else None

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:
        """See ``FeedbackIntake.refused``."""
        count_refused(self._metrics, source, reason, records)


def _later(problem: str) -> Refused:
    return Refused(Refusal.STORAGE, f"{problem}; send again later", 2.0)


def _said_in(trace: ClosedTrace) -> tuple[Feedback, ...]:
    """What people said in the log records of a trace, in order of time."""
    found = convention.read(assemble(trace.trace_id, b"", trace.logs, CloseReason.IDLE))
    return tuple(map(convention.bounded, found))
