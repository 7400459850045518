"""Exporters of the SDK's that count: how much waits, what was not taken; and say so when that begins and ends.

Owns the counts. The SDK's batch processors drop in silence where their queue is full: whoever fills one asks here first
whether there is room.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger()
Dropped = Callable[[str, int], None]
"""Told of a reason and of how much was dropped for it."""


class _Counting:
    """Around an exporter. ``what`` is what it sends, as on ``/metrics``; ``backend`` is where to."""

    results: Any
    """The SDK's enum of what became of a batch."""

    def __init__(self, exporter: Any, what: str, backend: str, dropped: Dropped) -> None:
        self._exporter = exporter
        self._what = what
        self._backend = backend
        self._dropped = dropped
        self._lock = threading.Lock()
        self._is_down = False
        self._has_ended = False
        self.waiting = 0

    def admit(self, count: int, most: int) -> int:
        """How many of ``count`` may be queued, where ``most`` may wait; they wait from now on, the rest is counted."""
        with self._lock:
            taken = min(count, max(0, most - self.waiting))
            self.waiting += taken
        if taken < count:
            self._dropped("queue_full", count - taken)
        return taken

    def give_up(self) -> None:
        """Count what still waits, and send nothing more: what comes of a batch under way is not counted again."""
        with self._lock:
            self._has_ended = True
        if self.waiting:
            self._dropped("shutdown", self.waiting)

    def export(self, batch: Sequence[Any]) -> Any:
        """Send a batch. Never raises."""
        if self._has_ended:
            return self.results.FAILURE
        try:
            result = self._exporter.export(batch)
        except Exception as error:  # noqa: BLE001 - the thread that sends must live
            log.error("a batch could not be sent", what=self._what, error=type(error).__name__)
            result = self.results.FAILURE
        with self._lock:
            if self._has_ended:
                return result
            self.waiting -= len(batch)
        self._note(is_down=result is not self.results.SUCCESS, count=len(batch))
        return result

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Nothing waits here."""
        return bool(self._exporter.force_flush(timeout_millis))

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()

    def _note(self, *, is_down: bool, count: int) -> None:
        if is_down:
            self._dropped("not_taken", count)
        if is_down and not self._is_down:
            log.warning(
                "a backend does not take what it is sent; it is dropped", what=self._what, backend=self._backend
            )
        if self._is_down and not is_down:
            log.info("a backend takes what it is sent again", what=self._what, backend=self._backend)
        self._is_down = is_down


class CountingLogs(_Counting, LogRecordExporter):
    """Counts log records."""

    results = LogRecordExportResult


class CountingSpans(_Counting, SpanExporter):
    """Counts spans."""

    results = SpanExportResult
