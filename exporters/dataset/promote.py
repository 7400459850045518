"""From a report to a case: what went in, what came out, and what must hold when it is run again.

Pure: decides what a case holds. Whether a person must look at it first, and how many of one kind are kept, is the
store's and the settings' business.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from checks.interaction import Document, Interaction, Message, ModelCall, ToolDefinition
from checks.plan import PlannedCheck
from checks.report import Report, Verdict
from exporters.dataset.case import Case, Context, ExampleType, Expectation, Source
from exporters.dataset.expectations import Leak, expect, kind_of, leaks_in
from exporters.dataset.gate import admit
from exporters.dataset.kinds import propose
from exporters.dataset.likeness import Likeness, compared, fingerprint
from exporters.dataset.plain import plain
from exporters.dataset.redact import Redactor
from exporters.dataset.size import shortened
from exporters.dataset.typical import expect_again, is_typical

NO_DEMAND = "no_demand"
"""The tag of a case for which a check of one's own could not say what must hold; its name comes behind a colon."""


def draft(
    report: Report,
    redact: Redactor | None = None,
    promoting: Collection[str] | None = None,
    plan: Sequence[PlannedCheck] = (),
    typical_rate: float = 0.0,
    *,
    by_hand: bool = False,
) -> Case | None:
    """The case that a report makes; ``None`` where nothing failed that should make one, and no sample was drawn.

    Args:
        report: the verdicts on one interaction.
        redact: replaces personal data in every text of the case; ``None`` keeps the texts as they were captured.
        promoting: names of the checks whose failure makes a case; ``None`` for those that ``plan`` does not except.
            A failure of another check is named in the case's ``failed_checks`` and demands nothing.
        plan: the checks as configured: their options are written beside the check that must hold.
        typical_rate: the share of traces, 0 to 1, that make a case where nothing is wrong with them.
        by_hand: a person wants it: every failure counts, and where there is none, what held must hold again.

    Raises:
        RedactionFailed: personal data could not be removed. There must be no case then.
    """
    failed = report.failed if by_hand else failures(report, plan, promoting)
    if failed:
        demanded, broken = expect(failed, report.interaction, plan)
    elif by_hand or is_typical(report, typical_rate):
        demanded, broken = expect_again(report, plan)
    else:
        return None
    tags = tuple(f"{NO_DEMAND}:{name}" for name in broken)
    if redact is None:
        case = replace(_case(report, demanded, tags), redacted=None)
    else:
        leaks = _leaks(report, plan)
        demanded = _with_values(demanded, leaks, report.interaction.final_output or "")
        case = _redacted(_case(report, demanded, tags), leaks, redact)
    whole = replace(case, fingerprint=fingerprint(case.source.service, failed, case.input))
    # What is cut was redacted before: half of a name or a number would not be found.
    case = shortened(whole)
    # Texts have other neighbours then.
    return case if case is whole or redact is None else admit(case, redact.find, trusted=case)


def outline(
    report: Report, redact: Redactor | None = None, plan: Sequence[PlannedCheck] = (), typical_rate: float = 0.0
) -> Likeness | None:
    """What the trace of a case is compared by, of its input alone: for where there is no room for the case itself.

    It is the ``likeness`` of the case that ``draft`` makes, unless another text of that case gives away what the input
    holds (a number beside the word "phone" in a document), holds placeholders, or is so much that the input is cut.
    Arguments and errors are those of ``draft``, which may also fail for another text.
    """
    failed = failures(report, plan)
    if not failed and not is_typical(report, typical_rate):
        return None
    interaction = report.interaction
    text, service = interaction.user_input, interaction.service
    if redact is not None:
        known = [(leak.entity, leak.value) for leak in _leaks(report, plan)]
        # In the order of a case, by which placeholders are numbered.
        text, service = redact.texts(text, service, case_id(interaction.trace_id), known)
    return compared(service, failed, text, fingerprint(service, failed, text))


def failures(
    report: Report, plan: Sequence[PlannedCheck] = (), promoting: Collection[str] | None = None
) -> list[Verdict]:
    """The failed verdicts that make a case; the arguments are those of ``draft``."""
    excepted = {entry.name for entry in plan if not entry.promote} if promoting is None else set()
    return [v for v in report.failed if v.check not in excepted and (promoting is None or v.check in promoting)]


def case_id(trace_id: str) -> str:
    """The id of the case of this trace: the same whenever and wherever the trace is judged."""
    return f"case-{hashlib.sha256(trace_id.encode()).hexdigest()[:12]}"


