"""How evaluated traces are counted: by how much which series move, as plain data made in a worker process.

The rule: a trace adds at most one ``passed`` or ``failed`` to each check, however often it is judged again. What the
first evaluation counted (tokens, durations, ...) is not counted again; a decided verdict that turns over is a *change*.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters.metrics.catalogue import UNKNOWN
from exporters.record import CallFacts, Record

_NS = 1_000_000_000
_MOST_TOKENS = 1_000_000_000
"""One call has never so many: a larger number is a mistake of the app's and would spoil the counter for good."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A metric's name, and its labels as pairs."""


@dataclass(frozen=True, slots=True)
class Tally:
    """By how much series move, and with which trace as the exemplar (``None``: with none).

    ``amounts`` are for counters; what goes to the same series is added up: most traces of a batch differ in little.
    ``values`` are for histograms; the exemplar belongs to the last of them.
    """

    amounts: dict[Key, tuple[float, str | None]] = field(default_factory=dict)
    values: dict[Key, tuple[list[float], str | None]] = field(default_factory=dict)

    def inc(self, name: str, by: float = 1, exemplar: str | None = None, **labels: str) -> None:
        """Add to a counter; ``by=0`` makes its series be there."""
        key = (name, tuple(labels.items()))
        so_far, earlier = self.amounts.get(key, (0, None))
        self.amounts[key] = (so_far + by, exemplar or earlier)

    def observe(self, name: str, value: float, exemplar: str | None = None, **labels: str) -> None:
        """Add a value to a histogram."""
        key = (name, tuple(labels.items()))
        values, _ = self.values.get(key, ([], None))
        values.append(value)
        self.values[key] = (values, exemplar)


def tally(records: Iterable[Record]) -> Tally:
    """Count evaluated traces, the first time or again."""
    made = Tally()
    for item in records:
        if item.previous is None:
            _first(made, item)
        else:
            _again(made, item, {verdict.check: verdict.outcome for verdict in item.previous})
    return made


def _first(made: Tally, item: Record) -> None:
    made.inc("sidecheck_traces_evaluated_total", service=item.service, closed_by=item.closed_by.value)
    for verdict in item.verdicts:
        _result(made, item, verdict)
        if verdict.outcome not in (Outcome.NOT_APPLICABLE, Outcome.NOT_SAMPLED):
            made.observe("sidecheck_check_duration_seconds", verdict.duration_ns / _NS, check=verdict.check)
    for call in item.calls:
        _call(made, item, call)
    if item.is_failing:
        _flagged(made, item)
    _times(made, item)
    _feedback(made, item, item.feedback)
    if item.convention == "none":
        for scope in item.scopes or (UNKNOWN,):
            made.inc("sidecheck_unread_traces_total", scope=scope)


def _again(made: Tally, item: Record, before: Mapping[str, Outcome]) -> None:
    for verdict in item.verdicts:
        old = before.get(verdict.check, Outcome.NOT_APPLICABLE)
        if old.is_decided and old is not verdict.outcome:
            _change(made, item, verdict, old)
        elif verdict.outcome.is_decided and not old.is_decided:
            _result(made, item, verdict)
    if item.is_failing and Outcome.FAILED not in before.values():
        _flagged(made, item)
    if item.previous_feedback is not None:
        _feedback(made, item, tuple((Counter(item.feedback) - Counter(item.previous_feedback)).elements()))


def _result(made: Tally, item: Record, verdict: Verdict) -> None:
    name, labels = "sidecheck_check_results_total", _labels(item, check=verdict.check)
    if verdict.outcome.is_decided:  # both series from the start: `increase()` does not see a series' first value
        made.inc(name, 0, **labels, outcome=Outcome.PASSED.value)
        made.inc(name, 0, **labels, outcome=Outcome.FAILED.value)
    made.inc(name, 1, item.trace_id, **labels, outcome=verdict.outcome.value)
    for finding in verdict.findings:
        made.inc("sidecheck_findings_total", 1, item.trace_id, **labels, code=finding.code)


def _change(made: Tally, item: Record, verdict: Verdict, old: Outcome) -> None:
    labels = _labels(item, check=verdict.check, before=old.value, after=verdict.outcome.value)
    made.inc("sidecheck_verdict_changes_total", 1, item.trace_id, **labels)


def _flagged(made: Tally, item: Record) -> None:
    made.inc("sidecheck_flagged_traces_total", 1, item.trace_id, service=item.service)


def _call(made: Tally, item: Record, call: CallFacts) -> None:
    labels = _labels(item, model=call.model or UNKNOWN)
    directions = {"input": call.input_tokens, "output": call.output_tokens, "cached_input": call.cached_input_tokens}
    for direction, tokens in directions.items():
        if tokens is not None and 0 < tokens <= _MOST_TOKENS:
            made.inc("sidecheck_tokens_total", tokens, **labels, direction=direction)
    if call.ttft_ns is not None and call.ttft_ns >= 0:
        made.observe("sidecheck_time_to_first_token_seconds", call.ttft_ns / _NS, item.trace_id, **labels)


def _times(made: Tally, item: Record) -> None:
    made.observe("sidecheck_trace_duration_seconds", item.duration_ns / _NS, item.trace_id, service=item.service)
    if item.evaluated_ns and item.end_ns:
        delay_ns = max(0, item.evaluated_ns - item.end_ns)  # the app's clock may be ahead of this one
        made.observe("sidecheck_evaluation_delay_seconds", delay_ns / _NS, item.trace_id)


def _feedback(made: Tally, item: Record, pieces: Sequence[Feedback]) -> None:
    for piece in pieces:
        made.inc("sidecheck_user_feedback_total", service=item.service, value=_value(piece))


def _value(piece: Feedback) -> str:
    score = float(piece.thumbs_up) if piece.thumbs_up is not None else piece.score
    if score is None:
        return "comment"
    if score == 0.5:
        return "neutral"
    return "up" if score > 0.5 else "down"


def _labels(item: Record, **labels: str) -> dict[str, Any]:
    return {"service": item.service, **labels}
