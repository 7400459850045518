"""Stored things as the JSON API shows them: camelCase, times in RFC 3339, durations in milliseconds.

``view`` is passed on as it is, where it could be made: it is the same that ``sidecheck check --json`` prints.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from checks.finding import Evidence, Finding
from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters.dataset.shape import to_json
from exporters.review.trial import Trial
from exporters.store import CaseChange, Cluster, Counts, StoredCase, StoredTrace, TraceSummary, VerdictSet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GLANCE = {"valid_json": "validJson", "citations": "citedSource", "pii": "containsPII", "user_feedback": "userThumbsUp"}


def summary(trace: TraceSummary) -> dict[str, Any]:
    """One line of the list of traces."""
    return {
        **_head(trace),
        "input": trace.input,
        "output": trace.output,
        "verdicts": [verdict(v) for v in trace.verdicts],
        "case": _case_reference(trace),
    }


def trace(stored: StoredTrace, trace_url: str | None) -> dict[str, Any]:
    """All that is kept of a trace but its raw telemetry. ``trace_url`` leads to it in the tracing backend."""
    return {
        **_head(stored),
        "traceUrl": trace_url,
        "view": stored.view or {},
        "viewProblem": stored.view_problem,
        "verdicts": [verdict(v) for v in stored.verdicts],
        "feedback": [_feedback(f) for f in stored.feedback],
        "history": [_replaced(verdicts) for verdicts in stored.history],
        "case": _case_reference(stored),
    }


def glance(stored: TraceSummary) -> dict[str, Any]:
    """The verdicts in short: ``{"traceId": ..., "checks": {"validJson": true, ...}}``.

    ``validJson``, ``citedSource`` and ``userThumbsUp`` say whether their check passed; ``containsPII`` is true where
    the check found any personal data, be it a failure or a warning (an echo of what the user typed). A check that did
    not judge the trace has no key.
    """
    decided = (v for v in stored.verdicts if v.outcome.is_decided and v.check in _GLANCE)
    return {"traceId": stored.trace_id, "checks": {_GLANCE[v.check]: _at_a_glance(v) for v in decided}}


def _at_a_glance(v: Verdict) -> bool:
    passed = v.outcome is Outcome.PASSED
    return not passed or bool(v.findings) if v.check == "pii" else passed


def case(stored: StoredCase) -> dict[str, Any]:
    """A case in its public shape, and where it stands."""
    return {
        **to_json(stored.case),
        "status": stored.status.value,
        "revision": stored.revision,
        "createdAt": moment(stored.created_ns),
        "updatedAt": moment(stored.updated_ns),
        "clusterSize": stored.cluster_size,
        "history": [_change(change) for change in stored.history],
    }


def cluster(found: Cluster) -> dict[str, Any]:
    """One cluster: what failed, how often and when, and where to look."""
    return {
        "fingerprint": found.fingerprint,
        "service": found.service,
        "failures": {check: list(codes) for check, codes in found.failures.items()},
        "traces": found.traces,
        "firstAt": moment(found.first_ns),
        "lastAt": moment(found.last_ns),
        "input": found.input,
        "traceId": found.trace_id,
        "caseId": found.case_id,
        "cases": found.cases,
    }


def trial(done: Trial) -> dict[str, Any]:
    """How an expectation did. ``caught`` is whether the recorded answer fails it; what cannot be told is ``null``."""
    keep = ("key", "item", "caught", "met", "reason", "message")
    return {"caught": done.caught, "demands": [_camel(asdict(demand), keep) for demand in done.demands]}


def counts(counted: Counts) -> dict[str, Any]:
    """The store in figures."""
    return {
        "cases": {status.value: number for status, number in counted.cases.items()},
        "storeBytes": counted.bytes,
        "waitingFeedback": counted.waiting_feedback,
    }


def verdict(v: Verdict) -> dict[str, Any]:
    """One verdict with its findings and where they point."""
    return {
        "check": v.check,
        "version": v.version,
        "outcome": v.outcome.value,
        "score": v.score,
        "findings": [_finding(f) for f in v.findings],
        "durationMs": v.duration_ns / 1e6,
        "error": v.error,
        "reason": v.reason,
    }


def moment(time_ns: int) -> str:
    """Nanoseconds since the epoch in RFC 3339, to the millisecond."""
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _head(stored: TraceSummary) -> dict[str, Any]:
    return {
        "traceId": stored.trace_id,
        "service": stored.service,
        "convention": stored.convention,
        "closedBy": stored.closed_by.value,
        "startTime": moment(stored.start_ns),
        "durationMs": stored.duration_ns / 1e6,
        "spanCount": stored.span_count,
        "truncated": stored.truncated,
        "failing": stored.failing,
        "evaluatedAt": moment(stored.evaluated_ns),
        "model": stored.model,
        "cost": stored.cost,
        "unpricedCalls": stored.unpriced_calls,
        "sessionId": stored.session_id,
        "userId": stored.user_id,
    }


def _case_reference(stored: TraceSummary) -> dict[str, Any] | None:
    if stored.case_id is None:
        return None
    return {"id": stored.case_id, "status": stored.case_status.value if stored.case_status else None}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "evidence": [_evidence(e) for e in finding.evidence],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return _camel(asdict(evidence), keep=("span_id", "path", "start", "end"))


def _feedback(feedback: Feedback) -> dict[str, Any]:
    given = _camel(asdict(feedback), keep=("score", "thumbs_up", "comment", "user_id", "span_id", "source"))
    return {**given, "time": moment(feedback.time_ns) if feedback.time_ns else None}


def _replaced(replaced: VerdictSet) -> dict[str, Any]:
    return {
        "evaluatedAt": moment(replaced.evaluated_ns),
        "replacedAt": moment(replaced.replaced_ns),
        "verdicts": [verdict(v) for v in replaced.verdicts],
    }


def _change(change: CaseChange) -> dict[str, Any]:
    return {
        "revision": change.revision,
        "time": moment(change.time_ns),
        "who": change.who,
        "why": change.why,
        "action": change.action,
        "oldStatus": change.old_status.value,
        "oldCase": to_json(change.old_case),
    }


def _camel(values: dict[str, Any], keep: Iterable[str]) -> dict[str, Any]:
    return {_camel_name(name): values[name] for name in keep}


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
