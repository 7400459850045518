"""A process's own spans and log lines on their way to an OTLP backend, from its start to its end.

Owns what of the settings says so, and that nothing of the SDK is loaded where they do not. What is sent, and in what
form, is the business of ``exporters.otlp.telemetry``.
"""

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from collector import logs
from collector.backends import refuse_loops, target_of
from collector.settings import ConfigError, Problem, Settings
from collector.spans import Spans, no_spans
from exporters.metrics.prometheus import Metrics

if TYPE_CHECKING:
    from exporters.otlp.telemetry import Telemetry


class OwnTelemetry:
    """Says nothing until it is begun, and then only where ``telemetry.otlp`` is set."""

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self.spans: Spans = no_spans
        """Where the parts say what they do."""
        self._wall_ns = wall_ns
        self._sent: Telemetry | None = None
        self._tell_no_more: Callable[[], None] = lambda: None
        self._since_ns = wall_ns()

    def begin(self, settings: Settings, metrics: Metrics) -> None:
        """Send from now on, if that is wanted.

        Raises:
            ConfigError: the backend is this very process, or a file of it cannot be used.
        """
        telemetry = settings.telemetry
        if telemetry.otlp is None:
            return
        refuse_loops(settings)
        from exporters.otlp.telemetry import WHAT, Telemetry

        def dropped(reason: str, count: int) -> None:
            metrics.inc("sidecheck_dropped_total", count, what=WHAT, reason=reason)

        try:
            sent = Telemetry(target_of(telemetry.otlp), str(uuid.uuid4()), telemetry.sample, dropped)
        except (OSError, ValueError) as error:  # of TLS, too: its errors are such
            raise ConfigError(Problem("telemetry.otlp", f"cannot be used: {error}")) from error
        metrics.watch("sidecheck_queue_length", lambda: sent.waiting, queue=WHAT)
        self._sent = sent
        if telemetry.traces:
            self.spans = sent.span
        if telemetry.logs:
            self._tell_no_more = logs.tell(sent.line)

    def stopping(self) -> None:
        """A stop begins."""
        self._since_ns = self._wall_ns()

    def past(self, name: str, error: str | None = None) -> None:
        """What began with this object, or with ``stopping``, is over."""
        if self._sent is not None and self.spans is not no_spans:
            self._sent.past(name, self._since_ns, error)

    def close(self) -> None:
        """Send what waits, for a moment, then end. Blocks."""
        if self._sent is None:
            return
        self.past("stop")
        self.spans = no_spans
        self._tell_no_more()
        self._sent.close()
