"""The straight line in the front process: admit, journal, buffer, close, inspect, measure, keep.

Owns the order of the steps and the counts between them; each step's own work is in its module. Everything here runs
on one event loop, what blocks (the store) in threads, what computes (checks) in the worker processes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, Piece, Refusal, Refused, Source
from collector.logs import place_of
from collector.pipeline.admission import Admission
from collector.pipeline.buffer import Added, AssemblyLimits, ClosedTrace, TraceBuffer
from collector.pipeline.decided import Decided, merge
from collector.pipeline.dispatch import Dispatch
from collector.pipeline.inspection import BATCH, InspectionPool
from collector.pipeline.journal import Entry, Journal
from collector.pipeline.judge import Job
from collector.pipeline.progress import Progress
from exporters.dataset.case import CaseStatus
from exporters.metrics.prometheus import Metrics
from exporters.metrics.recording import record as measure
from exporters.record import Record
from exporters.store import CaseLimits, Store, StoreError

TICK_S = 0.1
PAGE = 64
BATCHES_A_WORKER = 2
"""One batch being judged and one waiting, so that no worker idles; more would only be memory."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """What the front process is told: limits of assembly, the memory budget in bytes, and what becomes of failures."""

    assembly: AssemblyLimits
    memory_bytes: int
    case_status: CaseStatus = CaseStatus.CANDIDATE
    case_limits: CaseLimits = field(default_factory=CaseLimits)


class Front:
    """Takes what receivers decoded (it is their ``Intake``) and sees each trace through to the store."""

    def __init__(
        self,
        options: FrontOptions,
        pool: InspectionPool,
        store: Store,
        metrics: Metrics,
        journal: Journal | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._options = options
        self._pool = pool
        self._store = store
        self._metrics = metrics
        self._journal = journal
        self._progress = Progress()
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self.buffer = TraceBuffer(options.assembly)
        self.decided = Decided(store)
        self.admission = Admission(options.memory_bytes, self._held_bytes)
        self.dispatch = Dispatch(self._save, self._ended)
        self._inspecting_bytes = 0
        self._slots = asyncio.Semaphore(pool.workers * BATCHES_A_WORKER)
        self._batches: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = False
        self.open_traces = 0
        """Traces accepted and not yet evaluated or dropped."""
        metrics.watch("sidecheck_traces_open", lambda: self.open_traces)
        metrics.watch("sidecheck_queue_length", lambda: len(self.dispatch), queue="store")
        metrics.watch("sidecheck_queue_length", lambda: len(self._batches), queue="inspection")

    async def accept(self, batch: Batch) -> None:
        """See ``Intake.accept``."""
        if self._stopping:
            raise Refused(Refusal.SHUTTING_DOWN, "shutting down; send again later", 1.0)
        self.admission.admit(sum(piece.size for piece in batch.pieces))
        # A sender that hangs up must not stop what is committed from being judged.
        await asyncio.shield(self._take(batch))

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """See ``Intake.accept_feedback``."""
        try:
            trace_ids = await asyncio.to_thread(self._store.add_feedback, target, feedback, self._wall_ns())
        except StoreError as error:
            raise Refused(Refusal.STORAGE, f"{error}; send again later", 2.0) from error
        self._metrics.inc("sidecheck_feedback_accepted_total", source=feedback.source)
        now = self._monotonic_ns()
        if not trace_ids and target.trace_id is not None and target.trace_id in self.buffer:
            trace_ids = (target.trace_id,)
        for trace_id in trace_ids:
            self.buffer.touch(trace_id, now)
        return trace_ids[0] if trace_ids else None

    async def replay(self, decode: Callable[[Entry], Batch]) -> None:
        """Take in again what the last run left in the journal; no faster than memory allows."""
        if self._journal is None:
            return
        entries = self._journal.replay()
        while page := await asyncio.to_thread(lambda: list(islice(entries, PAGE))):
            for entry in page:
                try:
                    self._add(decode(entry).pieces, entry.position)
                except Refused as refusal:
                    self._metrics.inc("sidecheck_dropped_total", what="request", reason=refusal.reason.value)
                    self._journal.forget([entry.position])
            while self.buffer.bytes > self.admission.buffer_bytes:  # noqa: ASYNC110 - once, at the start
                await asyncio.sleep(TICK_S)

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:
        """See ``Intake.refused``."""
        self._metrics.inc("sidecheck_requests_refused_total", source=source.value, reason=reason.value)
        if records:
            self._metrics.inc("sidecheck_spans_refused_total", records, source=source.value, reason=reason.value)

    @property
    def is_busy(self) -> bool:
        """Whether any trace is open, being judged or not stored yet."""
        return bool(len(self.buffer) or self._batches or self.decided.under_way)

    def start(self) -> None:
        """Begin to close and judge traces."""
        self.dispatch.start()
        self._ticker = asyncio.create_task(self._tick_forever(), name="front")

    async def stop(self, within_s: float) -> None:
        """Close every open trace, judge and store it; what is left after ``within_s`` s stays in the journal."""
        self._stopping = True
        if self._ticker is not None:
            self._ticker.cancel()
        deadline = self._monotonic_ns() + int(within_s * 1e9)
        try:
            await asyncio.wait_for(self._drain(), within_s)
        except TimeoutError:
            kept = self._journal is not None
            log.error("traces were left over at the end", traces=self.open_traces, kept_in_journal=kept)
            if not kept:
                self._metrics.inc("sidecheck_dropped_total", self.open_traces, what="trace", reason="shutdown")
        await self.dispatch.stop(max(0.5, (deadline - self._monotonic_ns()) / 1e9))

    async def tick(self) -> None:
        """Close what is due and send it to the workers."""
        await self._resolve()
        excess = self.buffer.bytes - self.admission.buffer_bytes
        if excess > 0:
            await self._submit(self.buffer.evict(excess, self.decided.under_way))
        while due := self.buffer.take_due(self._monotonic_ns(), BATCH, self.decided.under_way):
            await self._submit(due)

    async def _tick_forever(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001 - the line must live; the next tick tries again
                log.error("closing traces failed; trying again", error=place_of(error))
            await asyncio.sleep(TICK_S)

    async def _resolve(self) -> None:
        """Find out which of the new traces were judged before; count those that were not as accepted."""
        new = self.buffer.take_new()
        if not new:
            return
        known = await self.decided.known([trace_id for trace_id, _ in new])
        now = self._monotonic_ns()
        for trace_id, has_spans in new:
            if trace_id in known:
                self.buffer.mark_late(trace_id, now)
            elif has_spans:
                self.open_traces += 1
                self._metrics.inc("sidecheck_traces_accepted_total")

    async def _submit(self, closed: Sequence[ClosedTrace]) -> None:
        for start in range(0, len(closed), BATCH):
            batch = [trace for trace in closed[start : start + BATCH] if self._is_judgeable(trace)]
            if not batch:
                continue
            self.decided.began(batch)
            self._inspecting_bytes += sum(trace.size for trace in batch)
            await self._slots.acquire()
            task = asyncio.create_task(self._inspect(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    def _is_judgeable(self, trace: ClosedTrace) -> bool:
        if trace.late or trace.span_count:
            return True
        if trace.logs:  # an app's ordinary log lines of a trace that was not sampled
            self._metrics.inc("sidecheck_dropped_total", what="logs", reason="no_spans")
        self._release(trace.positions)
        return False  # else feedback that came before its trace: it waits in the store

    async def _inspect(self, closed: Sequence[ClosedTrace]) -> None:
        try:
            jobs = await self._jobs(closed)
            records = await self._pool.inspect(jobs)
            measure(self._metrics, records)
            self.open_traces -= sum(record.previous is None for record in records)
            await self.dispatch.put(records)
        except Exception as error:  # noqa: BLE001 - counted, and the line lives on
            log.error("traces could not be judged", error=place_of(error), traces=len(closed))
            self._drop(closed)
        finally:
            self._slots.release()
            self._inspecting_bytes -= sum(trace.size for trace in closed)

    def _drop(self, closed: Sequence[ClosedTrace]) -> None:
        new = sum(not trace.late for trace in closed)
        self.open_traces -= new
        self._metrics.inc("sidecheck_dropped_total", new, what="trace", reason="internal_error")
        self._release(self.decided.ended(trace.trace_id for trace in closed))

    async def _jobs(self, closed: Sequence[ClosedTrace]) -> list[Job]:
        kept = await self.decided.kept([t.trace_id for t in closed if t.late or t.touched])
        jobs = [merge(trace, kept.get(trace.trace_id), self._options.assembly) for trace in closed]
        late = sum(trace.span_count for trace in closed if trace.late)
        if late:
            self._metrics.inc("sidecheck_late_spans_total", late)
        return jobs

    async def _save(self, records: Sequence[Record]) -> None:
        options = self._options
        result = await asyncio.to_thread(
            self._store.save, records, options.case_status, options.case_limits, self._wall_ns()
        )
        now = self._monotonic_ns()
        for trace_id in result.reopen:  # feedback had been waiting for these
            self.buffer.touch(trace_id, now)

    def _ended(self, records: Sequence[Record], dropped: str | None) -> None:
        self._release(self.decided.ended(record.trace_id for record in records))
        if dropped is not None:
            self._metrics.inc("sidecheck_dropped_total", len(records), what="record", reason=dropped)

    def _release(self, positions: Sequence[int]) -> None:
        free = self._progress.ended(positions)
        if free and self._journal is not None:
            self._journal.forget(free)

    async def _drain(self) -> None:
        while self._batches or len(self.buffer):
            await self._resolve()
            # What came late for a trace that is not stored yet has to wait until it is.
            await self._submit(self.buffer.drain(self.decided.under_way))
            await asyncio.gather(*self._batches, return_exceptions=True)
            await asyncio.sleep(0.01)

    def _held_bytes(self) -> int:
        waiting = self._journal.waiting_bytes if self._journal is not None else 0
        return self.buffer.bytes + self._inspecting_bytes + waiting

    async def _take(self, batch: Batch) -> None:
        position = await self._journal.append(batch) if self._journal is not None and batch.pieces else None
        self._add(batch.pieces, position)
        self._count(batch)

    def _add(self, pieces: Sequence[Piece], position: int | None) -> None:
        now = self._monotonic_ns()
        kept = 0
        for piece in pieces:
            became = self.buffer.add(piece, now, position)
            kept += became is Added.KEPT
            if became is Added.OVER_LIMIT:
                self._metrics.inc("sidecheck_dropped_total", piece.count, what="span", reason="trace_limit")
        if position is not None:
            self._progress.began(position, kept)
            if not kept:
                self._release([position])

    def _count(self, batch: Batch) -> None:
        source = batch.source.value
        spans, logs = batch.span_count, sum(piece.log_count for piece in batch.pieces)
        if spans:
            self._metrics.inc("sidecheck_spans_accepted_total", spans, source=source)
        if logs:
            self._metrics.inc("sidecheck_logs_accepted_total", logs, source=source)
        for reason, records in batch.rejected.items():
            self._metrics.inc("sidecheck_spans_refused_total", records, source=source, reason=reason.value)
