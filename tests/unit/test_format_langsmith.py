"""``langsmith.jsonl`` is one example a line, as LangSmith's SDK takes it."""

from export_cases import a_case, lines, written

from exporters.dataset.case import ExampleType
from exporters.dataset.formats import FORMATS


def row_of(case, folder):
    return lines(written([case], "langsmith", folder) / "langsmith.jsonl")[0]


def test_an_example_has_inputs_reference_outputs_and_a_stable_uuid(tmp_path):
    row = row_of(a_case(), tmp_path)
    assert list(row) == ["id", "inputs", "outputs", "metadata", "split"]
    assert row["id"] == "91270e49-a51f-5731-83e9-1c6d604fcb08"
    assert row["inputs"]["question"] == "How long can I return an annual plan?"
    assert row["outputs"]["mustMention"] == ["30 days"]
    assert row["metadata"]["caseId"] == "case-refund"
    assert row["metadata"]["badOutput"] == "60 days."


def test_the_split_is_the_kind_of_example_and_the_split_of_the_case(tmp_path):
    assert row_of(a_case(kind=ExampleType.EDGE, split="test"), tmp_path)["split"] == ["edge", "test"]


def test_the_bad_answer_is_never_a_reference(tmp_path):
    row = row_of(a_case(observed_output="the bad answer"), tmp_path)
    assert row["metadata"]["badOutput"] == "the bad answer"
    assert "the bad answer" not in str([row["inputs"], row["outputs"]])


def test_the_runner_comes_with_the_scorer_that_it_judges_by():
    names = [file.name for file in FORMATS["langsmith"].files]
    assert names == ["langsmith.jsonl", "langsmith_eval.py", "judge.py", "scorer.py", "call_app.py"]
