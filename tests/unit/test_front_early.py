"""Feedback in log records that come long before their trace, or that name none: the line as in ``test_front``.

After every step the accounts are checked: accepted = evaluated + open + dropped.
"""

import asyncio

import pytest
from pipeline_fakes import BROKEN, LOCKED, THUMB_DOWN, a_piece, a_thumb_piece, text

from checks.report import Outcome
from checks.trace import FeedbackTarget
from collector.intake import Batch, Refused, Source
from collector.pipeline.feedback import MOST_EARLY

pytestmark = pytest.mark.usefixtures("no_waiting")


async def test_feedback_in_log_records_that_come_long_before_their_trace_waits_for_it(line):
    await line.receive(a_thumb_piece(1))
    await line.flow(30)
    assert (line.pool.jobs, line.dropped, line.front.is_busy) == ([], {}, False)
    await line.receive(a_piece())
    await line.flow(2)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED
    assert line.count("sidecheck_traces_accepted_total") == line.count("sidecheck_traces_evaluated_total") == 1
    assert line.count("sidecheck_feedback_accepted_total", source="log") == 1
    assert line.count("sidecheck_user_feedback_total", value="down") == 1


async def test_feedback_in_log_records_that_come_again_with_their_trace_counts_once(line):
    await line.receive(a_thumb_piece(1))
    await line.flow(30)
    await line.receive(a_piece(), a_thumb_piece(1))
    await line.flow(2)
    await line.flow(2)
    assert line.count("sidecheck_user_feedback_total") == 1


async def test_log_records_beside_feedback_that_came_before_any_span_are_dropped_and_counted(line):
    await line.receive(a_thumb_piece(1, others=3))
    await line.flow(30)
    assert line.dropped == {("logs", "no_spans"): 3}


async def test_of_much_feedback_that_came_before_any_span_the_latest_is_kept_and_the_rest_counted(line):
    await line.receive(a_thumb_piece(1, thumbs=MOST_EARLY + 3))
    await line.flow(30)
    assert line.dropped == {("logs", "no_spans"): 3}
    assert line.count("sidecheck_feedback_accepted_total") == MOST_EARLY


async def test_feedback_that_came_before_any_span_is_kept_once_the_store_takes_it(line):
    line.store.fail("add_feedback", LOCKED, LOCKED)
    await line.receive(a_thumb_piece(1))
    await line.flow(30)
    assert line.dropped == {}
    assert line.store.counts().waiting_feedback == 1


async def test_feedback_that_came_before_any_span_and_that_the_store_never_takes_is_counted(line):
    line.store.fail("add_feedback", BROKEN)
    await line.receive(a_thumb_piece(1))
    await line.flow(30)
    assert line.dropped == {("logs", "internal_error"): 1}
    assert not line.front.is_busy


async def test_a_trace_that_comes_while_feedback_that_came_before_it_is_being_kept_is_judged_with_it(line):
    gate = line.store.hold("add_feedback")
    await line.receive(a_thumb_piece(1))
    await line.front.tick()
    line.clock.step(30)
    await line.front.tick()
    await line.receive(a_piece())
    await line.front.tick()
    gate.set()
    await asyncio.gather(*line.front._batches)
    await line.flow(2)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED
    assert line.count("sidecheck_traces_accepted_total") == line.count("sidecheck_traces_evaluated_total") == 1


async def test_feedback_that_names_no_trace_but_a_response_finds_it(line):
    said = (FeedbackTarget(response_id="chatcmpl-1"), THUMB_DOWN)
    await line.front.accept(Batch(Source.OTLP_HTTP, said=(said,)))
    call = [text("gen_ai.operation.name", "chat"), text("gen_ai.response.id", "chatcmpl-1")]
    await line.receive(a_piece(attributes=call))
    await line.flow(2)
    await line.flow(2)
    assert line.outcome() is Outcome.FAILED
    assert line.count("sidecheck_logs_accepted_total") == line.count("sidecheck_feedback_accepted_total") == 1


async def test_a_request_with_feedback_that_cannot_be_kept_is_refused_for_now_as_a_whole(line):
    line.store.fail("add_feedback", LOCKED)
    batch = Batch(Source.OTLP_HTTP, (a_piece(),), said=((FeedbackTarget(response_id="chatcmpl-1"), THUMB_DOWN),))
    with pytest.raises(Refused) as caught:
        await line.front.accept(batch)
    assert caught.value.is_retryable
    assert not line.front.is_busy
    assert line.count("sidecheck_logs_accepted_total") == line.count("sidecheck_feedback_accepted_total") == 0
