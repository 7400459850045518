"""What came in goes on to the user's own backends, unchanged: kept on disk first, sent behind everybody's back.

Owns which destination gets what, and the beginning and the end. Knows nothing of traces or checks.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from exporters.otlp.backoff import Backoff
from exporters.otlp.client import Client, connect
from exporters.otlp.destination import Destination, Signal, Target
from exporters.otlp.lane import Counts, Lane, Sleep
from exporters.otlp.queue import ForwardQueue
from exporters.otlp.queue_file import Bound, QueueError, Waiting

EXPIRE_EVERY_S = 10.0
FLUSH_WITHIN_S = 2.0
"""How long an end waits for what was taken in last. What is left waits on disk for the next start."""
POLL_S = 0.02


class Forwarder:
    """Forwards to all destinations. ``put`` and the rest are the event loop's.

    Raises ``QueueError`` where the queue cannot be opened, ``OSError`` or ``ssl.SSLError`` for a file of TLS.
    """

    def __init__(
        self,
        destinations: Sequence[Destination],
        folder: Path,
        counts: Counts,
        *,
        full_sync: bool = False,
        connect: Callable[[Target], Client] = connect,
        draw: Callable[[], float] = random.random,
        sleep: Sleep = asyncio.sleep,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._destinations = tuple(destinations)
        self._clients = {d.name: connect(d.target) for d in destinations}
        bounds = {d.name: Bound(d.queue_bytes, d.queue_age_ns) for d in destinations}
        self._queue = ForwardQueue(folder, bounds, counts.dropped, wall_ns, full_sync=full_sync)
        self._sleep = sleep
        self._lanes = {
            (d.name, signal): Lane(d, signal, self._queue, self._clients[d.name], counts, Backoff(draw), sleep)
            for d in destinations
            for signal in d.signals
        }
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def problem(self) -> str | None:
        """Why nothing can be queued at this moment; ``None`` while all is well."""
        return self._queue.problem

    def size(self, destination: str) -> int:
        """Bytes that wait for a destination. On any thread."""
        return self._queue.size(destination)

    def wants(self, signal: Signal) -> bool:
        """Whether any destination takes this signal."""
        return any(signal in d.signals for d in self._destinations)

    def wants_protobuf(self, signal: Signal) -> bool:
        """Whether any destination takes this signal as protobuf only, whatever it came as."""
        return any(signal in d.signals and d.target.is_grpc for d in self._destinations)

    async def put(self, signal: Signal, body: bytes, *, is_json: bool = False, protobuf: bytes = b"") -> None:
        """Queue a message for whoever takes its signal; returns once it is committed for all of them.

        ``protobuf`` is a JSON message's as protobuf, for those that ``wants_protobuf`` speaks of.

        Raises:
            QueueError: the disk is full, the file is locked or cannot be written. Nothing of it is kept then.
        """
        takers = [d for d in self._destinations if signal in d.signals]
        await self._queue.put(
            [
                Waiting(d.name, signal, protobuf)
                if is_json and d.target.is_grpc
                else Waiting(d.name, signal, body, is_json)
                for d in takers
            ]
        )
        for destination in takers:
            self._lanes[destination.name, signal].wake()

    async def scrub(self) -> bool:
        """Write over what was sent. Returns whether nothing is left of it, nor of anything that waits."""
        with contextlib.suppress(QueueError):  # which has told of it
            return await self._queue.scrub()
        return False

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [
            asyncio.create_task(lane.run(), name=f"forward {name} {signal.value}")
            for (name, signal), lane in self._lanes.items()
        ]
        self._tasks.append(asyncio.create_task(self._expire_for_ever(), name="forward expiry"))

    async def stop(self, within_s: float = FLUSH_WITHIN_S) -> None:
        """Send what waits to those that take it, for so long, then end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not all(lane.is_idle or lane.is_stuck for lane in self._lanes.values()):  # noqa: ASYNC110 - at the end
                    await asyncio.sleep(POLL_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        await self._queue.close()

    async def _expire_for_ever(self) -> None:
        while True:
            with contextlib.suppress(QueueError):  # which has told of it
                await self._queue.expire()
            await self._sleep(EXPIRE_EVERY_S)
