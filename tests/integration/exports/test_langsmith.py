"""``langsmith.jsonl`` goes through LangSmith's own SDK, and its evaluator judges by what the case expects."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, failed, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "langsmith_stub.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "langsmith", tmp_path_factory.mktemp("langsmith"))
    return {**run("sdks", SCRIPT, folder, "run", folder=folder), "rows": lines(folder / "langsmith.jsonl")}


def test_the_sdk_sends_every_example_as_it_is_in_the_file(told):
    kept = ("id", "inputs", "outputs", "metadata", "split")
    assert [{key: example[key] for key in kept} for example in told["examples"]] == told["rows"]


def test_a_second_upload_updates_the_examples_and_adds_none(told):
    assert (told["updated_by_first_upload"], told["updated_by_second_upload"]) == (0, 7)


def test_an_answer_that_meets_the_case_passes(told):
    assert all(score == 1 for score, _ in told["verdicts"]["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails_and_says_why(told):
    assert failed(told["verdicts"]["bad"]) == FAILED_BY_BAD


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "langsmith", tmp_path)
    sent = run("sdks", SCRIPT, folder, folder=folder)["examples"]
    assert [example["inputs"]["question"] for example in sent] == hostile_inputs()
    assert not (folder / MARKER).exists()
