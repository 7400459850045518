"""``pydantic-evals.yaml`` has the keys that Pydantic Evals knows, and its evaluators where they judge what is meant."""

import yaml
from export_cases import a_case, written
from hostile_cases import hostile_cases

from exporters.dataset.case import Expectation
from exporters.dataset.plain import plain_text
from exporters.dataset.shape import to_json


def dataset(tmp_path, *cases):
    return yaml.safe_load((written(cases, "pydantic-evals", tmp_path) / "pydantic-evals.yaml").read_bytes())


def test_a_case_has_inputs_metadata_and_evaluators(tmp_path):
    [case] = dataset(tmp_path, a_case())["cases"]
    assert case["inputs"] == {
        "question": "How long can I return an annual plan?",
        "context": to_json(a_case())["context"],
    }
    assert (case["name"], case["metadata"]["mustNotMention"]) == ("case-refund", ["60 days"])
    assert case["evaluators"] == [
        {
            "Contains": {
                "value": "30 days",
                "case_sensitive": False,
                "as_strings": True,
                "evaluation_name": "mustMention: 30 days",
            }
        }
    ]


def test_a_value_is_compared_and_an_answer_only_kept(tmp_path):
    cases = (
        a_case(expectation=Expectation(value=[1], answer="x")),
        a_case(id="b", expectation=Expectation(answer="x")),
    )
    value, answer = dataset(tmp_path, *cases)["cases"]
    assert (value["expected_output"], value["evaluators"]) == ([1], ["EqualsExpected"])
    assert (answer["expected_output"], answer["evaluators"]) == ("x", [])


def test_a_limit_on_time_is_in_seconds_and_an_empty_mention_is_dropped(tmp_path):
    [case] = dataset(tmp_path, a_case(expectation=Expectation(max_latency_ms=1500, must_mention=("",))))["cases"]
    assert case["evaluators"] == [{"MaxDuration": {"seconds": 1.5}}]


def test_no_cases_are_an_empty_dataset(tmp_path):
    assert dataset(tmp_path) == {"name": "sidecheck", "cases": []}


def test_hostile_text_is_read_back_as_it_was(tmp_path):
    read = dataset(tmp_path, *hostile_cases())["cases"]
    assert [case["inputs"]["question"] for case in read] == [plain_text(case.input) for case in hostile_cases()]
