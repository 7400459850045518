"""What came in goes on to the user's own backends, unchanged: kept on disk first, sent behind everybody's back.

Owns which destination gets what, how one follows another, and the beginning and the end. Knows nothing of traces or
checks.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from exporters.otlp.backoff import Backoff, Sleep
from exporters.otlp.client import Client, connect
from exporters.otlp.destination import Destination, Signal, Target
from exporters.otlp.lane import Counts, Lane
from exporters.otlp.queue import ForwardQueue
from exporters.otlp.queue_file import Bound, QueueError, Waiting
from exporters.tasks import lasting

EXPIRE_EVERY_S = 10.0
FLUSH_WITHIN_S = 2.0
"""How long an end waits for what was taken in last. What is left waits on disk for the next start."""
LEAVE_WITHIN_S = 60.0
"""How long what waits is still sent to a destination that was taken out. Who takes it has it in a few seconds."""
POLL_S = 0.02

log = structlog.get_logger()
_Key = tuple[str, Signal]


@dataclass(frozen=True, slots=True)
class Connected:
    """Destinations, each with a client: ready to be sent to, and nothing is sent yet."""

    destinations: tuple[Destination, ...]
    clients: Mapping[str, Client]

    async def discard(self) -> None:
        """Let the clients go: nobody sends by them."""
        for client in self.clients.values():
            await client.close()


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
        leave_within_s: float = LEAVE_WITHIN_S,
    ) -> None:
        self._counts = counts
        self._connect = connect
        self._draw = draw
        self._sleep = sleep
        self._wall_ns = wall_ns
        self._leave_within_s = leave_within_s
        connected = self.connected(destinations)
        self._destinations: tuple[Destination, ...] = ()
        self._clients: dict[Client, float] = {}  # with their time-outs
        self._closing: set[Client] = set()
        self._lanes: dict[_Key, Lane] = {}
        self._running: dict[_Key, asyncio.Task[None]] = {}
        self._leaving: dict[_Key, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._has_begun = False
        self._bounds = _bounds(destinations)
        self._queue = ForwardQueue(folder, self._bounds, counts.dropped, wall_ns, full_sync=full_sync)
        self.adopt(connected)

    @property
    def problems(self) -> Iterable[str | None]:
        """Why nothing can be queued at this moment, and which destinations do not take what they are sent."""
        return self._queue.problem, *(lane.problem for lane in self._lanes.values())

    def size(self, destination: str) -> int:
        """Bytes that wait for a destination. On any thread."""
        return self._queue.size(destination)

    def wants(self, signal: Signal) -> bool:
        """Whether any destination takes this signal."""
        return any(signal in d.signals for d in self._destinations)

    def wants_protobuf(self, signal: Signal) -> bool:
        """Whether any destination takes this signal as protobuf only, whatever it came as."""
        return any(signal in d.signals and d.target.is_grpc for d in self._destinations)

    async def put(
        self, signal: Signal, body: bytes, *, is_json: bool = False, protobuf: bytes = b"", forwarded_by: str = ""
    ) -> None:
        """Queue a message for whoever takes its signal; returns once it is committed for all of them.

        ``protobuf`` is a JSON message's as protobuf, for those that ``wants_protobuf`` speaks of; ``forwarded_by`` goes
        with it in ``hops.HEADER``.

        Raises:
            QueueError: the disk is full, the file is locked or cannot be written. Nothing of it is kept then.
        """
        takers = [d for d in self._destinations if signal in d.signals]
        await self._queue.put(
            [
                Waiting(d.name, signal, protobuf, forwarded_by=forwarded_by)
                if is_json and d.target.is_grpc
                else Waiting(d.name, signal, body, is_json, forwarded_by=forwarded_by)
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

    def connected(self, destinations: Sequence[Destination]) -> Connected:
        """Destinations to ``adopt``. Raises ``OSError`` or ``ssl.SSLError`` for a file of TLS."""
        return Connected(tuple(destinations), {d.name: self._connect(d.target) for d in destinations})

    def adopt(self, connected: Connected) -> None:
        """Send to these from now on, and to no others.

        What waits for a destination whose name stays goes to where that name leads now. To one that is left out, what
        waits is sent for a while; what is left then is dropped and counted.
        """
        self._destinations = connected.destinations
        for destination in connected.destinations:
            client = connected.clients[destination.name]
            self._clients[client] = destination.target.timeout_s
            for signal in destination.signals:
                self._keep((destination.name, signal), destination, client)
        wanted = {(d.name, signal) for d in connected.destinations for signal in d.signals}
        for key in self._lanes.keys() - wanted - self._leaving.keys():
            self._leaving[key] = self._set_about(self._see_off(key), f"forward {key[0]} ends")
        leaving = {name for name, _ in self._leaving}
        self._bounds = {name: bound for name, bound in self._bounds.items() if name in leaving}
        self._bounds |= _bounds(connected.destinations)
        self._queue.rebound(self._bounds)
        self._retire_clients()

    def start(self) -> None:
        """Begin to send."""
        self._has_begun = True
        for key in self._lanes:
            self._run(key)
        self._set_about(self._expire_for_ever(), "forward expiry")

    async def stop(self, within_s: float = FLUSH_WITHIN_S) -> None:
        """Send what waits to those that take it, for so long, then end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not all(lane.is_idle or lane.is_stuck for lane in self._lanes.values()):  # noqa: ASYNC110 - at the end
                    await asyncio.sleep(POLL_S)
        tasks = [*self._running.values(), *self._errands]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in self._clients:
            await client.close()
        await self._queue.close()

    def _keep(self, key: _Key, destination: Destination, client: Client) -> None:
        """Go on with a lane by another client, or open it."""
        leaving = self._leaving.pop(key, None)
        if leaving is not None:
            leaving.cancel()
        if key in self._lanes:
            self._lanes[key].turn_to(client)
            return
        backoff = Backoff(self._draw)
        self._lanes[key] = Lane(
            destination, key[1], self._queue, client, self._counts, backoff, self._sleep, self._wall_ns
        )
        if self._has_begun:
            self._run(key)

    def _run(self, key: _Key) -> None:
        self._running[key] = lasting(self._lanes[key].run(), f"forward {key[0]} {key[1].value}")

    async def _see_off(self, key: _Key) -> None:
        """End a lane once it is empty, or has had its time."""
        await self._queue.settled()  # with what was on its way into the queue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._leave_within_s):
                await self._lanes[key].emptied()
        # From here on a destination of this name is a new one.
        del self._lanes[key], self._leaving[key]
        running = self._running.pop(key)
        running.cancel()
        await self._cleared(*key)
        await asyncio.gather(running, return_exceptions=True)
        self._retire_clients()
        if not any(key[0] == name for name, _ in self._lanes):
            self._counts.gone(key[0])

    async def _cleared(self, name: str, signal: Signal) -> None:
        try:
            left = await self._queue.clear(name, signal)
        except QueueError:  # which has told of it; the next start drops and counts what is left
            return
        where = {"destination": name, "signal": signal.value}
        if left:
            log.warning("what waited for a destination that was taken out is dropped", **where, requests=left)
        else:
            log.info("a destination that was taken out has all that waited for it", **where)

    def _retire_clients(self) -> None:
        """Close what no lane sends by any more, once what is under way there has ended."""
        used = {lane.client for lane in self._lanes.values()}
        for client in self._clients.keys() - used - self._closing:
            self._closing.add(client)
            self._set_about(self._close(client), "forward client ends")

    async def _close(self, client: Client) -> None:
        await self._sleep(self._clients[client])
        del self._clients[client]
        self._closing.discard(client)
        await client.close()

    def _set_about(self, errand: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = lasting(errand, name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    async def _expire_for_ever(self) -> None:
        while True:
            with contextlib.suppress(QueueError):  # which has told of it
                await self._queue.expire()
            await self._sleep(EXPIRE_EVERY_S)


def _bounds(destinations: Iterable[Destination]) -> dict[str, Bound]:
    return {d.name: Bound(d.queue_bytes, d.queue_age_ns) for d in destinations}
