"""Feedback that was recorded inside a trace."""

import pytest
from builders import TRACE_ID, a_span, a_thumb, a_trace

from checks.span import Event, LogRecord
from checks.trace import Feedback
from collector.conventions import feedback

NAME = "gen_ai.evaluation.name"
VALUE = "gen_ai.evaluation.score.value"
LABEL = "gen_ai.evaluation.score.label"


def given(name=None, attributes=None, body=None, **on_span):
    logs = (LogRecord(TRACE_ID, None, name, 5, body, attributes or {}),) if name else ()
    found = feedback.read(a_trace(a_span(attributes=on_span), logs=logs))
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("source", ["log", "event"])
def test_an_evaluation_by_the_user_is_feedback_from_a_log_record_and_from_a_span_event(source):
    attributes = {NAME: "user_feedback", VALUE: 0.25, "gen_ai.evaluation.explanation": "meh"}
    name = "gen_ai.evaluation.result"
    span = a_span(events=(Event(name, 5, attributes),) if source == "event" else ())
    logs = (LogRecord(TRACE_ID, span.span_id, name, 5, None, attributes),) if source == "log" else ()
    assert feedback.read(a_trace(span, logs=logs)) == (Feedback(0.25, None, "meh", None, span.span_id, 5, source),)


@pytest.mark.parametrize("name", ["Relevance", "toxicity", "", None, 5])
def test_a_judges_evaluation_is_no_feedback(name):
    assert given("gen_ai.evaluation.result", {NAME: name, VALUE: 0.0}) is None


@pytest.mark.parametrize(
    ("attributes", "up"),
    [
        ({NAME: "thumbs", VALUE: 1}, True),
        ({NAME: "ThumbsUp", VALUE: 0.0}, False),
        ({NAME: "UserFeedback", LABEL: "thumbs-down"}, False),
        ({NAME: "user feedback", LABEL: "Positive"}, True),
        ({NAME: "rating", VALUE: False}, False),
    ],
)
def test_a_thumb_is_known_by_its_number_its_word_or_its_flag(attributes, up):
    found = given("gen_ai.evaluation.result", attributes)
    assert (found.thumbs_up, found.score) == (up, float(up))


@pytest.mark.parametrize(
    ("attributes", "body", "expected"),
    [
        ({"feedback.rating": 1, "feedback.comment": "bad"}, None, (0.0, None, "bad")),
        ({"gen_ai.user.feedback.score": 0.5}, None, (0.5, None, None)),
        ({}, {"thumbs_up": False, "comment": "wrong"}, (0.0, False, "wrong")),
        ({"rating": 5}, None, (1.0, None, None)),
        ({"comment": "only words"}, None, (None, None, "only words")),
    ],
)
def test_a_feedback_event_is_read_from_its_attributes_and_its_body(attributes, body, expected):
    found = given("gen_ai.user.feedback", attributes, body)
    assert (found.score, found.thumbs_up, found.comment) == expected


@pytest.mark.parametrize("score", [4.0, -3, float("nan"), "much", None])
def test_a_score_on_an_unknown_scale_is_no_score(score):
    assert given("gen_ai.user.feedback", {"score": score}) is None


@pytest.mark.parametrize(
    ("attributes", "up"),
    [({"user.feedback": "thumbs_down"}, False), ({"gen_ai.user.feedback.thumbs_up": True}, True)],
)
def test_feedback_may_stand_on_a_span(attributes, up):
    found = given(**attributes)
    assert (found.thumbs_up, found.source) == (up, "attribute")


@pytest.mark.parametrize(
    ("parts", "is_feedback"),
    [
        ({"name": "correctness", "annotator_kind": "HUMAN"}, True),
        ({"name": "user feedback"}, True),
        ({"name": "user feedback", "annotator_kind": "LLM"}, False),
        ({"name": "correctness"}, False),
    ],
)
@pytest.mark.parametrize("form", ["annotations.0.annotation", "trace.evaluations.0.evaluation"])
def test_an_openinference_annotation_is_feedback_if_a_person_made_it(parts, is_feedback, form):
    found = given(**{f"{form}.{key}": value for key, value in {**parts, "score": 0.0}.items()})
    assert (found is not None) is is_feedback


def test_other_attributes_that_speak_of_feedback_are_none():
    assert given(**{"feedback.form.url": "x", "feedbacks": 1, "http.route": "/feedback"}) is None


def test_feedback_from_beside_the_trace_comes_first_and_the_rest_in_order_of_time():
    events = tuple(
        Event("gen_ai.user.feedback", time, {"score": score}) for time, score in ((9, 0.9), (3, 0.3), (3, 0.3))
    )
    found = feedback.read(a_trace(a_span(events=events), feedback=(a_thumb(up=False),)))
    assert [each.score for each in found] == [0.0, 0.3, 0.9]
