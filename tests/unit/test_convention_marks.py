"""What has no mark of a convention in its attributes' names is not asked about: the marks must leave nothing out."""

from random import Random

from builders import a_span, a_trace
from expectations import recordings
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.conventions import feedback, semconv
from collector.conventions.read import read
from collector.conventions.table import CONVENTIONS

SPANS = [span for recording in recordings() for trace in recording.traces for span in trace.spans]
KEYS = sorted({key for span in SPANS for key in span.attributes} | semconv.EVIDENCE)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_a_span_that_a_convention_can_read_has_one_of_its_marks(seed):
    random = Random(seed)
    attributes = dict(random.choice(SPANS).attributes)
    for key in random.sample(sorted(attributes), min(len(attributes), random.randrange(8))):
        attributes[random.choice(KEYS)] = attributes.pop(key)
    span = a_span(attributes=attributes)
    for convention in CONVENTIONS:
        if convention.read(span, ()) is not None:
            assert any(mark in name for mark in convention.marks for name in attributes), convention.name


def test_every_name_under_which_feedback_may_stand_has_one_of_its_words():
    for prefix in (*feedback._PREFIXES, *(f"{root}.0" for root in feedback._ANNOTATIONS)):
        assert any(word in prefix for word in feedback._WORDS_IN_NAMES), prefix


def test_who_it_was_and_what_they_said_may_stand_on_different_spans():
    spans = [a_span(attributes={key: key}) for key in ("llm.user", "session.id", "user.id", "http.route")]
    thumb = a_span(attributes={"feedback.thumbs_up": True})
    for order in (spans, spans[::-1]):
        found = read(a_trace(*order, thumb))
        assert (found.session_id, found.user_id) == ("session.id", "user.id")
        assert [given.thumbs_up for given in found.feedback] == [True]


def test_a_mark_on_one_span_is_enough_for_that_span_to_be_read():
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    plain, marked = a_span(attributes={"http.route": "/"}), a_span(attributes=chat)
    assert [call.span_id for call in read(a_trace(plain, marked)).model_calls] == [marked.span_id]
