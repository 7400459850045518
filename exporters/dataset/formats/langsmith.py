"""``langsmith.jsonl``: one example a line, as it is fed to ``Client().create_examples(dataset_id=..., examples=rows)``.

LangSmith has no assertions in its data: the demands are the reference outputs, and the evaluator beside the file judges
by them. The key is ``outputs``, since SDKs before 0.15 do not know its later name ``reference_outputs``.
"""

from collections.abc import Iterable
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import write_lines
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import demands, inputs, labels, metadata, stable_uuid
from exporters.dataset.shape import to_json


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one example for each case."""
    return write_lines(map(_example, cases), out)


def _example(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    return {
        "id": stable_uuid(shape),
        "inputs": inputs(shape),
        "outputs": demands(shape),
        "metadata": metadata(shape),
        "split": labels(shape),
    }


FORMAT = Format(
    "langsmith",
    "LangSmith",
    (DatasetFile("langsmith.jsonl", "application/jsonl", write), helper("langsmith_eval.py"), *JUDGING),
)
"""The ``langsmith`` format."""
