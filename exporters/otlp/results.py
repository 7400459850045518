"""Verdicts as ``gen_ai.evaluation.result`` events, by the SDK's own exporter, at the spans that they are about.

Owns the form of an event and how many may wait. Nobody waits for it: what finds no room, or no taker, is counted.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any

import grpc
import structlog
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from exporters.otlp.client import credentials_of
from exporters.otlp.destination import Signal, Target
from exporters.otlp.headers import read_headers
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

log = structlog.get_logger()
Dropped = Callable[[str, int], None]
"""Told of a reason and of how many events were dropped for it."""


class Results:
    """Sends the results of evaluated traces. ``tell`` may be called on one thread, and never blocks.

    Raises ``OSError``, ``ssl.SSLError`` or ``ValueError`` for a file of the target that cannot be used.
    """

    def __init__(self, target: Target, dropped: Dropped, exporter: LogRecordExporter | None = None) -> None:
        # The exporters log what a server answers, again and again; what there is to say is said below.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._dropped = dropped
        self._counting = _Counting(exporter or _exporter(target), target.name, dropped)
        resource = Resource({"service.name": "sidecheck", "service.version": version("sidecheck")})
        self._provider = LoggerProvider(resource, shutdown_on_exit=False)
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
            room = MOST_WAITING - self._counting.waiting
            told: Sequence[Result] = record.results[: max(0, room)]
            if len(told) < len(record.results):
                self._dropped("queue_full", len(record.results) - len(told))
            self._counting.expect(len(told))
            for result in told:
                self._emit(result, record)

    def close(self) -> None:
        """Send what waits, for a moment, then end; what is left is counted. Blocks."""
        ending = threading.Thread(target=self._provider.shutdown, name="results-end", daemon=True)
        ending.start()
        ending.join(END_WITHIN_S)
        left = self._counting.give_up()
        if left:
            self._dropped("shutdown", left)

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


class _Counting(LogRecordExporter):
    """An exporter that counts what was not taken, and says so when that begins and ends."""

    def __init__(self, exporter: LogRecordExporter, name: str, dropped: Dropped) -> None:
        self._exporter = exporter
        self._name = name
        self._dropped = dropped
        self._lock = threading.Lock()
        self._is_down = False
        self._has_ended = False
        self.waiting = 0

    def expect(self, count: int) -> None:
        """So many more wait."""
        with self._lock:
            self.waiting += count

    def give_up(self) -> int:
        """Send nothing more, and count nothing: returns how many were waiting, for whoever counts those."""
        with self._lock:
            self._has_ended = True
            return self.waiting

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Send a batch. Never raises."""
        if self._has_ended:
            return LogRecordExportResult.FAILURE
        try:
            result = self._exporter.export(batch)
        except Exception as error:  # noqa: BLE001 - the thread that sends must live
            log.error("results could not be sent", error=type(error).__name__)
            result = LogRecordExportResult.FAILURE
        if self._has_ended:  # it came to an end meanwhile, and these are counted
            return result
        self.expect(-len(batch))
        self._note(is_down=result is not LogRecordExportResult.SUCCESS, count=len(batch))
        return result

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no types there

    def _note(self, *, is_down: bool, count: int) -> None:
        if is_down:
            self._dropped("not_taken", count)
        if is_down and not self._is_down:
            log.warning("a backend does not take results; they are dropped", backend=self._name)
        if self._is_down and not is_down:
            log.info("a backend takes results again", backend=self._name)
        self._is_down = is_down


def _exporter(target: Target) -> LogRecordExporter:
    """The SDK's exporter. It tries again by itself, as OTLP prescribes, within the target's timeout."""
    headers = {name.lower(): value for name, value in target.headers.items()}
    if target.headers_file is not None:
        headers |= read_headers(target.headers_file)
    return _over_grpc(target, headers) if target.is_grpc else _over_http(target, headers)


def _over_grpc(target: Target, headers: dict[str, str]) -> LogRecordExporter:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return OTLPLogExporter(
        endpoint=target.address,
        insecure=not target.is_tls,
        credentials=credentials_of(target) if target.is_tls else None,
        headers=tuple(headers.items()),
        timeout=target.timeout_s,
        compression=grpc.Compression.Gzip if target.gzip else grpc.Compression.NoCompression,
    )


def _over_http(target: Target, headers: dict[str, str]) -> LogRecordExporter:
    import requests
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    files = (target.ca, target.key, target.cert)
    ca, key, cert = (None if path is None else str(path) for path in files)
    session = requests.Session()
    session.trust_env = ca is None  # else REQUESTS_CA_BUNDLE, where it is set, would go before the configuration
    return OTLPLogExporter(
        endpoint=target.url(Signal.LOGS),
        certificate_file=ca,
        client_key_file=key,
        client_certificate_file=cert,
        headers=headers,
        timeout=target.timeout_s,
        compression=Compression.Gzip if target.gzip else Compression.NoCompression,
        session=session,
    )
