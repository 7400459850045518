"""What comes after its trace was judged, spans and feedback, or before it: the line as in ``test_front``.

After every step the accounts are checked: accepted = evaluated + open + dropped.
"""

import pytest
from pipeline_fakes import ABOUT, BROKEN, LOCKED, THUMB_DOWN, a_piece, text, trace_id

from checks.report import Outcome
from checks.trace import FeedbackTarget
from collector.intake import Refused

pytestmark = pytest.mark.usefixtures("no_waiting")


# From the first span to the store


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
    assert line.outcome() is Outcome.NOT_APPLICABLE
    assert await line.front.accept_feedback(ABOUT, THUMB_DOWN) == trace_id(1)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert line.count("sidecheck_user_feedback_total", value="down") == 1
    assert line.count("sidecheck_late_spans_total") == 0


async def test_feedback_on_an_open_trace_is_known_when_it_is_judged(line):
    await line.receive(a_piece())
    await line.flow()
    assert await line.front.accept_feedback(ABOUT, THUMB_DOWN) == trace_id(1)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED
    assert len(line.pool.jobs) == 1


async def test_feedback_before_its_trace_waits_for_it(line):
    assert await line.front.accept_feedback(ABOUT, THUMB_DOWN) is None
    await line.flow(60)
    assert line.pool.jobs == []
    await line.receive(a_piece())
    await line.flow(2)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED
    assert line.count("sidecheck_traces_evaluated_total") == 1


async def test_feedback_on_a_trace_on_its_way_to_the_store_is_judged_after_it(line):
    gate = line.store.hold("save")
    await line.receive(a_piece())
    await line.tick(2)
    await line.front.accept_feedback(ABOUT, THUMB_DOWN)
    gate.set()
    await line.flow()
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED


async def test_feedback_on_a_session_finds_its_latest_trace(line):
    await line.receive(a_piece(1, attributes=[text("session.id", "visit-7")]))
    await line.flow(2)
    assert await line.front.accept_feedback(FeedbackTarget(session_id="visit-7"), THUMB_DOWN) == trace_id(1)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED


async def test_feedback_on_a_session_before_its_trace_waits_for_it(line):
    assert await line.front.accept_feedback(FeedbackTarget(session_id="visit-7"), THUMB_DOWN) is None
    await line.receive(a_piece(1, attributes=[text("session.id", "visit-7")]))
    await line.flow(2)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED


async def test_feedback_that_cannot_be_kept_is_refused_for_now(line):
    line.store.fail("add_feedback", LOCKED)
    with pytest.raises(Refused) as caught:
        await line.front.accept_feedback(ABOUT, THUMB_DOWN)
    assert caught.value.is_retryable
    assert line.count("sidecheck_feedback_accepted_total") == 0


async def test_feedback_on_a_trace_that_retention_took_meanwhile_ends_quietly(line):
    await line.receive(a_piece())
    await line.flow(2)
    await line.front.accept_feedback(ABOUT, THUMB_DOWN)
    line.store.before("load", lambda: line.store._store.retain(10**18, 1, 1, 1))
    await line.flow(2)
    assert line.dropped == {}
    assert len(line.pool.jobs) == 1
    assert not line.front.is_busy


# Limits
