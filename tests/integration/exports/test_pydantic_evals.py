"""``pydantic-evals.yaml`` is loaded by Pydantic Evals' own loader and judged by its evaluators and ours."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, hostile_inputs, written
from exports_env import run
from hostile_cases import CANARY, MARKER

SCRIPT = Path(__file__).parent / "tools" / "pydantic_evals_run.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = written(every_kind(), "pydantic-evals", tmp_path_factory.mktemp("pydantic-evals"))
    return run("pydantic-evals", SCRIPT, folder, "run", folder=folder)


def test_a_case_has_its_inputs_demands_and_expected_output(told):
    cases = {case["name"]: case for case in told["cases"]}
    assert cases["case-refund"]["inputs"]["question"] == "How long can I return an annual plan?"
    assert cases["case-refund"]["metadata"]["mustNotMention"] == ["60 days"]
    assert cases["case-value"]["expected_output"] == {"total": 41.5}
    assert cases["case-answer"]["expected_output"] == "Thirty days."


def test_demands_are_its_own_evaluators_where_it_has_them(told):
    good = {name: set(assertions) for name, assertions in told["verdicts"]["good"].items()}
    assert good["case-refund"] == {"mustMention: 30 days", "Expectations"}
    assert good["case-value"] == {"EqualsExpected", "Expectations"}
    assert good["case-answer"] == {"MaxDuration", "Expectations"}


def test_an_answer_that_meets_the_case_passes(told):
    assert all(all(assertions.values()) for assertions in told["verdicts"]["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails(told):
    failed = {name for name, assertions in told["verdicts"]["bad"].items() if not all(assertions.values())}
    assert failed == set(FAILED_BY_BAD)
    assert told["verdicts"]["bad"]["case-refund"] == {"mustMention: 30 days": False, "Expectations": False}
    assert told["verdicts"]["bad"]["case-value"] == {"EqualsExpected": False, "Expectations": False}


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "pydantic-evals", tmp_path)
    told = run("pydantic-evals", SCRIPT, folder, folder=folder)
    assert [case["inputs"]["question"] for case in told["cases"]] == hostile_inputs()
    assert not (folder / MARKER).exists()
    assert CANARY not in str(told)
