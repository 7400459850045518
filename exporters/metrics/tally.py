"""How evaluated traces are counted: by how much which series move, as plain data made in a worker process.

The rule: a trace adds at most one ``passed`` or ``failed`` to each check, however often it is judged again. What the
first evaluation counted (tokens, durations, ...) is not counted again; a decided verdict that turns over is a *change*.

Most traces of a batch have the same few labels: those are put together first, and each series moves once for them all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from checks.report import Outcome, Verdict
from checks.trace import Feedback
from exporters.metrics.catalogue import UNKNOWN
from exporters.record import CallFacts, Record

_NS = 1_000_000_000
_MOST_TOKENS = 1_000_000_000
"""One call has never so many: a larger number is a mistake of the app's and would spoil the counter for good."""

_NOT_RUN = frozenset({Outcome.NOT_APPLICABLE, Outcome.NOT_SAMPLED})
_PASSED, _FAILED = ("outcome", Outcome.PASSED), ("outcome", Outcome.FAILED)

_TOKENS: tuple[tuple[str, Callable[[CallFacts], int | None]], ...] = (
    ("input", attrgetter("input_tokens")),
    ("output", attrgetter("output_tokens")),
    ("cached_input", attrgetter("cached_input_tokens")),
)

_Call = tuple[CallFacts, str]
"""A model call and its trace's id."""
_Labels = tuple[str, str, str, str, tuple[tuple[str, Outcome], ...]]
"""What a trace is counted by: service, close reason, convention, model and how each check ended."""
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

    def observe(self, name: str, *labels: tuple[str, str], values: list[float], exemplar: str | None = None) -> None:
        """Add values to a histogram."""
        key = (name, labels)
        known = self.values.get(key)
        if known is not None:
            known[0].extend(values)
        self.values[key] = (values if known is None else known[0], exemplar)


def tally(records: Iterable[Record]) -> Tally:
    """Count evaluated traces, the first time or again."""
    made = Tally()
    alike: dict[_Labels, list[Record]] = {}
    calls: dict[tuple[str, str], list[_Call]] = {}
    for item in records:
        if item.previous is not None:
            _again(made, item, {verdict.check: verdict.outcome for verdict in item.previous})
            continue
        alike.setdefault(_labels(item), []).append(item)
        for call in item.calls:
            calls.setdefault((item.service, call.model or UNKNOWN), []).append((call, item.trace_id))
    for items in alike.values():
        _first(made, items)
    for (service, model), some in calls.items():
        _calls(made, (("service", service), ("model", model)), some)
    return made


def _labels(item: Record) -> _Labels:
    ended = tuple([(verdict.check, verdict.outcome) for verdict in item.verdicts])
    return item.service, item.closed_by, item.convention, _model(item), ended


def _model(item: Record) -> str:
    """The one that wrote the answer."""
    return (item.calls[-1].model if item.calls else None) or UNKNOWN


def _first(made: Tally, items: Sequence[Record]) -> None:
    """Count traces with the same labels, never counted before."""
    one, number, service = items[0], len(items), ("service", items[0].service)
    made.inc("sidecheck_traces_evaluated_total", service, ("closed_by", one.closed_by), by=number)
    for place, verdict in enumerate(one.verdicts):
        _result(made, items, place)
        if verdict.outcome not in _NOT_RUN:
            took = [item.verdicts[place].duration_ns / _NS for item in items]
            made.observe("sidecheck_check_duration_seconds", ("check", verdict.check), values=took)
    if one.is_failing:
        _flagged(made, items)
    _costs(made, items)
    _times(made, items)
    for item in items:
        _feedback(made, item, item.feedback)
        if item.convention == "none":
            for scope in item.scopes or (UNKNOWN,):
                made.inc("sidecheck_unread_traces_total", ("scope", scope))


def _again(made: Tally, item: Record, before: Mapping[str, Outcome]) -> None:
    for what, left_out in (("span", item.spans_left_out), ("logs", item.logs_left_out)):
        if left_out:
            made.inc("sidecheck_dropped_total", ("what", what), ("reason", "trace_limit"), by=left_out)
    for place, verdict in enumerate(item.verdicts):
        old = before.get(verdict.check, Outcome.NOT_APPLICABLE)
        if old.is_decided and old is not verdict.outcome:
            _change(made, item, verdict, old)
        elif verdict.outcome.is_decided and not old.is_decided:
            _result(made, [item], place)
    if item.is_failing and Outcome.FAILED not in before.values():
        _flagged(made, [item])
    if item.previous_feedback is not None:
        _feedback(made, item, tuple((Counter(item.feedback) - Counter(item.previous_feedback)).elements()))


