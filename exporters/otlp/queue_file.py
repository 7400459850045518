"""The file of what waits to be forwarded: one SQLite table, its bounds, and how it is opened again after a fault.

Everything here blocks and is for one thread. A queue that is full loses its oldest, what nobody took in time goes too,
and a damaged file is put aside: what passes by here must not stop what is judged here.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from exporters.otlp.destination import Signal
from exporters.sqlite_file import erase_remains, give_back_pages

FILE_NAME = "forward.db"
BUSY_S = 1.0
"""How long a locked file may hold a commit up, before senders are told to come again."""
ROW_BYTES = 200
"""What a row takes beside its body, roughly: so that no number of small requests is too many."""
KEPT_WAL_BYTES = 64 * 1024 * 1024
"""The write-ahead log is used again and again; after a burst it is cut to this size."""
OLDEST_AT_ONCE = 100

_SCHEMA = (
    (
        "CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL,"
        " signal TEXT NOT NULL, is_json INTEGER NOT NULL, taken_ns INTEGER NOT NULL, size INTEGER NOT NULL,"
        " body BLOB NOT NULL, forwarded_by TEXT NOT NULL DEFAULT '')"
    ),
    "CREATE INDEX IF NOT EXISTS in_order ON waiting (destination, signal, position)",
    "CREATE INDEX IF NOT EXISTS oldest ON waiting (destination, position)",
)
_ADDED = "ALTER TABLE waiting ADD COLUMN forwarded_by TEXT NOT NULL DEFAULT ''"
_GONE = "RETURNING destination, size"

log = structlog.get_logger()
Dropped = Callable[[str, int], None]
"""Told of a reason and of how many requests were dropped for it."""
_Rows = Sequence[tuple[str, int]]
"""Destination and size of rows that were deleted."""


class QueueError(Exception):
    """The file cannot be read or written now. The text is SQLite's and holds nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How much may wait for one destination, in bytes, and for how long."""

    size: int
    age_ns: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """One request on its way to one destination. ``body`` is the message as it came, unpacked.

    ``forwarded_by`` is the value of ``hops.HEADER`` that goes with it.
    """

    destination: str
    signal: Signal
    body: bytes
    is_json: bool = False
    position: int = 0
    forwarded_by: str = ""

    @property
    def size(self) -> int:
        """Bytes that count against the bound."""
        return len(self.body) + ROW_BYTES


