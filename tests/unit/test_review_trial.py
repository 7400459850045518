"""The live check of an expectation: each demand by itself, against the recorded answer and against another."""

import pytest
from store_builders import a_case

from exporters.dataset.case import Context, Expectation
from exporters.dataset.shape import to_json
from exporters.review.trial import (
    MOST,
    NEEDS_CALLS,
    NEEDS_CITATIONS,
    NEEDS_LATENCY,
    NEEDS_PERSON,
    TOO_MANY,
    Demand,
    Recorded,
    tried,
)

RECORDED = Recorded("60 days.", ({"name": "refund", "arguments": {"mail": "ann@example.com"}},), 3000.0)


def trial(recorded=RECORDED, output=None, context=None, **expected):
    case = a_case(expectation=Expectation(**expected), **({"context": context} if context else {}))
    return tried(to_json(case), recorded, output)


def only(trial_):
    (demand,) = trial_.demands
    return demand


@pytest.mark.parametrize(
    ("expected", "caught"),
    [
        ({"must_mention": ("30 days",)}, True),
        ({"must_mention": ("60 days",)}, False),
        ({"must_not_mention": ("60 days",)}, True),
        ({"must_not_mention": ("90 days",)}, False),
        ({"json_schema": {"type": "object"}}, True),
        ({"value": {"days": 30}}, True),
        ({"max_latency_ms": 2000}, True),
        ({"max_latency_ms": 4000}, False),
        ({"expected_tool_calls": ({"name": "note", "arguments": {}},)}, True),
        ({"expected_tool_calls": ({"name": "refund", "arguments": {"mail": "ann@example.com"}},)}, False),
        ({"forbidden_tool_calls": ("refund",)}, True),
        ({"forbidden_tool_calls": ("note",)}, False),
        ({"relevant_documents": ("kb-7",), "checks": {"citations": {"version": "1"}}}, True),
        ({"relevant_documents": ("kb-7",), "checks": {"mine": {"use": "citations"}}}, True),
    ],
)
def test_a_demand_catches_the_recorded_answer_or_does_not(expected, caught):
    done = trial(**expected)
    assert (only(done).caught, only(done).reason, done.caught) == (caught, None, caught)
    assert bool(only(done).message) is caught


@pytest.mark.parametrize(
    ("expected", "recorded", "reason"),
    [
        ({"answer": "30 days"}, RECORDED, NEEDS_PERSON),
        ({"rubric": "kind?"}, RECORDED, NEEDS_PERSON),
        ({"max_latency_ms": 1}, Recorded("x"), NEEDS_LATENCY),
        ({"forbidden_tool_calls": ("refund",)}, Recorded("x"), NEEDS_CALLS),
        ({"expected_tool_calls": ({"name": "x"},)}, Recorded("x"), NEEDS_CALLS),
        ({"relevant_documents": ("kb-7",)}, RECORDED, NEEDS_CITATIONS),
    ],
)
def test_what_cannot_be_told_says_why_and_catches_nothing(expected, recorded, reason):
    done = trial(recorded, **expected)
    assert (only(done).caught, only(done).reason, done.caught) == (None, reason, False)


def test_each_demand_of_a_list_is_told_apart():
    done = trial(
        must_mention=("30 days", "60 days"), must_not_mention=("60 days",), forbidden_tool_calls=("a", "refund")
    )
    assert [(d.key, d.item, d.caught) for d in done.demands] == [
        ("mustMention", 0, True),
        ("mustMention", 1, False),
        ("mustNotMention", 0, True),
        ("forbiddenToolCalls", 0, False),
        ("forbiddenToolCalls", 1, True),
    ]


def test_a_good_answer_is_tried_as_well():
    done = trial(output="30 days [1].", must_mention=("30 days",), must_not_mention=("60 days",), rubric="kind?")
    assert [d.met for d in done.demands] == [None, True, True]
    assert done.met
    assert not trial(output="60 days", must_mention=("30 days",), must_not_mention=("60 days",)).met


def test_typed_words_say_nothing_of_tools_and_time():
    done = trial(output="x", max_latency_ms=1, forbidden_tool_calls=("refund",))
    assert [d.met for d in done.demands] == [None, None]


def test_a_cited_document_is_found_by_its_number_in_the_context():
    context = Context(documents=({"id": "kb-7", "content": "30 days"},))
    checks = {"citations": {"version": "1"}}
    done = trial(Recorded("30 days [1]."), context=context, relevant_documents=("kb-7",), checks=checks)
    assert only(done) == Demand("relevantDocuments", 0, caught=False)


def test_of_very_many_demands_the_first_are_tried():
    done = trial(must_mention=tuple(f"word {n}" for n in range(MOST + 2)))
    assert [d.reason for d in done.demands[MOST - 1 :]] == [None, TOO_MANY, TOO_MANY]
    assert done.caught


def test_no_recorded_argument_is_told():
    done = trial(expected_tool_calls=({"name": "refund", "arguments": {"mail": "<EMAIL_ADDRESS_1>"}},))
    assert only(done).caught
    assert "ann@example.com" not in only(done).message


def test_a_case_without_an_answer_can_be_tried():
    assert trial(Recorded(None, (), None), must_mention=("x",)).caught
