"""``phoenix.jsonl``: one example a line, for ``Client().datasets.create_dataset(name=..., examples=rows)``.

``output`` is what Phoenix calls the reference: the demands. With the same ``id`` an example is updated (server 15 and
later).
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
    """Write one example for each case."""
    return write_lines(map(_example, cases), out)


def _example(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    return {
        "id": shape["id"],
        "input": inputs(shape),
        "output": demands(shape),
        "metadata": metadata(shape),
        "splits": labels(shape),
    }


FORMAT = Format(
    "phoenix",
    "Arize Phoenix",
    (DatasetFile("phoenix.jsonl", "application/jsonl", write), helper("phoenix_eval.py"), *JUDGING),
)
"""The ``phoenix`` format."""
