"""Cases as exports meet them: an ordinary one, one of every kind, and those that production makes to do harm."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source
from exporters.dataset.export import export
from exporters.dataset.plain import plain_text

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CANARY = "canary.py"
"""A file that lies where tools run. Whatever runs it makes ``EXECUTED`` appear there."""
EXECUTED = "executed"
CANARY_CODE = f"open({EXECUTED!r}, 'w').close()\n"

HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "template": "{{ 7 * 7 }} {{ range.constructor('return 1')() }} {% include '/etc/passwd' %} {# x #} {{{x}}}",
    "format": "{question} ${HOME} %(x)s {0.__class__} $(touch executed) `touch executed`",
    "file": "file:///etc/passwd",
    "canary": f"file://{CANARY}",
    "python": f"python:{CANARY}",
    "formula": "=HYPERLINK('http://127.0.0.1:9')",
    "formulas": "+1+cmd|' /C calc'!A0\t-2\t@SUM(1)",
    "ansi": "\x1b[31mred\x1b]0;title\x07 \x9b31m\x7f",
    "bidi": "\u202egnp.exe\u2066\u2067\u200f\u061c\ufeff",
    "nul": "a\x00b",
    "surrogate": "lone \ud800 half",
    "lines": "a\u2028b\u2029c\x85d\re\r\nf\x0bg\x0ch\x1ci",
    "noncharacter": "\ufffe\uffff \U0001f600",
    "date": "2026-11-25T12:00:00",
    "number": "1e999",
    "media": "@@@langfuseMedia:type=image/png|id=x|source=file@@@ data:image/png;base64,aGk=",
    "object": '{"__proto__": {"x": 1}, "lc": 1, "type": "constructor", "$ref": "file:///etc/passwd"}',
    "empty": "",
}
"""What an app's users, documents and tools may have sent, by name."""
LARGE = "0123456789abcdef" * (5 * 1024 * 1024 // 16)


def safe(text: str) -> str:
    """What ``text`` is in every export: itself, but for lone surrogates, which no file can hold."""
    return plain_text(text)


def hostile_inputs() -> list[str]:
    """What the inputs of ``hostile_cases`` are in every export."""
    return [*map(safe, HOSTILE.values()), LARGE]


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


def hostile(text: str, name: str) -> Case:
    """A case that holds this text wherever production can put one."""
    return a_case(
        id=f"case-{name}",
        source=Source(TRACE_ID, text, text, (text,)),
        input=text,
        context=Context(
            documents=({"id": text, "content": text, "title": text, "score": float("nan")},),
            messages=(
                {"role": "user", "content": text},
                {"role": text, "content": text},
                {"role": "tool", "content": text},
            ),
            system=text,
            tools=({"name": text, "description": text, "parameters": {text: text}},),
        ),
        observed_output=text,
        expectation=Expectation(
            answer=text or None,
            must_mention=(text,),
            must_not_mention=(text + "!",),
            json_schema={"title": text, "description": text},
            relevant_documents=(text,),
            rubric=text or None,
            expected_tool_calls=({"name": text, "arguments": {text: text}},),
            forbidden_tool_calls=(text + "!",),
        ),
        tags=(text,),
    )


def hostile_cases() -> list[Case]:
    """A case for each hostile text, and one with a message of 5 MiB."""
    return [*(hostile(text, name) for name, text in HOSTILE.items()), a_case(id="case-large", input=LARGE)]


def written(cases: Iterable[Case], format_name: str, folder: Path) -> Path:
    """The folder with this format of the cases, and the canary beside it."""
    export(cases, format_name, f"{folder}/")
    (folder / CANARY).write_text(CANARY_CODE)
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
