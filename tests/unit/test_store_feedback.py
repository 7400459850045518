"""Feedback that comes beside the telemetry finds its trace, at once or when that comes."""

import pytest
from builders import a_thumb
from store_builders import NOW, SECOND, a_record, about, save, trace_id

from checks.trace import Feedback, FeedbackTarget
from exporters.store import Kept
from exporters.store.feedback import MAX_PER_TRACE

UP, DOWN = a_thumb(up=True), a_thumb(up=False)
NAMED = {"keys": (("span", "00f067aa0ba902b7"), ("response", "chatcmpl-1")), "session_id": "s-1"}
TARGETS = [
    FeedbackTarget(trace_id=trace_id(1)),
    FeedbackTarget(span_id="00f067aa0ba902b7"),
    FeedbackTarget(session_id="s-1"),
    FeedbackTarget(response_id="chatcmpl-1"),
]


def of_trace(store, number=1):
    return store.load([trace_id(number)])[trace_id(number)].feedback


@pytest.mark.parametrize("target", TARGETS)
def test_feedback_finds_a_stored_trace_by_any_of_its_ids(store, target):
    save(store, a_record(**NAMED))
    assert store.add_feedback(target, DOWN, NOW) == (trace_id(1),)
    assert of_trace(store) == (DOWN,)


@pytest.mark.parametrize("target", TARGETS)
def test_feedback_that_comes_first_waits_for_its_trace_which_is_judged_again(store, target):
    assert store.add_feedback(target, DOWN, NOW) == ()
    assert store.counts().waiting_feedback == 1
    result = save(store, a_record(2), a_record(1, **NAMED))
    assert result.reopen == (trace_id(1),)
    assert of_trace(store) == (DOWN,)
    assert store.counts().waiting_feedback == 0


def test_feedback_that_the_verdicts_know_already_reopens_nothing(store):
    store.add_feedback(about(1), DOWN, NOW)
    assert store.load([trace_id(1)]) == {trace_id(1): Kept(feedback=(DOWN,))}
    assert save(store, a_record(feedback=(DOWN,))).reopen == ()
    assert of_trace(store) == (DOWN,)


def test_a_trace_is_reopened_once_for_feedback_that_waited(store):
    store.add_feedback(about(1), DOWN, NOW)
    assert save(store, a_record()).reopen == (trace_id(1),)
    assert save(store, a_record()).reopen == ()


def test_ids_are_found_whatever_their_case(store):
    save(store, a_record(10))
    assert store.add_feedback(FeedbackTarget(trace_id=trace_id(10).upper()), UP, NOW) == (trace_id(10),)


def test_feedback_on_a_session_is_about_its_latest_trace(store):
    save(store, a_record(1, session_id="s"), a_record(3, session_id="s"), a_record(2, session_id="s"))
    assert store.add_feedback(FeedbackTarget(session_id="s"), UP, NOW) == (trace_id(3),)


def test_feedback_that_waits_for_a_session_goes_to_the_latest_trace_of_the_batch(store):
    store.add_feedback(FeedbackTarget(session_id="s"), UP, NOW)
    assert save(store, a_record(5, session_id="s"), a_record(4, session_id="s")).reopen == (trace_id(5),)


def test_one_kind_of_id_is_not_taken_for_another(store):
    save(store, a_record(session_id="x"))
    assert store.add_feedback(FeedbackTarget(response_id="x"), UP, NOW) == ()


def test_a_target_that_names_nothing_is_refused(store):
    with pytest.raises(ValueError, match="must name"):
        store.add_feedback(FeedbackTarget(), UP, NOW)


def test_feedback_that_is_sent_again_is_one(store):
    save(store, a_record())
    again = a_thumb(up=False, time_ns=7)
    for now_ns in (NOW, NOW + 30 * SECOND):
        assert store.add_feedback(about(1), again, now_ns) == (trace_id(1),)
    assert of_trace(store) == (again,)


def test_feedback_that_waits_and_is_sent_again_is_one(store):
    for _ in range(2):
        assert store.add_feedback(about(1), UP, NOW) == ()
    assert store.counts().waiting_feedback == 1


def test_a_message_that_is_read_again_days_later_is_one(store):
    save(store, a_record())
    for now_ns in (NOW, NOW + 10**15):
        store.add_feedback(about(1), a_thumb(up=False, time_ns=7), now_ns)
    assert len(of_trace(store)) == 1


def test_a_thumb_that_flips_and_flips_back_is_three(store):
    save(store, a_record())
    for second, thumb in enumerate((UP, DOWN, UP)):
        store.add_feedback(about(1), thumb, NOW + second)
    assert of_trace(store) == (UP, DOWN, UP)


def test_the_same_said_much_later_is_another_piece(store):
    save(store, a_record())
    for now_ns in (NOW, NOW + 61 * SECOND):
        store.add_feedback(about(1), UP, now_ns)
    assert len(of_trace(store)) == 2


@pytest.mark.parametrize("other", [{"user_id": "u-2"}, {"comment": "really"}])
def test_another_user_or_another_comment_is_another_piece(store, other):
    save(store, a_record())
    store.add_feedback(about(1), UP, NOW)
    store.add_feedback(about(1), a_thumb(up=True, **other), NOW)
    assert len(of_trace(store)) == 2


def test_the_trace_shows_feedback_of_the_telemetry_and_beside_it_once_in_order_of_time(store):
    inside = a_thumb(up=True, source="event", time_ns=2)
    known, new = a_thumb(up=False, time_ns=1), a_thumb(up=False, time_ns=3, user_id="u-2")
    store.add_feedback(about(1), known, NOW)
    save(store, a_record(feedback=(known, inside)))
    store.add_feedback(about(1), new, NOW)
    assert store.trace(trace_id(1)).feedback == (known, inside, new)


def test_feedback_stays_when_the_trace_is_saved_again(store):
    save(store, a_record())
    store.add_feedback(about(1), UP, NOW)
    save(store, a_record())
    assert of_trace(store) == (UP,)


def test_a_flood_of_feedback_on_one_trace_keeps_the_newest_and_tells_of_the_others(store, counted, lost):
    save(store, a_record())
    for n in range(MAX_PER_TRACE + 3):
        counted.add_feedback(about(1), Feedback(comment=str(n)), NOW + n)
    said = of_trace(store)
    assert (len(said), said[0].comment) == (MAX_PER_TRACE, "3")
    assert lost == [("feedback", "too_many", 1)] * 3


def test_odd_feedback_is_survived(store):
    odd = Feedback(comment="nul \x00 half \ud800", user_id="u\x00" * 1000, time_ns=2**65, score=0.5)
    target = FeedbackTarget(session_id="s\x00" * 10_000)
    assert store.add_feedback(target, odd, NOW) == ()
    assert save(store, a_record(session_id="s\x00" * 10_000)).reopen == (trace_id(1),)
    assert of_trace(store) == (odd,)


def test_what_waits_is_bounded_and_the_oldest_goes_first_and_is_told_of(store, counted, lost):
    for n in range(1, 6):
        counted.add_feedback(about(n), UP, NOW + n)
    assert lost == [("feedback", "too_many", 1)] * 2
    assert set(store.load([trace_id(n) for n in range(1, 6)])) == {trace_id(3), trace_id(4), trace_id(5)}
