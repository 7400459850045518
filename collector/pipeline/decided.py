"""What was judged before: whether a trace is known, what was kept of it, and how late spans join it.

The store is the memory; beside it only the ids of traces that are on their way to it, so that a span that comes in that
moment waits for the store instead of starting a trace of its own.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import stamina

from collector.pipeline.buffer import AssemblyLimits, ClosedTrace
from collector.pipeline.judge import Job, decompress
from exporters.store import Kept, Store, StoreError

Result = TypeVar("Result")


class Decided:
    """Asks the store, in threads, about traces that were judged before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.under_way: dict[str, tuple[int, ...]] = {}
        """Traces that were closed and are not stored yet, with the journal's positions that hold them."""

    def began(self, traces: Iterable[ClosedTrace]) -> None:
        """Note traces as closed and not stored yet."""
        self.under_way.update((trace.trace_id, trace.positions) for trace in traces)

    def ended(self, trace_ids: Iterable[str]) -> list[int]:
        """Note traces as stored or dropped; returns the positions that held them."""
        return [position for trace_id in trace_ids for position in self.under_way.pop(trace_id, ())]

    async def known(self, trace_ids: Sequence[str]) -> set[str]:
        """Those of ``trace_ids`` that were judged before or are just being judged."""
        near = self.under_way.keys() & set(trace_ids)
        far = [trace_id for trace_id in trace_ids if trace_id not in near]
        return near | await _patiently(self._store.known, far) if far else near

    async def kept(self, trace_ids: Sequence[str]) -> Mapping[str, Kept]:
        """What the store holds of these traces."""
        return await _patiently(self._store.load, trace_ids) if trace_ids else {}


async def _patiently(ask: Callable[[Sequence[str]], Result], trace_ids: Sequence[str]) -> Result:
    """Ask the store in a thread, again and again while it is locked or away.

    There is no giving up: a trace must not be judged without what was kept of it. While the answer is out, what comes
    in piles up until the memory budget refuses it, and senders keep it.
    """
    retrying = stamina.retry_context(on=is_retryable, attempts=None, timeout=None, wait_initial=0.05, wait_max=5.0)
    async for attempt in retrying:
        with attempt:
            return await asyncio.to_thread(ask, trace_ids)
    raise AssertionError  # pragma: no cover - stamina returns or raises


def is_retryable(error: Exception) -> bool:
    """Whether the store asks to be asked again."""
    return isinstance(error, StoreError) and error.is_retryable


def merge(trace: ClosedTrace, kept: Kept | None, limits: AssemblyLimits) -> Job:
    """A job of what came now and what was kept.

    Late spans do not make a trace grow without bound: beyond ``limits.max_bytes`` they are left out and the trace is
    marked as truncated.
    """
    if kept is None:
        return Job(trace.trace_id, trace.spans, trace.logs, trace.closed_by, truncated=trace.truncated)
    spans, logs = decompress(kept.spans), decompress(kept.logs)
    fits = len(spans) + len(logs) + trace.size <= 2 * limits.max_bytes
    return Job(
        trace_id=trace.trace_id,
        spans=spans + trace.spans if fits else spans,
        logs=logs + trace.logs if fits else logs,
        closed_by=trace.closed_by,
        feedback=kept.feedback,
        truncated=trace.truncated or kept.truncated or not fits,
        previous=kept.verdicts,
        previous_feedback=kept.judged_feedback,
    )
