"""What the store writes it reads back, whatever production put into it."""

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.finding import Evidence, Finding, Severity
from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters import codec
from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source
from exporters.store import cursor
from exporters.store.errors import BadCursor

text = st.text(st.characters(), max_size=20)  # surrogates and NUL too
maybe = st.none() | text
integers = st.none() | st.integers(-(2**70), 2**70)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, values, max_size=3)


def many(item):
    return st.lists(item, max_size=3).map(tuple)


cases = st.builds(
    Case,
    id=text,
    fingerprint=text,
    source=st.builds(Source, trace_id=text, service=text, model=maybe, failed_checks=many(text)),
    input=maybe,
    context=st.builds(Context, documents=many(objects), messages=many(objects), system=maybe, tools=many(objects)),
    observed_output=maybe,
    expectation=st.builds(
        Expectation,
        answer=maybe,
        must_mention=many(text),
        must_not_mention=many(text),
        json_schema=st.none() | objects,
        relevant_documents=many(text),
        checks=st.dictionaries(text, objects, max_size=2),
        expected_tool_calls=many(objects),
        forbidden_tool_calls=many(text),
    ),
    kind=st.sampled_from(ExampleType),
    tags=many(text),
    reviewed_by=maybe,
    redacted=many(text),
)
evidence = st.builds(Evidence, span_id=maybe, path=maybe, start=integers, end=integers)
findings = st.builds(Finding, code=text, message=text, severity=st.sampled_from(Severity), evidence=many(evidence))
verdicts = st.builds(
    Verdict,
    check=text,
    version=text,
    outcome=st.sampled_from(Outcome),
    score=st.none() | st.floats(allow_nan=False),
    findings=many(findings),
    duration_ns=st.integers(),
    error=maybe,
)
feedback = st.builds(
    Feedback,
    score=st.none() | st.floats(allow_nan=False),
    thumbs_up=st.none() | st.booleans(),
    comment=maybe,
    user_id=maybe,
    span_id=maybe,
    time_ns=st.integers(),
    source=text,
)


@given(cases)
def test_a_case_comes_back_as_it_was(case):
    assert codec.case_from_json(codec.case_to_json(case)) == case


@given(many(verdicts))
def test_verdicts_come_back_as_they_were(items):
    assert codec.verdicts_from_json(codec.verdicts_to_json(items)) == items


@given(many(feedback))
def test_feedback_comes_back_as_it_was(items):
    assert codec.feedback_from_json(codec.feedback_to_json(items)) == items


@given(objects)
def test_a_view_comes_back_as_it_was(view):
    assert codec.from_json(codec.to_json(view)) == view


@given(st.lists(st.binary(), min_size=1, max_size=4))
def test_what_is_compressed_together_comes_apart_again(parts):
    assert codec.split_compressed(codec.join_compressed(*parts), len(parts)) == tuple(parts)


@pytest.mark.parametrize("more", [-32, -24, -23, codec.ZSTD_SMALL])
def test_much_and_little_comes_apart_again_and_says_how_much_it_is(more):
    parts = (bytes(range(256)) * ((codec.ZSTD_SMALL + more) // 256), b"", b"x" * ((codec.ZSTD_SMALL + more) % 256))
    data = codec.join_compressed(*parts)
    assert codec.split_compressed(data, len(parts)) == parts
    assert codec.unpacked_size(data) == codec.ZSTD_SMALL + more + 24


@given(text)
def test_an_indexed_text_is_bounded_and_fits_every_database(value):
    held = codec.key(value * 50)
    assert len(held) <= codec.KEY_LENGTH
    assert "\x00" not in held
    held.encode()


def test_two_long_keys_with_one_beginning_stay_two():
    assert codec.key("a" * 300 + "x") != codec.key("a" * 300 + "y")


def test_a_short_key_is_itself():
    assert codec.key("session-1") == "session-1"


def test_unsigned_times_are_clamped_to_the_column():
    assert codec.clamped(2**64 - 1) == 2**63 - 1
    assert codec.clamped(-(2**64)) == -(2**63)
    assert codec.clamped(5) == 5


def test_nan_survives():
    assert math.isnan(codec.from_json(codec.to_json({"a": math.nan}))["a"])


def test_what_json_has_no_form_for_is_written_readably():
    odd = {"bytes": b"\xff", "mapping": MappingProxyType({"a": 1}), "set": {2, 1}, "object": Severity}
    assert codec.from_json(codec.to_json(odd)) == {
        "bytes": "/w==",
        "mapping": {"a": 1},
        "set": [1, 2],
        "object": str(Severity),
    }


def test_a_value_nested_without_end_is_cut_and_kept():
    deep = innermost = {"a": 1}
    for _ in range(100_000):
        deep = {"next": deep}
    assert innermost
    assert codec.from_json(codec.to_json({"deep": deep, "beside": 1}))["beside"] == 1


def test_a_number_too_long_to_print_is_cut_and_its_neighbour_kept():
    assert codec.from_json(codec.to_json({"huge": 10**5000, "beside": 1})) == {"huge": "...", "beside": 1}


def test_keys_that_json_refuses_become_text():
    assert codec.from_json(codec.to_json({(1, 2): "x"})) == {"(1, 2)": "x"}


def test_a_field_of_a_later_version_is_left_out():
    data = json.loads(codec.verdict_to_json(Verdict("pii", "1", Outcome.PASSED)))
    assert codec.verdict_from_json(json.dumps({**data, "later": 1})) == Verdict("pii", "1", Outcome.PASSED)


@given(st.integers(-(2**63), 2**63 - 1), text)
def test_a_cursor_comes_back_as_it_was(time_ns, identity):
    assert cursor.decode(cursor.encode(time_ns, identity)) == (time_ns, identity)


@given(st.text(max_size=30))
def test_a_made_up_cursor_is_refused_and_nothing_else_happens(made_up):
    try:
        cursor.decode(made_up)
    except BadCursor as error:
        assert "cursor" in str(error)  # noqa: PT017 - most inputs are refused, a rare one is valid
