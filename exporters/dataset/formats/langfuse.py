"""``langfuse.jsonl``: one dataset item a line: ``Langfuse().create_dataset_item(dataset_name=..., **row)`` for each.

With the same ``id`` an item is updated. ``source_trace_id`` links back to the trace where Langfuse has it too.
"""

import re
from collections.abc import Iterable
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import write_lines
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import demands, inputs, metadata
from exporters.dataset.shape import to_json

_TRACE_ID = re.compile("[0-9a-f]{32}")
"""Langfuse's trace ids are those of OpenTelemetry; a hand-written case may have any, or none."""


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one dataset item for each case."""
    return write_lines(map(_item, cases), out)


def _item(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    item = {
        "id": shape["id"],
        "input": inputs(shape),
        "expected_output": demands(shape),
        "metadata": metadata(shape),
    }
    trace_id = shape["metadata"]["traceId"]
    return {**item, "source_trace_id": trace_id} if _TRACE_ID.fullmatch(trace_id) else item


FORMAT = Format(
    "langfuse",
    "Langfuse",
    (DatasetFile("langfuse.jsonl", "application/jsonl", write), helper("langfuse_eval.py"), *JUDGING),
)
"""The ``langfuse`` format."""
