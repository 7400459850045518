"""What SQLite files have in common: where the copies lie that SQLite makes, and how nothing is left of what is gone.

Knows no table. Who may write meanwhile, and how errors are told, is the business of whoever has the file open.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
