"""Hugging Face ``datasets`` loads ``cases.jsonl`` and ``cases.parquet``, and both hold the cases as they are."""

import json
from pathlib import Path

import pytest
from export_cases import a_case, all_hostile, every_kind, hostile_inputs, lines, written
from exports_env import run
from hostile_cases import MARKER

SCRIPT = Path(__file__).parent / "tools" / "huggingface_load.py"
NESTED = ("context", "expected", "expectedToolCalls", "forbiddenToolCalls", "metadata")


def loaded(cases, folder):
    written(cases, "parquet", folder)
    written(cases, "jsonl", folder)
    return run("huggingface", SCRIPT, folder, folder=folder)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("huggingface")
    return {**loaded(every_kind(), folder), "rows": lines(folder / "cases.jsonl")}


def test_the_lines_load_as_they_are_in_the_file(told):
    assert told["jsonl"] == told["rows"]


def test_the_columns_hold_the_same_cases_nested_parts_as_json(told):
    decoded = [{k: json.loads(v) if k in NESTED else v for k, v in row.items()} for row in told["parquet"]]
    assert decoded == told["rows"]


def test_a_column_of_nothing_but_dates_is_text_in_parquet(tmp_path):
    cases = [a_case(id=f"case-{n}", input=f"2026-11-25T12:00:0{n}") for n in range(3)]
    told = loaded(cases, tmp_path)
    assert [row["input"] for row in told["parquet"]] == [case.input for case in cases]


def test_hostile_texts_arrive_as_they_were_and_run_nothing(tmp_path):
    told = loaded(all_hostile(), tmp_path)
    assert [row["input"] for row in told["jsonl"]] == hostile_inputs()
    assert [row["input"] for row in told["parquet"]] == hostile_inputs()
    assert not (tmp_path / MARKER).exists()
