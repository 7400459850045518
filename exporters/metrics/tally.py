"""How evaluated traces are counted: by how much which series move, as plain data made in a worker process.

The rule: a trace adds at most one ``passed`` or ``failed`` to each check, however often it is judged again. What the
first evaluation counted (tokens, durations, ...) is not counted again, and the model calls that came late are then; a
decided verdict that turns over is a *change*.

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
_NONE = 0, ""
_PASSED, _FAILED = ("outcome", Outcome.PASSED), ("outcome", Outcome.FAILED)

_TOKENS: tuple[tuple[str, Callable[[CallFacts], int | None]], ...] = (
    ("input", attrgetter("input_tokens")),
    ("output", attrgetter("output_tokens")),
    ("cached_input", attrgetter("cached_input_tokens")),
)

_Call = tuple[CallFacts, str]
"""A model call and its trace's id."""
_Grouped = dict[tuple[str, str], list[_Call]]
"""Model calls by service and model."""
_Alike = dict[tuple[str, str, tuple[tuple[str, Outcome], ...]], list[Record]]
"""Traces by service, model and how each check ended."""
_Ended = dict[tuple[str, str, Outcome], tuple[int, str]]
"""How many traces of a service, or a model, a check ended so for, and the last of them."""
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
    alike: _Alike = {}
    services: dict[str, list[Record]] = {}
    calls: _Grouped = {}
    for item in records:
        if item.previous is not None:
            _again(made, item, {verdict.check: verdict.outcome for verdict in item.previous})
            _group(calls, item, item.late_calls)
            continue
        ended = tuple([(verdict.check, verdict.outcome) for verdict in item.verdicts])
        alike.setdefault((item.service, _model(item), ended), []).append(item)
        services.setdefault(item.service, []).append(item)
        _group(calls, item, item.calls)
    _results(made, alike)
    for items in services.values():
        _first(made, items)
    for (service, model), some in calls.items():
        _calls(made, (("service", service), ("model", model)), some)
    return made


def _group(calls: _Grouped, item: Record, some: Iterable[CallFacts]) -> None:
    for call in some:
        calls.setdefault((item.service, call.model or UNKNOWN), []).append((call, item.trace_id))


def _model(item: Record) -> str:
    """The one that wrote the answer."""
    return (item.calls[-1].model if item.calls else None) or UNKNOWN


def _results(made: Tally, alike: _Alike) -> None:
    """Count how the checks ended on traces that were never counted before."""
    services: _Ended = {}
    models: _Ended = {}
    for (service, model, ended), items in alike.items():
        number, last = len(items), items[-1].trace_id
        for check, outcome in ended:
            of_service, of_model = (service, check, outcome), (model, check, outcome)
            services[of_service] = services.get(of_service, _NONE)[0] + number, last
            models[of_model] = models.get(of_model, _NONE)[0] + number, last
    for (service, check, outcome), (number, last) in services.items():
        _result(made, service, check, outcome, number, last)
    for (model, check, outcome), (number, last) in models.items():
        _result_by_model(made, model, check, outcome, number, last)


def _first(made: Tally, items: Sequence[Record]) -> None:
    """Count traces of one service that were never counted before."""
    service = "service", items[0].service
    for closed_by, number in Counter([item.closed_by for item in items]).items():
        made.inc("sidecheck_traces_evaluated_total", service, ("closed_by", closed_by), by=number)
    _verdicts(made, items)
    flagged = [item for item in items if item.is_failing]
    if flagged:
        _flagged(made, flagged)
    _costs(made, items)
    _times(made, items)
    for item in items:
        _feedback(made, item, item.feedback)
        if item.convention == "none":
            for scope in item.scopes or (UNKNOWN,):
                made.inc("sidecheck_unread_traces_total", ("scope", scope))


def _verdicts(made: Tally, items: Sequence[Record]) -> None:
    """Count what else is in verdicts: how long they took, and their findings."""
    took: dict[str, list[float]] = {}
    for item in items:
        for verdict in item.verdicts:
            if verdict.outcome not in _NOT_RUN:
                took.setdefault(verdict.check, []).append(verdict.duration_ns / _NS)
            if verdict.findings:
                _findings(made, item, verdict)
    for check, seconds in took.items():
        made.observe("sidecheck_check_duration_seconds", ("check", check), values=seconds)


def _again(made: Tally, item: Record, before: Mapping[str, Outcome]) -> None:
    for what, left_out in (("span", item.spans_left_out), ("logs", item.logs_left_out)):
        if left_out:
            made.inc("sidecheck_dropped_total", ("what", what), ("reason", "trace_limit"), by=left_out)
    for verdict in item.verdicts:
        old = before.get(verdict.check, Outcome.NOT_APPLICABLE)
        if old.is_decided and old is not verdict.outcome:
            _change(made, item, verdict, old)
        elif verdict.outcome.is_decided and not old.is_decided:
            _result(made, item.service, verdict.check, verdict.outcome, 1, item.trace_id)
            _result_by_model(made, _model(item), verdict.check, verdict.outcome, 1, item.trace_id)
            _findings(made, item, verdict)
    if item.is_failing and Outcome.FAILED not in before.values():
        _flagged(made, [item])
    if item.previous_feedback is not None:
        _feedback(made, item, tuple((Counter(item.feedback) - Counter(item.previous_feedback)).elements()))


def _result(made: Tally, service: str, check: str, outcome: Outcome, number: int, exemplar: str) -> None:
    """Count so many traces of a service on which a check ended so."""
    name, labels = "sidecheck_check_results_total", (("service", service), ("check", check))
    if outcome.is_decided:  # both series from the start: `increase()` does not see a series' first value
        made.begin(name, *labels, _PASSED)
        made.begin(name, *labels, _FAILED)
    made.inc(name, *labels, ("outcome", outcome), by=number, exemplar=exemplar)


def _result_by_model(made: Tally, model: str, check: str, outcome: Outcome, number: int, exemplar: str) -> None:
    """The same of a model, where the check decided."""
    if outcome.is_decided:
        name, labels = "sidecheck_model_check_results_total", (("model", model), ("check", check))
        made.begin(name, *labels, _PASSED)
        made.begin(name, *labels, _FAILED)
        made.inc(name, *labels, ("outcome", outcome), by=number, exemplar=exemplar)


def _findings(made: Tally, item: Record, verdict: Verdict) -> None:
    labels = ("service", item.service), ("check", verdict.check)
    for finding in verdict.findings:
        made.inc("sidecheck_findings_total", *labels, ("code", finding.code), exemplar=item.trace_id)


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
