"""``braintrust.jsonl`` is one row a line, with the keys that Braintrust keeps."""

from export_cases import a_case, lines, written


def test_a_row_has_only_keys_that_braintrust_keeps(tmp_path):
    row = lines(written([a_case()], "braintrust", tmp_path) / "braintrust.jsonl")[0]
    assert list(row) == ["id", "input", "expected", "metadata", "tags"]
    assert (row["id"], row["expected"]["mustMention"]) == ("case-refund", ["30 days"])
    assert row["metadata"]["badOutput"] == "60 days."


def test_a_tag_is_there_once(tmp_path):
    case = a_case(tags=("billing", "edge", "billing", ""), split="billing")
    row = lines(written([case], "braintrust", tmp_path) / "braintrust.jsonl")[0]
    assert row["tags"] == ["historical_failure", "billing", "edge"]
