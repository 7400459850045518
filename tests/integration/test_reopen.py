"""A judged trace is opened again by what comes late: real front, store and judge; a clock that is moved by hand."""

import pytest
from fastapi.testclient import TestClient
from pipeline_fakes import Line, a_piece, text, trace_id

from checks.trace import Feedback, FeedbackTarget
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from exporters.dataset.case import CaseStatus
from exporters.review.routes import create_api
from exporters.store import CaseQuery

HOUR = 3600
TRACE = trace_id(1)
CALL = [
    text("gen_ai.operation.name", "chat"),
    text("gen_ai.response.id", "chatcmpl-1"),
    text("session.id", "visit-7"),
    text("gen_ai.input.messages", '[{"role":"user","parts":[{"type":"text","content":"How long?"}]}]'),
    text("gen_ai.output.messages", '[{"role":"assistant","parts":[{"type":"text","content":"60 days"}]}]'),
]
ABOUT = FeedbackTarget(trace_id=TRACE)

pytestmark = pytest.mark.usefixtures("no_waiting")


class Roomy(Line):
    """A line on which a trace may have as many spans as by default."""

    LIMITS = AssemblyLimits()


@pytest.fixture
async def line(store):
    async with Roomy(store) as made:
        checks = {"user_feedback": {}, "latency": {"max_trace": "1h"}}
        made.pool._judge = Judge(JudgeOptions(checks, redacts=False), wall_ns=made.clock)
        yield made


def thumb(line, *, up, **parts):
    return Feedback(**{"score": float(up), "thumbs_up": up, "user_id": "ann", "time_ns": line.clock.now_ns, **parts})


async def judged(line):
    """The first verdicts on one trace of a model call."""
    await line.receive(a_piece(1, attributes=CALL))
    await line.flow(2)


async def said(line, *, up, target=ABOUT):
    """A thumb, and what it changes."""
    found = await line.front.accept_feedback(target, thumb(line, up=up))
    await line.flow(2)
    await line.flow(2)
    return found


def shown(store):
    """The trace as the API shows it."""
    return TestClient(create_api(store)).get(f"/api/traces/{TRACE}").json()


def outcomes(verdicts):
    return {verdict["check"]: verdict["outcome"] for verdict in verdicts}


def evaluations(line):
    return sum(job.trace_id == TRACE for job in line.pool.jobs)


async def test_a_burst_of_late_spans_gives_one_new_verdict(line, store):
    await judged(line)
    for span in range(2, 12):
        await line.receive(a_piece(1, span))
        await line.flow(0.1)
    await line.flow(2)
    assert evaluations(line) == 2
    assert store.trace(TRACE).span_count == 11
    assert line.count("sidecheck_traces_evaluated_total") == line.count("sidecheck_traces_accepted_total") == 1
    assert line.count("sidecheck_late_spans_total") == 10
    assert line.count("sidecheck_check_results_total", check="latency") == 1


async def test_a_late_log_record_joins_what_was_kept(line, store):
    await judged(line)
    await line.receive(a_piece(1, logs=1))
    await line.flow(2)
    kept = store.trace(TRACE)
    assert kept.logs == a_piece(1, logs=1).logs
    assert kept.spans == a_piece(1, attributes=CALL).spans
    assert line.count("sidecheck_traces_evaluated_total") == 1


async def test_the_verdict_is_replaced_and_the_earlier_one_is_in_the_history(line, store):
    await judged(line)
    line.clock.step(HOUR)
    await said(line, up=False)
    found = shown(store)
    assert outcomes(found["verdicts"]) == {"user_feedback": "failed", "latency": "passed"}
    (earlier,) = found["history"]
    assert outcomes(earlier["verdicts"]) == {"user_feedback": "not_applicable", "latency": "passed"}
    assert earlier["evaluatedAt"] < earlier["replacedAt"] == found["evaluatedAt"]
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert line.count("sidecheck_check_results_total", check="latency") == 1


async def test_judging_again_to_the_same_result_adds_nothing_to_the_history(line, store):
    await judged(line)
    await line.receive(a_piece(1, 2))
    await line.flow(2)
    assert shown(store)["history"] == []


async def test_a_thumbs_down_six_hours_later_promotes_the_whole_trace(line, store):
    await judged(line)
    await line.receive(a_piece(1, 2, 3))
    await line.flow(2)
    line.clock.step(6 * HOUR)
    store.retain(line.clock(), 24 * HOUR * 10**9, 2**31, 30 * 24 * HOUR * 10**9)
    assert await said(line, up=False) == TRACE
    (case,) = store.cases(CaseQuery()).items
    assert (case.case.source.trace_id, case.status) == (TRACE, CaseStatus.CANDIDATE)
    assert (case.case.input, case.case.observed_output) == ("How long?", "60 days")
    assert store.trace(TRACE).span_count == 3
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert line.count("sidecheck_flagged_traces_total") == 1


