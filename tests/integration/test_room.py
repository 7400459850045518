"""A day's places for cases, taken, and free again: real front, store and judge; a clock that is moved by hand."""

import pytest
from pipeline_fakes import Line, a_piece, text, trace_id

from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from collector.pipeline.options import FrontOptions
from exporters.room import FOR_ALL, Room
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


async def fail(line, *numbers):
    """Failing traces that have nothing in common, one save each."""
    for number in numbers:
        said = [text("input.value", TEXTS[number - 1]), text("openinference.span.kind", "LLM")]
        await line.receive(a_piece(number, 1, attributes=said))
        await line.flow(3)


def cases(store):
    return sorted(int(case.case.source.trace_id, 16) for case in store.cases(CaseQuery()).items)


def evaluations(line, number):
    return sum(job.trace_id == trace_id(number) for job in line.pool.jobs)


async def test_of_a_day_that_is_full_the_next_failure_makes_no_case_and_is_counted(line, store):
    await fail(line, 1, 2, 3)
    await line.flow(3)
    assert cases(store) == [1, 2]
    assert {c.input: c.traces for c in store.clusters(ClusterQuery()).items} == dict.fromkeys(TEXTS[:3], 1)
    assert evaluations(line, 3) == 1
    assert line.front._keep.room.failing_from_ns > line.clock()


async def test_a_reload_that_makes_room_is_heeded_by_the_next_trace(line, store):
    await fail(line, 1, 2, 3)
    limited(line, CaseLimits(per_day=3))
    await fail(line, 4, 5)
    await line.flow(3)
    assert cases(store) == [1, 2, 4]
    assert [evaluations(line, number) for number in (4, 5)] == [1, 1]


async def test_what_is_known_of_the_room_ends_at_midnight(line, store):
    await fail(line, 1, 2, 3)
    line.clock.step(DAY_S)
    await fail(line, 4)
    assert cases(store) == [1, 2, 4]
    assert evaluations(line, 4) == 1


@pytest.mark.parametrize("how", ["a limit was raised", "a case was forgotten", "another day began"])
async def test_what_was_not_drafted_is_judged_again_where_the_store_finds_a_place(line, store, how):
    await fail(line, 1, 2, 3)
    known = line.front._keep.room
    if how == "a limit was raised":
        limited(line, CaseLimits(per_day=3))
    elif how == "a case was forgotten":
        store.forget(ForgetTarget(trace_id=trace_id(1)), line.clock())
    else:
        line.clock.step(DAY_S)
        known = Room(known.failing_from_ns + DAY_S * 10**9)  # by a clock that was ahead
    line.front._keep.room = known  # the batch was on its way all the time
    await fail(line, 4)
    await line.flow(3)
    await line.flow(3)
    assert cases(store) == ([2, 4] if how == "a case was forgotten" else [1, 2, 4])
    assert evaluations(line, 4) == 2
    assert store.trace(trace_id(4)).history == ()
    assert {c.input: c.traces for c in store.clusters(ClusterQuery()).items}[TEXTS[3]] == 1
    assert store.claim(line.clock() + 10**12).trace_ids == ()
    assert line.count("sidecheck_traces_evaluated_total") == line.count("sidecheck_traces_accepted_total") == 4
    assert line.count("sidecheck_check_results_total", outcome="failed") == 4
    assert line.count("sidecheck_flagged_traces_total") == 4
    assert line.count("sidecheck_failure_clusters_total") == 4
    assert line.count("sidecheck_verdict_changes_total") == 0


async def test_no_case_a_day_is_heeded_from_the_first_save_on(line, store):
    limited(line, CaseLimits(per_day=0))
    await fail(line, 1, 2)
    assert cases(store) == []
    assert [job.room.failing_from_ns > 0 for job in line.pool.jobs] == [False, True]


async def test_an_answer_by_limits_that_hold_no_more_is_not_heeded(line):
    await fail(line, 1, 2)
    line.store.before("save", lambda: limited(line, CaseLimits(per_day=9)))
    await fail(line, 3)
    assert line.front._keep.room == FOR_ALL
