"""What is sent to OTLP backends: made from the settings, and changed with them.

Owns how requests that came as JSON reach destinations that speak protobuf only. What is sent, and when, is
``exporters.otlp``'s business.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.backends import target_of
from collector.intake import Refusal, Refused
from collector.receivers import otlp_json
from collector.receivers.limits import ReceiverLimits
from collector.settings import ConfigError, Problem, Settings
from collector.settings_backends import Backend
from exporters.metrics.prometheus import Metrics
from exporters.otlp.destination import Destination, Signal
from exporters.otlp.forwarder import Connected, Forwarder
from exporters.otlp.hops import written
from exporters.otlp.lane import Counts
from exporters.otlp.queue_file import QueueError
from exporters.otlp.results import Results

RETRY_AFTER_S = 2.0
_REQUESTS: dict[Signal, Callable[[], Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}


class Forwarding:
    """What the receivers hand messages to; see ``collector.intake.Forwarding``.

    Raises:
        ConfigError: a file of a destination is missing or cannot be used, or the queue cannot be opened.
    """

    def __init__(self, settings: Settings, limits: ReceiverLimits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        destinations = destinations_of(settings)
        counts = Counts(
            forwarded=lambda name, signal: metrics.inc(
                "sidecheck_forwarded_requests_total", destination=name, signal=signal.value
            ),
            dropped=lambda reason, count: metrics.inc("sidecheck_dropped_total", count, what="forward", reason=reason),
            gone=lambda name: metrics.forget("sidecheck_forward_queue_bytes", destination=name),
        )
        with _usable():
            self._forwarder = Forwarder(
                destinations, settings.data_dir, counts, full_sync=settings.journal.sync == "full"
            )
        self._converting = ThreadPoolExecutor(1, thread_name_prefix="forward-json")
        self._watch(destinations)

    @property
    def problems(self) -> Iterable[str | None]:
        """See ``Forwarder.problems``."""
        return self._forwarder.problems

    def wants(self, signal: str) -> bool:
        """See ``collector.intake.Forwarding``."""
        return self._forwarder.wants(Signal(signal))

    async def keep(self, signal: str, body: bytes, *, is_json: bool, hops: Sequence[str] = ()) -> None:
        """See ``collector.intake.Forwarding``; ``hops`` end with this process."""
        kind = Signal(signal)
        protobuf = await self._converted(kind, body) if is_json and self._forwarder.wants_protobuf(kind) else b""
        try:
            await self._forwarder.put(kind, body, is_json=is_json, protobuf=protobuf, forwarded_by=written(hops))
        except QueueError as error:
            raise Refused(Refusal.STORAGE, f"{error}; send again later", RETRY_AFTER_S) from error

    async def scrub(self) -> bool:
        """See ``Forwarder.scrub``."""
        return await self._forwarder.scrub()

    def connected(self, settings: Settings) -> Connected:
        """The destinations that the settings want, to ``adopt``. Raises ``ConfigError``, as at the start."""
        with _usable():
            return self._forwarder.connected(destinations_of(settings))

    def adopt(self, connected: Connected) -> None:
        """See ``Forwarder.adopt``."""
        self._forwarder.adopt(connected)
        self._watch(connected.destinations)

    def start(self) -> None:
        """Begin to send."""
        self._forwarder.start()

    async def stop(self) -> None:
        """Send what the destinations take within a moment, and keep the rest for the next start."""
        await self._forwarder.stop()
        self._converting.shutdown(wait=False)

    async def _converted(self, signal: Signal, body: bytes) -> bytes:
        def convert() -> bytes:
            return otlp_json.to_protobuf(otlp_json.load(body, self._limits), _REQUESTS[signal]())

        return await asyncio.get_running_loop().run_in_executor(self._converting, convert)

    def _watch(self, destinations: Iterable[Destination]) -> None:
        for destination in destinations:
            size = partial(self._forwarder.size, destination.name)
            self._metrics.watch("sidecheck_forward_queue_bytes", size, destination=destination.name)
            for signal in destination.signals:
                self._metrics.inc(
                    "sidecheck_forwarded_requests_total", 0, destination=destination.name, signal=signal.value
                )


def destinations_of(settings: Settings) -> list[Destination]:
    """The destinations that the settings want."""
    return [
        Destination(
            target_of(section),
            frozenset(Signal(signal) for signal in section.signals),
            section.queue.size,
            section.queue.age,
        )
        for section in settings.forward
    ]


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    """What stands in the way, as a problem of the configuration."""
    try:
        yield
    except (ImportError, OSError, ValueError, QueueError) as error:  # of TLS and proxies, too: its errors are such
        raise ConfigError(Problem("forward", f"cannot be used: {error}")) from error


def results_to(backend: Backend, metrics: Metrics) -> Results:
    """What tells a backend of verdicts. Raises ``ConfigError`` for a file of it that cannot be used."""

    def dropped(reason: str, count: int) -> None:
        metrics.inc("sidecheck_dropped_total", count, what="result", reason=reason)

    try:
        return Results(target_of(backend), dropped)
    except (OSError, ValueError) as error:
        raise ConfigError(Problem("results.otlp", f"cannot be used: {error}")) from error
