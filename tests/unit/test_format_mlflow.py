"""``mlflow.jsonl`` is one record a line, with the names that MLflow's scorers look for."""

from export_cases import TRACE_ID, a_case, every_kind, lines, written

from exporters.dataset.case import ExampleType, Expectation, Source


def row_of(folder, **parts):
    return lines(written([a_case(**parts)], "mlflow", folder) / "mlflow.jsonl")[0]


def test_a_record_carries_the_id_of_the_case_and_its_trace(tmp_path):
    row = row_of(tmp_path)
    assert row["tags"]["caseId"] == "case-refund"
    assert row["source"] == {"source_type": "TRACE", "source_data": {"trace_id": TRACE_ID}}


def test_a_case_of_no_trace_has_no_source(tmp_path):
    assert "source" not in row_of(tmp_path, source=Source("", "shop"))


def test_two_cases_that_ask_the_same_have_different_inputs(tmp_path):
    rows = lines(written([a_case(), a_case(id="case-again")], "mlflow", tmp_path) / "mlflow.jsonl")
    assert rows[0]["inputs"] != rows[1]["inputs"]


def test_there_is_a_response_or_there_are_facts_and_never_both(tmp_path):
    both = row_of(tmp_path, expectation=Expectation(answer="Thirty days.", must_mention=("30 days",)))
    assert both["expectations"] == {"expected_response": "Thirty days.", "mustMention": ["30 days"]}
    facts = row_of(tmp_path, expectation=Expectation(must_mention=("30 days",)))
    assert facts["expectations"] == {"expected_facts": ["30 days"], "mustMention": ["30 days"]}


def test_tool_calls_and_the_rubric_bear_the_names_of_mlflow(tmp_path):
    call = {"name": "cancel", "arguments": {"id": 1}}
    row = row_of(tmp_path, expectation=Expectation(expected_tool_calls=(call,), rubric="Is polite."))
    assert row["expectations"] == {"guidelines": "Is polite.", "expected_tool_calls": [call]}


def test_tags_are_texts(tmp_path):
    row = row_of(tmp_path, kind=ExampleType.EDGE, tags=("a", "b"))
    assert (row["tags"]["exampleType"], row["tags"]["tags"]) == ("edge", "a, b")
    rows = lines(written(every_kind(), "mlflow", tmp_path) / "mlflow.jsonl")
    assert all(isinstance(value, str) and value for row in rows for value in row["tags"].values())


def test_the_bad_answer_is_nowhere(tmp_path):
    row_of(tmp_path, observed_output="the bad answer")
    assert "the bad answer" not in (tmp_path / "mlflow.jsonl").read_text()
