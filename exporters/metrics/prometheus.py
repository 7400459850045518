"""The metrics of one sidecar on a registry of its own, bounded whatever apps send.

Owns names, label values and the cap on series. What is counted when is the business of ``tally`` and the pipeline.
"""

import math
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import prometheus_client as prom
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Exemplar

from exporters.metrics.catalogue import BALANCE, METRICS, UNKNOWN, Kind, Metric
from exporters.metrics.tally import Tally

OTHER = "other"
"""The value that open labels take beyond the cap."""
LONGEST_VALUE = 128

_LONGEST_EXEMPLAR = 128
"""Characters of names and values together: the limit of OpenMetrics, beyond which the client raises."""


class _Counter(prom.Counter):
    """A counter that takes what was looked at before, and does not look again."""

    def inc_by(self, amount: float, exemplar: Exemplar | None) -> None:
        """Add an amount that is finite and not negative."""
        self._value.inc(amount)
        if exemplar is not None:
            self._value.set_exemplar(exemplar)


class _Histogram(prom.Histogram):
    """A histogram that takes many values at once: each bucket, and the sum, is locked and moved once for all."""

    def observe_all(self, amounts: Sequence[float], exemplar: Exemplar | None) -> None:
        """Add values, all of them finite. The exemplar has its own value."""
        self._sum.inc(sum(amounts))
        for place, number in Counter(map(partial(bisect_left, self._upper_bounds), amounts)).items():
            self._buckets[place].inc(number)
        if exemplar is not None:
            self._buckets[bisect_left(self._upper_bounds, exemplar.value)].set_exemplar(exemplar)


_TYPES: Mapping[Kind, Any] = {Kind.COUNTER: _Counter, Kind.GAUGE: prom.Gauge, Kind.HISTOGRAM: _Histogram}


