"""What is told of a trace's verdicts to a tracing backend: one result a check that judged, in the conventions' terms.

Source: https://github.com/open-telemetry/semantic-conventions-genai (event ``gen_ai.evaluation.result``). Made in a
worker process; sending is ``exporters.otlp.results``'s business. Holds no captured text: neither do findings.
"""

from dataclasses import dataclass

from checks.report import Outcome, Verdict
from exporters.record import Record

MOST_FINDINGS = 5
"""So many are told of; the rest are counted."""
LONGEST_EXPLANATION = 1000
TIMEOUT = "timeout"
"""What ``error.type`` says of a check that was not done in time."""


@dataclass(frozen=True, slots=True)
class Result:
    """One verdict. ``span_id`` is the span it is about, ``None`` where the trace has no root to stand for it.

    ``score`` is the check's own, else 1 for passed and 0 for failed. ``label`` and ``score`` are ``None`` where the
    check broke, and ``error`` says how; ``response_id`` is the answer's.
    """

    check: str
    version: str
    span_id: str | None
    label: str | None = None
    score: float | None = None
    explanation: str | None = None
    response_id: str | None = None
    error: str | None = None


def results_of(record: Record) -> tuple[Result, ...]:
    """The results of a record; none of a check that had nothing to judge."""
    return tuple(_result(verdict, record) for verdict in record.verdicts if _was_run(verdict))


def _was_run(verdict: Verdict) -> bool:
    return verdict.outcome not in (Outcome.NOT_APPLICABLE, Outcome.NOT_SAMPLED)


def _result(verdict: Verdict, record: Record) -> Result:
    shown = (place.span_id for finding in verdict.findings for place in finding.evidence)
    span_id = next((span_id for span_id in shown if span_id), record.root_id)
    responses = dict(record.responses)
    response_id = responses.get(span_id or "") or next(reversed(responses.values()), None)
    if not verdict.outcome.is_decided:
        error = _error_type(verdict)
        return Result(verdict.check, verdict.version, span_id, response_id=response_id, error=error)
    score = verdict.score if verdict.score is not None else float(verdict.outcome is Outcome.PASSED)
    label, why = verdict.outcome.value, _explanation(verdict)
    return Result(verdict.check, verdict.version, span_id, label, score, why, response_id)


def _explanation(verdict: Verdict) -> str | None:
    told = [f"{finding.code}: {finding.message}" for finding in verdict.findings[:MOST_FINDINGS]]
    more = len(verdict.findings) - len(told)
    if more > 0:
        told.append(f"{more} more")
    return "; ".join(told)[:LONGEST_EXPLANATION] or None


def _error_type(verdict: Verdict) -> str:
    """The exception's type; its place is for the page."""
    if verdict.outcome is Outcome.TIMED_OUT:
        return TIMEOUT
    return (verdict.error or "").partition(" ")[0].rstrip(":") or "_OTHER"
