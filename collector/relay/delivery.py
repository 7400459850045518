"""Messages on their way to the broker, and what became of each. Settled on any thread, waited for on the event loop."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from collector.relay.messages import Message


class Delivery:
    """``on_end`` is called on the event loop once every message is acknowledged or has failed, waited for or not."""

    def __init__(self, messages: Sequence[Message], on_end: Callable[["Delivery"], None]) -> None:
        self.messages = messages
        self.size = sum(message.size for message in messages)
        self.errors: dict[int, Exception] = {}
        """What went wrong, by the place of the message."""
        self.is_given_up = False
        """Whether nobody waits any more: what was not sent by then need not be."""
        self._on_end = on_end
        self._left = len(messages)
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()

    def settle(self, place: int, error: Exception | None = None) -> None:
        """Say what became of one message. On any thread."""
        with self._lock:
            if error is not None:
                self.errors[place] = error
            self._left -= 1
            is_last = not self._left
        if is_last:
            with suppress(RuntimeError):  # the event loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(self._end)

    async def wait(self, within_s: float) -> None:
        """Wait until all are settled. Raises ``TimeoutError``."""
        try:
            await asyncio.wait_for(self._ended.wait(), within_s)
        except TimeoutError:
            self.is_given_up = True
            raise

    def _end(self) -> None:
        self._ended.set()
        self._on_end(self)
