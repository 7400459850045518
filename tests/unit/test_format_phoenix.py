"""``phoenix.jsonl`` is one example a line, as Phoenix's client takes it."""

from export_cases import a_case, lines, written


def test_an_example_has_input_reference_and_the_id_of_the_case(tmp_path):
    row = lines(written([a_case(split="test")], "phoenix", tmp_path) / "phoenix.jsonl")[0]
    assert list(row) == ["id", "input", "output", "metadata", "splits"]
    assert (row["id"], row["metadata"]["caseId"]) == ("case-refund", "case-refund")
    assert row["output"]["mustMention"] == ["30 days"]
    assert row["metadata"]["badOutput"] == "60 days."
    assert row["splits"] == ["historical_failure", "test"]
