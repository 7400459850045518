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

Exemplar = Mapping[str, str] | None


def record(metrics: Metrics, records: Sequence[Record]) -> None:
    """Count evaluated traces, the first time or again."""
    sums = _Sums(metrics)
    for item in records:
        if item.previous is None:
            _first(sums, item)
        else:
            _again(sums, item, {verdict.check: verdict.outcome for verdict in item.previous})
    sums.flush()


class _Sums:
    """Adds up over a batch what goes to the same series: most traces of a batch differ in little."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sums: dict[tuple[Any, ...], tuple[float, Exemplar]] = {}

    def inc(self, name: str, by: float = 1, exemplar: Exemplar = None, **labels: str) -> None:
        key = (name, *labels.items())
        so_far, earlier = self._sums.get(key, (0, None))
        self._sums[key] = (so_far + by, exemplar or earlier)

    def observe(self, name: str, value: float, exemplar: Exemplar = None, **labels: str) -> None:
        self._metrics.observe(name, value, exemplar, **labels)

    def flush(self) -> None:
        for (name, *labels), (by, exemplar) in self._sums.items():
            self._metrics.inc(name, by, exemplar, **dict(labels))


def _first(metrics: _Sums, item: Record) -> None:
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


def _again(metrics: _Sums, item: Record, before: Mapping[str, Outcome]) -> None:
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


def _result(metrics: _Sums, item: Record, verdict: Verdict) -> None:
    name, labels = "sidecheck_check_results_total", _labels(item, check=verdict.check)
    if verdict.outcome.is_decided:  # both series from the start: `increase()` does not see a series' first value
        metrics.inc(name, 0, **labels, outcome=Outcome.PASSED.value)
        metrics.inc(name, 0, **labels, outcome=Outcome.FAILED.value)
    metrics.inc(name, 1, _trace(item), **labels, outcome=verdict.outcome.value)
    for finding in verdict.findings:
        metrics.inc("sidecheck_findings_total", 1, _trace(item), **labels, code=finding.code)


def _change(metrics: _Sums, item: Record, verdict: Verdict, old: Outcome) -> None:
    labels = _labels(item, check=verdict.check, before=old.value, after=verdict.outcome.value)
    metrics.inc("sidecheck_verdict_changes_total", 1, _trace(item), **labels)


def _flagged(metrics: _Sums, item: Record) -> None:
    metrics.inc("sidecheck_flagged_traces_total", 1, _trace(item), service=item.service)


def _call(metrics: _Sums, item: Record, call: CallFacts) -> None:
    labels = _labels(item, model=call.model or UNKNOWN)
    directions = {"input": call.input_tokens, "output": call.output_tokens, "cached_input": call.cached_input_tokens}
    for direction, tokens in directions.items():
        if tokens is not None and 0 < tokens <= _MOST_TOKENS:
            metrics.inc("sidecheck_tokens_total", tokens, **labels, direction=direction)
    if call.ttft_ns is not None and call.ttft_ns >= 0:
        metrics.observe("sidecheck_time_to_first_token_seconds", call.ttft_ns / _NS, _trace(item), **labels)


def _times(metrics: _Sums, item: Record) -> None:
    metrics.observe("sidecheck_trace_duration_seconds", item.duration_ns / _NS, _trace(item), service=item.service)
    if item.evaluated_ns and item.end_ns:
        delay_ns = max(0, item.evaluated_ns - item.end_ns)  # the app's clock may be ahead of this one
        metrics.observe("sidecheck_evaluation_delay_seconds", delay_ns / _NS, _trace(item))


def _feedback(metrics: _Sums, item: Record, pieces: Sequence[Feedback]) -> None:
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
