"""Verdicts as ``gen_ai.evaluation.result`` events, by the SDK's own exporter, at the spans that they are about.

Owns the form of an event and how many may wait. Nobody waits for it: what finds no room, or no taker, is counted.
"""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from exporters.otlp import sdk
from exporters.otlp.counting import CountingLogs, Dropped
from exporters.otlp.destination import Target
from exporters.packed import Packed
from exporters.results import Result

EVENT = "gen_ai.evaluation.result"
SCOPE = "sidecheck.results"
"""The scope of every event that is sent: receivers know their own by it, whatever way it comes back."""
MOST_WAITING = 10_000
AT_ONCE = 500
DELAY_MS = 1000
END_WITHIN_S = 3.0
"""How long an end waits for what was told last."""


class Results:
    """Sends the results of evaluated traces. ``tell`` may be called on one thread, and never blocks.

    Raises ``OSError``, ``ssl.SSLError`` or ``ValueError`` for a file of the target that cannot be used.
    """

    def __init__(self, target: Target, dropped: Dropped, exporter: LogRecordExporter | None = None) -> None:
        sdk.quieten()
        self._counting = CountingLogs(exporter or sdk.log_exporter(target), "result", target.name, dropped)
        self._provider = LoggerProvider(sdk.resource(), shutdown_on_exit=False)
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(self._counting, DELAY_MS, AT_ONCE, max_queue_size=2 * MOST_WAITING)
        )
        self._logger = self._provider.get_logger(SCOPE, version("sidecheck"))

    @property
    def waiting(self) -> int:
        """Events that are not sent yet. On any thread."""
        return self._counting.waiting

    def tell(self, records: Iterable[Packed]) -> None:
        """Queue the results of these."""
        for record in records:
            taken = self._counting.admit(len(record.results), MOST_WAITING)
            for result in record.results[:taken]:
                self._emit(result, record)

    def close(self) -> None:
        """Send what waits, for a moment, then end; what is left is counted. Blocks."""
        sdk.end([self._provider.shutdown], END_WITHIN_S)
        self._counting.give_up()

    def _emit(self, result: Result, record: Packed) -> None:
        evaluated_ns = record.column("evaluated_ns")
        is_good = result.label == "passed"
        self._logger.emit(
            LogRecord(
                event_name=EVENT,
                timestamp=evaluated_ns,
                observed_timestamp=evaluated_ns,
                context=_at(record.trace_id, result.span_id),
                severity_number=SeverityNumber.INFO if is_good else SeverityNumber.WARN,
                attributes={name: value for name, value in _attributes(result, record) if value is not None},
            )
        )


def _at(trace_id: str, span_id: str | None) -> Context:
    """Where an event belongs: a span, or a trace alone."""
    number = int(span_id, 16) if span_id else 0
    about = SpanContext(int(trace_id, 16), number, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(about))


def _attributes(result: Result, record: Packed) -> Iterable[tuple[str, Any]]:
    yield "gen_ai.evaluation.name", result.check
    yield "gen_ai.evaluation.score.value", result.score
    yield "gen_ai.evaluation.score.label", result.label
    yield "gen_ai.evaluation.explanation", result.explanation
    yield "gen_ai.response.id", result.response_id
    yield "error.type", result.error
    yield "sidecheck.check.version", result.version
    yield "sidecheck.service", record.column("service")
    yield "sidecheck.is_reevaluation", not record.is_first
