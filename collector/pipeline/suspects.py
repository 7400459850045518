"""Checks that keep killing their workers: left out for a while, so that one bad check does not take the rest along.

A worker that dies costs seconds. A check that kills one on every trace would leave nothing for the other checks, nor
for the traces; so after a few it gets ``ERRORED`` without being run, until it is given another chance.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

STRIKES = 3
"""A check is left out once it has killed workers over so many traces ..."""
WITHIN_S = 600
"""... within so long."""
LEFT_OUT_S = 60
"""How long it is left out. The next trace is its chance; if that kills a worker too, it is left out again."""

_NS = 1_000_000_000

log = structlog.get_logger()


class Suspects:
    """Who killed a worker, and when. ``now_ns`` is a monotonic clock."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._strikes: dict[str, deque[int]] = {}
        self._until_ns: dict[str, int] = {}

    @property
    def problem(self) -> str | None:
        """What is wrong, in a sentence for whoever runs the sidecar; ``None`` while nothing is."""
        names = ", ".join(sorted(self.left_out()))
        return f"left out for {LEFT_OUT_S} s, since their worker processes died or hung: {names}" if names else None

    def accuse(self, check: str) -> None:
        """Note that a check killed a worker over one more trace."""
        now = self._now_ns()
        strikes = self._strikes.setdefault(check, deque(maxlen=STRIKES))
        strikes.append(now)
        if len(strikes) == STRIKES and now - strikes[0] <= WITHIN_S * _NS:
            self._until_ns[check] = now + LEFT_OUT_S * _NS
            log.error("a check is left out for a while: it keeps killing its workers", check=check, seconds=LEFT_OUT_S)

    def left_out(self) -> Mapping[str, str]:
        """The checks that are not to be run now, each with the reason for its verdicts."""
        now = self._now_ns()
        reason = f"not run: it killed its worker over {STRIKES} traces, and is left out for {LEFT_OUT_S} s"
        return {check: reason for check, until in self._until_ns.items() if now < until}
