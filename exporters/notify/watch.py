"""Watches what is saved for what people want to be told of: new kinds of failure, pass rates that fall.

Gathers while traces are saved and says so when it is asked, a few times a minute: a burst is one event a service.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from checks.report import Outcome
from exporters.notify.event import Event, Kind
from exporters.packed import Packed

SLICES = 20
"""A window is moved in so many steps."""
MOST_SERVICES = 200
"""Services come out of telemetry: of those beyond that no pass rate is watched."""
_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Threshold:
    """A pass rate that is too low: of ``check``, over ``over_ns``, ``below`` 0 to 1, given ``at_least`` results."""

    check: str
    below: float
    over_ns: int
    at_least: int = 20


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

    def __init__(self, thresholds: Sequence[Threshold] = ()) -> None:
        self._thresholds = tuple(thresholds)
        self._new: Counter[str] = Counter()
        self._windows: dict[Threshold, dict[str, _Window]] = {threshold: {} for threshold in thresholds}

    def saw(self, records: Iterable[Packed], clusters_opened: Mapping[str, int], now_ns: int) -> None:
        """Take in what was saved."""
        for service, count in clusters_opened.items():
            if service in self._new or len(self._new) < MOST_SERVICES:
                self._new[service] += count
        if self._thresholds:
            for record in records:
                self._count(record, now_ns)

    def events(self, now_ns: int) -> list[Event]:
        """What there is to tell since the last time."""
        new = [Event(Kind.NEW_CLUSTER, service, count) for service, count in self._new.items()]
        self._new.clear()
        return new + [event for threshold in self._thresholds for event in self._crossed(threshold, now_ns)]

    def _count(self, record: Packed, now_ns: int) -> None:
        if not record.is_first:  # a verdict that changes is not another trace
            return
        outcomes = dict(record.outcomes)
        for threshold in self._thresholds:
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


def _place(threshold: Threshold, now_ns: int) -> int:
    return now_ns * SLICES // threshold.over_ns
