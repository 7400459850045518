"""The journal's file: its one table, how it is opened, read and checked."""

import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.pipeline.journal_wal import PAGE_BYTES

BUSY_S = 1.0
"""How long a locked file may hold a commit up, before senders are told to come again."""
PAGE_ROWS, PAGE_SIZE = 256, 16 * 1024 * 1024
"""What is read in one go at most: rows, and bytes (but one row at least)."""
FIRST = -(2**63)
"""Less than any position, also than one that damage made negative."""
KEPT_WAL_BYTES = 64 * 1024 * 1024
"""The write-ahead log is used again and again; after a burst it is cut to this size."""
TOUCH = "UPDATE sqlite_sequence SET seq = seq"
"""Writes a page, and changes nothing."""
Row = tuple[int, bytes, bytes, bytes, int]
"""Position, source, OTLP ``TracesData``, OTLP ``LogsData``, checksum of the three."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL,"
    " traces BLOB NOT NULL, logs BLOB NOT NULL, checksum INTEGER NOT NULL)"
)
# A damaged row may hold any type anywhere, and text that is none: bytes can always be read.
SELECT = (
    "SELECT position, CAST(source AS BLOB), CAST(traces AS BLOB), CAST(logs AS BLOB), CAST(checksum AS INTEGER)"
    " FROM entries WHERE position"
)
_SCHEMA = "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema"
_EXPECTED_SCHEMA = {
    (b"table", b"entries", b"entries", _TABLE.replace("IF NOT EXISTS ", "").encode()),
    (b"table", b"sqlite_sequence", b"sqlite_sequence", b"CREATE TABLE sqlite_sequence(name,seq)"),
}
_LENGTHS = struct.Struct(">QQ")


class JournalError(Exception):
    """The journal cannot be opened. The text names the file and says what to do."""


def connect(path: Path, *, full_sync: bool = False) -> sqlite3.Connection:
    """Open the file, make it if it is not there. Raises ``sqlite3.Error``."""
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
        # Debian's SQLite writes zeros over all that is deleted, a third of what the journal costs, though a row is used
        # again in a moment; who asks to be forgotten has the file written anew (see ``journal_erasure``).
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute(f"PRAGMA journal_size_limit = {KEPT_WAL_BYTES}")
        connection.execute(_TABLE)
    except Exception:
        connection.close()
        raise
    return connection


def checksum(source: bytes, traces: bytes, logs: bytes) -> int:
    """CRC-32 over a row and its lengths: SQLite has checksums in its log, but none in its file."""
    start = zlib.crc32(_LENGTHS.pack(len(source), len(traces)))
    return zlib.crc32(logs, zlib.crc32(traces, zlib.crc32(source, start)))


def rows(connection: sqlite3.Connection, after: int = FIRST, end: int = 2**62) -> Iterator[Row]:
    """Every row after position ``after`` and up to ``end``, oldest first, read a page at a time."""
    while page := page_of(connection, after, end):
        yield from page
        after = page[-1][0]


def page_of(connection: sqlite3.Connection, after: int, end: int) -> Sequence[Row]:
    """The first rows after position ``after`` and up to ``end``, oldest first; none when there are no more."""
    page: list[Row] = []
    size = 0
    for row in connection.execute(f"{SELECT} > ? AND position <= ? ORDER BY position", (after, end)):
        page.append(row)
        size += sum(len(part or b"") for part in row[1:4])
        if len(page) == PAGE_ROWS or size >= PAGE_SIZE:
            break
    return page


def is_whole(row: Row) -> bool:
    """Whether a row is as it was written."""
    _, source, traces, logs, expected = row
    if source is None or traces is None or logs is None:
        return False
    return checksum(source, traces, logs) == expected


def has_its_tables(connection: sqlite3.Connection) -> bool:
    """Whether the tables are those that this module makes: damage can give one another name."""
    found = connection.execute(_SCHEMA).fetchall()
    return len(found) == len(_EXPECTED_SCHEMA) and set(found) == _EXPECTED_SCHEMA
