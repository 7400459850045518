"""What waits to be forwarded, for the event loop: whoever asks at the same time shares a commit.

Owns the thread that the file is used on. The bounds and the file are ``queue_file``'s, what is sent when ``lane``'s.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from exporters.otlp.destination import Signal
from exporters.otlp.queue_file import Bound, Dropped, QueueError, QueueFile, Waiting

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Work:
    """What one caller wants committed."""

    adds: Sequence[Waiting]
    removes: Sequence[int]
    done: "asyncio.Future[None]"


class ForwardQueue:
    """The open queues. Raises ``QueueError`` where the file cannot be opened; arguments are ``QueueFile``'s."""

    def __init__(
        self,
        folder: Path,
        bounds: Mapping[str, Bound],
        dropped: Dropped,
        wall_ns: Callable[[], int] = time.time_ns,
        *,
        full_sync: bool = False,
    ) -> None:
        self._file = QueueFile(folder, bounds, dropped, wall_ns, full_sync=full_sync)
        self._asked: list[_Work] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forward-queue")

    @property
    def problem(self) -> str | None:
        """Why nothing can be queued at this moment; ``None`` while all is well."""
        return self._file.problem

    def size(self, destination: str) -> int:
        """Bytes that wait for a destination. On any thread."""
        return self._file.held[destination]

    async def put(self, requests: Sequence[Waiting]) -> None:
        """Queue requests; returns once they are committed, all or none. Raises ``QueueError``."""
        await self._commit_soon(requests, ())

    async def remove(self, positions: Sequence[int]) -> None:
        """Take away what has been sent. Raises ``QueueError``; it is then still there."""
        await self._commit_soon((), positions)

    async def first(self, destination: str, signal: Signal, most: int, most_bytes: int) -> Sequence[Waiting]:
        """See ``QueueFile.first``."""
        return await self._on_thread(self._file.first, destination, signal, most, most_bytes)

    async def expire(self) -> None:
        """See ``QueueFile.expire``."""
        await self._on_thread(self._file.expire)

    async def settled(self) -> None:
        """Wait until all that was asked for before is committed, or refused."""
        with contextlib.suppress(QueueError):
            await self._commit_soon((), ())

    def rebound(self, bounds: Mapping[str, Bound]) -> None:
        """See ``QueueFile.rebound``; holds for all that is asked for after it."""
        self._thread.submit(self._file.rebound, bounds)

    async def clear(self, destination: str, signal: Signal) -> int:
        """See ``QueueFile.clear``."""
        return await self._on_thread(self._file.clear, destination, signal)

    async def scrub(self) -> bool:
        """See ``QueueFile.scrub``."""
        return await self._on_thread(self._file.scrub)

    async def close(self) -> None:
        """Commit what is asked for, then close the file."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._on_thread(self._file.close)
        self._thread.shutdown()

    async def _on_thread(self, work: Callable[..., _Result], *args: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _commit_soon(self, adds: Sequence[Waiting], removes: Sequence[int]) -> None:
        """Share the next commit with whoever else is waiting for one."""
        done = asyncio.get_running_loop().create_future()
        self._asked.append(_Work(adds, removes, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="forward-queue")
        await done

    async def _write(self) -> None:
        while self._asked:
            works, self._asked = self._asked, []
            added = [request for work in works for request in work.adds]
            removed = [position for work in works for position in work.removes]
            problem: QueueError | None = None
            try:
                await self._on_thread(self._file.commit, added, removed)
            except QueueError as error:
                problem = error
            for work in works:
                _settle(work.done, problem)


def _settle(done: "asyncio.Future[None]", problem: QueueError | None) -> None:
    if done.done():  # who asked was given up
        return
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(QueueError(str(problem)))
