"""``braintrust.jsonl`` goes through Braintrust's own ``Eval``, and its scorer judges by what the case expects."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "braintrust_local.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "braintrust", tmp_path_factory.mktemp("braintrust"))
    return {**run("sdks", SCRIPT, folder, "run", folder=folder), "rows": lines(folder / "braintrust.jsonl")}


def test_a_task_sees_every_row_as_it_is_in_the_file(told):
    assert told["seen"] == [
        {key: row[key] for key in ("input", "expected", "metadata", "tags")} for row in told["rows"]
    ]


def test_an_answer_that_meets_the_case_passes(told):
    assert all(found == [1, ""] for found in told["verdicts"]["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails(told):
    assert {case_id for case_id, (score, _) in told["verdicts"]["bad"].items() if score == 0} == set(FAILED_BY_BAD)
    assert all(error == "" for _, error in told["verdicts"]["bad"].values())


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "braintrust", tmp_path)
    seen = run("sdks", SCRIPT, folder, folder=folder)["seen"]
    assert [row["input"]["question"] for row in seen] == hostile_inputs()
    assert not (folder / MARKER).exists()
