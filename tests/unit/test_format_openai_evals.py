"""The items, the eval and the legacy samples of OpenAI Evals."""

import json

import jsonschema
import pytest
from export_cases import a_case, all_hostile, every_kind, lines, written

from exporters.dataset.case import Expectation
from exporters.dataset.formats.openai_evals import GRADED


@pytest.fixture
def document(tmp_path):
    return json.loads((written(every_kind(), "openai-evals", tmp_path) / "openai-evals.eval.json").read_text())


def legacy(folder, **expected):
    written([a_case(expectation=Expectation(**expected))], "openai-evals", folder)
    return lines(folder / "openai-evals-legacy.jsonl")[0]["ideal"]


def test_every_item_has_every_key_and_meets_the_schema_of_the_eval(tmp_path, document):
    schema = document["data_source_config"]["item_schema"]
    for cases in (every_kind(), all_hostile()):
        for row in lines(written(cases, "openai-evals", tmp_path) / "openai-evals.jsonl"):
            assert list(row) == ["item"]
            assert set(row["item"]) == set(schema["properties"])
            jsonschema.validate(row["item"], schema)


def test_a_schema_is_a_text_in_an_item(tmp_path):
    case = a_case(expectation=Expectation(json_schema={"type": "object"}))
    row = lines(written([case], "openai-evals", tmp_path) / "openai-evals.jsonl")[0]
    assert row["item"]["jsonSchema"] == '{"type": "object"}'


def test_there_is_a_grader_for_each_expectation_that_an_answer_shows(document):
    assert [criterion["name"] for criterion in document["testing_criteria"]] == list(GRADED)
    assert all(len(criterion["source"].encode()) < 256 * 1024 for criterion in document["testing_criteria"])


def test_the_eval_is_the_same_whatever_the_cases_hold(tmp_path, document):
    written(all_hostile(), "openai-evals", tmp_path)
    assert json.loads((tmp_path / "openai-evals.eval.json").read_text()) == document


def test_an_ideal_is_the_answer_or_the_value_or_any_of_the_mentions(tmp_path):
    assert legacy(tmp_path, answer="Yes.", must_mention=("a",)) == "Yes."
    assert legacy(tmp_path, value={"total": 1}) == '{"total": 1}'
    assert legacy(tmp_path, must_mention=("a", "b")) == ["a", "b"]


def test_a_case_without_an_ideal_is_no_legacy_sample(tmp_path):
    written([a_case(expectation=Expectation(must_not_mention=("60 days",)))], "openai-evals", tmp_path)
    assert (tmp_path / "openai-evals-legacy.jsonl").read_bytes() == b""
    assert len(lines(tmp_path / "openai-evals.jsonl")) == 1