def _result(made: Tally, items: Sequence[Record], place: int) -> None:
    """Count the verdicts at this place, which ended alike in all of these traces of one service."""
    one, verdict = items[0], items[0].verdicts[place]
    number, exemplar = len(items), items[-1].trace_id
    name, labels = "sidecheck_check_results_total", (("service", one.service), ("check", verdict.check))
    if verdict.outcome.is_decided:  # both series from the start: `increase()` does not see a series' first value
        made.begin(name, *labels, _PASSED)
        made.begin(name, *labels, _FAILED)
        _by_model(made, items, verdict)
    made.inc(name, *labels, ("outcome", verdict.outcome), by=number, exemplar=exemplar)
    for item in items:
        for finding in item.verdicts[place].findings:
            made.inc("sidecheck_findings_total", *labels, ("code", finding.code), exemplar=item.trace_id)


def _by_model(made: Tally, items: Sequence[Record], verdict: Verdict) -> None:
    name, labels = "sidecheck_model_check_results_total", (("model", _model(items[0])), ("check", verdict.check))
    made.begin(name, *labels, _PASSED)
    made.begin(name, *labels, _FAILED)
    made.inc(name, *labels, ("outcome", verdict.outcome), by=len(items), exemplar=items[-1].trace_id)


def _change(made: Tally, item: Record, verdict: Verdict, old: Outcome) -> None:
    labels = (("service", item.service), ("check", verdict.check), ("before", old), ("after", verdict.outcome))
    made.inc("sidecheck_verdict_changes_total", *labels, exemplar=item.trace_id)


def _flagged(made: Tally, items: Sequence[Record]) -> None:
    service, exemplar = ("service", items[0].service), items[-1].trace_id
    made.inc("sidecheck_flagged_traces_total", service, by=len(items), exemplar=exemplar)


def _calls(made: Tally, labels: tuple[tuple[str, str], tuple[str, str]], calls: Sequence[_Call]) -> None:
    """Count the calls of one service to one model."""
    for direction, tokens_of in _TOKENS:
        counted = [n for call, _ in calls if (n := tokens_of(call)) is not None and 0 < n <= _MOST_TOKENS]
        if counted:
            made.inc("sidecheck_tokens_total", *labels, ("direction", direction), by=sum(counted))
    costs = [(call.cost, trace_id) for call, trace_id in calls if call.cost is not None]
    if costs:
        dollars = sum([cost for cost, _ in costs])
        made.inc("sidecheck_cost_dollars_total", *labels, by=dollars, exemplar=costs[-1][1])
    unpriced = [trace_id for call, trace_id in calls if call.is_unpriced and call.cost is None]
    if unpriced:
        made.inc("sidecheck_unpriced_calls_total", labels[1], by=len(unpriced), exemplar=unpriced[-1])
    times = [(call.ttft_ns / _NS, trace_id) for call, trace_id in calls if call.ttft_ns is not None]
    waits = [(seconds, trace_id) for seconds, trace_id in times if seconds >= 0]
    if waits:
        name, values = "sidecheck_time_to_first_token_seconds", [seconds for seconds, _ in waits]
        made.observe(name, *labels, values=values, exemplar=waits[-1][1])


def _costs(made: Tally, items: Sequence[Record]) -> None:
    costs = [([call.cost for call in item.calls if call.cost is not None], item.trace_id) for item in items]
    known = [(sum(dollars), trace_id) for dollars, trace_id in costs if dollars]
    if known:
        name, values = "sidecheck_trace_cost_dollars", [dollars for dollars, _ in known]
        made.observe(name, ("service", items[0].service), values=values, exemplar=known[-1][1])


def _times(made: Tally, items: Sequence[Record]) -> None:
    name, exemplar = "sidecheck_trace_duration_seconds", items[-1].trace_id
    took = [item.duration_ns / _NS for item in items]
    made.observe(name, ("service", items[0].service), values=took, exemplar=exemplar)
    # The app's clock may be ahead of this one.
    late = [max(0, it.evaluated_ns - it.end_ns) / _NS for it in items if it.evaluated_ns and it.end_ns]
    if late:
        made.observe("sidecheck_evaluation_delay_seconds", values=late, exemplar=exemplar)


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
