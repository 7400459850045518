"""``ragas.jsonl`` and ``ragas-multiturn.jsonl`` part the cases, and hold what Ragas has a slot for."""

import json

import pytest
from export_cases import a_case, every_kind, lines, written
from hostile_cases import hostile_case

from exporters.dataset.case import Context, Expectation
from exporters.dataset.export import export

CALL = {"name": "cancel", "arguments": {"id": 1}}


def single(folder, **parts):
    return lines(written([a_case(**parts)], "ragas", folder) / "ragas.jsonl")[0]


def multi(folder, *messages, **expected):
    case = a_case(input="Cancel it", context=Context(messages=messages), expectation=Expectation(**expected))
    return lines(written([case], "ragas", folder) / "ragas-multiturn.jsonl")[0]


def test_a_case_of_one_turn_has_a_text_and_its_documents(tmp_path):
    assert single(tmp_path, expectation=Expectation(answer="30 days.", relevant_documents=("kb-7",))) == {
        "user_input": "How long can I return an annual plan?",
        "reference": "30 days.",
        "reference_contexts": ["Plans can be returned for 30 days."],
        "reference_context_ids": ["kb-7"],
    }


def test_a_value_is_a_reference_as_json(tmp_path):
    assert single(tmp_path, expectation=Expectation(value={"total": 41.5}))["reference"] == '{"total": 41.5}'


def test_earlier_messages_or_expected_calls_make_it_multi_turn(tmp_path):
    written(every_kind(), "ragas", tmp_path)
    assert json.loads((tmp_path / "ragas-ids.json").read_text())["ragas-multiturn.jsonl"] == ["case-tools"]
    assert multi(tmp_path, expected_tool_calls=(CALL,))["user_input"] == [{"type": "human", "content": "Cancel it"}]


def test_each_case_is_in_one_of_the_files_and_the_ids_say_where(tmp_path):
    written(every_kind(), "ragas", tmp_path)
    ids = json.loads((tmp_path / "ragas-ids.json").read_text())
    assert sorted(i for found in ids.values() for i in found) == sorted(case.id for case in every_kind())
    assert {name: len(lines(tmp_path / name)) for name in ids} == {name: len(found) for name, found in ids.items()}


def test_the_main_file_alone_counts_what_it_holds(tmp_path):
    assert export(every_kind(), "ragas", tmp_path / "ragas.jsonl") == 6


def test_the_reference_has_the_earlier_calls_too_since_ragas_counts_all(tmp_path):
    asked = {"role": "assistant", "toolCalls": [{"id": "1", "name": "find", "arguments": {"q": "x"}}]}
    answered = {"role": "tool", "content": "found"}
    sample = multi(tmp_path, asked, answered, expected_tool_calls=(CALL,))
    assert [call["name"] for call in sample["reference_tool_calls"]] == ["find", "cancel"]
    assert sample["user_input"][0] == {
        "type": "ai",
        "content": "",
        "tool_calls": [{"name": "find", "args": {"q": "x"}}],
    }
    assert "reference_tool_calls" not in multi(tmp_path, asked, answered)


def test_a_tool_that_answers_no_recorded_call_is_told_as_the_app(tmp_path):
    turns = multi(tmp_path, {"role": "tool", "content": "found"}, {"role": "system", "content": "Be kind."})[
        "user_input"
    ]
    assert [turn["type"] for turn in turns] == ["ai", "human"]


@pytest.mark.parametrize(("given", "args"), [
    (None, {}),
    ("{not json", {"arguments": "{not json"}),
    ([1], {"arguments": [1]}),
])  # fmt: skip
def test_arguments_are_an_object_whatever_was_recorded(tmp_path, given, args):
    sample = multi(tmp_path, expected_tool_calls=({"name": "cancel", "arguments": given},))
    assert sample["reference_tool_calls"] == [{"name": "cancel", "args": args}]


def test_the_files_are_ascii_since_ragas_reads_them_in_any_locale(tmp_path):
    written([hostile_case("words", "Größe 東京 \x7f"), a_case(input="Größe")], "ragas", tmp_path)
    assert all((tmp_path / name).read_bytes().isascii() for name in ("ragas.jsonl", "ragas-multiturn.jsonl"))
    assert b"\x7f" not in (tmp_path / "ragas-multiturn.jsonl").read_bytes()
    assert lines(tmp_path / "ragas.jsonl")[0]["user_input"] == "Größe"
