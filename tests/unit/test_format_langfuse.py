"""``langfuse.jsonl`` is one dataset item a line, as keyword arguments of ``create_dataset_item``."""

import pytest
from export_cases import TRACE_ID, a_case, lines, written

from exporters.dataset.case import Source


def row_of(case, folder):
    return lines(written([case], "langfuse", folder) / "langfuse.jsonl")[0]


def test_an_item_has_the_id_of_the_case_and_links_back_to_its_trace(tmp_path):
    row = row_of(a_case(), tmp_path)
    assert list(row) == ["id", "input", "expected_output", "metadata", "source_trace_id"]
    assert (row["id"], row["source_trace_id"]) == ("case-refund", TRACE_ID)
    assert row["expected_output"]["mustNotMention"] == ["60 days"]
    assert row["metadata"]["badOutput"] == "60 days."


@pytest.mark.parametrize("trace_id", ["", "by-hand", TRACE_ID.upper(), TRACE_ID + "\n"])
def test_what_is_no_trace_id_is_no_link(tmp_path, trace_id):
    row = row_of(a_case(source=Source(trace_id, "shop")), tmp_path)
    assert "source_trace_id" not in row
    assert row["metadata"]["traceId"] == trace_id
