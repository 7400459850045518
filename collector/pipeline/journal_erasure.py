"""Taking traces out of the journal, so that no byte of them is left in its file.

A row holds a request, and a request may hold several traces: the others stay. Run on the connection of whoever writes.
"""

import sqlite3
from collections.abc import Collection, Iterator

from google.protobuf.message import DecodeError

from collector.pipeline.journal_file import Row, checksum, rows
from collector.pipeline.splitting import Telemetry, by_trace, joined, without
from exporters.sqlite_file import erase_remains

FEW = 100
"""So many ids are searched for in a row before it is decoded."""


def erase(connection: sqlite3.Connection, trace_ids: Collection[str]) -> bool:
    """Take traces out of every row, then write the file anew and empty its log.

    Returns whether no remains are left; false where a reader holds on to an old state. Raises ``sqlite3.Error``.
    """
    connection.execute("BEGIN IMMEDIATE")
    for row in rows(connection):
        if _may_hold(row, trace_ids):
            _rewrite(connection, row, trace_ids)
    connection.execute("COMMIT")
    return erase_remains(connection.execute)


def traces_in(connection: sqlite3.Connection) -> Iterator[tuple[str, Telemetry]]:
    """Every trace in the journal, whole."""
    found: dict[str, list[Telemetry]] = {}
    for _, _, traces, logs, _ in rows(connection):
        for trace_id, part in by_trace((traces, logs)).items():
            found.setdefault(trace_id, []).append(part)
    for trace_id, parts in found.items():
        yield trace_id, joined(parts)


def _may_hold(row: Row, trace_ids: Collection[str]) -> bool:
    _, _, traces, logs, _ = row
    if len(trace_ids) > FEW:
        return True
    return any(raw in traces or raw in logs for raw in map(bytes.fromhex, trace_ids))


def _rewrite(connection: sqlite3.Connection, row: Row, trace_ids: Collection[str]) -> None:
    position, source, traces, logs, _ = row
    try:
        kept = without((traces, logs), trace_ids)
    except DecodeError:  # damaged on the disk: nobody could read it again anyway
        kept = (b"", b"")
    if any(kept):
        values = (*kept, checksum(source, *kept), position)
        connection.execute("UPDATE entries SET traces = ?, logs = ?, checksum = ? WHERE position = ?", values)
    else:
        connection.execute("DELETE FROM entries WHERE position = ?", (position,))
