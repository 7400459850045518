"""Feedback on its way into the store: kept there first, by whichever process it reaches.

A process that judges goes on from there (``Front``). One that does not is an intake for feedback alone: the store holds
the trace out to the processes that judge (``Store.claim``).
"""

import asyncio
from collections.abc import Callable

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Refusal, Refused, Source
from collector.pipeline.census import FORGOTTEN
from collector.pipeline.counting import count_refused
from collector.pipeline.losses import Losses
from exporters.metrics.prometheus import Metrics
from exporters.store import Store, StoreError, TraceForgotten


class FeedbackDesk:
    """A ``FeedbackIntake`` over a store. ``wall_ns`` gives nanoseconds since the epoch."""

    def __init__(self, store: Store, metrics: Metrics, losses: Losses, wall_ns: Callable[[], int]) -> None:
        self._store = store
        self._metrics = metrics
        self._losses = losses
        self._wall_ns = wall_ns

    async def keep(self, target: FeedbackTarget, feedback: Feedback) -> tuple[str, ...] | None:
        """Keep feedback. Returns the stored trace to judge again, ``None`` where it names a forgotten one.

        Raises ``Refused`` where the store cannot take it.
        """
        try:
            found = await asyncio.to_thread(self._store.add_feedback, target, feedback, self._wall_ns())
        except TraceForgotten:
            self._losses.dropped("feedback", FORGOTTEN, count=1)
            return None
        except StoreError as error:
            raise Refused(Refusal.STORAGE, f"{error}; send again later", 2.0) from error
        self._metrics.inc("sidecheck_feedback_accepted_total", source=feedback.source)
        return found

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """See ``FeedbackIntake.accept_feedback``."""
        found = await self.keep(target, feedback)
        return found[0] if found else None

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:
        """See ``FeedbackIntake.refused``."""
        count_refused(self._metrics, source, reason, records)
