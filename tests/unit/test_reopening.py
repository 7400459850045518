"""Many large traces opened again at once: their telemetry is in memory a little at a time."""

import asyncio
import pickle
import tracemalloc

import pytest
from peaks import peak
from pipeline_fakes import InProcessPool, Line, a_piece, text, trace_id
from store_builders import a_record, save

from checks.trace import CloseReason, Feedback, FeedbackTarget
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.decided import Decided
from collector.pipeline.inspection import BATCH_BYTES
from collector.pipeline.options import FrontOptions
from collector.pipeline.reopening import LOADED_SHARE, Reopening
from collector.pipeline.room import Room
from exporters.metrics.prometheus import Metrics

MIB = 1 << 20
LIMITS = AssemblyLimits()
THUMB_DOWN = Feedback(score=0.0, thumbs_up=False, time_ns=7)

pytestmark = pytest.mark.usefixtures("no_waiting")


class Opened:
    """Stored traces that are opened again. ``released`` has the traces of which there was nothing to judge."""

    def __init__(self, store, memory_bytes=512 * MIB):
        self.decided = Decided(store)
        self.released = 0
        options = FrontOptions(LIMITS, memory_bytes)
        self.reopening = Reopening(options, self.decided, Metrics(100), self._release, Room())

    def _release(self, _positions):
        self.released += 1

    async def jobs(self, *numbers, **parts):
        """The batches of jobs that come of feedback on these traces."""
        closed = [touched(number, **parts) for number in numbers]
        self.decided.began(closed)
        return [jobs async for jobs in self.reopening.jobs(closed)]


def touched(number, **parts):
    given = {"spans": b"", "logs": b"", "closed_by": CloseReason.ROOT_SEEN, "span_count": 0, "touched": True}
    return ClosedTrace(trace_id(number), **{**given, **parts})


def saved(store, number, size):
    """A stored trace whose telemetry is so large, and shrinks to nearly nothing."""
    save(store, a_record(number, spans=b"%04d" % number + bytes(size - 4), logs=b""))


async def test_a_batch_holds_no_more_bytes_of_opened_traces_than_of_others(store):
    half, large = BATCH_BYTES // 2 - 1_000, 3 * BATCH_BYTES
    for number, size in enumerate((half, half, 10, large, 10), 1):
        saved(store, number, size)
    batches = await Opened(store).jobs(1, 2, 3, 4, 5)
    assert [[job.trace_id for job in jobs] for jobs in batches] == [
        [trace_id(1), trace_id(2), trace_id(3)],
        [trace_id(4)],
        [trace_id(5)],
    ]
    assert sum(job.size for job in batches[0]) <= BATCH_BYTES < batches[1][0].size


async def test_opened_traces_are_loaded_as_the_store_holds_them(store):
    saved(store, 1, 10 * MIB)
    opened = Opened(store)
    ((job,),) = await opened.jobs(1)
    assert len(job.spans) + len(job.earlier.data) < 10_000 < 10 * MIB < job.size


async def test_opened_traces_and_new_ones_keep_their_order(store):
    saved(store, 2, 100)
    opened = Opened(store)
    closed = [touched(1, spans=b"new", touched=False), touched(2), touched(3, spans=b"new", touched=False)]
    opened.decided.began(closed)
    ((*jobs,),) = [jobs async for jobs in opened.reopening.jobs(closed)]
    assert [(job.trace_id, job.earlier is not None) for job in jobs] == [
        (trace_id(1), False),
        (trace_id(2), True),
        (trace_id(3), False),
    ]


async def test_a_trace_that_is_gone_is_let_go_of(store):
    opened = Opened(store)
    assert await opened.jobs(1) == []
    assert (opened.released, opened.decided.under_way) == (1, {})


async def test_what_is_loaded_waits_for_its_share_of_the_memory(store):
    """Two traces that do not shrink: the second is loaded once the first is stored."""
    size = 2 * BATCH_BYTES
    for number in (1, 2):
        noise = b"".join(hash((number, n)).to_bytes(8, "big", signed=True) for n in range(size // 8))
        save(store, a_record(number, spans=noise, logs=b""))
    opened = Opened(store, memory_bytes=int(size / LOADED_SHARE))
    closed = [touched(1), touched(2)]
    opened.decided.began(closed)
    batches = opened.reopening.jobs(closed)
    assert [job.trace_id for job in await anext(batches)] == [trace_id(1)]
    second = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0.2)
    assert not second.done()
    opened.decided.ended([trace_id(1)])
    assert [job.trace_id for job in await second] == [trace_id(2)]


class Sending(InProcessPool):
    """What comes back from it has been sent from one process to another, and is as small as it is then."""

    async def inspect(self, jobs):
        return pickle.loads(pickle.dumps(await super().inspect(jobs)))


class Roomy(Line):
    LIMITS = LIMITS


async def test_a_burst_of_feedback_on_large_traces_takes_the_memory_of_a_few(store):
    traces, size = 24, 4 * MIB
    async with Roomy(store, memory_bytes=64 * MIB, pool=Sending()) as line:
        for number in range(1, traces + 1):
            await line.receive(a_piece(number, attributes=[text("note", "x" * size)]))
            await line.flow(2)
            line.pool.batches.clear()
        for number in range(1, traces + 1):
            await line.front.accept_feedback(FeedbackTarget(trace_id=trace_id(number)), THUMB_DOWN)
        tracemalloc.start()
        try:
            with peak(lambda: tracemalloc.get_traced_memory()[0], 0.001) as highest:
                await line.flow(2)
        finally:
            tracemalloc.stop()
    assert line.count("sidecheck_user_feedback_total", value="down") == traces
    assert highest[0] < traces / 3 * size
