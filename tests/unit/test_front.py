"""The straight line from a request to the store, with a real buffer and store, and a clock that is moved by hand.

After every step the accounts are checked: accepted = evaluated + open + dropped.
"""

import asyncio

import pytest
from pipeline_fakes import BROKEN, LOCKED, Line, a_piece, trace_id

from checks.trace import CloseReason
from collector.intake import Refusal, Refused
from collector.pipeline.buffer import TraceBuffer
from collector.pipeline.growing import PIECE_BYTES, SPAN_BYTES, TRACE_BYTES
from collector.pipeline.inspection import BATCH
from collector.pipeline.options import FrontOptions

pytestmark = pytest.mark.usefixtures("no_waiting")


def held_by(piece):
    """The memory that a trace of this piece takes while it is open."""
    buffer = TraceBuffer(Line.LIMITS)
    buffer.add(piece, 0)
    return buffer.held


# From the first span to the store


async def test_a_trace_is_judged_once_stored_and_counted(line):
    await line.receive(a_piece(1, 1, 2))
    await line.flow()
    assert (line.count("sidecheck_traces_accepted_total"), line.front.open_traces) == (1, 1)
    await line.flow(2)
    assert line.count("sidecheck_traces_evaluated_total", closed_by="root_seen", service="shop") == 1
    assert line.front.open_traces == 0
    assert line.store.trace(trace_id(1)).span_count == 2
    assert not line.front.is_busy


async def test_spans_of_two_requests_are_judged_as_one_trace(line):
    await line.receive(a_piece(1, 2))
    await line.flow(5)
    await line.receive(a_piece(1, 1))
    await line.flow(2)
    assert [job.trace_id for job in line.pool.jobs] == [trace_id(1)]
    assert line.store.trace(trace_id(1)).span_count == 2


async def test_many_traces_are_judged_in_batches(line):
    await line.receive(*(a_piece(number) for number in range(1, BATCH + 37)))
    await line.flow(2)
    assert [len(batch) for batch in line.pool.batches] == [BATCH, 36]
    assert line.count("sidecheck_traces_evaluated_total") == BATCH + 36


async def test_spans_and_logs_are_counted_by_source(line):
    await line.receive(a_piece(1, 1, 2, logs=3))
    assert line.count("sidecheck_spans_accepted_total", source="otlp_http") == 2
    assert line.count("sidecheck_logs_accepted_total", source="otlp_http") == 3


async def test_the_same_request_again_changes_nothing(line):
    await line.receive(a_piece())
    await line.receive(a_piece())
    await line.flow(2)
    assert line.store.trace(trace_id(1)).span_count == 1
    assert line.store.trace(trace_id(1)).spans == a_piece().spans


async def test_log_records_without_spans_are_dropped_and_counted(line):
    await line.receive(a_piece(1, logs=2))
    await line.flow(30)
    assert line.pool.batches == []
    assert line.dropped == {("logs", "no_spans"): 2}


async def test_log_records_of_a_trace_over_its_limit_are_dropped_and_counted_one_by_one(line):
    await line.receive(a_piece(1, 1, 2, 3, 4, 5))
    await line.flow()
    await line.receive(a_piece(1, logs=3))
    assert line.dropped == {("logs", "trace_limit"): 3}


async def test_a_trace_over_a_limit_is_judged_as_truncated_and_what_follows_is_dropped_and_counted(line):
    await line.receive(a_piece(1, 1, 2, 3, 4, 5))
    await line.flow()
    await line.receive(a_piece(1, 6, 7))
    await line.flow(60)
    assert line.count("sidecheck_traces_evaluated_total", closed_by="span_limit") == 1
    assert line.store.trace(trace_id(1)).truncated
    assert line.dropped == {("span", "trace_limit"): 2}


async def test_a_trace_is_counted_before_it_closes_even_if_it_meets_its_limit_at_once(line):
    """It comes while the store is asked about others, and is over a limit when the question is answered."""
    loop = asyncio.get_running_loop()
    arrived = []

    def arrive() -> None:
        coming = line.receive(a_piece(2, 1, 2, 3, 4, 5))
        arrived.append(asyncio.run_coroutine_threadsafe(coming, loop).result(10))

    await line.receive(a_piece(1))
    line.store.before("known", arrive)
    await line.front.tick()
    assert arrived
    assert line.front.open_traces == line.count("sidecheck_traces_accepted_total") == 1
    await line.flow()
    assert line.count("sidecheck_traces_evaluated_total", closed_by="span_limit") == 1


async def test_a_trace_is_counted_before_it_is_judged_early_for_want_of_memory(store):
    loop = asyncio.get_running_loop()
    size = held_by(a_piece(1, 2))
    async with Line(store, memory_bytes=6 * size) as line:
        coming = [a_piece(number, 2) for number in range(2, 7)]
        await line.receive(a_piece(1, 2))
        line.store.before("known", lambda: asyncio.run_coroutine_threadsafe(line.receive(*coming), loop).result(10))
        await line.front.tick()
        assert line.front.open_traces == line.count("sidecheck_traces_accepted_total") == 1
        await line.flow()