class QueueFile:
    """The open file. Every method that reads or writes raises ``QueueError``, and the next one opens the file again.

    ``bounds`` are the destinations there are: what waits for another one when the file is opened is dropped.
    """

    def __init__(
        self,
        folder: Path,
        bounds: Mapping[str, Bound],
        dropped: Dropped,
        wall_ns: Callable[[], int],
        *,
        full_sync: bool = False,
    ) -> None:
        self._path = folder / FILE_NAME
        self._bounds = bounds
        self._dropped = dropped
        self._wall_ns = wall_ns
        self._full_sync = full_sync
        self._connection: sqlite3.Connection | None = None
        self.held: Counter[str] = Counter()
        """Bytes that wait, by destination."""
        self.problem: str | None = None
        """Why nothing can be read or written at this moment; ``None`` while all is well."""
        try:
            self._look()
        except QueueError:
            self._look()  # beside a damaged file there is a new one now

    def commit(self, added: Sequence[Waiting], removed: Iterable[int]) -> None:
        """Add requests and take others away by their positions, all or nothing."""
        now = self._wall_ns()
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            gone = [row for position in removed for row in _delete(connection, position)]
            connection.executemany(
                "INSERT INTO waiting (destination, signal, is_json, taken_ns, size, body, forwarded_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(a.destination, a.signal.value, a.is_json, now, a.size, a.body, a.forwarded_by) for a in added],
            )
            held = self.held + Counter()
            held.update(_sum((request.destination, request.size) for request in added))
            held.subtract(_sum(gone))
            full = [row for name in self._bounds for row in self._too_much(connection, name, held)]
            connection.execute("COMMIT")
            self.held = held
            self._tell("queue_full", full)

    def first(self, destination: str, signal: Signal, most: int, most_bytes: int) -> Sequence[Waiting]:
        """The oldest requests of a queue; one at least, if there is any."""
        query = (
            "SELECT position, is_json, body, forwarded_by FROM waiting"
            " WHERE destination = ? AND signal = ? ORDER BY position LIMIT ?"
        )
        found: list[Waiting] = []
        size = 0
        with self._connected() as connection:
            for position, is_json, body, by in connection.execute(query, (destination, signal.value, most)):
                size += len(body)
                if found and size > most_bytes:
                    break
                found.append(Waiting(destination, signal, body, bool(is_json), position, by))
        return found

    def expire(self) -> None:
        """Drop what waits for longer than its destination's bound; give the room back that an outage took."""
        query = f"DELETE FROM waiting WHERE destination = ? AND taken_ns < ? {_GONE}"  # noqa: S608 - a constant
        with self._connected() as connection:
            for name, bound in self._bounds.items():
                gone = connection.execute(query, (name, self._wall_ns() - bound.age_ns)).fetchall()
                self.held.subtract(_sum(gone))
                self._tell("expired", gone)
            give_back_pages(connection.execute)

    def rebound(self, bounds: Mapping[str, Bound]) -> None:
        """Go by other bounds from now on. What is over them goes with the next commit or expiry."""
        self._bounds = bounds

    def clear(self, destination: str, signal: Signal) -> int:
        """Drop what waits in a queue; returns how many requests these are."""
        query = f"DELETE FROM waiting WHERE destination = ? AND signal = ? {_GONE}"  # noqa: S608 - a constant
        with self._connected() as connection:
            gone = connection.execute(query, (destination, signal.value)).fetchall()
            self.held.subtract(_sum(gone))
            self._tell("no_destination", gone)
        return len(gone)

    def scrub(self) -> bool:
        """Write over what was sent, if nothing waits. Returns whether no byte of anything is left."""
        with self._connected() as connection:
            return _scrub(connection)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _look(self) -> None:
        with self._connected():
            pass

    def _too_much(self, connection: sqlite3.Connection, name: str, held: Counter[str]) -> Iterable[tuple[str, int]]:
        """Delete the oldest until the rest is within the bound; give what was deleted."""
        query = "SELECT position FROM waiting WHERE destination = ? ORDER BY position LIMIT ?"
        while held[name] > self._bounds[name].size:
            oldest = connection.execute(query, (name, OLDEST_AT_ONCE)).fetchall()
            if not oldest:
                return
            for (position,) in oldest:
                if held[name] <= self._bounds[name].size:
                    return
                gone = _delete(connection, position)
                held.subtract(_sum(gone))
                yield from gone

    def _tell(self, reason: str, gone: _Rows) -> None:
        if gone:
            self._dropped(reason, len(gone))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection or self._open()
        except sqlite3.Error as error:
            self.close()  # with the transaction that failed on it
            # Locked, full, no right: these end by themselves. All else is damage, which does not.
            if not isinstance(error, sqlite3.OperationalError):
                self._put_aside(error)
            if self.problem is None:
                log.error("the queue of what is forwarded is degraded", problem=str(error))
            self.problem = f"what is to be forwarded cannot be written: {error}"
            raise QueueError(self.problem) from error
        if self.problem is not None:
            log.info("the queue of what is forwarded is well again")
            self.problem = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._full_sync else 'NORMAL'}")
            connection.execute(f"PRAGMA journal_size_limit = {KEPT_WAL_BYTES}")
            for statement in _SCHEMA:
                connection.execute(statement)
            if "forwarded_by" not in {row[1] for row in connection.execute("PRAGMA table_info(waiting)")}:
                connection.execute(_ADDED)  # the file is of an earlier version
            held = connection.execute("SELECT destination, SUM(size), COUNT(*) FROM waiting GROUP BY destination")
            for name, size, count in held.fetchall():
                if name in self._bounds:
                    self.held[name] = size
                else:
                    connection.execute("DELETE FROM waiting WHERE destination = ?", (name,))
                    self._dropped("no_destination", count)
                    log.warning(
                        "what waited for a destination that was taken out is dropped", destination=name, requests=count
                    )
        except Exception:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _put_aside(self, error: sqlite3.Error) -> None:
        """Have the next call begin anew beside a damaged file. What waits in it is lost, if nobody mends it."""
        moved = self._path.with_name(f"{FILE_NAME}.damaged-{self._wall_ns()}")
        with contextlib.suppress(OSError):
            self._path.rename(moved)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
        log.error("the queue of what is forwarded was damaged and is put aside", problem=str(error), moved=str(moved))
        self._dropped("damaged", 1)
        self.held.clear()


def drop_left_over(folder: Path, dropped: Dropped, wall_ns: Callable[[], int]) -> None:
    """Where there is no destination any more: drop what still waits, count it, and write over it."""
    if (folder / FILE_NAME).exists():
        with contextlib.suppress(QueueError):  # which has told of it
            left = QueueFile(folder, {}, dropped, wall_ns)
            left.scrub()
            left.close()


def scrub_at_rest(folder: Path) -> bool:
    """As ``QueueFile.scrub``, where no sidecar runs. Raises ``sqlite3.Error``."""
    path = folder / FILE_NAME
    if not path.exists():
        return True
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
        return _scrub(connection)


def _scrub(connection: sqlite3.Connection) -> bool:
    if connection.execute("SELECT EXISTS (SELECT 1 FROM waiting)").fetchone()[0]:
        return False
    return erase_remains(connection.execute)


def _delete(connection: sqlite3.Connection, position: int) -> list[tuple[str, int]]:
    return connection.execute(f"DELETE FROM waiting WHERE position = ? {_GONE}", (position,)).fetchall()  # noqa: S608 - a constant


def _sum(rows: Iterable[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for name, size in rows:
        total[name] += size
    return total
