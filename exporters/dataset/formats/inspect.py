"""``inspect.jsonl``: samples for Inspect AI (``json_dataset("inspect.jsonl")``), with the task that runs them.

Nothing but ``id``, ``input``, ``target`` and ``metadata`` stands at the top: Inspect takes files and scripts from other
keys. ``target`` is never empty, since ``includes()`` passes anything against an empty one, and is a list never, since
Inspect takes that for "any of": so it is the answer, the value or the only mention, and else a note.
"""

from collections.abc import Iterable
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import json_text, write_lines
from exporters.dataset.formats.helpers import JUDGING, helper
from exporters.dataset.formats.slots import Shape, demands, messages, metadata
from exporters.dataset.shape import to_json

_NO_TARGET = "(inspect_task.py judges this sample by its metadata)"


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write each case as one sample."""
    return write_lines((_sample(to_json(case)) for case in cases), out)


def _sample(shape: Shape) -> dict[str, Any]:
    return {
        "id": shape["id"],
        "input": _input(shape),
        "target": _target(shape),
        "metadata": {**demands(shape), "context": shape["context"], **metadata(shape)},
    }


def _input(shape: Shape) -> str | list[dict[str, str]]:
    """The question alone, or the conversation; an empty text would be refused."""
    said = messages(shape)
    if len(said) == 1 and said[0]["content"]:
        return said[0]["content"]
    return [{**message, "role": message["role"].replace("developer", "system")} for message in said]


def _target(shape: Shape) -> str:
    expected = shape["expected"]
    mentions = [term for term in expected["mustMention"] if term]
    if expected["value"] is not None:
        return json_text(expected["value"])
    return expected["answer"] or (mentions[0] if len(mentions) == 1 else _NO_TARGET)


FORMAT = Format(
    "inspect",
    "Inspect AI",
    (DatasetFile("inspect.jsonl", "application/jsonl", write), helper("inspect_task.py"), *JUDGING),
)
"""The ``inspect`` format."""
