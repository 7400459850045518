"""Every metric, as data: the one list that the registry, the documentation and the dashboards go by.

A label is *closed* where its values come from a fixed set (an enum, the configured checks), and *open* where apps
choose them (service, model): only open labels count against the cap on series.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

UNKNOWN = "unknown"
"""The value of a label that would be empty, which Prometheus takes for absent."""


class Kind(StrEnum):
    """What Prometheus takes a metric for."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``buckets`` are upper bounds in the metric's unit, for histograms only."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def open_labels(self) -> tuple[str, ...]:
        """The labels whose values apps choose."""
        return tuple(label for label in self.labels if label in OPEN_LABELS)

    @property
    def series_each(self) -> int:
        """How many series one set of label values makes."""
        return len(self.buckets) + 3 if self.buckets else 1  # the buckets, +Inf, sum and count


OPEN_LABELS = frozenset({"service", "model", "code", "scope"})
"""``code`` is closed for the built-in checks, and not for those that users write."""

_CHECK_SECONDS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_TRACE_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600)
_TOKEN_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30)
_TRACE_DOLLARS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
_DELAY_SECONDS = (0.5, 1, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300, 600, 1800)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, buckets)


_VERDICTS = (
    _counter(
        "sidecheck_traces_evaluated_total",
        "Traces judged, each once, by the reason it was taken to be complete.",
        "service",
        "closed_by",
    ),
    _counter(
        "sidecheck_check_results_total",
        "Results of checks. A pass rate is passed / (passed + failed). Exemplar: trace_id.",
        "service",
        "check",
        "outcome",
    ),
    _counter(
        "sidecheck_model_check_results_total",
        "The decided ones of them, by the model of the trace's last call, which wrote the answer. Exemplar: trace_id.",
        "model",
        "check",
        "outcome",
    ),
    _counter(
        "sidecheck_verdict_changes_total",
        "Decided results that a later span or feedback changed; the first one stays counted in check_results.",
        "service",
        "check",
        "before",
        "after",
    ),
    _counter(
        "sidecheck_findings_total", "Findings, by the check's own code. Exemplar: trace_id.", "service", "check", "code"
    ),
    _counter("sidecheck_flagged_traces_total", "Traces that some check failed. Exemplar: trace_id.", "service"),
    _counter(
        "sidecheck_user_feedback_total",
        "What users said: up, down, neutral (a score in the middle) or comment (no score).",
        "service",
        "value",
    ),
    _counter(
        "sidecheck_failure_clusters_total",
        "Kinds of failure that were not known before: first of their checks, codes and alike input.",
        "service",
    ),
    _gauge("sidecheck_cases", "Regression cases kept, by where they stand.", "status"),
)
_APP = (
    _histogram(
        "sidecheck_trace_duration_seconds", "How long the app took. Exemplar: trace_id.", _TRACE_SECONDS, "service"
    ),
    _histogram(
        "sidecheck_time_to_first_token_seconds",
        "How long a streaming model call took to its first token. Exemplar: trace_id.",
        _TOKEN_SECONDS,
        "service",
        "model",
    ),
    _counter(
        "sidecheck_tokens_total",
        "Tokens as the provider counted them, by direction: input, output, and cached_input, which input includes.",
        "service",
        "model",
        "direction",
    ),
    _counter(
        "sidecheck_cost_dollars_total",
        "What model calls cost, by the list of prices and those of `prices`. Exemplar: trace_id.",
        "service",
        "model",
    ),
    _histogram(
        "sidecheck_trace_cost_dollars",
        "What a trace cost: the sum of its calls that have a price, once some have. Exemplar: trace_id.",
        _TRACE_DOLLARS,
        "service",
    ),
    _counter(
        "sidecheck_unpriced_calls_total",
        "Model calls that have no cost: no price for the model, or no tokens recorded. Exemplar: trace_id.",
        "model",
    ),
    _gauge("sidecheck_budget_dollars", "What a service may cost in a UTC day, by `budgets`.", "service"),
    _gauge(
        "sidecheck_budget_spent_dollars",
        "What this UTC day cost so far, of services that have a budget; of all replicas on one store together.",
        "service",
    ),
)
_INTAKE = (
    _counter("sidecheck_spans_accepted_total", "Spans taken in.", "source"),
    _counter("sidecheck_spans_refused_total", "Spans and log records refused.", "source", "reason"),
    _counter("sidecheck_logs_accepted_total", "Log records taken in.", "source"),
    _counter("sidecheck_feedback_accepted_total", "Pieces of feedback taken in.", "source"),
    _counter("sidecheck_requests_refused_total", "Requests refused as a whole.", "source", "reason"),
    _counter("sidecheck_traces_accepted_total", "Traces begun: evaluated + open + dropped."),
    _gauge("sidecheck_traces_open", "Traces begun that are not judged yet."),
    _counter("sidecheck_late_spans_total", "Spans that came after their trace was judged; it is judged again."),
    _counter(
        "sidecheck_dropped_total", "What was taken in and lost, by what and why. Zero on a good day.", "what", "reason"
    ),
    _counter(
        "sidecheck_unread_traces_total",
        "Traces that no span convention could read, by the library that wrote them.",
        "scope",
    ),
)
_FORWARD = (
    _counter(
        "sidecheck_forwarded_requests_total", "Requests that a destination of `forward` took.", "destination", "signal"
    ),
    _gauge("sidecheck_forward_queue_bytes", "What waits on disk for a destination of `forward`.", "destination"),
)
_NOTIFY = (_counter("sidecheck_notifications_sent_total", "Messages that a webhook of `notify` took.", "hook"),)
_KAFKA = (
    _gauge("sidecheck_kafka_lag", "Records of a partition that are not judged and stored yet.", "topic", "partition"),
    _gauge("sidecheck_kafka_paused", "1 while nothing is read because there is no room for more."),
    _counter("sidecheck_kafka_records_total", "Records read.", "topic"),
    _counter(
        "sidecheck_kafka_dead_letters_total", "Records set aside because they cannot be judged.", "topic", "reason"
    ),
    _counter("sidecheck_kafka_lost_records_total", "Records that were deleted before they were read.", "topic"),
    _counter("sidecheck_kafka_produced_total", "Messages of the relay that the brokers have.", "topic"),
    _counter("sidecheck_kafka_produced_bytes_total", "Their size, before it is compressed.", "topic"),
    _counter("sidecheck_kafka_partitions_total", "Partitions that were assigned, revoked and lost.", "event"),
)
_SELF = (
    _histogram(
        "sidecheck_evaluation_delay_seconds",
        "From the end of a trace to its verdict. Exemplar: trace_id.",
        _DELAY_SECONDS,
    ),
    _histogram("sidecheck_check_duration_seconds", "How long a check took on one trace.", _CHECK_SECONDS, "check"),
    _gauge("sidecheck_queue_length", "What waits within the sidecar.", "queue"),
    _gauge("sidecheck_store_bytes", "Size of the store."),
    _gauge("sidecheck_journal_bytes", "Size of the journal."),
    _counter(
        "sidecheck_journal_recovered_total",
        "What the last run left in the journal: entries taken in again, and what was lost to damage.",
        "what",
    ),
    _counter("sidecheck_worker_restarts_total", "Worker processes that died and were replaced."),
    _counter(
        "sidecheck_series_folded_total",
        "Updates counted under the label value `other`, since metrics.max_series was reached.",
        "metric",
    ),
    _counter(
        "sidecheck_config_reloads_total", "Reloads of the configuration: applied, unchanged or refused.", "result"
    ),
    _gauge(
        "sidecheck_config_last_reload_success", "0 while the last reload was refused and the old one stays, else 1."
    ),
    _gauge("sidecheck_build_info", "Always 1; the version is the label.", "version"),
)


def _by_name(metrics: Iterable[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


BALANCE = (
    "sidecheck_traces_accepted_total",
    "sidecheck_traces_evaluated_total",
    "sidecheck_traces_open",
    "sidecheck_dropped_total",
    "sidecheck_check_results_total",
)
"""The metrics that add up: accepted = evaluated + open + dropped (what="trace"), and no check has more decided results
than traces were evaluated."""

METRICS = _by_name((*_VERDICTS, *_APP, *_INTAKE, *_FORWARD, *_NOTIFY, *_KAFKA, *_SELF))
"""Every metric by its name, in the order of the documentation."""
