"""The slots that eval tools have in common hold all of a case, and an id that stays."""

import uuid

import pytest
from export_cases import a_case, every_kind

from exporters.dataset.case import Context, ExampleType, Expectation
from exporters.dataset.formats.slots import demands, inputs, labels, messages, metadata, stable_uuid
from exporters.dataset.shape import to_json


def test_a_uuid_is_that_of_the_id_alone_and_never_changes():
    written = stable_uuid(to_json(a_case(input="other")))
    assert written == stable_uuid(to_json(a_case())) == "91270e49-a51f-5731-83e9-1c6d604fcb08"
    assert uuid.UUID(written).version == 5


def test_inputs_are_what_the_app_is_called_with():
    shape = to_json(a_case())
    assert inputs(shape) == {"question": "How long can I return an annual plan?", "context": shape["context"]}


def test_demands_leave_out_what_is_not_demanded():
    assert demands(to_json(a_case())) == {
        "mustMention": ["30 days"],
        "mustNotMention": ["60 days"],
        "relevantDocuments": ["kb-7"],
        "checks": {"citations": {"version": "1"}},
    }


@pytest.mark.parametrize(("key", "expectation"), [
    ("jsonSchema", Expectation(json_schema={})),
    ("value", Expectation(value=0)),
    ("value", Expectation(value=[])),
])  # fmt: skip
def test_an_empty_schema_and_an_empty_value_are_demands(key, expectation):
    assert list(demands(to_json(a_case(expectation=expectation)))) == [key]


def test_every_expectation_is_among_the_demands():
    named = {key for case in every_kind() for key in demands(to_json(case))}
    shape = to_json(a_case())
    assert named == {*shape["expected"], "expectedToolCalls", "forbiddenToolCalls"}


def test_the_bad_answer_is_told_beside_where_the_case_comes_from():
    shape = to_json(a_case())
    assert metadata(shape) == {"caseId": "case-refund", **shape["metadata"], "badOutput": "60 days."}


def test_labels_are_the_kind_and_the_split_each_once():
    shape = to_json(a_case(kind=ExampleType.EDGE, split="test"))
    assert labels(shape, "billing", "test") == ["edge", "test", "billing"]
    assert labels(to_json(a_case())) == ["historical_failure"]


def test_messages_are_what_was_said_from_the_system_prompt_to_the_last_question():
    earlier = (
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "toolCalls": [{"name": "find"}]},
        {"role": "tool", "content": "open"},
        {"role": "assistant", "content": "It is open."},
    )
    case = a_case(context=Context(messages=earlier, system="Be kind."))
    assert [(m["role"], m["content"]) for m in messages(to_json(case))] == [
        ("system", "Be kind."),
        ("user", "Hello"),
        ("assistant", "It is open."),
        ("user", "How long can I return an annual plan?"),
    ]
