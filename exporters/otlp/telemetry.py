"""Spans of the sidecar's own work and the lines of its log, by the SDK: sampled, bounded, and nobody waits for them.

Owns which of them are sent and in what form. What there is to tell of is for others to say (``collector.spans``); what
finds no room, or no taker, is counted.
"""

import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context, get_current
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBasedTraceIdRatio, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, TraceState
from opentelemetry.util.types import AnyValue, Attributes

from exporters.otlp import sdk
from exporters.otlp.counting import CountingLogs, CountingSpans, Dropped
from exporters.otlp.destination import Target

SCOPE = "sidecheck.telemetry"
"""The scope of all that is sent: receivers know their own by it, whatever way it comes back."""
WHAT = "telemetry"
"""What it is called on ``/metrics``, and in the lines of the log that are about sending it: those are not sent."""
RARE = frozenset({"start", "stop", "reload"})
"""Spans that are sent whatever the share."""
MOST_WAITING = 2_000
"""Spans, and as many lines; a span takes some 2 KB."""
AT_ONCE = 500
DELAY_MS = 1000
END_WITHIN_S = 3.0
"""How long an end waits for what was told last."""

_LEFT_OUT = "sidecheck.left_out"
_ERROR = "error.type"
_NOT_SAID = frozenset({"event", "level", "timestamp", "exc_info", "stack_info", "exception"})
"""What of a line is no attribute: it is another part of the record, or could quote what an app captured."""
_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}


class Telemetry:
    """Sends spans and lines to a target. Its methods may be called on any thread, and never block but for ``close``.

    ``share`` of the traces are sent, each decided on where it begins. Raises ``OSError``, ``ssl.SSLError`` or
    ``ValueError`` for a file of the target that cannot be used.
    """

    def __init__(self, target: Target, instance: str, share: float, dropped: Dropped) -> None:
        sdk.quieten()
        resource = sdk.resource({"service.instance.id": instance})
        self._spans = CountingSpans(sdk.span_exporter(target), WHAT, target.name, dropped)
        self._tracers = TracerProvider(HeadSampler(share), resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(_Bounded(self._spans))
        self._tracer = self._tracers.get_tracer(SCOPE, version("sidecheck"))
        self._lines = CountingLogs(sdk.log_exporter(target), WHAT, target.name, dropped)
        self._loggers = LoggerProvider(resource, shutdown_on_exit=False)
        self._loggers.add_log_record_processor(
            BatchLogRecordProcessor(self._lines, DELAY_MS, AT_ONCE, max_queue_size=2 * MOST_WAITING)
        )
        self._logger = self._loggers.get_logger(SCOPE, version("sidecheck"))

    @property
    def waiting(self) -> int:
        """Spans and lines that are not sent yet."""
        return self._spans.waiting + self._lines.waiting

    @contextmanager
    def span(self, name: str, kind: str, attributes: Mapping[str, str | int]) -> "Iterator[Told]":
        """A piece of work; see ``collector.spans.Spans``. What is begun within it belongs to it."""
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind[kind.upper()],
            attributes=attributes,
            record_exception=False,  # its text may quote what an app captured
            set_status_on_exception=False,
        ) as span:
            told = Told(span)
            try:
                yield told
            except BaseException as error:
                told.broke(type(error).__name__)
                raise

    def past(self, name: str, began_ns: int, error: str | None = None) -> None:
        """A piece of work that is over, and began at ``began_ns`` (since 1970); nothing belongs to it."""
        span = self._tracer.start_span(name, Context(), start_time=began_ns)
        if error is not None:
            Told(span).fail(error)
        span.end()

    def line(self, _logger: object, level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A line of the log, which goes on as it is: a processor of structlog's."""
        if line.get("what") != WHAT and self._lines.admit(1, MOST_WAITING):
            self._logger.emit(
                LogRecord(
                    timestamp=time.time_ns(),
                    body=str(line.get("event", "")),
                    context=get_current(),
                    severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
                    severity_text=level,
                    attributes={key: _plain(value) for key, value in line.items() if key not in _NOT_SAID},
                )
            )
        return line

    def close(self) -> None:
        """Send what waits, for a moment, then end; what is left is counted. Blocks."""
        sdk.end([self._tracers.shutdown, self._loggers.shutdown], END_WITHIN_S)
        self._spans.give_up()
        self._lines.give_up()


class Told:
    """A span under way; see ``collector.spans.OwnSpan``."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._is_explained = False

    def note(self, attributes: Mapping[str, str | int]) -> None:
        """Say more of it."""
        self._is_explained |= _ERROR in attributes
        self._span.set_attributes(attributes)

    def fail(self, error: str) -> None:
        """Say that it failed, and how."""
        self.note({_ERROR: error})
        self._span.set_status(StatusCode.ERROR)

    def broke(self, error: str) -> None:
        """An exception ended it; unless that was explained, this is how it failed."""
        if not self._is_explained:
            self.fail(error)

    def leave_out(self) -> None:
        """Do not send it after all."""
        self._span.set_attribute(_LEFT_OUT, True)


class HeadSampler(Sampler):
    """A share of the traces, decided on where each begins; what is rare in any case."""

    def __init__(self, share: float) -> None:
        self._share = ParentBasedTraceIdRatio(share)

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See ``Sampler``."""
        chosen = ALWAYS_ON if name in RARE else self._share
        return chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """See ``Sampler``."""
        return type(self).__name__


class _Bounded(SpanProcessor):
    """Queues the spans that are to be sent and find room."""

    def __init__(self, counting: CountingSpans) -> None:
        self._counting = counting
        self._batches = BatchSpanProcessor(counting, 2 * MOST_WAITING, DELAY_MS, AT_ONCE)

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Nothing is to be done yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue it. The SDK calls this for spans that are not sampled as well, where they are recorded."""
        is_sent = span.context is not None and span.context.trace_flags.sampled
        if is_sent and _LEFT_OUT not in (span.attributes or {}) and self._counting.admit(1, MOST_WAITING):
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Send what waits, and end."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no types there

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._batches.force_flush(timeout_millis)


def _plain(value: Any) -> AnyValue:
    """A value as an attribute takes it."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(inner) for inner in value]
    return str(value)
