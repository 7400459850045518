"""``ragas.jsonl`` and ``ragas-multiturn.jsonl``, for ``EvaluationDataset.from_jsonl``; one file of both does not load.

Multi-turn is a case with earlier messages or with expected tool calls. Ragas has no slot for an id: ``ragas-ids.json``
has those of either file, in the order of its lines. Nor has it one for mentions, schemas and forbidden tools, which are
not in these files. They are ASCII, since Ragas opens a file in whatever encoding the machine's locale has.
"""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Format
from exporters.dataset.formats.encoding import json_text, write_lines
from exporters.dataset.formats.slots import Shape
from exporters.dataset.shape import to_json

SINGLE, MULTI = "ragas.jsonl", "ragas-multiturn.jsonl"
_TYPES = {"user": "human", "assistant": "ai", "tool": "tool"}


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write a sample for each case of a single turn, and return how many there were."""
    return write_lines((_single(shape) for shape in map(to_json, cases) if not _has_turns(shape)), out, ascii_only=True)


def write_multi(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write a sample for each case of several turns, and return how many there were."""
    return write_lines((_multi(shape) for shape in map(to_json, cases) if _has_turns(shape)), out, ascii_only=True)


def write_ids(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write the case ids of both files by line, and return how many there were."""
    ids: dict[str, list[str]] = {SINGLE: [], MULTI: []}
    for shape in map(to_json, cases):
        ids[MULTI if _has_turns(shape) else SINGLE].append(shape["id"])
    write_lines([ids], out, ascii_only=True)
    return sum(map(len, ids.values()))


def _has_turns(shape: Shape) -> bool:
    return bool(shape["context"]["messages"] or shape["expectedToolCalls"])


def _single(shape: Shape) -> dict[str, Any]:
    sample = {
        "user_input": shape["input"] or "",
        "reference": _reference(shape),
        "reference_contexts": [_text(document.get("content")) for document in shape["context"]["documents"]],
        "reference_context_ids": shape["expected"]["relevantDocuments"],
    }
    return {key: value for key, value in sample.items() if value or key == "user_input"}


def _multi(shape: Shape) -> dict[str, Any]:
    turns = list(_turns(shape))
    expected = [_call(call) for call in shape["expectedToolCalls"]]
    # Ragas holds the calls of the whole conversation against the reference, the earlier ones too.
    earlier = [call for turn in turns for call in turn.get("tool_calls", ())]
    sample = {
        "user_input": [*turns, {"type": "human", "content": shape["input"] or ""}],
        "reference": _reference(shape),
        "reference_tool_calls": [*earlier, *expected] if expected else [],
    }
    return {key: value for key, value in sample.items() if value}


def _reference(shape: Shape) -> str | None:
    answer, value = shape["expected"]["answer"], shape["expected"]["value"]
    return answer if answer or value is None else json_text(value)


def _turns(shape: Shape) -> Iterator[dict[str, Any]]:
    """The earlier messages. A tool's answer to no call that was recorded is told as the app's own words.

    Ragas takes a tool's answer after a message with tool calls or after another tool's answer only.
    """
    may_answer = False
    for message in shape["context"]["messages"]:
        kind = _TYPES.get(message.get("role"))
        calls = message.get("toolCalls") or []
        if kind == "tool" and not may_answer:
            kind = "ai"
        if kind is None:
            continue
        turn: dict[str, Any] = {"type": kind, "content": _text(message.get("content"))}
        if kind == "ai" and calls:
            turn["tool_calls"] = [_call(call) for call in calls]
        may_answer = kind == "tool" or "tool_calls" in turn
        yield turn


def _call(call: Any) -> dict[str, Any]:
    """Arguments that are no object, as a text that did not parse, are the one argument ``arguments``."""
    given = call.get("arguments")
    args = {} if given is None else given if isinstance(given, dict) else {"arguments": given}
    return {"name": _text(call.get("name")), "args": args}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json_text(value)


FORMAT = Format(
    "ragas",
    "Ragas",
    (
        DatasetFile(SINGLE, "application/jsonl", write),
        DatasetFile(MULTI, "application/jsonl", write_multi),
        DatasetFile("ragas-ids.json", "application/json", write_ids),
    ),
)
"""The ``ragas`` format."""
