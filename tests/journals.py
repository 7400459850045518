"""Journals for tests: filled, looked into from outside, locked, and left as a kill leaves them."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from collector.pipeline.journal import FILE_NAME
from collector.pipeline.journal_file import checksum, connect

SOURCE = b"otlp_http"
LOG = FILE_NAME + "-wal"


def payload(number: int, size: int = 300) -> bytes:
    """The ``TracesData`` of the n-th row: bytes that say which row they are of."""
    return (b"row %06d " % number * (size // 11 + 1))[:size]


def insert(connection: sqlite3.Connection, number: int, size: int = 300) -> None:
    """Commit the n-th row, as the journal's thread does."""
    values = (SOURCE.decode(), payload(number, size), b"", checksum(SOURCE, payload(number, size), b""))
    connection.execute("INSERT INTO entries (source, traces, logs, checksum) VALUES (?, ?, ?, ?)", values)


def a_killed_journal(folder: Path, rows: int, *, in_file: int = 0, size: int = 300) -> Path:
    """A journal of so many rows as a kill leaves it, of which ``in_file`` have moved from the log to the file."""
    folder.mkdir(parents=True)
    alive = folder / "alive"
    alive.mkdir()
    with closing(connect(alive / FILE_NAME)) as connection:
        for number in range(1, rows + 1):
            insert(connection, number, size)
            if number == in_file:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # Closing the last connection would tidy up: a kill does not.
        for found in alive.glob(f"{FILE_NAME}*"):
            shutil.copy(found, folder)
    shutil.rmtree(alive)
    return folder / FILE_NAME


def copy_of(journal: Path, folder: Path) -> Path:
    """A copy of a journal's file and its log, to be damaged."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        found = journal.with_name(FILE_NAME + suffix)
        if found.exists():
            shutil.copy(found, folder)
    return folder / FILE_NAME


def numbers_in(journal: Path) -> list[int]:
    """The positions of the rows that another process would find in a journal."""
    with closing(sqlite3.connect(journal, timeout=30)) as connection:
        return [position for (position,) in connection.execute("SELECT position FROM entries ORDER BY position")]


def contents(journal: Path) -> dict[int, bytes]:
    """What stands in a journal, by position."""
    with closing(sqlite3.connect(journal, timeout=30)) as connection:
        return dict(connection.execute("SELECT position, traces FROM entries").fetchall())


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of an SQLite file from another connection."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def flipped(data: bytes, at: int, bit: int) -> bytes:
    """``data`` with one bit the other way."""
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def spread(count: int, most: int) -> Sequence[int]:
    """At most ``most`` of the numbers below ``count``, evenly spread, the last one among them."""
    step = max(1, -(-count // most))
    return [*dict.fromkeys([*range(0, count, step), count - 1])]
