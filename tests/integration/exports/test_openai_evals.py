"""The files of OpenAI Evals have the types of OpenAI's SDK, and the graders judge by what the case expects."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, hostile_inputs, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "openai_types.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "openai-evals", tmp_path_factory.mktemp("openai"))
    return run("sdks", SCRIPT, folder, folder=folder)


def test_the_eval_and_the_items_have_the_types_of_the_sdk(told):
    assert told["eval"]
    assert told["source"]
    assert len(told["items"]) == 7


def test_an_answer_that_meets_the_case_passes_every_grader(told):
    assert all(failed == [] for failed in told["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails_the_graders_of_what_it_fails(told):
    assert {case_id: failed for case_id, failed in told["bad"].items() if failed} == FAILED_BY_BAD


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "openai-evals", tmp_path)
    told = run("sdks", SCRIPT, folder, folder=folder)
    assert told["eval"]
    assert told["source"]
    assert [item["input"] for item in told["items"]] == hostile_inputs()
    assert [sample["input"][-1]["content"] for sample in told["legacy"]] == hostile_inputs()[:-1]
    assert not (folder / MARKER).exists()
