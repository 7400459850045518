"""Records into the store, as the dispatch asks for it; what the store says of them, and of other replicas, is heeded.

Where another replica saved something of a trace that these verdicts do not know (its half of the spans, feedback), the
two are judged together, and the last verdicts are those on all that anyone has.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Iterable, Sequence
from dataclasses import replace

from collector.pipeline import quarantine
from collector.pipeline.census import FORGOTTEN
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.decided import reclosed
from collector.pipeline.inspection import batches
from collector.pipeline.job import Job
from collector.pipeline.losses import Losses
from collector.pipeline.options import FrontOptions
from collector.pipeline.rolling import Workers
from collector.pipeline.room import Room
from collector.spans import Kind, Spans, Value, no_spans
from exporters import codec
from exporters.metrics.prometheus import Metrics
from exporters.packed import Packed
from exporters.store import SaveResult, Store

Saved = Callable[[Sequence[Packed], SaveResult], None]


class Keeping:
    """Saves records.

    ``ours`` are those of some records that this replica may still save. ``jobs`` makes jobs of closed traces and of
    what the store holds of them; ``reopen`` has traces judged again. ``room`` hears for which cases there was none,
    ``saved`` what the store took.
    """

    def __init__(
        self,
        options: FrontOptions,
        store: Store,
        pool: Workers,
        metrics: Metrics,
        losses: Losses,
        ours: Callable[[Sequence[Packed]], Sequence[Packed]],
        jobs: Callable[[Sequence[ClosedTrace]], AsyncIterator[Sequence[Job]]],
        reopen: Callable[[Iterable[str]], None],
        room: Room,
        wall_ns: Callable[[], int],
        saved: Saved,
        spans: Spans = no_spans,
    ) -> None:
        self._spans = spans
        self._saved = saved
        self._options = options
        self._store = store
        self._pool = pool
        self._metrics = metrics
        self._losses = losses
        self._ours = ours
        self._jobs = jobs
        self._reopen = reopen
        self._wall_ns = wall_ns
        self._room = room

    def adopt(self, options: FrontOptions) -> None:
        """Go by other options from now on."""
        self._options = options
        self._room.forget()  # the limits may be others

    async def __call__(self, records: Sequence[Packed]) -> None:
        """Save records, or what becomes of them. Raises ``exporters.store.StoreError``."""
        while records:  # once, but for those whose trace another replica saved in between
            overtaken = await self._save(records)
            records = await self._judge_again([record for record in records if record.trace_id in overtaken])

    async def _save(self, records: Sequence[Packed]) -> Container[str]:
        """Save what nobody else was faster with. Returns the ids of the others."""
        options = self._options
        ours = self._ours(records)
        with self._spans("save traces", Kind.CLIENT, self._described(ours)):
            result = await asyncio.to_thread(
                self._store.save, ours, options.case_status, options.case_limits, self._wall_ns()
            )
        for service, number in result.clusters_opened.items():
            self._metrics.inc("sidecheck_failure_clusters_total", number, service=service)
        if options is self._options:
            self._room.heed(result.places)
        self._reopen(result.reopen)  # feedback had been waiting for these, or a place for their case is free
        if result.forgotten:
            self._losses.dropped("record", FORGOTTEN, result.forgotten)
            await asyncio.to_thread(quarantine.discard, options.quarantine, result.forgotten)
        left_out = {*result.overtaken, *result.forgotten}
        self._saved([record for record in ours if record.trace_id not in left_out], result)
        return result.overtaken

    def _described(self, records: Sequence[Packed]) -> dict[str, Value]:
        """A write in the words of https://opentelemetry.io/docs/specs/semconv/database/database-spans/."""
        return {
            "db.system.name": self._store.system,
            "db.operation.name": "save",
            "db.collection.name": "traces",
            "db.operation.batch.size": len(records),
        }

    async def _judge_again(self, records: Sequence[Packed]) -> Sequence[Packed]:
        again: list[Packed] = []
        for part in batches(records, _unpacked):
            async for jobs in self._jobs([reclosed(record) for record in part]):
                again += await self._judged(jobs)
        return again

    async def _judged(self, jobs: Sequence[Job]) -> Sequence[Packed]:
        # The model calls of what this replica has of them were counted with its own verdicts.
        known = [replace(job, is_counted=True) for job in jobs if job.previous is not None]
        again = await self._pool.inspect(known)
        for tally in again.tallies:
            self._metrics.add(tally)
        # What retention or somebody's wish took away meanwhile was counted with the first verdicts.
        gone = [job for job in jobs if job.previous is None]
        return (*again.traces, *(await self._pool.inspect(gone)).traces) if gone else again.traces


def _unpacked(record: Packed) -> int:
    return codec.unpacked_size(record.data)
