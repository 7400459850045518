"""``mlflow.jsonl`` is merged into a dataset of MLflow's in SQLite, and its scorer judges by what the case expects."""

from pathlib import Path

import pytest
from export_cases import FAILED_BY_BAD, all_hostile, every_kind, failed, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "mlflow_sqlite.py"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    cases = {"every": every_kind(), "hostile": all_hostile()}
    return [written(found, "mlflow", tmp_path_factory.mktemp(name)) for name, found in cases.items()]


@pytest.fixture(scope="module")
def told(folders):
    return run("mlflow", SCRIPT, *folders, folder=folders[1], SIDECHECK_APP="app:good")


def test_every_record_is_held_once_though_two_ask_the_same_and_all_were_merged_twice(folders, told):
    held = {record["inputs"]["caseId"]: record for record in told["records"][0]}
    rows = {row["inputs"]["caseId"]: row for row in lines(folders[0] / "mlflow.jsonl")}
    assert len(told["records"][0]) == len(rows) == len(held)
    for case_id, row in rows.items():
        assert held[case_id]["inputs"] == row["inputs"]
        assert (held[case_id]["expectations"] or {}) == row["expectations"]
        assert held[case_id]["tags"].items() >= row["tags"].items()


def test_a_record_links_back_to_its_trace(folders, told):
    sources = {record["inputs"]["caseId"]: record["source"] for record in told["records"][0]}
    for row in lines(folders[0] / "mlflow.jsonl"):
        if "source" in row:
            assert sources[row["inputs"]["caseId"]] == row["source"]


def test_an_answer_that_meets_the_case_passes(told):
    assert len(told["good"]) == 7
    assert all(found == [[True, ""]] for found in told["good"].values())


def test_an_answer_that_does_not_meet_the_case_fails_and_says_why(told):
    assert failed({case_id: found for case_id, [found] in told["bad"].items()}) == FAILED_BY_BAD


def test_hostile_texts_arrive_as_they_were_and_run_nothing(folders, told):
    inputs = [record["inputs"]["question"] for record in told["records"][1]]
    assert sorted(inputs) == sorted(hostile_inputs())
    assert not (folders[1] / MARKER).exists()
