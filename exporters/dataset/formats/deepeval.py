"""``deepeval.json``: DeepEval's goldens (``EvaluationDataset().add_goldens_from_json_file``), with a test of them.

Its own slots take the reference answer or value, the documents and the expected tool calls; all demands ride in
``additional_metadata`` under their own names, and the bad answer too: ``actual_output`` is for the new run to fill, and
``retrieval_context`` for what it retrieves. ``expectations`` is left out: a judge model would start by itself.
"""

from collections.abc import Iterable
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import json_text, write_array
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import Shape, demands, metadata
from exporters.dataset.shape import to_json


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write each case as one golden."""
    return write_array((_golden(to_json(case)) for case in cases), out)


def _golden(shape: Shape) -> dict[str, Any]:
    documents = [d["content"] for d in shape["context"]["documents"] if isinstance(d.get("content"), str)]
    return {
        "name": shape["id"],
        "input": shape["input"] or "",
        "expected_output": _reference(shape),
        "context": documents or None,
        "expected_tools": [_tool(call) for call in shape["expectedToolCalls"]] or None,
        "comments": f"from trace {shape['metadata']['traceId']}",
        "additional_metadata": {**demands(shape), "context": shape["context"], **metadata(shape)},
    }


def _reference(shape: Shape) -> str | None:
    answer: str | None = shape["expected"]["answer"]
    value = shape["expected"]["value"]
    return answer if value is None else json_text(value)


def _tool(call: dict[str, Any]) -> dict[str, Any]:
    """Arguments that are no object are in the demands alone: DeepEval takes an object."""
    arguments = call.get("arguments")
    return {"name": str(call.get("name")), "input_parameters": arguments if isinstance(arguments, dict) else None}


FORMAT = Format(
    "deepeval",
    "DeepEval",
    (DatasetFile("deepeval.json", "application/json", write), helper("test_deepeval.py"), *JUDGING),
)
"""The ``deepeval`` format."""
