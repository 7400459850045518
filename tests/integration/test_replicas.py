"""Two lines on one store: real fronts, store and judge; whatever reaches whichever, the verdicts are on all of it."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from pipeline_fakes import LOCKED, Line, a_piece, text, trace_id

from checks.trace import Feedback, FeedbackTarget
from collector.pipeline import quarantine, upkeep
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.feedback import FeedbackDesk
from collector.pipeline.forgetting import forget_beside
from collector.pipeline.losses import Losses
from exporters.store import ForgetTarget, Store

TRACE = trace_id(1)
ABOUT = FeedbackTarget(trace_id=TRACE)
DOWN = Feedback(0.0, thumbs_up=False, user_id="ann", source="api")
USER = [text("user.id", "bob")]

pytestmark = pytest.mark.usefixtures("no_waiting")


class Replica(Line):
    LIMITS = AssemblyLimits()


@pytest.fixture
async def replicas(store):
    async with Replica(store) as one, Replica(store) as other:
        yield one, other


@pytest.fixture
def desk(prepared_url, tmp_path, replicas):
    """What takes feedback in a process that judges nothing."""
    line = replicas[0]
    with Store.open(prepared_url, tmp_path, hold_ns=0) as opened:
        yield FeedbackDesk(opened, line.metrics, Losses(line.metrics, line.clock), line.clock)


def verdict(store, check="user_feedback"):
    stored = store.trace(TRACE)
    return next(v.outcome.value for v in stored.verdicts if v.check == check)


async def judged_at_once(one, other):
    """Have both judge what they have before either saves."""
    held = [line.store.hold("save") for line in (one, other)]
    for line in (one, other):
        line.clock.step(0.001)
        await line.tick(40)
    for gate in held:
        gate.set()
    for line in (one, other):
        await line.flow()


async def test_the_halves_of_a_trace_that_two_replicas_got_meet_in_one_verdict(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1, 1, 2))
    await other.receive(a_piece(1, 3))
    other.clock.step(1)
    await judged_at_once(one, other)
    assert store.trace(TRACE).span_count == 3
    assert [line.count("sidecheck_traces_evaluated_total") for line in replicas] == [1, 1]


async def test_the_same_trace_read_by_two_replicas_is_stored_once(store, replicas):
    one, other = replicas
    for line in replicas:
        await line.receive(a_piece(1, 1, 2))
    other.clock.step(1)
    await judged_at_once(one, other)
    stored = store.trace(TRACE)
    assert (stored.span_count, stored.history) == (2, ())


async def test_a_replica_that_read_the_trace_from_its_first_span_on_keeps_no_span_twice(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1, 1))
    for span in (1, 2):
        await other.receive(a_piece(1, span))
    other.clock.step(1)
    await judged_at_once(one, other)
    stored = store.trace(TRACE)
    assert stored.span_count == 2
    assert stored.spans.count(b"chat") == 2


async def test_a_half_is_held_on_to_until_it_is_stored_with_the_other(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1, 1))
    await one.flow(40)
    other.front.decided._store = BlindStore(other.store)
    gate = other.store.hold("load")
    await other.receive(a_piece(1, 2))
    await other.tick(40)
    assert TRACE in other.front.decided.under_way
    gate.set()
    await other.flow()
    assert TRACE not in other.front.decided.under_way
    assert store.trace(TRACE).span_count == 2


async def test_a_store_that_fails_in_between_is_tried_again(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1, 1))
    await one.flow(40)
    other.front.decided._store = BlindStore(other.store)
    other.store.fail("load", LOCKED)
    await other.receive(a_piece(1, 2))
    await other.flow(40)
    assert store.trace(TRACE).span_count == 2


def a_call(span):
    """A model call of ten tokens."""
    tokens = KeyValue(key="gen_ai.usage.input_tokens", value=AnyValue(int_value=10))
    names = text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "stub")
    return a_piece(1, span, attributes=[*names, tokens])


async def test_the_model_calls_of_halves_that_meet_are_counted_once_each(replicas):
    one, other = replicas
    await one.receive(a_call(1))
    await other.receive(a_call(2))
    other.clock.step(1)
    await judged_at_once(one, other)
    assert [line.count("sidecheck_tokens_total") for line in replicas] == [10, 10]


async def test_a_model_call_that_comes_late_is_counted_and_none_twice(replicas):
    one, _ = replicas
    for call in (a_call(1), a_call(2), a_call(2)):
        await one.receive(call)
        await one.flow(40)
    assert one.count("sidecheck_tokens_total") == 20
    assert one.count("sidecheck_traces_evaluated_total") == 1


class BlindStore:
    """A store that was asked before the other replica saved."""

    def __init__(self, store):
        self._store = store

    def known(self, _trace_ids):
        return set()

    def __getattr__(self, name):
        return getattr(self._store, name)


async def test_feedback_at_a_replica_that_never_saw_the_trace_is_judged_there(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1))
    await one.flow(2)
    assert await other.front.accept_feedback(ABOUT, DOWN) == TRACE
    await other.flow(2)
    await other.flow(2)
    assert verdict(store) == "failed"
    assert other.count("sidecheck_traces_evaluated_total") == 0
    assert other.count("sidecheck_user_feedback_total", value="down") == 1


async def test_feedback_that_came_first_through_another_replica_is_judged_with_its_trace(store, replicas):
    one, other = replicas
    assert await other.front.accept_feedback(ABOUT, DOWN) is None
    await one.receive(a_piece(1))
    await one.flow(2)
    await one.flow(2)
    assert verdict(store) == "failed"


async def test_feedback_at_one_replica_while_the_trace_is_open_at_another_is_judged_with_it(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1))
    await one.tick()
    assert await other.front.accept_feedback(ABOUT, DOWN) is None
    await one.flow(2)
    await one.flow(2)
    await other.flow(2)
    assert verdict(store) == "failed"


async def test_feedback_at_one_replica_and_late_spans_at_another_meet_in_one_verdict(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1, 1))
    await one.flow(40)
    other.clock.step(100)
    await one.receive(a_piece(1, 2))
    await other.front.accept_feedback(ABOUT, DOWN)
    await judged_at_once(one, other)
    await one.flow(2)
    assert (store.trace(TRACE).span_count, verdict(store)) == (2, "failed")


async def test_feedback_through_a_process_that_judges_nothing_is_judged_by_one_that_does(store, replicas, desk):
    one, other = replicas
    await one.receive(a_piece(1))
    await one.flow(2)
    assert await desk.accept_feedback(ABOUT, DOWN) == TRACE
    other.clock.step(60)
    for line in (other, one):
        await line.front.claim()
        await line.flow(2)
        await line.flow(2)
    assert verdict(store) == "failed"
    assert [len(line.pool.jobs) for line in replicas] == [1, 1]
    assert store.claim(10**18).trace_ids == ()


async def test_feedback_whose_replica_dies_over_it_is_judged_by_another(store, replicas):
    one, other = replicas
    await one.receive(a_piece(1))
    await one.flow(2)
    await one.front.accept_feedback(ABOUT, DOWN)  # and no more is heard of it
    await other.front.claim()
    assert not other.front.is_busy
    other.clock.step(90)
    await other.front.claim()
    await other.flow(2)
    await other.flow(2)
    assert verdict(store) == "failed"


async def test_what_nobody_manages_to_judge_is_counted(replicas, desk):
    one, other = replicas
    await one.receive(a_piece(1))
    await one.flow(2)
    await desk.accept_feedback(ABOUT, DOWN)
    other.pool.error = RuntimeError()
    for _ in range(11):
        await other.front.claim()
        await other.flow(40)
        other.clock.step(3600)
    await other.front.claim()
    assert other.dropped["feedback", "not_judged"] == 1


async def test_a_trace_that_is_open_here_while_it_is_forgotten_elsewhere_does_not_come_back(store, replicas, tmp_path):
    one, _ = replicas
    await one.receive(a_piece(1), a_piece(2, attributes=USER, start_time_unix_nano=1))
    await one.tick()
    for target in (ForgetTarget(trace_id=TRACE), ForgetTarget(user_id="bob")):
        forget_beside(store, tmp_path, target, one.clock())
    await one.flow(2)
    assert store.known([TRACE, trace_id(2)]) == set()
    assert one.dropped["record", "forgotten"] == 2
    await one.receive(a_piece(2, 3, attributes=USER))
    await one.flow(40)
    assert store.known([trace_id(2)]) == set()


def test_a_quarantined_trace_goes_here_too_when_it_was_forgotten_elsewhere(store, tmp_path):
    folder = tmp_path / "quarantine"
    folder.mkdir()
    for name in (f"{TRACE}.binpb", f"{TRACE}.reason.txt", f"{trace_id(2)}.binpb"):
        (folder / name).write_bytes(b"")
    upkeep.tidy_quarantine(store, folder)
    assert quarantine.trace_ids(folder) == {TRACE, trace_id(2)}
    store.forget(ForgetTarget(trace_id=TRACE), 1)
    upkeep.tidy_quarantine(store, folder)
    assert quarantine.trace_ids(folder) == {trace_id(2)}


async def test_a_store_that_is_away_when_it_is_asked_for_traces_is_a_problem_until_it_answers(replicas):
    one, _ = replicas
    problems = []
    one.store.fail("known", LOCKED)
    one.front.decided._store = Asked(one.store, lambda: problems.append(one.front.decided.problem))
    await one.receive(a_piece(1))
    await one.flow(2)
    assert problems == [None, f"{LOCKED}; trying again"]
    assert one.front.decided.problem is None


class Asked:
    """A store that tells when it is asked for traces."""

    def __init__(self, store, tell):
        self._store = store
        self._tell = tell

    def known(self, trace_ids):
        self._tell()
        return self._store.known(trace_ids)

    def __getattr__(self, name):
        return getattr(self._store, name)
