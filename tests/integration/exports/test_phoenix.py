"""``phoenix.jsonl`` goes through Phoenix's own client, and its evaluator judges by what the case expects."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, failed, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "phoenix_stub.py"
SENT_AS = {"id": "example_ids", "input": "inputs", "output": "outputs", "metadata": "metadata", "splits": "splits"}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "phoenix", tmp_path_factory.mktemp("phoenix"))
    return {**run("phoenix", SCRIPT, folder, "run", folder=folder), "rows": lines(folder / "phoenix.jsonl")}


def test_the_client_sends_every_example_as_it_is_in_the_file(told):
    columns = {key: told["sent"][name] for key, name in SENT_AS.items()}
    assert columns == {key: [row[key] for row in told["rows"]] for key in SENT_AS}


def test_an_answer_that_meets_the_case_passes(told):
    assert all(score == 1 for score, _ in told["verdicts"]["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails_and_says_why(told):
    assert failed(told["verdicts"]["bad"]) == FAILED_BY_BAD


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "phoenix", tmp_path)
    sent = run("phoenix", SCRIPT, folder, folder=folder)["sent"]
    assert [given["question"] for given in sent["inputs"]] == hostile_inputs()
    assert not (folder / MARKER).exists()
