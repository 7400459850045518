"""What happens when the journal is opened after a crash or on a damaged disk.

SQLite drops a torn tail by itself; this module finds out how much that was, checks every row against its checksum, and,
where the file is damaged as a whole, puts it aside and goes on with the rows that can still be read.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.pipeline.journal_file import (
    FIRST,
    SELECT,
    TOUCH,
    JournalError,
    Row,
    connect,
    has_its_tables,
    is_whole,
    rows,
)
from collector.pipeline.journal_wal import PAGE_BYTES, frames_of

MOST_PROBED = 10_000
"""Rows between the damaged places of a file that are looked for one by one."""
OUTSIDE = frozenset({"BUSY", "LOCKED", "FULL", "IOERR", "NOMEM", "CANTOPEN", "PERM", "READONLY"})
"""SQLite's result codes for trouble around the file, not in it (https://www.sqlite.org/rescode.html)."""
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What the driver raises; the latter where SQLite's message quotes a damaged name."""
ALL_PARTS = ("-wal", "-shm", "")
"""The files of one database, the main one last: as long as it is there, the others are looked for beside it."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found when the journal was opened.

    ``entries`` are left from the last run, up to position ``last``; ``lost`` counts rows (in a torn tail: pages; of a
    part of the file that is gone as a whole: one) that could not be read and were cut; ``unfinished`` counts pages of a
    commit that was never completed, as a kill leaves them: nobody was told that they are kept. ``moved_to`` is where a
    file that was damaged as a whole was put.
    """

    entries: int = 0
    last: int = 0
    lost: int = 0
    unfinished: int = 0
    moved_to: Path | None = None


def recover(path: Path) -> Recovery:
    """Make the file usable after whatever happened to it, and say what was lost. Nothing is deleted that could be read.

    Raises:
        JournalError: the file cannot be opened at all (rights, disk, another process).
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _recover(path)
    except sqlite3.Error as error:  # SQLite's own words hold nothing of what is in the file
        raise JournalError(f"{path}: {error}; look at the disk and at the file's rights") from None
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; look at the disk and at the file's rights") from None


def _recover(path: Path) -> Recovery:
    salvaged = path.with_name(f"{path.name}.salvaged")
    moved = _exchange(path, salvaged) if salvaged.exists() else None  # the last start ended before it was done
    frames = frames_of(path.with_name(f"{path.name}-wal"))
    cut = unfinished = 0
    try:
        with contextlib.closing(connect(path)) as connection:
            # A passive checkpoint answers with the number of frames that SQLite found good.
            readable = max(0, connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
            cut = max(0, frames.committed - readable)
            unfinished = max(0, frames.total - max(frames.committed, readable))
            lost = _remove_damaged_rows(connection)
    except UNREADABLE as error:
        if not _is_damage(path, error):
            raise
        lost = _salvage(path, salvaged)
        moved = _exchange(path, salvaged)
    with contextlib.closing(connect(path)) as connection:
        entries, last = connection.execute("SELECT count(*), coalesce(max(position), 0) FROM entries").fetchone()
        if not entries:
            _renew_pages(connection)
    return Recovery(entries, last, lost + cut, unfinished, moved)


def _renew_pages(connection: sqlite3.Connection) -> None:
    """Give an empty file of an earlier version pages of today's size, which SQLite does where there is no log."""
    if connection.execute("PRAGMA page_size").fetchone()[0] == PAGE_BYTES:
        return
    with contextlib.suppress(sqlite3.OperationalError):  # somebody else has it open: at another start, then
        for step in ("journal_mode = DELETE", f"page_size = {PAGE_BYTES}"):
            connection.execute(f"PRAGMA {step}")
        connection.execute("VACUUM")


def _is_damage(path: Path, error: Exception) -> bool:
    if _code(error) == "READONLY":  # a flipped bit can make a file say so of itself
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return _code(error) not in OUTSIDE


def _code(error: Exception) -> str:
    """SQLite's primary result code, without its prefix."""
    return getattr(error, "sqlite_errorname", "SQLITE_ERROR").removeprefix("SQLITE_").partition("_")[0]


def _remove_damaged_rows(connection: sqlite3.Connection) -> int:
    sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    if not sound or not has_its_tables(connection):
        raise sqlite3.DatabaseError
    _try_to_write(connection)
    bad = [(row[0],) for row in rows(connection) if not is_whole(row)]
    connection.executemany("DELETE FROM entries WHERE position = ?", bad)
    return len(bad)


def _try_to_write(connection: sqlite3.Connection) -> None:
    """Raise the error of a file that says of itself that it may only be read; others may be over soon."""
    try:
        connection.execute(TOUCH)
    except sqlite3.OperationalError as error:
        if _code(error) == "READONLY":
            raise


def _exchange(path: Path, salvaged: Path) -> Path:
    """Put the file aside, with what belongs to it, and the salvaged one in its place. Returns where it was put."""
    moved = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for part in ALL_PARTS:
        found = path.with_name(path.name + part)
        if found.exists():
            found.rename(moved.with_name(moved.name + part))
    salvaged.rename(path)
    return moved


def _salvage(damaged: Path, salvaged: Path) -> int:
    """Copy what can be read to a new file, which gets its name when it is complete.

    Returns how many rows are missing, as far as that can be known.
    """
    lost: set[int | None] = set()
    begun = salvaged.with_name(f"{salvaged.name}.part")
    for part in ALL_PARTS:
        begun.with_name(begun.name + part).unlink(missing_ok=True)
    with contextlib.closing(connect(begun, full_sync=True)) as connection:
        connection.execute("BEGIN")
        for row in _readable_rows(damaged):
            if row is not None and is_whole(row):
                connection.execute("INSERT OR IGNORE INTO entries VALUES (?, CAST(? AS TEXT), ?, ?, ?)", row)
            else:
                lost.add(row and row[0])
        connection.execute("COMMIT")
    begun.rename(salvaged)
    return len(lost)


def _readable_rows(damaged: Path) -> Iterator[Row | None]:
    """Rows from the front and from the back up to a place that cannot be read (``None``), then one by one between."""
    with contextlib.closing(sqlite3.connect(damaged)) as connection:
        front = yield from _run_of_rows(connection, "ASC")
        back = yield from _run_of_rows(connection, "DESC")
        for position in _between(front, back):
            with contextlib.suppress(*UNREADABLE):
                yield from connection.execute(f"{SELECT} = ?", (position,))


def _run_of_rows(connection: sqlite3.Connection, order: str) -> Generator[Row | None, None, int | None]:
    """Rows as far as they can be read in one go; returns the position of the last one."""
    last = None
    try:
        for row in connection.execute(f"{SELECT} >= ? ORDER BY position {order}", (FIRST,)):
            last = row[0]
            yield row
    except UNREADABLE:
        yield None
    return last


def _between(front: int | None, back: int | None) -> range:
    """The positions that are worth a look of their own, where reading on ended at ``front`` and ``back``."""
    if front is None:
        front = max(0, (back or 0) - MOST_PROBED)
    return range(front + 1, front + MOST_PROBED if back is None else min(back, front + MOST_PROBED))
