"""Which open traces are new, which were judged before, which are to be forgotten; and how many are begun and not ended.

Keeps the account of ``/metrics``: accepted = evaluated + open + dropped. A trace that its source may get back (another
replica takes over the partition) counts from when it is complete. Used on the event loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import structlog

from collector.pipeline.buffer import TraceBuffer
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.decided import Decided
from collector.pipeline.losses import Losses
from collector.progress import Position
from exporters.metrics.prometheus import Metrics
from exporters.store import StoreError

log = structlog.get_logger()

FORGOTTEN = "forgotten"
"""Why something of a trace that was forgotten on demand is dropped."""


class Census:
    """``release`` is called with the positions of a trace that is let go of."""

    def __init__(
        self,
        buffer: TraceBuffer,
        decided: Decided,
        losses: Losses,
        metrics: Metrics,
        release: Callable[[Sequence[Position]], None],
    ) -> None:
        self._buffer = buffer
        self._decided = decided
        self._losses = losses
        self._metrics = metrics
        self._release = release
        self._lock = asyncio.Lock()
        self.open_traces = 0
        """Traces accepted and not yet evaluated or dropped."""

    def begin(self, number: int = 1) -> None:
        """Count traces as accepted."""
        self.open_traces += number
        self._metrics.inc("sidecheck_traces_accepted_total", number)

    def end(self, number: int) -> None:
        """Note that traces were evaluated or dropped, which is counted elsewhere."""
        self.open_traces -= number

    async def resolve(self, now_ns: Callable[[], int]) -> None:
        """Find out which new traces were judged before, or forgotten; count those that were not judged as accepted."""
        async with self._lock:  # else a trace could be let go of between being told of and being counted
            new = self._buffer.take_new()
            if new:
                await self._tell_apart(new, now_ns)

    async def admit(self, closed: Sequence[ClosedTrace]) -> list[ClosedTrace]:
        """Count the closed traces that were not counted while their source could have got them back.

        Another replica may have judged a part of one meanwhile: what is here of it is late then.
        """
        new = {t.trace_id for t in closed if not (t.counted or t.late) and t.is_shared}
        if not new:
            return [*closed]
        stored = await self._stored(sorted(new))
        admitted = [replace(t, late=True) if t.trace_id in stored else t for t in closed]
        for trace in admitted:
            if trace.trace_id in new and trace.span_count and not trace.late:
                self.begin()
        return admitted

    async def _stored(self, trace_ids: Sequence[str]) -> set[str]:
        try:
            return await self._decided.stored(trace_ids)
        except StoreError as error:  # it will not take their verdicts either, and says so then
            log.error("the store cannot tell which traces it holds", problem=str(error))
            return set()

    async def discard(self, trace_ids: Iterable[str]) -> int:
        """Let go of the open ones among traces that the store has forgotten. Returns how many these were."""
        async with self._lock:
            return sum(self._discard(trace_id) for trace_id in trace_ids)

    def lose(self, closed: Sequence[ClosedTrace], reason: str) -> None:
        """Count closed traces that nobody will judge: new ones as traces, of known ones what came late."""
        new = [trace.trace_id for trace in closed if not trace.late]
        self.end(len(new))
        self._losses.dropped("trace", reason, new)
        late = [trace for trace in closed if trace.late]
        ids = [trace.trace_id for trace in late]
        self._losses.dropped("logs", reason, ids, sum(trace.log_count for trace in late))
        self._losses.dropped("span", reason, ids, sum(trace.span_count for trace in late))

    async def _tell_apart(self, new: Sequence[tuple[str, bool]], now_ns: Callable[[], int]) -> None:
        ids = [trace_id for trace_id, _ in new]
        try:
            known, forgotten = await self._decided.standing(ids)
        except BaseException:
            self._buffer.put_back(new)
            raise
        now = now_ns()
        begun = 0
        for trace_id, has_spans in new:
            if trace_id in known and trace_id not in forgotten:
                self._buffer.mark_late(trace_id, now)
            elif has_spans and self._buffer.count(trace_id):
                begun += 1
        self.begin(begun)
        for trace_id in forgotten:
            self._discard(trace_id)

    def _discard(self, trace_id: str) -> bool:
        trace = self._buffer.discard(trace_id)
        if trace is None:
            return False
        if trace.span_count:
            if not (trace.counted or trace.late):
                self.begin()
            self.lose([trace], FORGOTTEN)
        self._release(trace.positions)
        return True