async def test_feedback_before_its_trace_waits_for_it(line, store):
    assert await said(line, up=False) is None
    line.clock.step(HOUR)
    await judged(line)
    await line.flow(2)
    assert outcomes(shown(store)["verdicts"])["user_feedback"] == "failed"
    assert line.count("sidecheck_traces_evaluated_total") == 1
    assert line.count("sidecheck_user_feedback_total", value="down") == 1


@pytest.mark.parametrize(
    "target",
    [
        FeedbackTarget(trace_id=TRACE),
        FeedbackTarget(span_id=f"{1:016x}"),
        FeedbackTarget(session_id="visit-7"),
        FeedbackTarget(response_id="chatcmpl-1"),
    ],
)
@pytest.mark.parametrize("before", [False, True])
async def test_feedback_may_name_any_id_of_the_trace_before_or_after_it(line, store, target, before):
    if before:
        await said(line, up=False, target=target)
    await judged(line)
    await line.flow(2)
    if not before:
        assert await said(line, up=False, target=target) == TRACE
    assert outcomes(shown(store)["verdicts"])["user_feedback"] == "failed"
    assert line.count("sidecheck_traces_evaluated_total") == 1


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "retrieval"])
@pytest.mark.parametrize("before", [False, True])
async def test_feedback_may_name_the_span_of_an_agent_a_tool_or_a_retrieval(line, store, operation, before):
    target = FeedbackTarget(span_id=f"{2:016x}")
    if before:
        await said(line, up=False, target=target)
    await line.receive(a_piece(1, 1), a_piece(1, 2, attributes=[text("gen_ai.operation.name", operation)]))
    await line.flow(2)
    await line.flow(2)
    if not before:
        assert await said(line, up=False, target=target) == TRACE
    assert outcomes(shown(store)["verdicts"])["user_feedback"] == "failed"


async def test_a_flipped_thumb_withdraws_the_candidate_that_nobody_touched(line, store):
    await judged(line)
    await said(line, up=False)
    line.clock.step(HOUR)
    await said(line, up=True)
    case = store.case_of_trace(TRACE)
    assert (case.status, case.history[0].old_status) == (CaseStatus.WITHDRAWN, CaseStatus.CANDIDATE)
    history = [outcomes(earlier["verdicts"])["user_feedback"] for earlier in shown(store)["history"]]
    assert (outcomes(shown(store)["verdicts"])["user_feedback"], history) == ("passed", ["failed", "not_applicable"])
    assert [given["thumbsUp"] for given in shown(store)["feedback"]] == [False, True]
    assert line.count("sidecheck_verdict_changes_total", before="failed", after="passed") == 1


async def test_a_thumb_that_flips_back_brings_the_candidate_back(line, store):
    await judged(line)
    for up in (False, True, False):
        await said(line, up=up)
        line.clock.step(HOUR)
    assert store.case_of_trace(TRACE).status is CaseStatus.CANDIDATE


async def test_a_flipped_thumb_marks_the_promoted_case_and_the_history_shows_it(line, store):
    await judged(line)
    await said(line, up=False)
    store.promote(TRACE, "eve", "real", line.clock())
    line.clock.step(HOUR)
    await said(line, up=True)
    case = store.case_of_trace(TRACE)
    assert (case.status, case.case.tags) == (CaseStatus.PROMOTED, ("feedback_flipped",))
    assert [change.action for change in case.history] == ["feedback_flipped", "promoted"]
    client = TestClient(create_api(store))
    assert client.get(f"/api/cases/{case.case.id}").json()["metadata"]["tags"] == ["feedback_flipped"]


async def test_the_mark_goes_when_the_thumb_flips_back(line, store):
    await judged(line)
    await said(line, up=False)
    store.promote(TRACE, "eve", "real", line.clock())
    for up in (True, False):
        line.clock.step(HOUR)
        await said(line, up=up)
    case = store.case_of_trace(TRACE)
    assert case.case.tags == ()
    assert [change.action for change in case.history] == ["feedback_flipped", "feedback_flipped", "promoted"]


async def test_a_case_taken_for_another_reason_is_not_marked_by_a_thumb(line, store):
    line.pool._judge = Judge(
        JudgeOptions({"user_feedback": {}, "latency": {"max_trace": "1ns"}}, redacts=False), wall_ns=line.clock
    )
    await judged(line)
    store.promote(TRACE, "eve", "slow", line.clock())
    for up in (False, True):
        line.clock.step(HOUR)
        await said(line, up=up)
    assert store.case_of_trace(TRACE).case.tags == ()


async def test_a_dismissed_case_stays_as_it_is(line, store):
    await judged(line)
    await said(line, up=False)
    store.dismiss(TRACE, "eve", "noise", line.clock())
    line.clock.step(HOUR)
    await said(line, up=True)
    assert store.case_of_trace(TRACE).case.tags == ()
