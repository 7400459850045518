"""The straight line from a request to the store, with a real buffer and store, and a clock that is moved by hand.

After every step the accounts are checked: accepted = evaluated + open + dropped.
"""

import asyncio

import pytest
import stamina
from pipeline_fakes import BROKEN, LOCKED, InProcessPool, Line, a_piece, text, trace_id

from checks.report import Outcome
from checks.trace import CloseReason, Feedback, FeedbackTarget
from collector.intake import Refusal, Refused
from collector.pipeline.buffer import PIECE_BYTES, SPAN_BYTES, TRACE_BYTES, TraceBuffer
from collector.pipeline.inspection import BATCH
from exporters.store import TraceQuery

THUMB_DOWN = Feedback(score=0.0, thumbs_up=False, time_ns=7)


@pytest.fixture(autouse=True)
def _no_waiting():
    stamina.set_testing(True, attempts=5)
    yield
    stamina.set_testing(False)


@pytest.fixture
async def line(store):
    async with Line(store) as made:
        yield made


def held_by(piece):
    """The memory that a trace of this piece takes while it is open."""
    buffer = TraceBuffer(Line.LIMITS)
    buffer.add(piece, 0)
    return buffer.held


def about(trace=1):
    return FeedbackTarget(trace_id=trace_id(trace))


def outcome(line, trace=1, check="user_feedback"):
    """The outcome that the store knows."""
    stored = line.store.trace(trace_id(trace))
    return next(v.outcome for v in stored.verdicts if v.check == check)


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


async def test_late_log_records_that_cannot_be_judged_are_dropped_and_counted_one_by_one(line):
    await line.receive(a_piece())
    await line.flow(2)
    line.pool.error = RuntimeError("no worker")
    await line.receive(a_piece(1, 2), a_piece(1, logs=3))
    await line.flow(2)
    assert line.dropped == {("span", "internal_error"): 1, ("logs", "internal_error"): 3}


async def test_late_log_records_beyond_what_a_trace_may_hold_are_dropped_and_counted_one_by_one(line):
    await line.receive(a_piece(1, 1, attributes=[text("big", "x" * 15_000)]))
    await line.flow(2)
    for span in (2, 3):
        await line.receive(a_piece(1, span, logs=span, attributes=[text("big", "y" * 15_000)]))
        await line.flow(2)
    assert line.dropped == {("span", "trace_limit"): 1, ("logs", "trace_limit"): 3}


async def test_log_records_before_their_spans_are_judged_with_them(line):
    await line.receive(a_piece(1, logs=1))
    await line.flow(1)
    await line.receive(a_piece())
    await line.flow(2)
    assert line.store.trace(trace_id(1)).logs
    assert line.count("sidecheck_traces_accepted_total") == 1


# Late


async def test_a_late_span_reopens_its_trace_and_the_whole_is_judged_again_and_counted_once(line):
    await line.receive(a_piece(1, 1))
    await line.flow(2)
    await line.receive(a_piece(1, 2))
    await line.flow(2)
    stored = line.store.trace(trace_id(1))
    assert stored.span_count == 2
    assert stored.spans == a_piece(1, 1, 2).spans
    assert line.count("sidecheck_traces_evaluated_total") == line.count("sidecheck_traces_accepted_total") == 1
    assert line.count("sidecheck_late_spans_total") == 1


async def test_late_log_records_join_the_trace_that_was_judged_without_them(line):
    await line.receive(a_piece())
    await line.flow(2)
    await line.receive(a_piece(1, logs=1))
    await line.flow(2)
    assert line.store.trace(trace_id(1)).logs == a_piece(1, logs=1).logs
    assert line.dropped == {}


async def test_a_span_that_is_late_for_a_trace_on_its_way_to_the_store_waits_for_it(line):
    gate = line.store.hold("save")
    await line.receive(a_piece(1, 1))
    await line.tick(2)
    await line.receive(a_piece(1, 2))
    await line.tick(700)
    assert len(line.pool.jobs) == 1
    gate.set()
    await line.front.dispatch._queue.join()
    await line.flow()
    assert line.store.trace(trace_id(1)).span_count == 2
    assert line.count("sidecheck_traces_evaluated_total") == 1