def _case(report: Report, demanded: Expectation, tags: tuple[str, ...]) -> Case:
    interaction = report.interaction
    final = _final_call(interaction)
    usual = ExampleType.HISTORICAL_FAILURE if report.failed else ExampleType.TYPICAL
    kind, why = propose(interaction, usual)
    return Case(
        id=case_id(interaction.trace_id),
        fingerprint="",
        source=Source(
            trace_id=interaction.trace_id,
            service=interaction.service,
            model=final.model if final else None,
            failed_checks=tuple(v.check for v in report.failed),
        ),
        input=interaction.user_input,
        context=_context(interaction, final),
        observed_output=interaction.final_output,
        expectation=demanded,
        kind=kind,
        tags=(*why, *tags),
    )


def _leaks(report: Report, plan: Sequence[PlannedCheck]) -> tuple[Leak, ...]:
    """The personal data that PII checks found, in whatever verdict: also a warning points at what must be gone."""
    planned = {entry.name: entry for entry in plan}
    verdicts = [v for v in report.verdicts if kind_of(v, planned.get(v.check)) == "pii"]
    return leaks_in(verdicts, report.interaction)


def _with_values(demanded: Expectation, leaks: Sequence[Leak], output: str) -> Expectation:
    """The leaked values ride along as demands, so that each becomes the placeholder that the answer shows for it."""
    if not leaks:
        return demanded
    demands = demanded.must_not_mention
    gone = [leak for leak in leaks if leak.must_go and leak.placeholder in demands]
    others = set(demands) - {leak.placeholder for leak in gone}
    values = sorted({leak.value for leak in gone}, key=output.find)
    return replace(demanded, must_not_mention=(*values, *(text for text in demands if text in others)))


def _redacted(case: Case, leaks: Sequence[Leak], redact: Redactor) -> Case:
    clean = redact(case, known=[(leak.entity, leak.value) for leak in leaks])
    once = tuple(dict.fromkeys(clean.expectation.must_not_mention))
    if once == clean.expectation.must_not_mention:
        return clean
    return replace(clean, expectation=replace(clean.expectation, must_not_mention=once))


def _final_call(interaction: Interaction) -> ModelCall | None:
    """The call that gave the final answer; where that is not known, the last one whose messages were recorded."""
    calls = interaction.model_calls
    answering = [c for c in calls if c.span_id == interaction.output_span and c.input]
    recorded = [c for c in calls if c.input]
    return next(reversed(answering or recorded or list(calls)), None)


def _context(interaction: Interaction, final: ModelCall | None) -> Context:
    return Context(
        documents=tuple(_document(d) for d in interaction.documents),
        messages=tuple(_message(m) for m in _earlier(final.input or () if final else ())),
        system=interaction.system,
        tools=_tools(interaction),
    )


def _earlier(messages: Sequence[Message]) -> Sequence[Message]:
    """What was said before the user's last message; the system prompt stands by itself."""
    last = max((n for n, m in enumerate(messages) if m.role == "user"), default=0)
    return [m for m in messages[:last] if m.role not in ("system", "developer")]


def _tools(interaction: Interaction) -> tuple[dict[str, Any], ...]:
    """Every tool that a model was offered, once by name; the last definition is the one in force."""
    offered = {tool.name: tool for call in interaction.model_calls for tool in call.tools or ()}
    return tuple(_tool(tool) for tool in offered.values())


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    return _recorded(name=tool.name, description=tool.description, parameters=tool.parameters)


def _document(document: Document) -> dict[str, Any]:
    return _recorded(
        id=document.id,
        content=document.content,
        source=document.source,
        title=document.title,
        score=document.score,
    )


def _message(message: Message) -> dict[str, Any]:
    calls = [_recorded(id=r.id, name=r.name, arguments=r.arguments) for r in message.tool_requests]
    return {
        **_recorded(role=message.role, content=message.content, name=message.name),
        **_recorded(
            toolCalls=calls or None,
            toolCallId=message.tool_call_id,
            refusal=message.refusal,
            media=list(message.media) or None,
        ),
    }


def _recorded(**parts: Any) -> dict[str, Any]:
    """The parts that were recorded, fit for JSON: a key that is left out means "not recorded"."""
    return {
        key: value if type(value) is str and value.isascii() else plain(value)
        for key, value in parts.items()
        if value is not None
    }
