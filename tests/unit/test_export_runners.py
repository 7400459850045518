"""``judge.py`` stands beside an exported dataset, calls the app for a row and judges what it answered."""

import importlib
import sys

import pytest
from export_cases import a_case, every_kind, lines, written

APP = """
def same(case):
    return case["input"]
def with_tools(case):
    return "done", [{"name": "cancel", "arguments": {}}]
async def later(case):
    return {"documents": len(case["context"]["documents"])}
"""
MODULES = ("judge", "call_app", "scorer", "the_app")


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """The module as a runner imports it: out of the folder of an export."""
    written(every_kind(), "braintrust", tmp_path)
    (tmp_path / "the_app.py").write_text(APP)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("judge")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("function", "output", "tool_calls"),
    [
        ("same", "Hi", None),
        ("with_tools", "done", [{"name": "cancel", "arguments": {}}]),
        ("later", {"documents": 0}, None),
    ],
)
def test_an_answer_is_what_the_app_gave_with_its_tools_and_the_time(judge, monkeypatch, function, output, tool_calls):
    monkeypatch.setenv("SIDECHECK_APP", f"the_app:{function}")
    answered = judge.answer({"question": "Hi", "context": {"documents": []}})
    assert (answered["output"], answered["toolCalls"]) == (output, tool_calls)
    assert answered["latencyMs"] >= 0


def test_failures_are_sentences_that_name_the_expectation(judge):
    inputs, demands = {"context": {"documents": []}}, {"mustMention": ["30 days"], "forbiddenToolCalls": ["refund"]}
    answered = {"output": "No.", "toolCalls": [{"name": "refund", "arguments": {}}], "latencyMs": 1}
    found = judge.failures(inputs, demands, answered)
    assert [failure.split(":")[0] for failure in found] == ["mustMention", "forbiddenToolCalls"]


def test_an_answer_that_took_too_long_fails(judge):
    answered = {"output": "Yes.", "toolCalls": None, "latencyMs": 1200}
    assert judge.failures({"context": {}}, {"maxLatencyMs": 1000}, answered)[0].startswith("maxLatencyMs")


@pytest.mark.parametrize("nothing", [None, {}, {"output": None}, "text"])
def test_an_app_that_broke_fails_whatever_the_tool_keeps_of_it(judge, nothing):
    assert judge.failures({"context": {}}, {}, nothing) == ["the app gave no answer"]


def test_rows_are_split_at_line_feeds_alone(judge, tmp_path):
    written([a_case(input="a\u2028b\x85c\rd")], "braintrust", tmp_path)
    assert judge.rows("braintrust.jsonl") == lines(tmp_path / "braintrust.jsonl")
