"""A day's places for cases, taken, and free again: real front, store and judge; a clock that is moved by hand."""

import pytest
from pipeline_fakes import Line, a_piece, text, trace_id

from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from collector.pipeline.options import FrontOptions
from exporters.store import CaseLimits, CaseQuery, ClusterQuery, ForgetTarget

TEXTS = ["Can I bring my dog?", "What is a tax id?", "Why is the sky blue?", "Who wrote this poem?", "Is it far away?"]
DAY_S = 86_400
TWO = CaseLimits(per_day=2)

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
async def line(store):
    async with Line(store) as made:
        made.pool._judge = Judge(JudgeOptions({"latency": {"max_trace": "1ns"}}, redacts=False), wall_ns=made.clock)
        limited(made, TWO)
        yield made


def limited(line, limits):
    """As a reload of the configuration does."""
    line.front.adopt(FrontOptions(line.LIMITS, 1_000_000, case_limits=limits))


async def fail(line, *numbers, said=None, service="shop"):
    """Failing traces that have nothing in common, one save each."""
    for number in numbers:
        asked = [text("input.value", said or TEXTS[number - 1]), text("openinference.span.kind", "LLM")]
        await line.receive(a_piece(number, 1, service=service, attributes=asked))
        await line.flow(3)


def cases(store):
    return sorted(int(case.case.source.trace_id, 16) for case in store.cases(CaseQuery()).items)


def is_whole(line, number):
    """Whether its case was drafted, each time when the trace was judged."""
    jobs = [job for job in line.pool.jobs if job.trace_id == trace_id(number)]
    return [line.pool._judge.judge(job).case is not None for job in jobs]


async def test_of_a_day_that_is_full_the_next_failure_makes_no_case_and_is_counted(line, store):
    await fail(line, 1, 2, 3, 4)
    await line.flow(3)
    assert cases(store) == [1, 2]
    assert {c.input: c.traces for c in store.clusters(ClusterQuery()).items} == dict.fromkeys(TEXTS[:4], 1)
    assert [is_whole(line, number) for number in (3, 4)] == [[True], [False]]


async def test_a_reload_that_makes_room_is_heeded_by_the_next_trace(line, store):
    await fail(line, 1, 2, 3)
    limited(line, CaseLimits(per_day=3))
    await fail(line, 4, 5)
    await line.flow(3)
    assert cases(store) == [1, 2, 4]
    assert [is_whole(line, number) for number in (4, 5)] == [[True], [True]]


@pytest.mark.parametrize("how", ["a limit was raised", "a case was forgotten", "another day began"])
async def test_what_was_not_drafted_is_judged_again_where_the_store_finds_a_place(line, store, how):
    await fail(line, 1, 2, 3)
    known = line.pool.jobs[-1].full or line.front._reopening._room.full
    if how == "a limit was raised":
        limited(line, CaseLimits(per_day=3))
    elif how == "a case was forgotten":
        store.forget(ForgetTarget(trace_id=trace_id(1)), line.clock())
    else:
        line.clock.step(DAY_S)
    line.front._reopening._room.full = known  # the batch was on its way all the time
    await fail(line, 4)
    await line.flow(3)
    await line.flow(3)
    assert cases(store) == ([2, 4] if how == "a case was forgotten" else [1, 2, 4])
    assert is_whole(line, 4) == [False, True]
    assert store.trace(trace_id(4)).history == ()
    assert {c.input: c.traces for c in store.clusters(ClusterQuery()).items}[TEXTS[3]] == 1
    assert store.claim(line.clock() + 10**12).trace_ids == ()
    assert line.count("sidecheck_traces_evaluated_total") == line.count("sidecheck_traces_accepted_total") == 4
    assert line.count("sidecheck_check_results_total", outcome="failed") == 4
    assert line.count("sidecheck_flagged_traces_total") == 4
    assert line.count("sidecheck_failure_clusters_total") == 4
    assert line.count("sidecheck_verdict_changes_total") == 0
    assert line.count("sidecheck_late_spans_total") == 0


async def test_where_a_place_is_found_the_next_traces_are_drafted_at_once(line, store):
    await fail(line, 1, 2, 3)
    line.clock.step(DAY_S)
    await fail(line, 4, 5)
    await line.flow(3)
    assert cases(store) == [1, 2, 4, 5]
    assert [is_whole(line, number) for number in (4, 5)] == [[False, True], [True]]


async def test_a_failure_of_another_kind_is_drafted_though_there_is_no_room_for_the_usual_one(line, store):
    limited(line, CaseLimits(per_cluster=1))
    await fail(line, 1)
    for number in (2, 3):
        await fail(line, number, said=TEXTS[0])
    await fail(line, 4, service="help")
    await line.flow(3)
    assert cases(store) == [1, 4]
    assert [is_whole(line, number) for number in (2, 3, 4)] == [[True], [False], [True]]


async def test_another_question_makes_its_case_though_there_was_no_room_for_the_usual_one(line, store):
    limited(line, CaseLimits(per_cluster=1))
    await fail(line, 1)
    await fail(line, 2, said=TEXTS[0])
    await fail(line, 3)
    await line.flow(3)
    await line.flow(3)
    assert cases(store) == [1, 3]
    assert is_whole(line, 3) == [False, True]


async def test_no_case_a_day_is_heeded_from_the_first_save_on(line, store):
    limited(line, CaseLimits(per_day=0))
    await fail(line, 1, 2)
    assert cases(store) == []
    assert [is_whole(line, number) for number in (1, 2)] == [[True], [False]]


async def test_what_limits_left_that_hold_no_more_is_not_heeded(line):
    await fail(line, 1, 2)
    line.store.before("save", lambda: limited(line, CaseLimits(per_day=9)))
    await fail(line, 3, 4)
    assert is_whole(line, 4) == [True]
