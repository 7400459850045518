"""Cases as exports meet them: an ordinary one, one of every kind, and all that are hostile; and writing them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hostile_cases import TRAPS, hostile_cases, long_case

from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source
from exporters.dataset.export import export
from exporters.dataset.plain import plain_text

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def a_case(**parts) -> Case:
    """A case with expectations of the usual kinds."""
    defaults = {
        "id": "case-refund",
        "fingerprint": "f00d",
        "source": Source(TRACE_ID, "shop", "gpt-4o", ("citations",)),
        "input": "How long can I return an annual plan?",
        "context": Context(
            documents=({"id": "kb-7", "content": "Plans can be returned for 30 days."},), system="Be kind."
        ),
        "observed_output": "60 days.",
        "expectation": Expectation(
            must_mention=("30 days",),
            must_not_mention=("60 days",),
            relevant_documents=("kb-7",),
            checks={"citations": {"version": "1"}},
        ),
        "tags": ("billing",),
    }
    return Case(**{**defaults, **parts})


def every_kind() -> list[Case]:
    """One case for each kind of expectation, and two that ask the same."""
    earlier = (
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "toolCalls": [{"id": "1", "name": "find_order", "arguments": {"id": "A-1009"}}]},
        {"role": "tool", "toolCallId": "1", "content": "open"},
        {"role": "assistant", "content": "It is open."},
    )
    return [
        a_case(),
        a_case(id="case-again", kind=ExampleType.EDGE, split="test"),
        a_case(
            id="case-answer", expectation=Expectation(answer="Thirty days.", rubric="Is polite.", max_latency_ms=60000)
        ),
        a_case(id="case-value", input="The total?", expectation=Expectation(value={"total": 41.5})),
        a_case(
            id="case-schema",
            input="As JSON?",
            expectation=Expectation(json_schema={"type": "object", "required": ["total"]}),
        ),
        a_case(
            id="case-tools",
            input="Cancel A-1009",
            context=Context(messages=earlier),
            expectation=Expectation(
                expected_tool_calls=({"name": "cancel_order", "arguments": {"order_id": "A-1009"}},),
                forbidden_tool_calls=("issue_refund",),
            ),
        ),
        Case(
            "case-bare",
            "",
            Source(
                "",
                "",
            ),
            None,
            Context(),
            None,
            Expectation(),
        ),
    ]


def all_hostile() -> list[Case]:
    """What an app's users, documents and tools may have sent to do harm, and a message of 5 MiB."""
    return [*hostile_cases(), long_case()]


def hostile_inputs() -> list[str | None]:
    """What the inputs of ``all_hostile`` are in every export: themselves, but for lone surrogates."""
    return [plain_text(case.input or "") for case in all_hostile()]


def written(cases: Iterable[Case], format_name: str, folder: Path) -> Path:
    """The folder with this format of the cases, and beside it what hostile ones want to be run."""
    export(cases, format_name, f"{folder}/")
    for name, content in TRAPS.items():
        (folder / name).write_text(content)
    return folder


def lines(path: Path) -> list[Any]:
    """The decoded lines of a file, which must be UTF-8 with a line end after each, and split at nothing else."""
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert len(text.splitlines()) == text.count("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


FAILED_BY_BAD = {
    "case-refund": ["mustMention", "mustNotMention", "citations"],
    "case-again": ["mustMention", "mustNotMention", "citations"],
    "case-value": ["value"],
    "case-schema": ["jsonSchema"],
    "case-tools": ["expectedToolCalls", "forbiddenToolCalls"],
}
"""What the bad answer of ``integration/exports/tools/app.py`` fails, by case of ``every_kind``."""


def failed(verdicts: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    """The expectations that each case failed, out of a tool's ``case id -> (score, comment)``."""
    return {
        case_id: [failure.split(": ")[0] for failure in comment.split("; ")]
        for case_id, (score, comment) in verdicts.items()
        if not score
    }