async def test_a_request_that_comes_again_after_its_trace_was_stored_counts_nothing_twice(line):
    await line.receive(a_piece())
    await line.flow(2)
    await line.receive(a_piece())
    await line.flow(2)
    assert line.store.trace(trace_id(1)).span_count == 1
    assert line.count("sidecheck_traces_evaluated_total") == 1


async def test_late_spans_beyond_what_a_trace_may_hold_are_left_out_and_counted(line):
    await line.receive(a_piece(1, 1, attributes=[text("big", "x" * 15_000)]))
    await line.flow(2)
    for span in (2, 3):
        await line.receive(a_piece(1, span, attributes=[text("big", "y" * 15_000)]))
        await line.flow(2)
    stored = line.store.trace(trace_id(1))
    assert (stored.span_count, stored.truncated) == (2, True)
    assert line.dropped == {("span", "trace_limit"): 1}


async def test_late_spans_beyond_the_number_that_a_trace_may_have_are_left_out_and_counted(line):
    await line.receive(a_piece(1, 1, 2, 3))
    await line.flow(2)
    for late in ((4, 5, 6), (7, 8, 9)):
        await line.receive(a_piece(1, *late))
        await line.flow(2)
    stored = line.store.trace(trace_id(1))
    assert (stored.span_count, stored.truncated) == (5, True)
    assert line.dropped == {("span", "trace_limit"): 4}
    assert line.count("sidecheck_traces_evaluated_total") == 1


async def test_a_trace_that_the_store_lost_is_accepted_anew_when_late_spans_come(line):
    """The late span waited for a record that the store then could not take: its trace counts as a new one."""
    gate = line.store.hold("save")
    line.store.fail("save", BROKEN)
    await line.receive(a_piece(1, 1))
    await line.tick(2)
    await line.receive(a_piece(1, 2))
    await line.tick()
    gate.set()
    await line.front.dispatch._queue.join()
    await line.flow(30)
    assert line.dropped == {("record", "store_failed"): 1}
    assert line.count("sidecheck_traces_evaluated_total") == 2
    assert line.store.trace(trace_id(1)).span_count == 1


# Feedback


async def test_feedback_on_a_judged_trace_replaces_its_verdict_and_counts_the_trace_once(line):
    await line.receive(a_piece())
    await line.flow(2)
    assert outcome(line) is Outcome.NOT_APPLICABLE
    assert await line.front.accept_feedback(about(), THUMB_DOWN) == trace_id(1)
    await line.flow(2)
    assert outcome(line) is Outcome.FAILED
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert line.count("sidecheck_user_feedback_total", value="down") == 1
    assert line.count("sidecheck_late_spans_total") == 0


async def test_feedback_on_an_open_trace_is_known_when_it_is_judged(line):
    await line.receive(a_piece())
    await line.flow()
    assert await line.front.accept_feedback(about(), THUMB_DOWN) == trace_id(1)
    await line.flow(2)
    assert outcome(line) is Outcome.FAILED
    assert len(line.pool.jobs) == 1


async def test_feedback_before_its_trace_waits_for_it(line):
    assert await line.front.accept_feedback(about(), THUMB_DOWN) is None
    await line.flow(60)
    assert line.pool.jobs == []
    await line.receive(a_piece())
    await line.flow(2)
    await line.flow(2)
    assert outcome(line) is Outcome.FAILED
    assert line.count("sidecheck_traces_evaluated_total") == 1


async def test_feedback_on_a_trace_on_its_way_to_the_store_is_judged_after_it(line):
    gate = line.store.hold("save")
    await line.receive(a_piece())
    await line.tick(2)
    await line.front.accept_feedback(about(), THUMB_DOWN)
    gate.set()
    await line.flow()
    await line.flow(2)
    assert outcome(line) is Outcome.FAILED


