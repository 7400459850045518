"""What was judged before, asked of a store that is sometimes away, and how late spans join it."""

import pytest
from pipeline_fakes import BROKEN, LOCKED, FlakyStore, span_bytes
from store_builders import a_record, a_verdict, about, save, trace_id

from checks.trace import CloseReason, Feedback
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.closed_trace import ClosedTrace
from collector.pipeline.decided import COPIES, Decided, Either, job_of
from exporters.store import ForgetTarget, Kept, StoreError

LIMITS = AssemblyLimits(max_bytes=1_000)

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def flaky(store):
    return FlakyStore(store)


@pytest.fixture
def decided(flaky):
    return Decided(flaky)


def a_closed(number=1, **parts):
    defaults = {"spans": span_bytes(number, 2), "logs": b"", "closed_by": CloseReason.IDLE, "span_count": 1}
    return ClosedTrace(trace_id(number), **{**defaults, **parts})


async def test_a_stored_trace_is_known_and_another_is_not(store, decided):
    save(store, a_record(1))
    assert await decided.standing([trace_id(1), trace_id(2)]) == ({trace_id(1)}, set())


async def test_a_trace_on_its_way_to_the_store_is_known_without_asking(flaky, decided):
    decided.began([a_closed(1)])
    flaky.fail("known", BROKEN)
    assert (await decided.standing([trace_id(1)])).known == {trace_id(1)}


async def test_a_trace_that_is_stored_or_dropped_is_no_longer_on_its_way_and_frees_its_positions(decided):
    decided.began([a_closed(1, positions=(7, 8)), a_closed(2, positions=(8,))])
    assert decided.ended([trace_id(1)]) == [7, 8]
    assert decided.under_way == {trace_id(2): (8,)}
    assert decided.ended([trace_id(1)]) == []


@pytest.mark.parametrize(("method", "ask"), [("known", "stored"), ("load", "kept"), ("sizes", "sizes")])
async def test_a_locked_store_is_asked_again(store, flaky, decided, method, ask):
    save(store, a_record(1))
    flaky.fail(method, LOCKED, LOCKED)
    assert trace_id(1) in await getattr(decided, ask)([trace_id(1)])


@pytest.mark.parametrize("method", ["known", "forgotten"])
async def test_how_traces_stand_is_asked_again_of_a_locked_store(store, flaky, decided, method):
    save(store, a_record(1), a_record(2))
    store.forget(ForgetTarget(trace_id=trace_id(2)), 1)
    flaky.fail(method, LOCKED, LOCKED)
    assert await decided.standing([trace_id(1), trace_id(2)]) == ({trace_id(1)}, {trace_id(2)})


@pytest.mark.parametrize("method", ["known", "forgotten"])
async def test_a_broken_store_is_not_asked_again(flaky, decided, method):
    flaky.fail(method, BROKEN)
    with pytest.raises(StoreError):
        await decided.standing([trace_id(1)])


async def test_what_is_kept_includes_feedback_that_waits_for_a_trace_that_was_never_judged(store, decided):
    store.add_feedback(about(1), Feedback(comment="hm"), 1)
    kept = await decided.kept([trace_id(1)])
    assert [said.comment for said in kept[trace_id(1)].feedback] == ["hm"]


async def test_nothing_is_asked_about_nothing(flaky, decided):
    flaky.fail("load", BROKEN)
    assert await decided.kept([]) == {}


async def test_what_is_loaded_of_a_trace_counts_as_held_until_it_has_ended(store, decided):
    save(store, a_record(1, spans=bytes(10_000)), a_record(2))
    decided.began([a_closed(1), a_closed(2)])
    held = decided.held
    kept = await decided.kept([trace_id(1), trace_id(2)])
    assert decided.loaded == sum(COPIES * len(each.data) for each in kept.values()) == decided.held - held > 0
    await decided.kept([trace_id(1)])
    assert decided.loaded == decided.held - held
    decided.ended([trace_id(1), trace_id(2)])
    assert (decided.loaded, decided.held) == (0, 0)


async def test_what_is_loaded_of_a_trace_that_is_not_on_its_way_is_not_counted(store, decided):
    save(store, a_record(1))
    await decided.kept([trace_id(1)])
    assert (decided.loaded, decided.held) == (0, 0)


def test_a_trace_of_which_nothing_is_kept_is_judged_as_it_came():
    job = job_of(a_closed(truncated=True), None, LIMITS)
    assert (job.spans, job.truncated, job.previous, job.earlier) == (a_closed().spans, True, None, None)


def test_late_spans_are_judged_with_the_feedback_and_the_verdicts_that_were_kept():
    said, verdict = Feedback(score=1.0), a_verdict()
    job = job_of(a_closed(), Kept(b"data", 1, (verdict,), (said,), judged_feedback=(said,)), LIMITS)
    assert (job.feedback, job.previous, job.previous_feedback) == ((said,), (verdict,), (said,))
    assert (job.earlier.data, job.truncated) == (b"data", False)


def test_a_trace_that_was_truncated_stays_so():
    assert job_of(a_closed(), Kept(truncated=True), LIMITS).truncated


def test_either_looks_into_both_containers_as_they_are_now():
    one, other = {"a"}, {"b": 1}
    either = Either(one, other)
    assert "a" in either
    assert "b" in either
    other.clear()
    assert "b" not in either
