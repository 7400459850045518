"""What SQLite files have in common: where the copies lie that SQLite makes, and how nothing is left of what is gone.

Knows no table. Who may write meanwhile, and how errors are told, is the business of whoever has the file open.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MOST_FREE_BYTES = 8 * 1024 * 1024
"""So much may be free in a file that is filled and emptied."""
FREE_BY_USED = 4
"""So many times what is used must be free for a file to be written anew, which takes as long as to write that."""

_ASKED = "page_count", "freelist_count", "page_size"
Execute = Callable[[str], Any]
"""Runs a statement on a connection, of the driver's or of SQLAlchemy's, and gives a cursor."""


def copy_beside(execute: Execute) -> None:
    """Have SQLite's temporary files lie in the database's own folder, in all of the process.

    ``VACUUM`` copies the whole database into one, and a sort what does not fit into memory: captured text, that would
    lie in ``/var/tmp`` or ``/tmp``, which may be memory, too. Their names are gone as soon as they are open. SQLite
    reads ``SQLITE_TMPDIR`` when it is loaded, before the configuration is known; so it is the pragma, which is
    deprecated for being the whole process's. A build without it, or a folder that is read-only, leaves all as it was.
    """
    folder = str(Path(execute("PRAGMA database_list").fetchone()[2]).parent)
    if execute("PRAGMA temp_store_directory").fetchone() != (folder,) and os.access(folder, os.R_OK | os.W_OK):
        execute("PRAGMA temp_store_directory = '{}'".format(folder.replace("'", "''")))


def erase_remains(execute: Execute) -> bool:
    """Write the file anew and empty its log, so that no copy is left of what was deleted or moved.

    Zeros alone are not enough: earlier versions of a row stay in free pages and in the gaps of pages that were split.
    The copy, and then the log, take as much of the disk as the file, until it is done. Returns whether it is; false
    where a reader holds on to an old state. Takes seconds a GiB. Raises what ``execute`` does.
    """
    copy_beside(execute)
    execute("VACUUM")
    is_held = execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not is_held


def give_back_pages(execute: Execute) -> None:
    """Write a file anew that is nearly empty after it was large; where that cannot be done, it stays as it is.

    Else what came in a burst keeps its place on the disk, and what comes after it costs more: for each page SQLite
    looks through a list of the free ones for the nearest. Measured in a journal: 12 us of CPU for 7 KB, and 18 after a
    burst. Blocks for as long as it takes to write what is used; a few milliseconds a MiB.
    """
    with suppress(sqlite3.Error):
        pages, free, size = (execute(f"PRAGMA {name}").fetchone()[0] for name in _ASKED)
        if free * size >= MOST_FREE_BYTES and free >= FREE_BY_USED * (pages - free):
            copy_beside(execute)
            execute("VACUUM")
            execute("PRAGMA wal_checkpoint(PASSIVE)")  # until then the file is as long as it was