async def test_feedback_on_a_session_finds_its_latest_trace(line):
    await line.receive(a_piece(1, attributes=[text("session.id", "visit-7")]))
    await line.flow(2)
    assert await line.front.accept_feedback(FeedbackTarget(session_id="visit-7"), THUMB_DOWN) == trace_id(1)
    await line.flow(2)
    assert outcome(line) is Outcome.FAILED


async def test_feedback_on_a_session_before_its_trace_waits_for_it(line):
    assert await line.front.accept_feedback(FeedbackTarget(session_id="visit-7"), THUMB_DOWN) is None
    await line.receive(a_piece(1, attributes=[text("session.id", "visit-7")]))
    await line.flow(2)
    await line.flow(2)
    assert outcome(line) is Outcome.FAILED


async def test_feedback_that_cannot_be_kept_is_refused_for_now(line):
    line.store.fail("add_feedback", LOCKED)
    with pytest.raises(Refused) as caught:
        await line.front.accept_feedback(about(), THUMB_DOWN)
    assert caught.value.is_retryable
    assert line.count("sidecheck_feedback_accepted_total") == 0


async def test_feedback_on_a_trace_that_retention_took_meanwhile_ends_quietly(line):
    await line.receive(a_piece())
    await line.flow(2)
    await line.front.accept_feedback(about(), THUMB_DOWN)
    line.store.before("load", lambda: line.store._store.retain(10**18, 1, 1, 1))
    await line.flow(2)
    assert line.dropped == {}
    assert len(line.pool.jobs) == 1
    assert not line.front.is_busy


# Limits


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


async def test_stopping_judges_and_stores_everything_that_is_open(line):
    await line.receive(a_piece(1, 2), a_piece(2, 1))
    line.front.start()
    await line.front.stop(30)
    stored = line.store.traces(TraceQuery()).items
    assert {trace.trace_id for trace in stored} == {trace_id(1), trace_id(2)}
    assert {trace.closed_by for trace in stored} == {CloseReason.SHUTDOWN}
    line.check_accounts()
    assert line.front.open_traces == 0


async def test_stopping_waits_for_feedback_that_the_store_brings_to_a_trace(line):
    await line.front.accept_feedback(about(), THUMB_DOWN)
    await line.receive(a_piece())
    gate = line.store.hold("save")  # until everything is judged, and nothing is open
    asyncio.get_running_loop().call_later(0.2, gate.set)
    await line.front.stop(30)
    assert outcome(line) is Outcome.FAILED


async def test_stopping_while_traces_wait_for_a_worker_judges_them_too(line):
    """The slots are taken by batches that are being judged; a further one has left the buffer already."""
    begun, gate = asyncio.Event(), asyncio.Event()

    class Slow(InProcessPool):
        async def inspect(self, jobs):
            begun.set()
            await gate.wait()
            return await super().inspect(jobs)

    line.front._pool = Slow()
    await line.receive(*(a_piece(number) for number in range(1, 200)))
    line.clock.step(2)
    line.front.start()
    await begun.wait()
    stopping = asyncio.create_task(line.front.stop(30))
    await asyncio.sleep(0)
    gate.set()
    await stopping
    line.check_accounts()
    assert line.count("sidecheck_traces_evaluated_total") == 199


async def test_while_stopping_requests_are_refused_for_now(line):
    await line.front.stop(1)
    with pytest.raises(Refused) as caught:
        await line.receive(a_piece())
    assert caught.value.reason is Refusal.SHUTTING_DOWN
    assert caught.value.is_retryable


async def test_what_cannot_be_judged_in_time_is_counted_as_dropped(line):
    class Stuck(InProcessPool):
        async def inspect(self, jobs):
            await asyncio.Event().wait()
            return jobs

    line.front._pool = Stuck()
    await line.receive(a_piece(1), a_piece(2))
    await line.front.stop(0.2)
    assert line.dropped == {("trace", "shutdown"): 2}
    line.check_accounts()


async def test_what_cannot_be_stored_in_time_is_counted_as_dropped(line):
    gate = line.store.hold("save")
    await line.receive(a_piece())
    try:
        await line.front.stop(0.2)
    finally:
        gate.set()
    assert line.dropped == {("record", "shutdown"): 1}
