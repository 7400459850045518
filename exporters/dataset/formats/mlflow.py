"""``mlflow.jsonl``: one record a line, for ``merge_records(rows)`` and ``mlflow.genai.evaluate(data=rows, ...)``.

``expectations`` has the names that MLflow's own scorers look for, beside the demands that they have no name for. The
case id is among the inputs, since MLflow takes records of equal inputs for one. There is no slot for the bad answer.
"""

from collections.abc import Iterable
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import write_lines
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import Shape, demands, inputs
from exporters.dataset.shape import to_json

_NATIVE = {"answer": "expected_response", "rubric": "guidelines", "expectedToolCalls": "expected_tool_calls"}


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one record for each case."""
    return write_lines(map(_record, cases), out)


def _record(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    record = {
        "inputs": {**inputs(shape), "caseId": shape["id"]},
        "expectations": _expectations(shape),
        "tags": _tags(shape),
    }
    trace_id = shape["metadata"]["traceId"]
    source = {"source_type": "TRACE", "source_data": {"trace_id": trace_id}}
    return {**record, "source": source} if trace_id else record


def _expectations(shape: Shape) -> dict[str, Any]:
    """``expected_response`` or, where there is none, ``expected_facts``: with both, the Correctness judge raises."""
    demanded = demands(shape)
    named = {_NATIVE.get(key, key): value for key, value in demanded.items()}
    if "answer" not in demanded and "mustMention" in demanded:
        named["expected_facts"] = demanded["mustMention"]
    return named


def _tags(shape: Shape) -> dict[str, str]:
    """Strings, since MLflow takes no other values."""
    told = {"caseId": shape["id"], **shape["metadata"]}
    written = {key: ", ".join(value) if isinstance(value, list) else value for key, value in told.items()}
    return {key: value for key, value in written.items() if value}


FORMAT = Format(
    "mlflow",
    "MLflow",
    (DatasetFile("mlflow.jsonl", "application/jsonl", write), helper("mlflow_eval.py"), *JUDGING),
)
"""The ``mlflow`` format."""
