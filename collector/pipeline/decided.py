"""What was judged before: whether a trace is known, what was kept of it, and how late spans join it.

The store is the memory; beside it only the ids of traces that are on their way to it, so that a span that comes in that
moment waits for the store instead of starting a trace of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from checks.constructor import constructor_of
from checks.trace import CloseReason
from collector.pipeline import retrying
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.growing import TRACE_BYTES
from collector.pipeline.job import Job
from collector.pipeline.merging import Earlier
from collector.progress import Position
from exporters import codec
from exporters.packed import PARTS, Packed
from exporters.store import Kept, Store, StoreError

COPIES = 2
"""A trace on its way through a worker is here twice: as it was sent to the worker, and as the record that came back."""

Result = TypeVar("Result")


class Standing(NamedTuple):
    """Which of some traces were judged before, or are just being judged; and which were forgotten on demand.

    The latter must not come back.
    """

    known: set[str]
    forgotten: set[str]


@dataclass(frozen=True, slots=True)
class Either:
    """What is in one of two containers."""

    one: Container[str]
    other: Container[str]

    def __contains__(self, trace_id: object) -> bool:
        return trace_id in self.one or trace_id in self.other


class Decided:
    """Asks the store, in threads, about traces that were judged before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.under_way: dict[str, tuple[Position, ...]] = {}
        """Traces that were closed and are not stored yet, with the positions that hold them."""
        self.returning: set[str] = set()
        """Those of them that their sources give again to whoever owns them next."""
        self.held = 0
        """The memory that they take."""
        self.loaded = 0
        """The part of it that is what the store held of them before."""
        self._sizes: dict[str, int] = {}
        self._loaded: dict[str, int] = {}
        self.problem: str | None = None
        """Why the store does not answer at this moment; ``None`` while it does."""

    def began(self, traces: Iterable[ClosedTrace]) -> None:
        """Note traces as closed and not stored yet."""
        for trace in traces:
            self.under_way[trace.trace_id] = trace.positions
            if trace.returns:
                self.returning.add(trace.trace_id)
            self._sizes[trace.trace_id] = size = COPIES * trace.size + TRACE_BYTES
            self.held += size

    def ended(self, trace_ids: Iterable[str]) -> list[Position]:
        """Note traces as stored or dropped; returns the positions that held them."""
        positions: list[Position] = []
        for trace_id in trace_ids:
            positions += self.under_way.pop(trace_id, ())
            self.returning.discard(trace_id)
            self.held -= self._sizes.pop(trace_id, 0)
            self.loaded -= self._loaded.pop(trace_id, 0)
        return positions

    async def _ask(self, ask: Callable[[Sequence[str]], Result], trace_ids: Sequence[str]) -> Result:
        """Ask the store in a thread, again and again while it is locked or away.

        There is no giving up: a trace must not be judged without what was kept of it. While the answer is out, what
        comes in piles up until the memory budget refuses it, and senders keep it.
        """
        return await in_the_end(lambda: self._asked(ask, trace_ids))

    async def _asked(self, ask: Callable[[Sequence[str]], Result], trace_ids: Sequence[str]) -> Result:
        try:
            found = await asyncio.to_thread(ask, trace_ids)
        except StoreError as error:
            self.problem = f"{error}; trying again"
            raise
        self.problem = None
        return found

    async def standing(self, trace_ids: Sequence[str]) -> Standing:
        """How these traces stand. The store is asked both questions on one way to its thread."""
        near = self.under_way.keys() & set(trace_ids)
        far = [trace_id for trace_id in trace_ids if trace_id not in near]
        store = self._store
        known, forgotten = await self._ask(
            lambda ids: (store.known(far) if far else set(), store.forgotten(ids)), trace_ids
        )
        return Standing(near | known, forgotten)

    async def stored(self, trace_ids: Sequence[str]) -> set[str]:
        """Those of ``trace_ids`` that were judged before, here or by another replica, and stored."""
        return await self._ask(self._store.known, trace_ids)

    async def sizes(self, trace_ids: Sequence[str]) -> Mapping[str, int]:
        """How many bytes ``kept`` would load of each of these traces; nothing of one that is not stored."""
        return await self._ask(self._store.sizes, trace_ids) if trace_ids else {}

    async def kept(self, trace_ids: Sequence[str]) -> Mapping[str, Kept]:
        """What the store holds of these traces. It is counted among what is held until they have ended."""
        found = await self._ask(self._store.load, trace_ids) if trace_ids else {}
        for trace_id, kept in found.items():
            self._grew(trace_id, COPIES * len(kept.data))
        return found

    def _grew(self, trace_id: str, size: int) -> None:
        """Of a trace that is judged once more because another replica was faster, only what came last is there."""
        if trace_id in self.under_way:
            more = size - self._loaded.get(trace_id, 0)
            self._loaded[trace_id] = size
            self._sizes[trace_id] += more
            self.held += more
            self.loaded += more


async def in_the_end(ask: Callable[[], Awaitable[Result]]) -> Result:
    """What ``ask`` gives once the store no longer says to try again. Raises ``StoreError`` where it says otherwise."""
    return await retried(lambda _: ask())


async def retried(work: Callable[[int], Awaitable[Result]]) -> Result:
    """The same of work that is told how often it was tried."""
    return await retrying.in_the_end(work, is_retryable, 0.05, 5.0)


def is_retryable(error: Exception) -> bool:
    """Whether the store asks to be asked again."""
    return isinstance(error, StoreError) and error.is_retryable


_new_job = constructor_of(Job)


def job_of(trace: ClosedTrace, kept: Kept | None, limits: AssemblyLimits, full: frozenset[str] = frozenset()) -> Job:
    """A job of what came now and what was kept. The two are put together where the job is done, within ``limits``."""
    if kept is None:
        return _new_job(trace.trace_id, trace.spans, trace.logs, trace.closed_by, truncated=trace.truncated, full=full)
    earlier = Earlier(kept.data, kept.span_count, trace.span_count, trace.log_count, limits) if kept.data else None
    return Job(
        trace_id=trace.trace_id,
        spans=trace.spans,
        logs=trace.logs,
        closed_by=trace.closed_by,
        feedback=kept.feedback,
        truncated=trace.truncated or kept.truncated,
        previous=kept.verdicts,
        previous_feedback=kept.judged_feedback,
        replaces_ns=kept.evaluated_ns,
        earlier=earlier,
        full=full,
    )


def reclosed(packed: Packed) -> ClosedTrace:
    """A judged trace as what it was made of, to be judged once more with what another replica saved of it."""
    spans, logs, _ = codec.split_compressed(packed.data, PARTS)
    return ClosedTrace(
        trace_id=packed.trace_id,
        spans=spans,
        logs=logs,
        closed_by=CloseReason(packed.column("closed_by")),
        span_count=packed.column("span_count"),
        truncated=packed.column("truncated"),
        late=True,
    )
