"""How the store says no: what may be tried again, what may not, and what the caller asked wrongly.

Owns the translation of the drivers' exceptions. Their texts can quote stored values, so only error names and SQLSTATEs
are passed on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

RETRYABLE_SQLITE = frozenset({"BUSY", "LOCKED", "FULL", "IOERR", "NOMEM", "INTERRUPT", "PROTOCOL", "CANTOPEN"})
"""SQLite's primary result codes that a later try can get past (https://www.sqlite.org/rescode.html)."""

RETRYABLE_SQLSTATE = frozenset({"08", "40", "53", "55", "57", "58"})
"""PostgreSQL's error classes for connections, rollbacks by deadlock, resources, locks, shutdown and system errors."""

CONTENDED_SQLSTATE = frozenset({"40", "55", "57"})
"""Those of them that may be about the very rows of a statement: a deadlock, a lock, a statement that took too long."""

READ_ONLY = "25006"
"""Writing to a standby, as the old primary is for a while after a failover; the rest of its class are mistakes."""

PHRASES = {
    "BUSY": "the database is locked by another process",
    "LOCKED": "the database is locked by another process",
    "FULL": "the disk is full",
    "IOERR": "the disk could not be read or written",
    "CANTOPEN": "the database file cannot be opened: look at its path, its owner and its rights",
    "READONLY": "the database file is read-only: look at its owner and its rights",
    "CORRUPT": "the database file is damaged: move it away or restore a backup; nothing was deleted",
    "NOTADB": "the file is damaged or no SQLite database: move it away or name another; nothing was deleted",
    "08": "the connection to the database was lost",
    "28": "the database refused the user or the password (store.url, store.password_file)",
    "3D": "the database named in store.url does not exist",
    READ_ONLY: "the database takes no writes: it is a standby",
    "40": "the database rolled the transaction back because of a concurrent one",
    "42": "the database user of store.url lacks a right, or the schema was changed by hand",
    "53": "the database is out of disk, memory or connections",
    "55": "a lock in the database was not released in time",
    "57": "the database is shutting down or cancelled the statement",
}


class StoreError(Exception):
    """The store could not do it, and trying the same again will not help. The text is for the operator."""

    is_retryable = False


class StoreUnavailable(StoreError):
    """The store cannot do it now (locked, disk full, connection lost); nothing was written, try again later."""

    is_retryable = True


class StoreContended(StoreUnavailable):
    """The store cannot do it now, and it may be about these rows alone: others hold on to them."""


class NotFound(StoreError):
    """No trace or case has this id."""


class Conflict(StoreError):
    """The case was changed by someone else since it was read."""


class Unchanged(StoreError):
    """There is nothing to commit: the dataset is as its newest version has it."""


class TraceForgotten(StoreError):
    """The trace was forgotten on demand: nothing about it is kept any more."""


class BadCursor(StoreError):
    """A page's cursor that this store did not give out."""


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what the driver raises into a ``StoreError``. ``place`` names the database without its password."""
    try:
        yield
    except exc.TimeoutError:
        raise StoreUnavailable(f"{place}: no free connection in time") from None
    except exc.DBAPIError as error:
        raise _explained(place, error) from None
    except exc.SQLAlchemyError as error:
        raise StoreError(f"{place}: {type(error).__name__}") from None


def _explained(place: str, error: exc.DBAPIError) -> StoreError:
    name = error_name(error)
    is_known = name in RETRYABLE_SQLITE or name in RETRYABLE_SQLSTATE or name == READ_ONLY
    phrase = PHRASES.get(name, f"the database answered with {type(error.orig).__name__} {name}".rstrip())
    if name in CONTENDED_SQLSTATE:
        return StoreContended(f"{place}: {phrase}")
    retryable = is_known or error.connection_invalidated
    return (StoreUnavailable if retryable else StoreError)(f"{place}: {phrase}")


def error_name(error: exc.DBAPIError) -> str:
    """SQLite's primary result code without its prefix, or the class (two characters) of a SQLSTATE, else ``""``.

    ``READ_ONLY`` alone is whole.
    """
    name = getattr(error.orig, "sqlite_errorname", None)
    if name:
        return str(name).removeprefix("SQLITE_").partition("_")[0]
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return READ_ONLY if state == READ_ONLY else str(state)[:2]
    # psycopg gives no SQLSTATE where the server could not be reached at all.
    return "08" if isinstance(error, exc.OperationalError | exc.InterfaceError) else ""
