"""How evaluated traces are counted: by how much which series move, as plain data made in a worker process.

The rule: a trace adds at most one ``passed`` or ``failed`` to each check, however often it is judged again. What the
first evaluation counted (tokens, durations, ...) is not counted again; a decided verdict that turns over is a *change*.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters.metrics.catalogue import UNKNOWN
from exporters.record import CallFacts, Record

_NS = 1_000_000_000
_MOST_TOKENS = 1_000_000_000
"""One call has never so many: a larger number is a mistake of the app's and would spoil the counter for good."""

_NOT_RUN = frozenset({Outcome.NOT_APPLICABLE, Outcome.NOT_SAMPLED})
_PASSED, _FAILED = ("outcome", Outcome.PASSED), ("outcome", Outcome.FAILED)

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

    def inc(self, name: str, *labels: tuple[str, str], by: float = 1, exemplar: str | None = None) -> None:
        """Add to a counter."""
        key = (name, labels)
        known = self.amounts.get(key)
        self.amounts[key] = (by, exemplar) if known is None else (known[0] + by, exemplar or known[1])

    def begin(self, name: str, *labels: tuple[str, str]) -> None:
        """Make a counter's series be there."""
        self.amounts.setdefault((name, labels), (0, None))

    def observe(self, name: str, *labels: tuple[str, str], value: float, exemplar: str | None = None) -> None:
        """Add a value to a histogram."""
        key = (name, labels)
        known = self.values.get(key)
        values = [] if known is None else known[0]
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
    service = ("service", item.service)
    made.inc("sidecheck_traces_evaluated_total", service, ("closed_by", item.closed_by))
    for verdict in item.verdicts:
        _result(made, item, verdict)
        if verdict.outcome not in _NOT_RUN:
            check = ("check", verdict.check)
            made.observe("sidecheck_check_duration_seconds", check, value=verdict.duration_ns / _NS)
    for call in item.calls:
        _call(made, item, call)
    _cost(made, item)
    if item.is_failing:
        _flagged(made, item)
    _times(made, item)
    _feedback(made, item, item.feedback)
    if item.convention == "none":
        for scope in item.scopes or (UNKNOWN,):
            made.inc("sidecheck_unread_traces_total", ("scope", scope))


def _again(made: Tally, item: Record, before: Mapping[str, Outcome]) -> None:
    for what, left_out in (("span", item.spans_left_out), ("logs", item.logs_left_out)):
        if left_out:
            made.inc("sidecheck_dropped_total", ("what", what), ("reason", "trace_limit"), by=left_out)
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
    name, labels = "sidecheck_check_results_total", (("service", item.service), ("check", verdict.check))
    if verdict.outcome.is_decided:  # both series from the start: `increase()` does not see a series' first value
        made.begin(name, *labels, _PASSED)
        made.begin(name, *labels, _FAILED)
        _by_model(made, item, verdict)
    made.inc(name, *labels, ("outcome", verdict.outcome), exemplar=item.trace_id)
    for finding in verdict.findings:
        made.inc("sidecheck_findings_total", *labels, ("code", finding.code), exemplar=item.trace_id)


def _by_model(made: Tally, item: Record, verdict: Verdict) -> None:
    model = (item.calls[-1].model if item.calls else None) or UNKNOWN
    name, labels = "sidecheck_model_check_results_total", (("model", model), ("check", verdict.check))
    made.begin(name, *labels, _PASSED)
    made.begin(name, *labels, _FAILED)
    made.inc(name, *labels, ("outcome", verdict.outcome), exemplar=item.trace_id)


def _change(made: Tally, item: Record, verdict: Verdict, old: Outcome) -> None:
    labels = (("service", item.service), ("check", verdict.check), ("before", old), ("after", verdict.outcome))
    made.inc("sidecheck_verdict_changes_total", *labels, exemplar=item.trace_id)


def _flagged(made: Tally, item: Record) -> None:
    made.inc("sidecheck_flagged_traces_total", ("service", item.service), exemplar=item.trace_id)


def _call(made: Tally, item: Record, call: CallFacts) -> None:
    labels = (("service", item.service), ("model", call.model or UNKNOWN))
    counted = (("input", call.input_tokens), ("output", call.output_tokens), ("cached_input", call.cached_input_tokens))
    for direction, tokens in counted:
        if tokens is not None and 0 < tokens <= _MOST_TOKENS:
            made.inc("sidecheck_tokens_total", *labels, ("direction", direction), by=tokens)
    if call.cost is not None:
        made.inc("sidecheck_cost_dollars_total", *labels, by=call.cost, exemplar=item.trace_id)
    elif call.is_unpriced:
        made.inc("sidecheck_unpriced_calls_total", labels[1], exemplar=item.trace_id)
    if call.ttft_ns is not None and call.ttft_ns >= 0:
        name = "sidecheck_time_to_first_token_seconds"
        made.observe(name, *labels, value=call.ttft_ns / _NS, exemplar=item.trace_id)


def _cost(made: Tally, item: Record) -> None:
    known = [call.cost for call in item.calls if call.cost is not None]
    if known:
        name = "sidecheck_trace_cost_dollars"
        made.observe(name, ("service", item.service), value=sum(known), exemplar=item.trace_id)


def _times(made: Tally, item: Record) -> None:
    name, service = "sidecheck_trace_duration_seconds", ("service", item.service)
    made.observe(name, service, value=item.duration_ns / _NS, exemplar=item.trace_id)
    if item.evaluated_ns and item.end_ns:
        delay_ns = max(0, item.evaluated_ns - item.end_ns)  # the app's clock may be ahead of this one
        made.observe("sidecheck_evaluation_delay_seconds", value=delay_ns / _NS, exemplar=item.trace_id)


def _feedback(made: Tally, item: Record, pieces: Sequence[Feedback]) -> None:
    for piece in pieces:
        made.inc("sidecheck_user_feedback_total", ("service", item.service), ("value", _value(piece)))


def _value(piece: Feedback) -> str:
    score = float(piece.thumbs_up) if piece.thumbs_up is not None else piece.score
    if score is None:
        return "comment"
    if score == 0.5:
        return "neutral"
    return "up" if score > 0.5 else "down"
