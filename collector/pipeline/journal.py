"""The journal: what push sources sent, on disk before it is acknowledged, until the traces it belongs to are stored.

A row a request, in an SQLite file in WAL mode. One thread writes: all requests that are waiting share one commit. Owns
durability; which rows are still needed is the business of ``progress``, damaged files that of ``journal_file``.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from collector.intake import Batch, Refusal, Refused, Source
from collector.pipeline.journal_file import checksum, connect, recover, rows

FILE_NAME = "journal.db"
RETRY_AFTER_S = 2.0
MOST_IN_A_COMMIT = 512

log = structlog.get_logger()


class Sync(StrEnum):
    """What an acknowledgement means.

    ``FULL``: on the disk itself; survives a power cut. ``NORMAL``: with the operating system; survives the death of the
    process. ``OFF``: in memory only, there is no journal.
    """

    FULL = "full"
    NORMAL = "normal"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request out of the journal: encoded OTLP ``TracesData`` and ``LogsData``, and its row's position."""

    position: int
    source: Source
    traces: bytes
    logs: bytes


@dataclass(frozen=True, slots=True)
class _Append:
    source: str
    traces: bytes
    logs: bytes
    done: "asyncio.Future[int]"

    @property
    def size(self) -> int:
        return len(self.traces) + len(self.logs)


@dataclass(slots=True)
class _Work:
    """What one commit does."""

    appends: list[_Append] = field(default_factory=list)
    forgets: list[int] = field(default_factory=list)
    ends: bool = False

    def take(self, item: "_Append | list[int] | None") -> None:
        if item is None:
            self.ends = True
        elif isinstance(item, _Append):
            self.appends.append(item)
        else:
            self.forgets += item


class Journal:
    """An open journal. ``append`` is the event loop's, the rest any thread's. Making it may raise ``JournalError``."""

    def __init__(self, folder: Path, sync: Sync = Sync.NORMAL) -> None:
        self._path = folder / FILE_NAME
        self._full_sync = sync is Sync.FULL
        self._queue: SimpleQueue[_Append | list[int] | None] = SimpleQueue()
        self.waiting_bytes = 0
        """Bytes on their way to the disk."""
        self.problem: str | None = None
        """Why nothing can be written at this moment; ``None`` while all is well."""
        self.recovery = recover(self._path)
        if self.recovery.lost or self.recovery.moved_to:
            moved = self.recovery.moved_to or "(the file itself is sound)"
            log.error(
                "the journal was damaged; what could not be read was cut", lost=self.recovery.lost, moved=str(moved)
            )
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def size(self) -> int:
        """Bytes on disk."""
        files = (self._path, self._path.with_name(FILE_NAME + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    async def append(self, batch: Batch) -> int:
        """Write a request's accepted pieces; returns its position once they are committed.

        Raises:
            Refused: the disk is full, the file is locked or cannot be written. Nothing of the request is kept then.
        """
        traces = b"".join(piece.spans for piece in batch.pieces)
        logs = b"".join(piece.logs for piece in batch.pieces)
        item = _Append(batch.source.value, traces, logs, asyncio.get_running_loop().create_future())
        self.waiting_bytes += item.size
        self._queue.put(item)
        try:
            return await item.done
        finally:
            self.waiting_bytes -= item.size

    def forget(self, positions: Iterable[int]) -> None:
        """Remove rows that are no longer needed: soon, and not for certain, since a replay does no harm."""
        self._queue.put(list(positions))

    def replay(self) -> Iterator[Entry]:
        """What the last run left, oldest first; nothing that came since."""
        with contextlib.closing(connect(self._path)) as connection:
            for position, source, traces, logs, _ in rows(connection, self.recovery.last):
                yield Entry(position, Source(source), traces, logs)

    def close(self) -> None:
        """Write what is queued, then end."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        owed: list[int] = []
        work = _Work()
        while not work.ends:
            work = self._next()
            work.forgets += owed
            try:
                connection = connection or connect(self._path, full_sync=self._full_sync)
                positions = _commit(connection, work)
            except (sqlite3.Error, OSError) as error:
                self._failed(work, error)
                owed = work.forgets
                _close(connection)  # with the transaction that failed on it
                connection = None
            else:
                owed = []
                self._succeeded(work, positions)
        _close(connection)

    def _next(self) -> _Work:
        work = _Work()
        work.take(self._queue.get())
        with contextlib.suppress(Empty):
            while not work.ends and len(work.appends) < MOST_IN_A_COMMIT:
                work.take(self._queue.get_nowait())
        return work

    def _succeeded(self, work: _Work, positions: list[int]) -> None:
        if self.problem is not None:
            log.info("the journal takes entries again")
            self.problem = None
        for item, position in zip(work.appends, positions, strict=True):
            _settle(item.done, position)

    def _failed(self, work: _Work, error: Exception) -> None:
        # SQLite's own words (disk full, locked, ...) hold nothing of what was to be written.
        problem = f"the journal cannot be written: {error}"
        if self.problem is None:
            log.error("journal degraded", problem=problem)
        self.problem = problem
        for item in work.appends:
            _settle(item.done, Refused(Refusal.STORAGE, f"{problem}; send again later", RETRY_AFTER_S))


def _commit(connection: sqlite3.Connection, work: _Work) -> list[int]:
    """One transaction for all; returns the positions of the appended rows."""
    positions: list[int] = []
    connection.execute("BEGIN IMMEDIATE")
    for item in work.appends:
        values = (item.source, item.traces, item.logs, checksum(item.traces, item.logs))
        cursor = connection.execute("INSERT INTO entries (source, traces, logs, checksum) VALUES (?, ?, ?, ?)", values)
        positions.append(cursor.lastrowid or 0)
    connection.executemany("DELETE FROM entries WHERE position = ?", [(position,) for position in work.forgets])
    connection.execute("COMMIT")
    return positions


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def _settle(future: "asyncio.Future[int]", result: int | Exception) -> None:
    """Give a future its result from the journal's thread; its request may be gone by now."""

    def settle() -> None:
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    with contextlib.suppress(RuntimeError):  # the event loop has ended
        future.get_loop().call_soon_threadsafe(settle)
