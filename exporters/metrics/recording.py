"""How an evaluated trace is counted.

The rule: a trace adds at most one ``passed`` or ``failed`` to each check, however often it is judged again. What the
first evaluation counted (tokens, durations, ...) is not counted again; a decided verdict that turns over is a *change*.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters.metrics.prometheus import UNKNOWN, Metrics
from exporters.record import CallFacts, Record

_NS = 1_000_000_000
_MOST_TOKENS = 1_000_000_000
"""One call has never so many: a larger number is a mistake of the app's and would spoil the counter for good."""


def record(metrics: Metrics, records: Sequence[Record]) -> None:
    """Count evaluated traces, the first time or again."""
    for item in records:
        if item.previous is None:
            _first(metrics, item)
        else:
            _again(metrics, item, {verdict.check: verdict.outcome for verdict in item.previous})


def _first(metrics: Metrics, item: Record) -> None:
    metrics.inc("sidecheck_traces_evaluated_total", service=item.service, closed_by=item.closed_by.value)
    for verdict in item.verdicts:
        _result(metrics, item, verdict)
        if verdict.outcome not in (Outcome.NOT_APPLICABLE, Outcome.NOT_SAMPLED):
            metrics.observe("sidecheck_check_duration_seconds", verdict.duration_ns / _NS, check=verdict.check)
    for call in item.calls:
        _call(metrics, item, call)
    if item.is_failing:
        _flagged(metrics, item)
    _times(metrics, item)
    _feedback(metrics, item, item.feedback)
    if item.convention == "none":
        for scope in item.scopes or (UNKNOWN,):
            metrics.inc("sidecheck_unread_traces_total", scope=scope)


def _again(metrics: Metrics, item: Record, before: Mapping[str, Outcome]) -> None:
    for verdict in item.verdicts:
        old = before.get(verdict.check, Outcome.NOT_APPLICABLE)
        if old.is_decided and old is not verdict.outcome:
            _change(metrics, item, verdict, old)
        elif verdict.outcome.is_decided and not old.is_decided:
            _result(metrics, item, verdict)
    if item.is_failing and Outcome.FAILED not in before.values():
        _flagged(metrics, item)
    if item.previous_feedback is not None:
        _feedback(metrics, item, tuple((Counter(item.feedback) - Counter(item.previous_feedback)).elements()))


def _result(metrics: Metrics, item: Record, verdict: Verdict) -> None:
    name, labels = "sidecheck_check_results_total", _labels(item, check=verdict.check)
    if verdict.outcome.is_decided:  # both series from the start: `increase()` does not see a series' first value
        metrics.inc(name, 0, **labels, outcome=Outcome.PASSED.value)
        metrics.inc(name, 0, **labels, outcome=Outcome.FAILED.value)
    metrics.inc(name, 1, _trace(item), **labels, outcome=verdict.outcome.value)
    for finding in verdict.findings:
        metrics.inc("sidecheck_findings_total", 1, _trace(item), **labels, code=finding.code)


def _change(metrics: Metrics, item: Record, verdict: Verdict, old: Outcome) -> None:
    labels = _labels(item, check=verdict.check, before=old.value, after=verdict.outcome.value)
    metrics.inc("sidecheck_verdict_changes_total", 1, _trace(item), **labels)


def _flagged(metrics: Metrics, item: Record) -> None:
    metrics.inc("sidecheck_flagged_traces_total", 1, _trace(item), service=item.service)


def _call(metrics: Metrics, item: Record, call: CallFacts) -> None:
    labels = _labels(item, model=call.model or UNKNOWN)
    directions = {"input": call.input_tokens, "output": call.output_tokens, "cached_input": call.cached_input_tokens}
    for direction, tokens in directions.items():
        if tokens is not None and 0 < tokens <= _MOST_TOKENS:
            metrics.inc("sidecheck_tokens_total", tokens, **labels, direction=direction)
    if call.ttft_ns is not None and call.ttft_ns >= 0:
        metrics.observe("sidecheck_time_to_first_token_seconds", call.ttft_ns / _NS, _trace(item), **labels)


def _times(metrics: Metrics, item: Record) -> None:
    metrics.observe("sidecheck_trace_duration_seconds", item.duration_ns / _NS, _trace(item), service=item.service)
    if item.evaluated_ns and item.end_ns:
        delay_ns = max(0, item.evaluated_ns - item.end_ns)  # the app's clock may be ahead of this one
        metrics.observe("sidecheck_evaluation_delay_seconds", delay_ns / _NS, _trace(item))


def _feedback(metrics: Metrics, item: Record, pieces: Sequence[Feedback]) -> None:
    for piece in pieces:
        metrics.inc("sidecheck_user_feedback_total", service=item.service, value=_value(piece))


def _value(piece: Feedback) -> str:
    score = float(piece.thumbs_up) if piece.thumbs_up is not None else piece.score
    if score is None:
        return "comment"
    if score == 0.5:
        return "neutral"
    return "up" if score > 0.5 else "down"


def _labels(item: Record, **labels: str) -> dict[str, Any]:
    return {"service": item.service, **labels}


def _trace(item: Record) -> dict[str, str]:
    return {"trace_id": item.trace_id}
