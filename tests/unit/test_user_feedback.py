"""The user_feedback check."""

import pytest
from builders import a_thumb, an_interaction

from checks.builtin.user_feedback import UserFeedback
from checks.check import OptionError
from checks.finding import Evidence
from checks.trace import Feedback


def codes(*feedback, **options):
    return [finding.code for finding in UserFeedback(**options).inspect(an_interaction(feedback=feedback))]


def applies(*feedback):
    return UserFeedback().applies_to(an_interaction(feedback=feedback))


def test_it_does_not_apply_without_feedback():
    assert not applies()


def test_it_does_not_apply_to_a_comment_alone():
    assert not applies(Feedback(comment="hm"))


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0, 4.0, 10**400])
def test_it_does_not_apply_to_a_score_off_the_scale(score):
    assert not applies(Feedback(score=score))


@pytest.mark.parametrize(
    "feedback", [a_thumb(up=True), a_thumb(up=False), Feedback(score=0.0), Feedback(thumbs_up=False)]
)
def test_it_applies_to_a_thumb_or_a_score(feedback):
    assert applies(feedback)


def test_a_thumbs_up_passes():
    assert codes(a_thumb(up=True)) == []


def test_a_thumbs_down_is_found_once_and_points_at_its_span():
    (finding,) = UserFeedback().inspect(an_interaction(feedback=(a_thumb(up=False, span_id="00000000000000aa"),)))
    assert finding.code == "thumbs_down"
    assert finding.evidence == (Evidence(span_id="00000000000000aa"),)


def test_a_low_score_is_found_with_its_figures():
    (finding,) = UserFeedback().inspect(an_interaction(feedback=(Feedback(score=0.25),)))
    assert (finding.code, finding.message) == (
        "low_score",
        "a user gave a score of 0.25, the lowest content one is 0.5",
    )


def test_a_score_of_exactly_the_lowest_passes():
    assert codes(Feedback(score=0.5)) == []


def test_the_lowest_score_is_an_option():
    assert codes(Feedback(score=0.5), min_score=0.8) == ["low_score"]


def test_a_thumb_counts_before_a_score_that_contradicts_it():
    assert codes(Feedback(score=0.1, thumbs_up=True)) == []


def test_a_flipped_thumb_replaces_the_earlier_one_whatever_the_order_of_arrival():
    down, up = a_thumb(up=False, user_id="u", time_ns=1), a_thumb(up=True, user_id="u", time_ns=2)
    assert codes(down, up) == codes(up, down) == []


def test_of_two_thumbs_at_one_time_the_one_that_came_last_counts():
    assert codes(a_thumb(up=True), a_thumb(up=False)) == ["thumbs_down"]


def test_a_later_comment_does_not_take_a_thumb_back():
    assert codes(a_thumb(up=False, user_id="u"), Feedback(comment="really", user_id="u", time_ns=9)) == ["thumbs_down"]


def test_each_user_is_heard():
    assert codes(a_thumb(up=False, user_id="a"), a_thumb(up=True, user_id="b"), Feedback(score=0.1, user_id="c")) == [
        "thumbs_down",
        "low_score",
    ]


def test_users_without_a_name_count_as_one():
    assert codes(a_thumb(up=False, time_ns=1), a_thumb(up=True, time_ns=2), a_thumb(up=False, user_id="a")) == [
        "thumbs_down"
    ]


def test_a_comment_is_never_in_a_message():
    (finding,) = UserFeedback().inspect(an_interaction(feedback=(a_thumb(up=False, comment="my number is 555"),)))
    assert "555" not in finding.message


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_lowest_score_off_the_scale_is_refused(score):
    with pytest.raises(OptionError, match="scores run from 0"):
        UserFeedback(min_score=score)
