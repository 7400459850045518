"""``pydantic-evals.yaml``: a dataset of Pydantic Evals (``Dataset.from_file``), with a script that runs it.

Mentions, an exact value and a limit on time are its own evaluators. It has none for what must not be said, a JSON
Schema or a forbidden tool, and its tool evaluators fail where no spans are recorded: these demands ride in ``metadata``
under their own names, and the script's evaluator judges them.
"""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import yaml_item
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import Shape, demands, inputs, metadata
from exporters.dataset.shape import to_json


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write each case as one of the dataset's."""
    count = 0
    out.write(b"name: sidecheck\ncases:")
    for count, case in enumerate(cases, 1):
        out.write((b"\n" if count == 1 else b"") + yaml_item(_case(to_json(case))).encode())
    if not count:
        out.write(b" []\n")
    return count


def _case(shape: Shape) -> dict[str, Any]:
    expected = shape["expected"]
    return {
        "name": shape["id"],
        "inputs": inputs(shape),
        "metadata": {**demands(shape), **metadata(shape)},
        "expected_output": expected["answer"] if expected["value"] is None else expected["value"],
        "evaluators": list(_evaluators(expected)),
    }


def _evaluators(expected: dict[str, Any]) -> Iterator[Any]:
    for term in filter(None, expected["mustMention"]):
        named = {"evaluation_name": f"mustMention: {term[:80]}"}
        yield {"Contains": {"value": term, "case_sensitive": False, "as_strings": True, **named}}
    if expected["value"] is not None:
        yield "EqualsExpected"
    if expected["maxLatencyMs"] is not None:
        yield {"MaxDuration": {"seconds": expected["maxLatencyMs"] / 1000}}


FORMAT = Format(
    "pydantic-evals",
    "Pydantic Evals",
    (DatasetFile("pydantic-evals.yaml", "application/yaml", write), helper("pydantic_evals_eval.py"), *JUDGING),
)
"""The ``pydantic-evals`` format."""
