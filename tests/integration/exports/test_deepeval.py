"""``deepeval.json`` is loaded by DeepEval's own loader and judged by its metrics, without a model."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, hostile_inputs, written
from exports_env import environment, run, start
from hostile_cases import CANARY, MARKER

TOOLS = Path(__file__).parent / "tools"
SCRIPT = TOOLS / "deepeval_goldens.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(every_kind(), "deepeval", tmp_path_factory.mktemp("deepeval"))


@pytest.fixture(scope="module")
def told(folder):
    return run("deepeval", SCRIPT, folder, "run", folder=folder)


def test_a_golden_has_the_documents_and_the_expected_tools(told):
    goldens = {golden["name"]: golden for golden in told["goldens"]}
    assert goldens["case-refund"]["context"] == ["Plans can be returned for 30 days."]
    assert goldens["case-answer"]["expected_output"] == "Thirty days."
    assert goldens["case-value"]["expected_output"] == '{"total": 41.5}'
    [tool] = goldens["case-tools"]["expected_tools"]
    assert (tool["name"], tool["input_parameters"]) == ("cancel_order", {"order_id": "A-1009"})
    assert goldens["case-refund"]["actual_output"] is None
    assert goldens["case-refund"]["additional_metadata"]["badOutput"] == "60 days."


def test_an_answer_that_meets_the_case_passes_every_metric(told):
    assert all(all(metrics.values()) for metrics in told["verdicts"]["good"].values())
    assert set(told["verdicts"]["good"]["case-tools"]) == {"Tool Correctness", "Tool Permission", "Expectations"}


def test_an_answer_that_does_not_meet_the_case_fails(told):
    verdicts = told["verdicts"]["bad"]
    assert {name for name, metrics in verdicts.items() if not all(metrics.values())} == set(FAILED_BY_BAD)
    assert not any(verdicts["case-tools"].values())


@pytest.mark.parametrize(("app", "code"), [("good", 0), ("bad", 1)])
def test_the_exported_test_runs_as_it_is(folder, tmp_path, app, code):
    command = [str(environment("deepeval")), "-m", "pytest", "-q", str(folder / "test_deepeval.py")]
    done = start(command, home=tmp_path, folder=tmp_path, SIDECHECK_APP=f"app:{app}", PYTHONPATH=str(TOOLS))
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "deepeval", tmp_path)
    told = run("deepeval", SCRIPT, folder, folder=folder)
    assert [golden["input"] for golden in told["goldens"]] == hostile_inputs()
    assert not (folder / MARKER).exists()
    assert CANARY not in str(told)