async def test_the_oldest_traces_are_judged_early_when_open_ones_take_too_much_memory(store):
    size = a_piece(1, 2).size + TRACE_BYTES + PIECE_BYTES + SPAN_BYTES
    async with Line(store, memory_bytes=6 * size) as line:
        for number in range(1, 6):
            await line.receive(a_piece(number, 2))
            line.clock.step(1)
        await line.flow()
        assert [job.trace_id for job in line.pool.jobs] == [trace_id(1), trace_id(2)]
        assert {job.closed_by for job in line.pool.jobs} == {CloseReason.EVICTED}
        assert line.front.open_traces == 3


async def test_a_request_over_the_memory_budget_is_refused_and_nothing_of_it_is_kept(store):
    async with Line(store, memory_bytes=a_piece(1).size + TRACE_BYTES + PIECE_BYTES + SPAN_BYTES) as line:
        await line.receive(a_piece(1))
        with pytest.raises(Refused) as caught:
            await line.receive(a_piece(2))
        assert caught.value.reason is Refusal.OVERLOADED
        assert caught.value.retry_after_s > 0
        await line.flow(2)
        await line.flow(60)
        assert line.count("sidecheck_spans_accepted_total") == 1
        assert line.count("sidecheck_traces_accepted_total") == 1
        await line.receive(a_piece(2))
        refused = {"source": "otlp_http", "reason": "overloaded"}
        assert line.count("sidecheck_requests_refused_total", **refused) == 1
        assert line.count("sidecheck_spans_refused_total", **refused) == 1


# A store that fails


async def test_a_store_that_is_locked_delays_a_new_trace_and_loses_nothing(line):
    line.store.fail("known", LOCKED, LOCKED)
    await line.receive(a_piece())
    await line.flow(2)
    assert line.count("sidecheck_traces_evaluated_total") == line.count("sidecheck_traces_accepted_total") == 1


async def test_a_store_that_is_locked_delays_a_late_span_and_loses_nothing(line):
    await line.receive(a_piece(1, 1))
    await line.flow(2)
    line.store.fail("load", LOCKED, LOCKED)
    line.store.fail("save", LOCKED, LOCKED)
    await line.receive(a_piece(1, 2))
    await line.flow(2)
    assert line.store.trace(trace_id(1)).span_count == 2
    assert line.dropped == {}


async def test_nothing_is_closed_while_the_store_cannot_say_what_it_knows_and_nothing_is_forgotten(line):
    await line.receive(a_piece(1, 1))
    await line.flow(2)
    line.store.fail("known", BROKEN)
    await line.receive(a_piece(1, 2), a_piece(2))
    with pytest.raises(type(BROKEN)):
        await line.tick(60)
    assert len(line.pool.jobs) == 1
    await line.flow(60)
    assert line.store.trace(trace_id(1)).span_count == 2
    assert line.count("sidecheck_traces_accepted_total") == 2


async def test_a_record_that_the_store_cannot_take_is_dropped_and_counted(line):
    line.store.fail("save", BROKEN)
    await line.receive(a_piece())
    await line.flow(2)
    assert line.dropped == {("record", "store_failed"): 1}
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert not line.front.is_busy


async def test_a_batch_that_breaks_the_line_is_dropped_and_counted_and_the_next_one_is_judged(line):
    line.pool.error = RuntimeError()
    await line.receive(a_piece(1))
    await line.flow(2)
    assert line.dropped == {("trace", "internal_error"): 1}
    line.pool.error = None
    await line.receive(a_piece(2))
    await line.flow(2)
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert not line.front.is_busy


async def test_late_spans_that_break_the_line_are_counted_as_dropped_spans(line):
    await line.receive(a_piece(1, 1))
    await line.flow(2)
    line.pool.error = RuntimeError()
    await line.receive(a_piece(1, 2, 3))
    await line.flow(2)
    assert line.dropped == {("span", "internal_error"): 2}


# The end


async def test_another_memory_budget_holds_for_the_next_request_and_closes_what_is_too_much_now(line):
    await line.receive(a_piece(1))
    tight, wide = (FrontOptions(Line.LIMITS, memory_bytes) for memory_bytes in (held_by(a_piece(1)), 1_000_000))
    line.front.adopt(tight)
    with pytest.raises(Refused) as refused:
        await line.receive(a_piece(2))
    assert refused.value.reason is Refusal.OVERLOADED
    await line.flow()  # half of it is for open traces
    assert line.count("sidecheck_traces_evaluated_total", closed_by="evicted") == 1
    line.front.adopt(wide)
    await line.receive(a_piece(2))
    await line.flow(40)
    assert line.count("sidecheck_traces_evaluated_total") == 2
