"""A numbered load: traces at a bounded rate, count and time, sent by threads that retry as SDKs do.

What is retryable is sent again after what the answer asks for (else with growing waits) until ``patience_s`` is over;
anything else is dropped and counted by its status. Every acknowledgement is in the ledger before the thread goes on.
"""

import heapq
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from faults.kit.ledger import Ledger
from faults.kit.targets import Answer, Kind, Target
from faults.kit.traffic import Make, Request

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0


@dataclass(slots=True)
class Tally:
    """What became of requests. ``dropped`` and ``retried`` are by status; ``abandoned`` ones were out of patience.

    ``acknowledged_at`` are the monotonic times of the acknowledgements, for rates.
    """

    sent: int = 0
    acknowledged: int = 0
    abandoned: int = 0
    duplicated: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    acknowledged_at: list[float] = field(default_factory=list)


@dataclass(order=True, slots=True)
class _Due:
    at: float
    order: int
    request: Request = field(compare=False)
    first_sent: float | None = field(default=None, compare=False)
    tries: int = field(default=0, compare=False)
    is_duplicate: bool = field(default=False, compare=False)


class Load:
    """Numbers 0, 1, 2, ... at ``rate`` a second, for ``count`` numbers or ``seconds``, whichever is over first.

    ``with Load(...) as load:`` starts it; leaving the block waits for what was begun (``finish``). ``duplicates`` is
    the share of acknowledged requests that are sent once more, as after a lost answer.
    """

    def __init__(
        self,
        ledger: Ledger,
        target: Target,
        make: Make,
        *,
        rate: float = 100.0,
        count: int | None = None,
        seconds: float | None = None,
        senders: int = 4,
        duplicates: float = 0.0,
        patience_s: float = 120.0,
        seed: int = 1,
    ) -> None:
        self.tally = Tally()
        self._ledger, self._target, self._make = ledger, target, make
        self._rate, self._count, self._seconds = rate, count, seconds
        self._duplicates, self._patience_s = duplicates, patience_s
        self._random = random.Random(seed)
        self._queue: list[_Due] = []
        self._order = 0
        self._under_way = 0
        self._generating = True
        self._problem: Exception | None = None
        self._change = threading.Condition()
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(senders)]
        self._threads.append(threading.Thread(target=self._generate, daemon=True))

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._patience_s = 0.0  # the test failed already: do not wait for a sidecar that may be gone
        self.finish()

    def stop(self) -> None:
        """Begin no more numbers; what was begun goes on."""
        with self._change:
            self._generating = False
            self._change.notify_all()

    def finish(self) -> Tally:
        """Wait until all is acknowledged or given up; without ``count`` and ``seconds``, begin no more numbers."""
        if self._count is None and self._seconds is None:
            self.stop()
        for thread in self._threads:
            thread.join()
        if self._problem is not None:
            raise self._problem
        return self.tally

    def _generate(self) -> None:
        started, number = time.monotonic(), 0
        while self._count is None or number < self._count:
            due = started + number / self._rate
            if self._seconds is not None and due > started + self._seconds:
                break
            with self._change:
                if self._change.wait_for(lambda: not self._generating, max(0.0, due - time.monotonic())):
                    return
                for request in self._make(number):
                    self._put(_Due(due + request.after_s, 0, request))
            number += 1
        self.stop()

    def _put(self, due: _Due) -> None:
        self._order += 1
        due.order = self._order
        heapq.heappush(self._queue, due)
        self._change.notify()

    def _send_all(self) -> None:
        while (due := self._next()) is not None:
            try:
                answer = self._send(due)
            except Exception as error:  # noqa: BLE001 - it ends the load, and is raised where the test waits for it
                self._end(error)
                return
            with self._change:
                self._settle(due, answer)
                self._under_way -= 1
                self._change.notify_all()

    def _send(self, due: _Due) -> Answer:
        if due.first_sent is None:
            due.first_sent = time.monotonic()
            self._ledger.attempt(due.request.spans)
        answer = self._target.send(due.request.body)
        if answer.kind is Kind.ACKNOWLEDGED and not due.is_duplicate:
            self._ledger.acknowledge(due.request.number, due.request.spans)
        return answer

    def _end(self, problem: Exception) -> None:
        with self._change:
            self._problem = problem
            self._generating = False
            self._under_way -= 1
            self._queue.clear()
            self._change.notify_all()

    def _next(self) -> _Due | None:
        with self._change:
            while True:
                if self._queue and self._queue[0].at <= time.monotonic():
                    self._under_way += 1
                    return heapq.heappop(self._queue)
                if not (self._queue or self._under_way or self._generating):
                    return None
                self._change.wait(max(0.0, self._queue[0].at - time.monotonic()) if self._queue else None)

    def _settle(self, due: _Due, answer: Answer) -> None:
        tally = self.tally
        tally.sent += 1
        if answer.kind is Kind.ACKNOWLEDGED:
            self._acknowledged(due)
        elif answer.kind is Kind.DROP:
            tally.dropped[answer.status] += 1
        elif time.monotonic() - (due.first_sent or 0.0) >= self._patience_s:
            tally.abandoned += 1
        else:
            tally.retried[answer.status] += 1
            self._put_again(due, answer.retry_after_s)

    def _acknowledged(self, due: _Due) -> None:
        if due.is_duplicate:
            self.tally.duplicated += 1
            return
        self.tally.acknowledged += 1
        self.tally.acknowledged_at.append(time.monotonic())
        if self._random.random() < self._duplicates:
            after = self._random.uniform(0.0, LONGEST_WAIT_S)
            self._put(_Due(time.monotonic() + after, 0, due.request, is_duplicate=True))

    def _put_again(self, due: _Due, asked_s: float | None) -> None:
        wait = asked_s if asked_s is not None else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**due.tries)
        due.tries += 1
        due.at = time.monotonic() + wait * self._random.uniform(1.0, 1.2)
        self._put(due)
