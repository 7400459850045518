"""``deepeval.json`` is a list of goldens, each part in the slot that DeepEval has for it."""

import json

from export_cases import a_case, every_kind, written
from hostile_cases import hostile_cases

from exporters.dataset.case import Context, Expectation


def goldens(tmp_path, *cases):
    return json.loads((written(cases, "deepeval", tmp_path) / "deepeval.json").read_bytes())


def test_a_case_is_a_golden(tmp_path):
    [golden] = goldens(tmp_path, a_case())
    kept = golden.pop("additional_metadata")
    assert golden == {
        "name": "case-refund",
        "input": "How long can I return an annual plan?",
        "expected_output": None,
        "context": ["Plans can be returned for 30 days."],
        "expected_tools": None,
        "comments": "from trace 4bf92f3577b34da6a3ce929d0e0e4736",
    }
    assert kept["mustNotMention"] == ["60 days"]
    assert (kept["caseId"], kept["badOutput"]) == ("case-refund", "60 days.")


def test_arguments_of_an_expected_tool_are_its_input_parameters(tmp_path):
    calls = ({"name": "refund", "arguments": {"order": 1}}, {"name": "note"}, {"name": "odd", "arguments": "text"})
    [golden] = goldens(tmp_path, a_case(expectation=Expectation(expected_tool_calls=calls)))
    assert golden["expected_tools"] == [
        {"name": "refund", "input_parameters": {"order": 1}},
        {"name": "note", "input_parameters": None},
        {"name": "odd", "input_parameters": None},
    ]
    assert golden["additional_metadata"]["expectedToolCalls"] == list(calls)


def test_a_value_is_expected_as_json_and_an_input_is_always_a_text(tmp_path):
    [golden] = goldens(tmp_path, a_case(input=None, context=Context(), expectation=Expectation(value=[1], answer="x")))
    assert (golden["expected_output"], golden["input"], golden["context"]) == ("[1]", "", None)


def test_no_cases_are_an_empty_list(tmp_path):
    assert goldens(tmp_path) == []


def test_no_golden_has_a_key_that_starts_a_judge_or_a_conversation(tmp_path):
    for golden in goldens(tmp_path, *every_kind(), *hostile_cases()):
        assert not {"expectations", "scenario", "turns", "actual_output", "retrieval_context"} & set(golden)
