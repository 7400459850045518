"""One signal on its way to one destination: oldest first, a few requests at once, tried again until it is taken.

A lane a signal, so that a backend which does not take one of them holds no other up. Owns the patience; what waits is
in the queue on disk, and stays there until the destination has it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from exporters.otlp.backoff import Backoff, Patience, Sleep
from exporters.otlp.client import Client, Never, NotNow
from exporters.otlp.destination import Destination, Signal
from exporters.otlp.queue import ForwardQueue
from exporters.otlp.queue_file import QueueError, Waiting

AT_ONCE = {Signal.TRACES: 4, Signal.LOGS: 4, Signal.METRICS: 1}
"""Requests under way. Metrics one by one: a backend may refuse a point that is older than the last."""
BYTES_AT_ONCE = 8 * 2**20
ASK_AGAIN_S = 5.0
"""How soon a queue that could not be read is read again."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counts:
    """Told of what became of requests: taken (their signal), dropped (a reason, how many).

    ``gone`` is told of a destination that is no longer there, nor anything that waited for it.
    """

    forwarded: Callable[[str, Signal], None]
    dropped: Callable[[str, int], None]
    gone: Callable[[str], None] = lambda _destination: None


@dataclass(slots=True)
class _Round:
    """What became of some requests that were sent at the same time."""

    ended: list[int] = field(default_factory=list)
    after_s: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What a destination does instead of taking what it is sent, since when, and its last answer."""

    what: str
    since_ns: int
    answer: str


class Lane:
    """Sends until it is cancelled. ``wake`` is called when something was queued."""

    def __init__(
        self,
        destination: Destination,
        signal: Signal,
        queue: ForwardQueue,
        client: Client,
        counts: Counts,
        backoff: Backoff,
        sleep: Sleep = asyncio.sleep,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._name = destination.name
        self._signal = signal
        self._queue = queue
        self.client = client
        self._counts = counts
        self._backoff = backoff
        self._sleep = sleep
        self._wall_ns = wall_ns
        self._queued = asyncio.Event()
        self._queued.set()  # what the last run left
        self._idle = asyncio.Event()
        self._patience = Patience(sleep)
        self._is_down = False
        self._has_refused = False
        self._trouble: _Trouble | None = None

    def wake(self) -> None:
        """Something was queued."""
        self._idle.clear()
        self._queued.set()

    def turn_to(self, client: Client) -> None:
        """Send by another client from now on, and at once: whatever the last one had to wait for."""
        self.client = client
        self._backoff.reset()
        self._has_refused = False
        self._trouble = None
        self._patience.end()

    async def emptied(self) -> None:
        """Wait until all is sent that was there."""
        await self._idle.wait()

    @property
    def is_idle(self) -> bool:
        """Whether all is sent that was there."""
        return self._idle.is_set()

    @property
    def is_stuck(self) -> bool:
        """Whether the destination took nothing at the last try."""
        return self._is_down

    @property
    def problem(self) -> str | None:
        """What is wrong with the destination, with its last answer; ``None`` while it takes what it is sent."""
        if self._trouble is None:
            return None
        since = datetime.fromtimestamp(self._trouble.since_ns / 1e9, UTC)
        what = f"forward: {self._name} {self._trouble.what} ({self._signal.value})"
        return f"{what} since {since:%Y-%m-%dT%H:%M:%SZ}; its last answer: {self._trouble.answer}"

    async def run(self) -> None:
        """Send what waits and what comes, for ever."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while page := await self._page():
                await self._send_all(page)
            if not self._queued.is_set():
                self._idle.set()

    async def _page(self) -> Sequence[Waiting]:
        while True:
            try:
                return await self._queue.first(self._name, self._signal, AT_ONCE[self._signal], BYTES_AT_ONCE)
            except QueueError:  # which has told of it
                await self._sleep(ASK_AGAIN_S)

    async def _send_all(self, page: Sequence[Waiting]) -> None:
        became, client = _Round(), self.client
        await asyncio.gather(*(self._send(request, became) for request in page))
        await self._forget(became.ended)
        if became.problem is None:
            self._up()
            return
        self._down(became.problem)
        if became.ended:  # it takes others: no reason to come less and less often
            self._backoff.reset()
        if client is self.client:
            await self._patience.wait(self._backoff.wait_s(became.after_s))

    async def _send(self, request: Waiting, became: _Round) -> None:
        try:
            await self.client.send(
                self._signal, request.body, is_json=request.is_json, forwarded_by=request.forwarded_by
            )
        except NotNow as later:
            became.problem = str(later)
            if later.after_s is not None:
                became.after_s = max(became.after_s or 0.0, later.after_s)
            return
        except Never as never:
            self._refused(str(never))
        except Exception as error:  # noqa: BLE001 - a lane that ends would forward nothing until the next start
            log.error("a request could not be sent; trying again", **self._where, error=type(error).__name__)
            became.problem = type(error).__name__
            return
        else:
            self._counts.forwarded(self._name, self._signal)
            self._trouble = None
        became.ended.append(request.position)

    async def _forget(self, positions: Sequence[int]) -> None:
        """Take away what was sent. Until that works nothing else is sent: it would be this once more."""
        while positions:
            try:
                await self._queue.remove(positions)
            except QueueError:
                await self._sleep(ASK_AGAIN_S)
            else:
                return

    def _note(self, what: str, answer: str) -> None:
        before = self._trouble
        since_ns = before.since_ns if before is not None and before.what == what else self._wall_ns()
        self._trouble = _Trouble(what, since_ns, answer)

    def _refused(self, status: str) -> None:
        self._note("refuses for good what it is sent, which is dropped", status)
        self._counts.dropped("refused", 1)
        if not self._has_refused:
            log.warning("a destination refuses what is forwarded for good", **self._where, status=status)
        self._has_refused = True

    def _up(self) -> None:
        self._backoff.reset()
        if self._is_down:
            log.info("a destination takes what is forwarded again", **self._where)
        self._is_down = False

    def _down(self, problem: str) -> None:
        self._note("does not take what waits for it", problem)
        if not self._is_down:
            log.warning("a destination does not take what is forwarded; trying again", **self._where, problem=problem)
        self._is_down = True

    @property
    def _where(self) -> dict[str, str]:
        return {"destination": self._name, "signal": self._signal.value}
