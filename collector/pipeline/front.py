"""The straight line in the front process: admit, journal, buffer, close, inspect, measure, keep.

Owns the order of the steps and the counts between them; each step's own work is in its module. Everything here runs
on one event loop, what blocks (the store) in threads, what computes (checks) in the worker processes.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial

import structlog

from checks.trace import Feedback, FeedbackTarget
from collector.conventions.feedback import may_be_in as may_hold_feedback
from collector.intake import Batch, Piece, Refusal, Refused, Source
from collector.logs import place_of
from collector.pipeline.admission import Admission, Reservation
from collector.pipeline.buffer import Added, TraceBuffer
from collector.pipeline.census import Census
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.counting import count_accepted, count_refused
from collector.pipeline.decided import Decided, Either, reclosed
from collector.pipeline.dispatch import Dispatch
from collector.pipeline.feedback import FeedbackDesk
from collector.pipeline.handover import HandOver
from collector.pipeline.inspection import BATCH, batches
from collector.pipeline.job import Job
from collector.pipeline.journal import Entry, Journal
from collector.pipeline.keeping import Keeping, Saved
from collector.pipeline.losses import Losses
from collector.pipeline.options import FrontOptions
from collector.pipeline.reopening import Reopening
from collector.pipeline.replay import replayed
from collector.pipeline.rolling import Workers
from collector.pipeline.room import Room
from collector.progress import Position, Progress
from collector.spans import Spans, no_spans
from exporters.metrics.prometheus import Metrics
from exporters.packed import Packed
from exporters.store import SaveResult, Store

TICK_S = 0.1
BATCHES_A_WORKER = 2
"""One batch being judged and one waiting, so that no worker idles; more would only be memory."""

log = structlog.get_logger()
SetAside = Callable[[Sequence[bytes], Sequence[Position], str, Callable[[], None]], bool]


class Front:
    """Takes what receivers decoded (it is their ``Intake``) and sees each trace through to the store."""

    def __init__(
        self,
        options: FrontOptions,
        pool: Workers,
        store: Store,
        metrics: Metrics,
        journal: Journal | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
        spans: Spans = no_spans,
    ) -> None:
        self._pool = pool
        self._store = store
        self._metrics = metrics
        self._journal = journal
        self._rows = Progress()  # of the journal
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self.buffer = TraceBuffer(options.assembly)
        self.decided = Decided(store)
        self._busy = Either(self.decided.under_way, self.buffer.untold)
        self.admission = Admission(options.memory_bytes, self._held_bytes)
        self.losses = Losses(metrics, wall_ns)
        self.hand_over = HandOver(self.buffer, self.decided)  # see PullIntake.hand_over
        ours = self.hand_over.still_ours
        room = Room()
        self._reopening = Reopening(options, self.decided, metrics, self._release, room)
        jobs = self._reopening.jobs_at_once
        self._keep = Keeping(
            options, store, pool, metrics, self.losses, ours, jobs, self.reopen, room, wall_ns, self._saved, spans
        )
        self.dispatch = Dispatch(self._keep, self._ended, partial(asyncio.to_thread, store.takes_writes))
        self._slots = asyncio.Semaphore(pool.workers * BATCHES_A_WORKER)
        self._batches: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = False
        self._desk = FeedbackDesk(store, metrics, self.losses, wall_ns, lambda: self.dispatch.problem)
        self.census = Census(self.buffer, self.decided, self.losses, metrics, self._release)
        self.is_replaying = False  # what the last run left in the journal
        self.set_aside: SetAside = lambda *_: False
        """Told of what the store cannot take; see ``KafkaReceiver.set_aside``."""
        self.on_saved: list[Saved] = []
        """Told of what the store took."""
        metrics.watch("sidecheck_traces_open", lambda: self.open_traces)
        metrics.watch("sidecheck_queue_length", lambda: len(self.dispatch), queue="store")
        metrics.watch("sidecheck_queue_length", lambda: len(self._batches), queue="inspection")

    @property
    def has_room(self) -> bool:
        """See ``PullIntake.has_room``. There is none before traces would be closed early to make some."""
        return not self._stopping and self.admission.has_room(self.buffer.held)

    def reserve(self, size: int = 0) -> Reservation:
        """See ``Intake.reserve``."""
        self._refuse_at_the_end()
        return self.admission.reserve(size)

    async def accept(self, batch: Batch) -> None:
        """See ``Intake.accept``."""
        try:
            self._refuse_at_the_end()
            self.admission.admit(sum(piece.size for piece in batch.pieces))
            # A sender that hangs up must not stop what is committed from being judged.
            await asyncio.shield(self._take(batch))
        except Refused as refused:
            self.losses.refused(refused.reason.value, (piece.trace_id for piece in batch.pieces))
            if batch.position is None:  # else it is not refused, but comes again when there is room
                self.refused(batch.source, refused.reason, sum(piece.count for piece in batch.pieces))
            raise

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """See ``Intake.accept_feedback``."""
        trace_ids = await self._desk.keep(target, feedback)
        if trace_ids is None:
            return None
        if not trace_ids and target.trace_id is not None and target.trace_id in self.buffer:
            trace_ids = (target.trace_id,)
        self.reopen(trace_ids)
        return trace_ids[0] if trace_ids else None

    async def replay(self, decode: Callable[[Entry], Batch]) -> None:
        """Take in again what the last run left in the journal; no faster than memory allows."""
        if self._journal is None:
            return
        self.is_replaying = True
        async for position, batch in replayed(self._journal, decode, self.losses):
            self._add(batch.pieces, Position(self._rows, position))
            while self.buffer.held > self.admission.buffer_bytes:  # noqa: ASYNC110 - once, at the start
                await asyncio.sleep(TICK_S)
        self.is_replaying = False

    def reopen(self, trace_ids: Iterable[str]) -> None:
        """Let traces be judged again: the store knows something of them that their verdicts do not."""
        for trace_id in trace_ids:
            self.buffer.touch(trace_id, self._monotonic_ns())

    async def claim(self) -> None:
        """Take over what other processes left to be judged again. Raises ``exporters.store.StoreError``."""
        claimed = await asyncio.to_thread(self._store.claim, self._wall_ns())
        self.reopen(claimed.trace_ids)
        self.losses.dropped("feedback", "not_judged", claimed.given_up)

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:
        """See ``Intake.refused``."""
        count_refused(self._metrics, source, reason, records)

    def adopt(self, options: FrontOptions) -> None:
        """Go by other options from now on. Where memory is less than what is held, all wait until that is judged."""
        self.admission.memory_bytes = options.memory_bytes
        self._keep.adopt(options)
        self._reopening.adopt(options)
        self.buffer.limits = options.assembly

    @property
    def open_traces(self) -> int:
        """Traces accepted and not yet evaluated or dropped."""
        return self.census.open_traces

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
        deadline = self._monotonic_ns() + int(within_s * 1e9)
        kept = self._journal is not None
        try:
            await asyncio.wait_for(self._drain(), within_s)
        except TimeoutError:
            log.error("traces were left over at the end", traces=self.open_traces, kept_in_journal=kept)
            if not kept:
                self._metrics.inc("sidecheck_dropped_total", self.open_traces, what="trace", reason="shutdown")
                self.census.end(self.open_traces)
        left = await self.dispatch.stop(max(0.5, (deadline - self._monotonic_ns()) / 1e9))
        if not kept:
            self._metrics.inc("sidecheck_dropped_total", left, what="record", reason="shutdown")

    async def tick(self) -> None:
        """Close what is due and send it to the workers."""
        await self.census.resolve(self._monotonic_ns)
        excess = self.buffer.held - self.admission.buffer_bytes
        if excess > 0:
            await self._submit(self.buffer.evict(excess, self._busy))
        while due := self.buffer.take_due(self._monotonic_ns(), BATCH, self._busy):
            await self._submit(due)

    async def _tick_forever(self) -> None:
        problem = None
        while not self._stopping:
            try:
                await self.tick()
                problem = None
            except Exception as error:  # noqa: BLE001 - the line must live; the next tick tries again
                if problem is None:
                    log.error("closing traces failed; trying again", error=place_of(error))
                problem = error
            await asyncio.sleep(TICK_S)

    async def _submit(self, closed: list[ClosedTrace]) -> None:
        """Send traces to the workers as these get free. Empties ``closed``: a trace that is done is let go of."""
        # All at once: what comes for one of these while the others wait for a worker is late.
        self.decided.began(closed)
        admitted = await self.census.admit(closed)
        closed.clear()
        judgeable = [trace for trace in admitted if self._is_judgeable(trace)]
        admitted.clear()
        waiting = deque(batches(judgeable))
        judgeable.clear()
        while waiting:
            await self._slots.acquire()
            self._begin(self._inspect(waiting.popleft()))

    def _is_judgeable(self, trace: ClosedTrace) -> bool:
        if trace.left_out:
            self.losses.dropped("span", "trace_limit", [trace.trace_id], trace.left_out)
        if trace.late or trace.span_count:
            return True
        if trace.logs and may_hold_feedback(trace.logs):
            self._begin(self._keep_early(trace))
            return False
        if trace.logs:  # an app's ordinary log lines of a trace that was not sampled
            self.losses.dropped("logs", "no_spans", [trace.trace_id], trace.log_count)
        self._release(self.decided.ended([trace.trace_id]))
        return False  # else feedback that came before its trace: it waits in the store

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _keep_early(self, trace: ClosedTrace) -> None:
        """Log records that came before any span: what people said waits in the store."""
        found = await self._desk.keep_early(trace)
        self._release(self.decided.ended([trace.trace_id]))
        self.reopen(found)

    async def _inspect(self, closed: Sequence[ClosedTrace]) -> None:
        left = {trace.trace_id: trace for trace in closed}
        try:
            async for jobs in self._reopening.jobs(closed):
                await self._judge(jobs, left)
        except Exception as error:  # noqa: BLE001 - counted, and the line lives on
            log.error("traces could not be judged", error=place_of(error), traces=len(left))
            lost = [trace for trace_id, trace in left.items() if trace_id in self.decided.under_way]
            self.census.lose(lost, "internal_error")
            self._release(self.decided.ended(trace.trace_id for trace in lost))
        finally:
            self._slots.release()

    async def _judge(self, jobs: Sequence[Job], left: dict[str, ClosedTrace]) -> None:
        """Have jobs done and stored; what is on its way to the store is ``left`` no longer."""
        judged = await self._pool.inspect(jobs)
        for packed in judged.traces:
            if packed.is_first and left[packed.trace_id].late:  # the store never took, or lost, its first part
                self.census.begin()
        for tally in judged.tallies:
            self._metrics.add(tally)
        self.census.end(sum(packed.is_first for packed in judged.traces))
        for packed in judged.traces:
            del left[packed.trace_id]
        await self.dispatch.put(judged.traces)

    def _saved(self, records: Sequence[Packed], result: SaveResult) -> None:
        for tell in self.on_saved:
            try:
                tell(records, result)
            except Exception as error:  # noqa: BLE001 - the records are kept; who is only told must not undo that
                log.error("what was saved could not be told of", error=place_of(error))

    def _ended(self, records: Sequence[Packed], dropped: str | None) -> None:
        positions = self.decided.ended(record.trace_id for record in records)
        done = partial(self._release, positions)
        if dropped is not None:
            self.losses.dropped("record", dropped, [record.trace_id for record in records])
            telemetry = [data for closed in map(reclosed, records) for data in (closed.spans, closed.logs)]
            if self.set_aside(telemetry, positions, dropped, done):
                return
        done()

    def _release(self, positions: Sequence[Position]) -> None:
        by_source: dict[Progress, list[int]] = {}
        for source, number in positions:
            by_source.setdefault(source, []).append(number)
        for source, numbers in by_source.items():
            free = source.ended(numbers)
            if free and source is self._rows and self._journal is not None:
                self._journal.forget(free)

    async def _drain(self) -> None:
        if self._ticker is not None:
            await self._ticker
        while self.is_busy:
            await self.census.resolve(self._monotonic_ns)
            # What came late for a trace that is not stored yet has to wait until it is.
            await self._submit(self.buffer.drain(self._busy))
            await asyncio.gather(*self._batches, return_exceptions=True)
            await asyncio.sleep(0.01)

    def _refuse_at_the_end(self) -> None:
        if self._stopping:
            raise Refused(Refusal.SHUTTING_DOWN, "shutting down; send again later", 1.0)

    def _held_bytes(self) -> int:
        waiting = self._journal.waiting_bytes if self._journal is not None else 0
        return self.buffer.held + self.decided.held + 2 * waiting  # as pieces, and as the journal's row

    async def _take(self, batch: Batch) -> None:
        for target, said in batch.said:
            await self.accept_feedback(target, said)
        position = batch.position
        if position is None and self._journal is not None and batch.pieces:
            position = Position(self._rows, await self._journal.append(batch))
        self._add(batch.pieces, position)
        count_accepted(self._metrics, batch)

    def _add(self, pieces: Sequence[Piece], position: Position | None) -> None:
        now = self._monotonic_ns()
        kept = 0
        for piece in pieces:
            became = self.buffer.add(piece, now, position)
            kept += became is Added.KEPT
            if became is Added.OVER_LIMIT:
                self.losses.dropped("span", "trace_limit", [piece.trace_id], len(piece.span_ids))
                self.losses.dropped("logs", "trace_limit", [piece.trace_id], piece.log_count)
        if position is not None:
            position.source.began(position.number, kept)
            if not kept:
                self._release([position])
