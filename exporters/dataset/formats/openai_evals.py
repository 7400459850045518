"""The files of OpenAI's Evals API, and of the older ``evals`` repository. The API ends; Azure has it too.

``openai-evals.jsonl`` has ``{"item": ...}`` a line; every item has every key, since a template that names a missing one
fails. ``openai-evals.eval.json`` is what ``client.evals.create`` takes: the items' schema, and a Python grader for each
expectation. A grader is one text without imports of ours, so each holds the whole scorer. None holds a word of a case,
and what is in double braces in an item is data: only texts of the eval itself are templates.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import json_text, write_lines
from exporters.dataset.formats.slots import Shape, messages
from exporters.dataset.shape import to_json

GRADED = (
    "mustMention",
    "mustNotMention",
    "jsonSchema",
    "value",
    "citations",
    "expectedToolCalls",
    "forbiddenToolCalls",
)
"""What the scorer finds in an answer alone; the time that it took is not told to a grader."""

_GRADE = """

EXPECTATION = "{name}"


def grade(sample, item):
    schema = item.get("jsonSchema")
    case = dict(item, expected=dict(item, jsonSchema=json.loads(schema) if schema else None))
    answer = dict(role="assistant", content=sample.get("output_text"), tool_calls=sample.get("output_tools") or [])
    return float(all(failure["expectation"] != EXPECTATION for failure in score(case, answer)))
"""
"""Follows the text of the scorer: 1 where the answer fails nothing of what this grader looks at, else 0."""

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_TEXTS = {"type": "array", "items": _TEXT}
_OBJECT = {"type": "object"}
_PROPERTIES: dict[str, Any] = {
    "id": _TEXT,
    "input": _TEXT,
    "messages": {"type": "array", "items": _OBJECT},
    "context": _OBJECT,
    "reference": _TEXT_OR_NULL,
    "value": {},
    "mustMention": _TEXTS,
    "mustNotMention": _TEXTS,
    "jsonSchema": _TEXT_OR_NULL,
    "relevantDocuments": _TEXTS,
    "maxLatencyMs": {"type": ["integer", "null"]},
    "rubric": _TEXT_OR_NULL,
    "checks": _OBJECT,
    "expectedToolCalls": {"type": "array", "items": _OBJECT},
    "forbiddenToolCalls": _TEXTS,
    "metadata": _OBJECT,
}


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one item for each case."""
    return write_lines(({"item": _item(to_json(case))} for case in cases), out)


def write_eval(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write the eval, which is the same for all cases."""
    source = files("exporters.dataset").joinpath("scorer.py").read_text(encoding="utf-8")
    schema = {"type": "object", "properties": _PROPERTIES, "required": list(_PROPERTIES)}
    document = {
        "name": "sidecheck",
        "data_source_config": {"type": "custom", "item_schema": schema, "include_sample_schema": True},
        "testing_criteria": [
            {"type": "python", "name": name, "source": source + _GRADE.format(name=name), "pass_threshold": 1}
            for name in GRADED
        ],
    }
    write_lines([document], out)
    return sum(1 for _ in cases)


def write_legacy(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write a sample for each case that has an ideal answer, and return how many there were."""
    return write_lines(_samples(map(to_json, cases)), out)


def _item(shape: Shape) -> dict[str, Any]:
    expected = dict(shape["expected"])
    schema = expected["jsonSchema"]
    return {
        "id": shape["id"],
        "input": shape["input"] or "",
        "messages": messages(shape),
        "context": shape["context"],
        "reference": expected.pop("answer"),
        **expected,
        "jsonSchema": None if schema is None else json_text(schema),
        "expectedToolCalls": shape["expectedToolCalls"],
        "forbiddenToolCalls": shape["forbiddenToolCalls"],
        "metadata": shape["metadata"],
    }


def _samples(shapes: Iterable[Shape]) -> Iterator[dict[str, Any]]:
    """Without an ideal, every answer would pass or none. Of several ideals, any is enough: mentions are a weak one."""
    for shape in shapes:
        expected = shape["expected"]
        value = None if expected["value"] is None else json_text(expected["value"])
        ideal = expected["answer"] or value or expected["mustMention"]
        if ideal:
            yield {"input": messages(shape), "ideal": ideal, "metadata": {"caseId": shape["id"]}}


FORMAT = Format(
    "openai-evals",
    "OpenAI Evals",
    (
        DatasetFile("openai-evals.jsonl", "application/jsonl", write),
        DatasetFile("openai-evals.eval.json", "application/json", write_eval),
        DatasetFile("openai-evals-legacy.jsonl", "application/jsonl", write_legacy),
    ),
)
"""The ``openai-evals`` format."""
