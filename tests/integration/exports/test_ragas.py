"""Ragas loads both of its files, and its own metrics take what they hold for right."""

import json
from pathlib import Path

import pytest
from export_cases import all_hostile, every_kind, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "ragas_load.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(every_kind(), "ragas", tmp_path_factory.mktemp("ragas"))


@pytest.fixture(scope="module")
def told(folder):
    return run("ragas", SCRIPT, folder, folder=folder)


def test_both_files_load_as_they_are(folder, told):
    assert told["single"] == lines(folder / "ragas.jsonl")
    assert told["multi"] == lines(folder / "ragas-multiturn.jsonl")


def test_the_ids_stand_in_the_order_of_the_samples(folder, told):
    ids = json.loads((folder / "ragas-ids.json").read_text())
    assert (len(ids["ragas.jsonl"]), ids["ragas-multiturn.jsonl"]) == (len(told["single"]), ["case-tools"])


def test_the_reference_is_an_exact_match_and_the_expected_calls_are_accurate(told):
    assert (told["exact"], told["calls"]) == ([1.0, 1.0], [1.0])


def test_hostile_texts_arrive_as_they_were_in_any_locale_and_run_nothing(tmp_path):
    folder = written(all_hostile(), "ragas", tmp_path)
    told = run("ragas", SCRIPT, folder, folder=folder, LANG="C", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    inputs = [sample["user_input"][-1]["content"] for sample in told["multi"]]
    assert [*inputs, *(sample["user_input"] for sample in told["single"])] == hostile_inputs()
    assert not (folder / MARKER).exists()
