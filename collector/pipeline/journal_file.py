"""The journal's file: its one table, and what happens when it is opened after a crash or on a damaged disk.

SQLite drops a torn tail by itself; this module finds out how much that was, checks every row against its checksum, and,
where the file is damaged as a whole, puts it aside and goes on with the rows that can still be read.
"""

import contextlib
import sqlite3
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BUSY_S = 1.0
"""How long a locked file may hold a commit up, before senders are told to come again."""
PAGE = 64
Row = tuple[int, str, bytes, bytes, int]
"""Position, source, OTLP ``TracesData``, OTLP ``LogsData``, checksum of the two."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL,"
    " traces BLOB NOT NULL, logs BLOB NOT NULL, checksum INTEGER NOT NULL)"
)
_SELECT = "SELECT position, source, traces, logs, checksum FROM entries WHERE position"
_WAL_HEADER = struct.Struct(">IIIIII2I")
_FRAME_HEADER = struct.Struct(">IIII2I")


class JournalError(Exception):
    """The journal cannot be opened. The text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found when the journal was opened.

    ``entries`` are left from the last run, up to position ``last``; ``lost`` counts rows (in a torn tail: pages) that
    could not be read and were cut; ``moved_to`` is where a file that was damaged as a whole was put.
    """

    entries: int = 0
    last: int = 0
    lost: int = 0
    moved_to: Path | None = None


def connect(path: Path, *, full_sync: bool = False) -> sqlite3.Connection:
    """Open the file, make it if it is not there. Raises ``sqlite3.Error``."""
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def checksum(traces: bytes, logs: bytes) -> int:
    """CRC-32 over both: SQLite has checksums in its log, but none in its file."""
    return zlib.crc32(logs, zlib.crc32(traces))


def recover(path: Path) -> Recovery:
    """Make the file usable after whatever happened to it, and say what was lost. Nothing is deleted that could be read.

    Raises:
        JournalError: the file cannot be opened at all (rights, disk).
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    moved = None
    lost = _lost_in_tail(path)
    try:
        lost += _remove_damaged_rows(path)
    except sqlite3.OperationalError as error:
        raise JournalError(f"{path}: {error}; look at the disk and at the file's rights") from None
    except sqlite3.DatabaseError:
        moved = _put_aside(path)
        lost += _salvage(moved, path)
    with contextlib.closing(connect(path)) as connection:
        entries, last = connection.execute("SELECT count(*), coalesce(max(position), 0) FROM entries").fetchone()
    return Recovery(entries, last, lost, moved)


def rows(connection: sqlite3.Connection, end: int = 2**62) -> Iterator[Row]:
    """Every row up to position ``end``, oldest first, read a page at a time."""
    last = 0
    while page := connection.execute(f"{_SELECT} > ? AND position <= ? LIMIT {PAGE}", (last, end)).fetchall():
        yield from page
        last = page[-1][0]


def _lost_in_tail(path: Path) -> int:
    """Frames of the write-ahead log that belong to it and that SQLite will not read: a checksum before them is wrong.

    Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or wal.stat().st_size < _WAL_HEADER.size:
        return 0
    with wal.open("rb") as file:
        _, _, page_size, _, salt1, salt2, *_ = _WAL_HEADER.unpack(file.read(_WAL_HEADER.size))
        frames = last_commit = 0
        while len(header := file.read(_FRAME_HEADER.size)) == _FRAME_HEADER.size:
            _, commit, frame_salt1, frame_salt2, *_ = _FRAME_HEADER.unpack(header)
            if (frame_salt1, frame_salt2) != (salt1, salt2):
                break  # left over from an earlier round of the log
            frames += 1
            last_commit = frames if commit else last_commit
            file.seek(page_size, 1)
    return max(0, last_commit - _readable_frames(path))


def _readable_frames(path: Path) -> int:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path)) as connection:
        # A passive checkpoint answers with the number of frames that SQLite found good.
        found: int = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
        return max(0, found)
    return 0


def _remove_damaged_rows(path: Path) -> int:
    with contextlib.closing(connect(path)) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError
        bad = [(row[0],) for row in rows(connection) if not _is_whole(row)]
        connection.executemany("DELETE FROM entries WHERE position = ?", bad)
        return len(bad)


def _is_whole(row: Row) -> bool:
    _, source, traces, logs, expected = row
    if not (isinstance(source, str) and isinstance(traces, bytes) and isinstance(logs, bytes)):
        return False
    return checksum(traces, logs) == expected


def _put_aside(path: Path) -> Path:
    moved = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        found = path.with_name(path.name + suffix)
        if found.exists():
            found.rename(moved.with_name(moved.name + suffix))
    return moved


def _salvage(damaged: Path, path: Path) -> int:
    """Copy what can be read, from the front and from the back, to a new file. Returns how many rows are missing."""
    found: dict[int, Row] = {}
    for order in ("> ? ORDER BY position", "< ? ORDER BY position DESC"):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(damaged)) as connection:
            for row in connection.execute(f"{_SELECT} {order}", (-1 if ">" in order else 2**62,)):
                found[row[0]] = row
    good = [found[position] for position in sorted(found) if _is_whole(found[position])]
    with contextlib.closing(connect(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", good)
        connection.execute("COMMIT")
    return max(found) - min(found) + 1 - len(good) if found else 1
