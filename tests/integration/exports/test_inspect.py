"""``inspect.jsonl`` is loaded by Inspect's own ``json_dataset`` and judged by its ``eval``."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, hostile_inputs, written
from exports_env import run
from hostile_cases import CANARY, MARKER

SCRIPT = Path(__file__).parent / "tools" / "inspect_eval.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "inspect", tmp_path_factory.mktemp("inspect"))
    return run("inspect", SCRIPT, folder, "run", folder=folder)


def test_a_sample_has_the_conversation_and_a_target(told):
    samples = {sample["id"]: sample for sample in told["samples"]}
    assert [(m["role"], m["content"]) for m in samples["case-tools"]["input"]] == [
        ("user", "Hello"),
        ("assistant", "It is open."),
        ("user", "Cancel A-1009"),
    ]
    assert samples["case-refund"]["target"] == "30 days"
    assert samples["case-value"]["target"] == '{"total": 41.5}'
    assert all(sample["target"] for sample in told["samples"])


def test_a_sample_has_every_demand_in_its_metadata(told):
    samples = {sample["id"]: sample["metadata"] for sample in told["samples"]}
    assert samples["case-refund"]["mustNotMention"] == ["60 days"]
    assert samples["case-tools"]["forbiddenToolCalls"] == ["issue_refund"]
    assert samples["case-schema"]["jsonSchema"] == {"type": "object", "required": ["total"]}


def test_an_answer_that_meets_the_case_is_correct(told):
    assert all(told["verdicts"]["good"].values())


def test_an_answer_that_does_not_meet_the_case_is_incorrect(told):
    assert {name for name, passed in told["verdicts"]["bad"].items() if not passed} == set(FAILED_BY_BAD)


def test_the_tools_that_a_model_called_are_judged(told):
    assert told["verdicts"]["model"]["case-tools"]
    assert told["verdicts"]["model"]["case-refund"]
    assert not told["verdicts"]["model"]["case-value"]


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "inspect", tmp_path)
    told = run("inspect", SCRIPT, folder, folder=folder)
    said = [s["input"] if isinstance(s["input"], str) else s["input"][-1]["content"] for s in told["samples"]]
    assert said == hostile_inputs()
    assert all(sample["files"] is None and sample["sandbox"] is None for sample in told["samples"])
    assert len(told["verdicts"]["bad"]) == len(said)
    assert not (folder / MARKER).exists()
    assert CANARY not in str(told)
