"""What the front process does with requests: as a whole, with a pool that judged before, and step by step."""

import asyncio
from collections.abc import Sequence
from itertools import chain, cycle
from pathlib import Path

from bench.ledger import Ledger
from bench.workersteps import PACK, UNPACK

from checks.trace import CloseReason
from collector.intake import Batch, Source
from collector.pipeline.buffer import AssemblyLimits, TraceBuffer
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.front import Front
from collector.pipeline.inspection import BATCH
from collector.pipeline.job import Job, Judged
from collector.pipeline.journal import Journal
from collector.pipeline.options import FrontOptions
from collector.pipeline.room import Room
from collector.progress import Position, Progress
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits
from exporters.dataset.case import CaseStatus
from exporters.metrics.prometheus import Metrics
from exporters.packed import Packed
from exporters.store import CaseLimits, Store

LANES = 4
"""Requests that come at the same time, and share a commit of the journal."""
SAVED_AT_ONCE = 4 * BATCH
MEMORY_BYTES = 2**30
MAX_SERIES = 20_000
AT_ONCE = AssemblyLimits(settle_ns=1)
WHOLE = "front: whole"
REST = "front: the line between the steps (tasks, census, progress, queues): whole less these"


class FrontSteps:
    """The books of a front process, in a folder: once for the steps, once for the whole."""

    def __init__(self, folder: Path) -> None:
        self._steps, self._whole = _Books(folder / "steps"), _Books(folder / "whole")
        self._room = Room()

    def __enter__(self) -> "FrontSteps":
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.close()
        self._whole.close()

    def take(self, ledger: Ledger, bodies: Sequence[bytes]) -> list[ClosedTrace]:
        """Take requests in; gives the traces they make up, closed."""
        with ledger.step("front: decode requests"):
            batches = [_decoded(body) for body in bodies]
        with ledger.step("front: journal (append, and forget)"):
            asyncio.run(self._append(batches))
        pieces = [piece for batch in batches for piece in batch.pieces]
        with ledger.step("front: buffer"):
            buffer, at = TraceBuffer(AT_ONCE), Position(Progress(), 1)
            for piece in pieces:
                buffer.add(piece, 0, at)
            buffer.take_new()
            closed = list(chain.from_iterable(iter(lambda: buffer.take_due(1, BATCH), [])))
        with ledger.step("front: ask the store whether they are known"):
            for some in _slices([trace.trace_id for trace in closed], BATCH):
                self._steps.store.known(some)
                self._steps.store.forgotten(some)
        return closed

    def jobs_of(self, closed: Sequence[ClosedTrace]) -> list[list[Job]]:
        """The batches in which workers get them, with what the store said when it kept those before."""
        full = self._room.full
        jobs = [Job(t.trace_id, t.spans, t.logs, CloseReason.ROOT_SEEN, full=full) for t in closed]
        return _slices(jobs, BATCH)

    def keep(self, ledger: Ledger, judged: Judged) -> None:
        """Count what was judged and store it."""
        with ledger.step("front: metrics"):
            for tally in judged.tallies:
                self._steps.metrics.add(tally)
        with ledger.step("front: store"):
            for some in _slices(judged.traces, SAVED_AT_ONCE):
                now_ns = some[-1].column("evaluated_ns")
                saved = self._steps.store.save(some, CaseStatus.CANDIDATE, CaseLimits(), now_ns)
                self._room.heed(saved.places)

    def whole(self, ledger: Ledger, bodies: Sequence[bytes], judged: Judged) -> None:
        """All of it, from the body to the store."""
        books, pool = self._whole, _JudgedBefore(judged)
        with ledger.step(WHOLE):
            asyncio.run(_through(bodies, pool, books))

    def close_round(self, ledger: Ledger) -> None:
        """Turn sums into differences. The pool of the whole packs nothing."""
        ledger.left(WHOLE, REST, but=(PACK, UNPACK))

    async def _append(self, batches: Sequence[Batch]) -> None:
        for some in _slices(batches, LANES):
            self._steps.journal.forget(await asyncio.gather(*map(self._steps.journal.append, some)))


class _Books:
    """What a front process keeps."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.store = Store.open(None, folder)
        self.journal = Journal(folder)
        self.metrics = Metrics(MAX_SERIES)

    def close(self) -> None:
        self.journal.close()
        self.store.close()


class _JudgedBefore:
    """An ``InspectionPool`` that only looks up what was found: the workers' part is measured elsewhere."""

    workers = 2
    problem = None

    def __init__(self, judged: Judged) -> None:
        self._traces: dict[str, Packed] = {packed.trace_id: packed for packed in judged.traces}
        self._tallies = cycle(judged.tallies)

    async def inspect(self, jobs: Sequence[Job]) -> Judged:
        return Judged(tuple(self._traces[job.trace_id] for job in jobs), (next(self._tallies),))


async def _through(bodies: Sequence[bytes], pool: _JudgedBefore, books: _Books) -> None:
    front = Front(FrontOptions(AT_ONCE, MEMORY_BYTES), pool, books.store, books.metrics, books.journal)
    front.start()
    for some in _slices(bodies, LANES):
        await asyncio.gather(*(front.accept(_decoded(body)) for body in some))
    await front.stop(60.0)


def _decoded(body: bytes) -> Batch:
    return decode.traces_from_protobuf(body, Source.OTLP_GRPC, ReceiverLimits())


def _slices(items: Sequence, size: int) -> list:
    return [items[start : start + size] for start in range(0, len(items), size)]
