"""``braintrust.jsonl``: one row a line, as ``data=`` of ``Eval`` or for ``dataset.insert(**row)``.

Braintrust drops keys that it does not know and refuses a tag that is there twice.
"""

from collections.abc import Iterable
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import write_lines
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import demands, inputs, labels, metadata
from exporters.dataset.shape import to_json


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one row for each case."""
    return write_lines(map(_row, cases), out)


def _row(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    return {
        "id": shape["id"],
        "input": inputs(shape),
        "expected": demands(shape),
        "metadata": metadata(shape),
        "tags": labels(shape, *shape["metadata"]["tags"]),
    }


FORMAT = Format(
    "braintrust",
    "Braintrust",
    (DatasetFile("braintrust.jsonl", "application/jsonl", write), helper("braintrust_eval.py"), *JUDGING),
)
"""The ``braintrust`` format."""