class Metrics:
    """The metrics of ``catalogue.METRICS``. May be used from any thread.

    Every method raises ``KeyError`` for a name that is not in the catalogue, ``TypeError`` for a metric of another kind
    and ``ValueError`` for labels that are not the metric's: mistakes of the caller. What apps sent never raises.
    """

    def __init__(self, max_series: int) -> None:
        prom.disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped; else each counter has a second series
        self._registry = prom.CollectorRegistry()
        self._own = (prom.ProcessCollector(registry=self._registry), prom.PlatformCollector(registry=self._registry))
        self._families = {name: _family(metric, self._registry) for name, metric in METRICS.items()}
        self._series = _Series(max_series)
        self._children: dict[tuple[Any, ...], Any] = {}
        self._most_children = max_series

    def limit(self, max_series: int) -> None:
        """Have so many series at most from now on. Those that are there stay, also where they are more."""
        self._series.most = max_series
        self._most_children = max_series

    def inc(self, name: str, by: float = 1, exemplar: Mapping[str, str] | None = None, **labels: Any) -> None:
        """Add to a counter; ``by=0`` makes its series be there. A negative or non-finite amount is left out."""
        child = self._child(name, Kind.COUNTER, labels)
        amount = _finite(by)
        if amount is not None and amount >= 0:
            child.inc(amount, _exemplar(exemplar))

    def observe(self, name: str, value: float, exemplar: Mapping[str, str] | None = None, **labels: Any) -> None:
        """Add a value to a histogram. A non-finite one is left out: it would spoil the sum for good."""
        child = self._child(name, Kind.HISTOGRAM, labels)
        amount = _finite(value)
        if amount is not None:
            child.observe(amount, _exemplar(exemplar))

    def add(self, tally: Tally) -> None:
        """Count what a worker has tallied."""
        now_s = time.time()
        for (name, labels), (by, trace_id) in tally.amounts.items():
            counter = self._told_of(name, Kind.COUNTER, labels)
            amount = _finite(by)
            if amount is not None and amount > 0:
                counter.inc_by(amount, _of_trace(trace_id, amount, now_s))
        for (name, labels), (values, trace_id) in tally.values.items():
            last = _finite(values[-1])
            exemplar = None if last is None else _of_trace(trace_id, last, now_s)
            self._told_of(name, Kind.HISTOGRAM, labels).observe_all(_finite_ones(values), exemplar)

    def set(self, name: str, value: float, **labels: Any) -> None:
        """Set a gauge."""
        self._child(name, Kind.GAUGE, labels).set(value)

    def forget(self, name: str, **labels: Any) -> None:
        """Take one series of a gauge away, if it is there: what it told of is no longer here."""
        self._child(name, Kind.GAUGE, labels)
        values = tuple(_clean(labels[label]) for label in METRICS[name].labels)
        self._families[name].remove(*values)
        self._children.pop((name, Kind.GAUGE, *labels.items()), None)

    def watch(self, name: str, read: Callable[[], float], **labels: Any) -> None:
        """Make a gauge ask ``read`` at every scrape. It is called on a thread; where it raises, the value is NaN."""
        self._child(name, Kind.GAUGE, labels).set_function(lambda: _asked(read))

    def page(self) -> "Page":
        """What is to be rendered. Call it where the metrics of ``BALANCE`` are counted: they are read at once."""
        balance = {name: tuple(self._families[name].collect()) for name in BALANCE}
        return Page((*self._own, *(_Read(balance[n]) if n in balance else f for n, f in self._families.items())))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The page of this moment; see ``Page.render``."""
        return self.page().render(accept)

    def _child(self, name: str, kind: Kind, labels: Mapping[str, Any]) -> Any:
        key = (name, kind, *labels.items())
        child = self._children.get(key)
        return self._find_child(key, name, kind, labels) if child is None else child

    def _told_of(self, name: str, kind: Kind, labels: tuple[tuple[str, str], ...]) -> Any:
        """The same, of labels in a tally."""
        key = (name, kind, *labels)
        child = self._children.get(key)
        return self._find_child(key, name, kind, dict(labels)) if child is None else child

    def _find_child(self, key: tuple[Any, ...], name: str, kind: Kind, labels: Mapping[str, Any]) -> Any:
        metric, family = METRICS[name], self._families[name]
        if metric.kind is not kind:
            raise TypeError(f"{name} is a {metric.kind}, not a {kind}")
        if set(labels) != set(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}, not {tuple(labels)}")
        values, is_folded = self._series.place(metric, tuple(_clean(labels[label]) for label in metric.labels))
        child = family.labels(*values) if values else family
        if is_folded:
            self._families["sidecheck_series_folded_total"].labels(name).inc()
        elif len(self._children) < self._most_children and sum(len(str(v)) for v in labels.values()) <= LONGEST_VALUE:
            self._children[key] = child  # the same labels come again and again; to clean and check them costs more
        return child


@dataclass(frozen=True, slots=True)
class _Read:
    """A family as it was when it was read."""

    metrics: tuple[Any, ...]

    def collect(self) -> Iterable[Any]:
        return self.metrics


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a scrape, of everything that ``collectors`` give. May be rendered on any thread."""

    collectors: tuple[Any, ...]

    def collect(self) -> Iterator[Any]:
        """Every metric; what the client's encoders ask a registry for."""
        for collector in self.collectors:
            yield from collector.collect()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The bytes and their content type: OpenMetrics (with exemplars) where ``accept`` asks for it, else text."""
        encode, content_type = choose_encoder(accept)
        return encode(self), content_type  # which only asks for collect()


class _Series:
    """Which sets of label values exist. Beyond the cap, a new set has its open labels folded into ``other``.

    The sets so folded are not counted: there are no more of them than their closed labels allow.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._count = 0
        self._known: set[tuple[str, tuple[str, ...]]] = set()
        self._lock = threading.Lock()

    def place(self, metric: Metric, values: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
        """The label values to use instead of ``values``, and whether they were folded."""
        key = (metric.name, values)
        if not metric.open_labels or key in self._known:
            return values, False
        with self._lock:
            if key in self._known:
                return values, False
            if self._count + metric.series_each <= self.most:
                self._count += metric.series_each
                self._known.add(key)
                return values, False
        open_labels = metric.open_labels
        folded = (OTHER if label in open_labels else value for label, value in zip(metric.labels, values, strict=True))
        return tuple(folded), True


def _family(metric: Metric, registry: prom.CollectorRegistry) -> Any:
    options = {"buckets": metric.buckets} if metric.buckets else {}
    return _TYPES[metric.kind](metric.name, metric.help, metric.labels, registry=registry, **options)


def _clean(value: object) -> str:
    """A label value that any Prometheus takes: valid Unicode, printable, not empty, not long."""
    text = str(value)[:LONGEST_VALUE]
    if not text.isprintable():  # control characters, and the lone surrogates that no encoder takes
        text = "".join(c if c.isprintable() else "?" for c in text)
    return text.strip() or UNKNOWN


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _finite_ones(values: Sequence[float]) -> Sequence[float]:
    try:
        if all(map(math.isfinite, values)):
            return values
    except OverflowError:
        pass
    return [number for number in map(_finite, values) if number is not None]


def _of_trace(trace_id: str | None, amount: float, now_s: float) -> Exemplar | None:
    labels = None if trace_id is None else _trace_label(trace_id)
    return None if labels is None else Exemplar(labels, amount, now_s)


@lru_cache(maxsize=64)  # a batch has few exemplars, and each for many series
def _trace_label(trace_id: str) -> dict[str, str] | None:
    return _exemplar({"trace_id": trace_id})


def _exemplar(labels: Mapping[str, str] | None) -> dict[str, str] | None:
    """The exemplar, or ``None`` where it is longer than OpenMetrics allows: the number matters more."""
    if not labels:
        return None
    cleaned = {name: _clean(value) for name, value in labels.items()}
    is_short = sum(len(name) + len(value) for name, value in cleaned.items()) <= _LONGEST_EXEMPLAR
    return cleaned if is_short else None


def _asked(read: Callable[[], float]) -> float:
    try:
        return float(read())
    except Exception:  # noqa: BLE001 - one broken gauge must not take the whole page away
        return math.nan
