"""The journal: what push sources sent, on disk before it is acknowledged, until the traces it belongs to are stored.

A row a request, in an SQLite file in WAL mode. One thread writes: all requests that are waiting share one commit. Owns
durability; which rows are still needed is the business of ``progress``, damaged files that of ``journal_file``.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

import stamina
import structlog

from collector.intake import Batch, Refusal, Refused, Source
from collector.pipeline.journal_erasure import erase
from collector.pipeline.journal_file import FIRST, TOUCH, Row, checksum, connect, page_of
from collector.pipeline.journal_recovery import Recovery, recover
from exporters.sqlite_file import give_back_pages

FILE_NAME = "journal.db"
RETRY_AFTER_S = 2.0
MOST_IN_A_COMMIT = 512
ASK_AGAIN_S = 1.0
"""How often a file that could not be written is tried though nobody sends."""

log = structlog.get_logger()
Result = TypeVar("Result")


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


@dataclass(frozen=True, slots=True)
class _Erase:
    trace_ids: frozenset[str]
    done: "asyncio.Future[bool]"


_Item = _Append | _Erase | list[int] | None


@dataclass(slots=True)
class _Work:
    """What one commit does, and what is erased after it."""

    appends: list[_Append] = field(default_factory=list)
    erasures: list[_Erase] = field(default_factory=list)
    forgets: list[int] = field(default_factory=list)
    ends: bool = False

    def take(self, item: _Item) -> None:
        if item is None:
            self.ends = True
        elif isinstance(item, _Append):
            self.appends.append(item)
        elif isinstance(item, _Erase):
            self.erasures.append(item)
        else:
            self.forgets += item


class Journal:
    """An open journal. ``append`` is the event loop's, the rest any thread's. Making it may raise ``JournalError``."""

    def __init__(self, folder: Path, sync: Sync = Sync.NORMAL) -> None:
        self._path = folder / FILE_NAME
        self._full_sync = sync is Sync.FULL
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self.waiting_bytes = 0
        """Bytes on their way to the disk."""
        self.problem: str | None = None
        """Why nothing can be written at this moment; ``None`` while all is well."""
        self.recovery = recover(self._path)
        self._closing = threading.Event()
        _report(self.recovery)
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
        traces = b"".join(piece.spans for piece in batch.pieces) if batch.traces is None else batch.traces
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

    async def erase(self, trace_ids: Iterable[str]) -> bool:
        """Take traces out of every row. Returns whether no byte of them is left on the disk."""
        item = _Erase(frozenset(trace_ids), asyncio.get_running_loop().create_future())
        self._queue.put(item)
        return await item.done

    def replay(self) -> Iterator[Sequence[Entry]]:
        """What the last run left, oldest first, a page at a time; nothing that came since."""
        after = FIRST
        while page := self._page(after):
            yield [Entry(position, Source(source.decode()), *sent) for position, source, *sent, _ in page]
            after = page[-1][0]

    def close(self) -> None:
        """Write what is queued, then end."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _page(self, after: int) -> Sequence[Row]:
        """The next entries of the last run; waits for as long as the file is locked or cannot be read."""
        for attempt in stamina.retry_context(
            on=self._may_read_again, attempts=None, timeout=None, wait_initial=0.05, wait_max=1.0
        ):
            with attempt, contextlib.closing(connect(self._path)) as connection:
                return page_of(connection, after, self.recovery.last)
        raise AssertionError  # pragma: no cover - stamina returns or raises

    def _may_read_again(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.OperationalError) and not self._closing.is_set()

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
            except Exception as error:  # noqa: BLE001 - without this thread every sender would wait for ever
                self._failed(work, error)
                owed = work.forgets
                _close(connection)  # with the transaction that failed on it
                connection = None
            else:
                owed = []
                self._succeeded(work, positions)
                _erase(connection, work.erasures)
                if work.forgets:
                    give_back_pages(connection.execute)
        _close(connection)

    def _next(self) -> _Work:
        """What is queued, for one commit; nothing, after a while, where the last one failed."""
        work = _Work()
        with contextlib.suppress(Empty):
            work.take(self._queue.get(timeout=ASK_AGAIN_S if self.problem else None))
            while not work.ends and len(work.appends) < MOST_IN_A_COMMIT:
                work.take(self._queue.get_nowait())
        return work

    def _succeeded(self, work: _Work, positions: list[int]) -> None:
        if self.problem is not None:
            log.info("the journal takes entries again")
            self.problem = None
        _settle([(item.done, position) for item, position in zip(work.appends, positions, strict=True)])

    def _failed(self, work: _Work, error: Exception) -> None:
        # SQLite's own words (disk full, locked, ...) hold nothing of what was to be written; others might.
        reason = error if isinstance(error, sqlite3.Error | OSError) else type(error).__name__
        problem = f"the journal cannot be written: {reason}"
        if self.problem is None:
            log.error("journal degraded", problem=problem)
        self.problem = problem
        told = f"{problem}; send again later"
        _settle([(item.done, Refused(Refusal.STORAGE, told, RETRY_AFTER_S)) for item in work.appends])
        _settle([(erasure.done, False) for erasure in work.erasures])


def _report(recovery: Recovery) -> None:
    if recovery.lost or recovery.moved_to:
        moved = recovery.moved_to or "(the file itself is sound)"
        log.error("the journal was damaged; what could not be read was cut", lost=recovery.lost, moved=str(moved))
    if recovery.unfinished:
        log.info("the last run ended while it wrote; what it had not acknowledged was cut", pages=recovery.unfinished)


def _commit(connection: sqlite3.Connection, work: _Work) -> list[int]:
    """One transaction for all; returns the positions of the appended rows."""
    positions: list[int] = []
    connection.execute("BEGIN IMMEDIATE")
    if not work.appends and not work.forgets:  # only asks whether writing is possible again
        connection.execute(TOUCH)
    for item in work.appends:
        values = (item.source, item.traces, item.logs, checksum(item.source.encode(), item.traces, item.logs))
        cursor = connection.execute("INSERT INTO entries (source, traces, logs, checksum) VALUES (?, ?, ?, ?)", values)
        positions.append(cursor.lastrowid or 0)
    connection.executemany("DELETE FROM entries WHERE position = ?", [(position,) for position in work.forgets])
    connection.execute("COMMIT")
    return positions


def _erase(connection: sqlite3.Connection, erasures: Iterable[_Erase]) -> None:
    for item in erasures:
        try:
            is_gone = erase(connection, item.trace_ids)
        except Exception as error:  # noqa: BLE001 - without this thread every sender would wait for ever
            connection.rollback()
            log.warning("forgotten traces could not be erased from the journal", error=type(error).__name__)
            is_gone = False
        _settle([(item.done, is_gone)])


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def _settle(results: Sequence[tuple["asyncio.Future[Result]", Result | Exception]]) -> None:
    """Give the event loop's futures their results from the journal's thread, and wake it once for all of them."""
    if results:
        loop = results[0][0].get_loop()
        with contextlib.suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(_set, results)


def _set(results: Sequence[tuple["asyncio.Future[Result]", Result | Exception]]) -> None:
    for future, result in results:
        if future.done():  # its request is gone by now
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
