"""Builders for what goes into the store: each makes one valid thing, with every part open to be set."""

from dataclasses import dataclass, replace
from typing import Any

from checks.finding import Evidence, Finding
from checks.report import Outcome, Verdict
from checks.trace import CloseReason, FeedbackTarget
from exporters import codec
from exporters.dataset.case import Case, CaseStatus, Context, Expectation, Source
from exporters.dataset.likeness import Likeness, fingerprint, likeness
from exporters.packed import Packed, pack
from exporters.record import Record
from exporters.store import CaseLimits, SaveResult, Store

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOW = 20_000 * DAY + 12 * 3600 * SECOND
"""Noon of a day in 2024."""
LIMITS = CaseLimits()
SAID = {"input": "How long can I return it?", "output": "30 days [1].", "model": "gpt-4o"}


def trace_id(number: int) -> str:
    """The id of the n-th trace."""
    return f"{number:032x}"


def a_verdict(check: str = "citations", outcome: Outcome = Outcome.FAILED, **parts: Any) -> Verdict:
    """A verdict; a failed one has one finding."""
    findings = (Finding("missing", "nothing is cited", evidence=(Evidence("00f067aa0ba902b7", "output", 0, 4),)),)
    defaults = {"version": "1", "findings": findings if outcome is Outcome.FAILED else (), "duration_ns": 1000}
    return Verdict(check=check, outcome=outcome, **{**defaults, **parts})


def a_case(number: int = 1, **parts: Any) -> Case:
    """The case of the n-th trace."""
    defaults = {
        "id": f"case-{number:x}",
        "fingerprint": "f" * 16,
        "source": Source(trace_id(number), "shop", "gpt-4o", ("citations",)),
        "input": "How long can I return it?",
        "context": Context(documents=({"id": "kb-7", "content": "30 days"},), system="Be brief."),
        "observed_output": "60 days.",
        "expectation": Expectation(checks={"citations": {"version": "1"}}),
    }
    return Case(**{**defaults, **parts})


@dataclass(frozen=True, slots=True)
class ViewedRecord(Record):
    """The record of a trace whose view is kept, as earlier versions did."""

    view: dict[str, Any] | None = None


def a_record(number: int = 1, view: dict[str, Any] | None = None, **parts: Any) -> Record:
    """The n-th trace, judged as fine, started at its number's second.

    With a ``view`` it is kept with the trace, as earlier versions did: so is shown what no telemetry says.
    """
    defaults = {
        "trace_id": trace_id(number),
        "service": "shop",
        "convention": "genai",
        "closed_by": CloseReason.ROOT_SEEN,
        "start_ns": number * SECOND,
        "end_ns": number * SECOND + 5,
        "duration_ns": 5,
        "span_count": 2,
        "truncated": False,
        "verdicts": (a_verdict(outcome=Outcome.PASSED),),
        "spans": b"spans",
        "logs": b"logs",
        "evaluated_ns": NOW,
    }
    if view is None:
        return Record(**{**defaults, **SAID, **parts})
    return ViewedRecord(**{**defaults, **said_in(view), "view": view, **parts})


def said_in(view: dict[str, Any]) -> dict[str, Any]:
    """The parts of a record that its view says as well."""
    tokens = view.get("tokens", {})
    counted = {f"{kind}_tokens": tokens.get(kind) for kind in ("input", "output")}
    return {**{key: view.get(key) for key in SAID}, **counted}


def packed(record: Record) -> Packed:
    """The record as the pipeline packs it; one with a view as an earlier version did."""
    made = pack(record)
    if not isinstance(record, ViewedRecord):
        return made
    view = codec.to_json(record.view).encode()
    return replace(made, data=codec.join_compressed(record.spans, record.logs, view))


def a_failing_record(number: int = 1, **parts: Any) -> Record:
    """The n-th trace, judged as bad, with its case."""
    case = parts.pop("case", a_case(number))
    like = Likeness("shop", {"citations": ("missing",)}, family=case.fingerprint if case else "")
    return a_record(number, **{"verdicts": (a_verdict(),), "case": case, "likeness": like, **parts})


def a_failure(*codes: str, check: str = "citations") -> Verdict:
    """A failed verdict with these finding codes."""
    return a_verdict(check, findings=tuple(Finding(code, "bad") for code in codes or ("missing",)))


def asking(number: int, text: str, verdict: Verdict | None = None, service: str = "shop", **parts: Any) -> Record:
    """The n-th failing trace, with this input, compared by it as a judge has it."""
    failed = (verdict or a_failure(),)
    source = Source(trace_id(number), service, "gpt-4o", tuple(v.check for v in failed))
    case = a_case(number, input=text, source=source, fingerprint=fingerprint(service, failed, text))
    made = {"service": service, "verdicts": failed, "case": case, "likeness": likeness(case, failed)}
    return a_failing_record(number, **{**made, **parts})


def save(
    store: Store,
    *records: Record,
    status: CaseStatus = CaseStatus.CANDIDATE,
    limits: CaseLimits = LIMITS,
    now_ns: int = NOW,
) -> SaveResult:
    """Save records as the pipeline does."""
    return store.save([packed(record) for record in records], status, limits, now_ns)


def about(number: int) -> FeedbackTarget:
    """A target: the n-th trace."""
    return FeedbackTarget(trace_id=trace_id(number))
