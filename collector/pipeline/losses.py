"""What was taken in and lost: counted for ``/metrics``, and for a while remembered by trace for whoever asks why."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from exporters.metrics.prometheus import Metrics

REMEMBERED = 10_000
"""Traces; the oldest are forgotten first."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The last thing of a trace that was lost: what it was, why, and when (nanoseconds since the epoch)."""

    what: str
    reason: str
    time_ns: int


class Losses:
    """Counts drops by what and why, and remembers of which traces. Used on the event loop."""

    def __init__(self, metrics: Metrics, wall_ns: Callable[[], int], most: int = REMEMBERED) -> None:
        self._metrics = metrics
        self._wall_ns = wall_ns
        self._most = most
        self._by_trace: OrderedDict[str, Loss] = OrderedDict()

    def dropped(self, what: str, reason: str, trace_ids: Collection[str] = (), count: int | None = None) -> None:
        """Count ``count`` things (one a trace for ``None``) that were taken in and are lost."""
        number = len(trace_ids) if count is None else count
        if number:
            self._metrics.inc("sidecheck_dropped_total", number, what=what, reason=reason)
        self._remember(what, reason, trace_ids)

    def refused(self, reason: str, trace_ids: Iterable[str]) -> None:
        """Remember that spans were not taken in; requests are counted where they are refused."""
        self._remember("request", reason, trace_ids)

    def of(self, trace_id: str) -> Loss | None:
        """What was lost of a trace last."""
        return self._by_trace.get(trace_id)

    def _remember(self, what: str, reason: str, trace_ids: Iterable[str]) -> None:
        loss = Loss(what, reason, self._wall_ns())
        for trace_id in trace_ids:
            self._by_trace[trace_id] = loss
            self._by_trace.move_to_end(trace_id)
        while len(self._by_trace) > self._most:
            self._by_trace.popitem(last=False)
