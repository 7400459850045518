"""Watches what is saved for what people want to be told of: new kinds of failure, pass rates that fall.

Gathers while traces are saved and says so when it is asked, a few times a minute: a burst is one event a service.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from checks.report import Outcome
from exporters.notify.event import Event, Kind, NewCluster
from exporters.packed import Packed
from exporters.store import Opened

SLICES = 20
"""A window is moved in so many steps."""
MOST_SERVICES = 200
"""Services come out of telemetry: of those beyond that no pass rate is watched."""
MOST_CLUSTERS = 5
"""New kinds of failure that one message names; the others are in its count."""
MOST_NAMES = 10
"""Checks of a cluster, and codes of a check, that a message names."""
_MINUTE_NS = 60_000_000_000

_NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Threshold:
    """A pass rate that is too low: of ``check``, over ``over_ns``, ``below`` 0 to 1, given ``at_least`` results."""

    check: str
    below: float
    over_ns: int
    at_least: int = 20


@dataclass(frozen=True, slots=True)
class Links:
    """Where people look at a trace: the address of the pages, and the template of the tracing backend, if known."""

    public_url: str | None = None
    trace_url: str | None = None

    def page(self, trace_id: str) -> str | None:
        """The trace's page."""
        return None if self.public_url is None else f"{self.public_url.rstrip('/')}/traces/{trace_id}"

    def trace(self, trace_id: str) -> str | None:
        """The trace in the tracing backend."""
        return None if self.trace_url is None else self.trace_url.replace("{trace_id}", trace_id)


class _News:
    """The new kinds of failure of one service since the last time, the first of them with how many traces have it."""

    def __init__(self) -> None:
        self.count = 0
        self.first: dict[str, Opened] = {}
        self.traces: Counter[str] = Counter()

    def add(self, one: Opened) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < MOST_CLUSTERS:
            self.first[one.fingerprint] = one

    def event(self, service: str, links: Links) -> Event:
        """What is told of them."""
        clusters = tuple(_cluster(one, self.traces[one.fingerprint], links) for one in self.first.values())
        return Event(Kind.NEW_CLUSTER, service, self.count, clusters=clusters)


class _Window:
    """The results of one check in one service, as far back as the window reaches."""

    def __init__(self) -> None:
        self._slices: deque[tuple[int, int, int]] = deque(maxlen=SLICES + 1)
        self.is_low = False

    def add(self, place: int, *, passed: bool) -> None:
        """Count a result in the slice of time with this number."""
        if not self._slices or self._slices[-1][0] < place:
            self._slices.append((place, 0, 0))
        number, good, bad = self._slices[-1]
        self._slices[-1] = (number, good + passed, bad + (not passed))

    def sums(self, place: int) -> tuple[int, int]:
        """Passed and failed results in the window that ends with this slice."""
        recent = [(good, bad) for number, good, bad in self._slices if number > place - SLICES]
        return sum(good for good, _ in recent), sum(bad for _, bad in recent)


class Watch:
    """Watches for new clusters and for these thresholds. Used on one thread."""

    def __init__(self, thresholds: Sequence[Threshold] = (), links: Links = Links()) -> None:
        self._news: dict[str, _News] = {}
        self._windows: dict[Threshold, dict[str, _Window]] = {}
        self.adopt(thresholds, links)

    def adopt(self, thresholds: Sequence[Threshold], links: Links) -> None:
        """Watch for these from now on. Of one that stays, what was counted counts, and what was told is told."""
        self._links = links
        self._windows = {threshold: self._windows.get(threshold, {}) for threshold in thresholds}

    def saw(
        self, records: Iterable[Packed], now_ns: int, opened: Iterable[Opened] = (), joined: Mapping[str, int] = _NONE
    ) -> None:
        """Take in what was saved, the clusters that it opened, and how many traces joined each."""
        for one in opened:
            if one.service in self._news or len(self._news) < MOST_SERVICES:
                self._news.setdefault(one.service, _News()).add(one)
        if joined:
            for news in self._news.values():
                news.traces.update({cluster: joined[cluster] for cluster in news.first.keys() & joined.keys()})
        if self._windows:
            for record in records:
                self._count(record, now_ns)

    def events(self, now_ns: int) -> list[Event]:
        """What there is to tell since the last time."""
        new = [news.event(service, self._links) for service, news in self._news.items()]
        self._news.clear()
        return new + [event for threshold in self._windows for event in self._crossed(threshold, now_ns)]

    def _count(self, record: Packed, now_ns: int) -> None:
        if not record.is_first:  # a verdict that changes is not another trace
            return
        outcomes = dict(record.outcomes)
        for threshold in self._windows:
            outcome = outcomes.get(threshold.check)
            if outcome in (Outcome.PASSED.value, Outcome.FAILED.value):
                windows = self._windows[threshold]
                service = record.column("service")
                if service in windows or len(windows) < MOST_SERVICES:
                    window = windows.setdefault(service, _Window())
                    window.add(_place(threshold, now_ns), passed=outcome == Outcome.PASSED.value)

    def _crossed(self, threshold: Threshold, now_ns: int) -> Iterable[Event]:
        """Each service whose rate fell below the threshold; it is told of again once the rate was well in between."""
        for service, window in self._windows[threshold].items():
            passed, failed = window.sums(_place(threshold, now_ns))
            count = passed + failed
            if count < threshold.at_least:
                continue
            rate, was_low = passed / count, window.is_low
            window.is_low = rate < threshold.below
            if window.is_low and not was_low:
                minutes = threshold.over_ns / _MINUTE_NS
                yield Event(Kind.THRESHOLD, service, count, threshold.check, rate, threshold.below, minutes)


def _cluster(one: Opened, traces: int, links: Links) -> NewCluster:
    checks = list(one.failures.items())[:MOST_NAMES]
    failures = {check: tuple(codes[:MOST_NAMES]) for check, codes in checks}
    # At least the one that opened it: it may have left again within the same save.
    count = max(1, traces)
    page, trace_url = links.page(one.trace_id), links.trace(one.trace_id)
    return NewCluster(one.fingerprint, failures, count, one.trace_id, page, trace_url)


def _place(threshold: Threshold, now_ns: int) -> int:
    return now_ns * SLICES // threshold.over_ns
