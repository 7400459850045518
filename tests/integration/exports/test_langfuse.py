"""``langfuse.jsonl`` goes through Langfuse's own SDK, and its evaluator judges by what the case expects."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, failed, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "langfuse_stub.py"
SENT_AS = {"id": "id", "input": "input", "expected_output": "expectedOutput", "metadata": "metadata"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "langfuse", tmp_path_factory.mktemp("langfuse"))
    return {**run("sdks", SCRIPT, folder, "run", folder=folder), "rows": lines(folder / "langfuse.jsonl")}


def test_the_sdk_sends_every_item_once_as_it_is_in_the_file_though_it_was_uploaded_twice(told):
    sent = [
        {**{key: item[name] for key, name in SENT_AS.items()}, "source_trace_id": item.get("sourceTraceId")}
        for item in told["items"]
    ]
    assert sent == [{"source_trace_id": None, **row} for row in told["rows"]]


def test_an_answer_that_meets_the_case_passes(told):
    assert all(score == 1 for score, _ in told["verdicts"]["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails_and_says_why(told):
    assert failed(told["verdicts"]["bad"]) == FAILED_BY_BAD


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "langfuse", tmp_path)
    items = run("sdks", SCRIPT, folder, folder=folder)["items"]
    assert [item["input"]["question"] for item in items] == hostile_inputs()
    assert not (folder / MARKER).exists()
