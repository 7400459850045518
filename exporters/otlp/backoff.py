"""How long to wait before something is tried again: longer each time, never at the same moment as everybody else."""

import asyncio
import random
from collections.abc import Awaitable, Callable

FIRST_S = 1.0
LONGEST_S = 30.0
LONGEST_ASKED_S = 600.0
"""A server that asks for more patience than that is asked again all the same."""

Sleep = Callable[[float], Awaitable[None]]


class Backoff:
    """The waits of one sender. ``draw`` gives a number from 0 to 1."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._next_s = FIRST_S

    def reset(self) -> None:
        """All went well."""
        self._next_s = FIRST_S

    def wait_s(self, asked_s: float | None = None) -> float:
        """Seconds to wait now: between half and one and a half times the step, and no less than the server asked."""
        step, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_S)
        jittered = step * (0.5 + self._draw())
        return jittered if asked_s is None else max(jittered, min(asked_s, LONGEST_ASKED_S))


class Patience:
    """A wait that ends early when there is no more reason for it."""

    def __init__(self, sleep: Sleep) -> None:
        self._sleep = sleep
        self._waiting: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until ``end``."""
        self._waiting = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait([self._waiting])
        finally:
            self._waiting.cancel()

    def end(self) -> None:
        """End the wait that is under way, if there is one."""
        if self._waiting is not None:
            self._waiting.cancel()
