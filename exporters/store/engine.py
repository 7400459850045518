"""One database: how it is reached, and how a transaction begins on each kind.

SQLite: WAL mode, one writer at a time (threads queue here, processes in ``busy_timeout``). PostgreSQL: many writers,
put in order by row locks and by the advisory ones of ``exporters.store.locks``.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from exporters import sqlite_file
from exporters.store.errors import StoreError, StoreUnavailable, translated

FILE_NAME = "sidecheck.db"
BUSY_MS = 5_000
"""How long a statement waits for a lock before the caller is told to try again."""
STATEMENT_MS = 60_000
CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""libpq's parameters (s, s, s, times, ms), unless ``store.url`` has its own: a server that vanished without a word is
noticed within half a minute, by whoever waits for it too (https://www.postgresql.org/docs/current/libpq-connect.html)."""
WRITER_KIB, READER_KIB = 16_000, 1_000
"""What SQLite keeps of the file's pages, for each connection. A run of keys and the ends of the indexes stay in the
writer's between two saves. A reader's are worth nothing once something was written: it lets go of them when it has
read, else each reader that a busy moment needed would hold on to as much."""
CHECKPOINT_PAGES = 4_000
"""SQLite's log is copied into the file when it has so many pages, 32 MB. The ids of traces are random, so that each
save changes pages all over an index, and soon the same ones again: with SQLite's own 1,000 each of them is copied more
often, which takes a tenth of a save more."""
_BEGIN = "sidecheck_begin"


def url_of(url: str | None, data_dir: Path) -> sa.URL:
    """The database that ``store.url`` names; without one, the SQLite file in ``data_dir``.

    Raises:
        StoreError: what is named is neither a SQLite file nor PostgreSQL.
    """
    if url is None:
        return sa.URL.create("sqlite+pysqlite", database=str(data_dir / FILE_NAME))
    try:
        made = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # a port that is no number is a ValueError
        # The text is not repeated: what fails to parse may hold a password.
        raise StoreError("store.url is no database URL; write postgresql+psycopg://user@host/database") from None
    if made.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return made.set(drivername="postgresql+psycopg")
    if made.drivername in ("sqlite", "sqlite+pysqlite") and made.database not in (None, "", ":memory:"):
        return made.set(drivername="sqlite+pysqlite")
    raise StoreError(
        f"store.url begins with {made.drivername}: it must name a file (sqlite:///path) or PostgreSQL "
        "(postgresql+psycopg://user@host/database)"
    )


class Database:
    """A pool of connections with a ``read`` and a ``write`` transaction. Safe to use from many threads.

    With ``full_sync`` SQLite has a commit on the disk before it returns, so that it survives a power cut; PostgreSQL
    does so anyway. ``password_file`` has the password for PostgreSQL, and is read for each connection: one that rotates
    holds for those that are made from then on.
    """

    def __init__(
        self, url: sa.URL, busy_ms: int = BUSY_MS, *, full_sync: bool = False, password_file: Path | None = None
    ) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.place = f"the store {url.render_as_string(hide_password=True)}"
        self._busy_ms = busy_ms
        self._turn = threading.Lock()
        self._writer = threading.Lock()
        try:
            if self.is_sqlite:
                self._reading = _sqlite_engine(url, busy_ms, full_sync, READER_KIB)
                sa.event.listen(self._reading, "checkin", _let_go_of_pages)
                # One connection, always the same: a page cache is worth nothing once another connection wrote, and each
                # that ever wrote would fill one.
                self._writing = _sqlite_engine(url, busy_ms, full_sync, WRITER_KIB, pool_size=1)
            else:
                self._reading = self._writing = _postgres_engine(url, busy_ms)
        except ImportError:
            raise StoreError(
                f"{self.place}: the driver psycopg is missing; install it with: pip install 'sidecheck[postgres]'"
            ) from None
        if password_file is not None:
            sa.event.listen(self._reading, "do_connect", partial(_log_in, password_file))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state and writes nothing. Raises ``StoreError``."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._connected(self._reading, **options) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, or not at all. Raises ``StoreError``."""
        writable = self._connected(self._writing, **{_BEGIN: "BEGIN IMMEDIATE"})
        with self._alone(), writable as connection, connection.begin():
            yield connection

    @contextmanager
    def unlinked(self) -> Iterator[sa.Connection]:
        """As ``write``, for whoever removes rows *and all that hangs on them*: SQLite looks at no foreign key.

        To ask five tables for each row that goes takes as long as to remove it.
        """
        with (
            self._alone(),
            self._connected(self._writing, **{_BEGIN: "BEGIN IMMEDIATE"}) as connection,
            _without_foreign_keys(connection),
            connection.begin(),
        ):
            yield connection

    def use_wal(self) -> None:
        """Let SQLite's readers and its writer go on side by side; the file remembers it. Raises ``StoreError``."""
        # SQLite refuses the change inside a transaction.
        with self._connected(self._writing, **{_BEGIN: ""}) as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL").fetchall()

    @contextmanager
    def overwrite(self) -> Iterator[sa.Connection]:
        """As ``write``; SQLite writes zeros over what is deleted. Raises ``StoreError``."""
        with self.write() as connection:
            if not self.is_sqlite:
                yield connection
                return
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("PRAGMA secure_delete=FAST")

    def erase_remains(self) -> bool:
        """Leave no copy in SQLite's files of what was deleted or moved; writers wait. See ``sqlite_file``.

        Returns whether it is done; false on PostgreSQL as well. Raises ``StoreError``.
        """
        if not self.is_sqlite:
            return False
        with self._alone(), self._connected(self._writing, **{_BEGIN: ""}) as connection:
            is_done = sqlite_file.erase_remains(connection.exec_driver_sql)
            connection.invalidate()  # what is noted in its temporary tables goes with it
            return is_done

    def close(self) -> None:
        """Close the connections that are not in use."""
        with translated(self.place):
            self._reading.dispose()
            self._writing.dispose()

    @contextmanager
    def _connected(self, engine: sa.Engine, **options: Any) -> Iterator[sa.Connection]:
        with translated(self.place), engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """On SQLite, let the threads of this process write one after another instead of polling for the file's lock."""
        if not self.is_sqlite:
            yield
            return
        # Who waits holds the turn, so that a thread with many writes in a row cannot overtake it.
        if not self._acquired(self._turn):
            raise self._too_long()
        try:
            acquired = self._acquired(self._writer)
        finally:
            self._turn.release()
        if not acquired:
            raise self._too_long()
        try:
            yield
        finally:
            self._writer.release()

    def _acquired(self, lock: threading.Lock) -> bool:
        return lock.acquire(timeout=self._busy_ms / 1000)

    def _too_long(self) -> StoreUnavailable:
        return StoreUnavailable(f"{self.place}: locked, other writes take longer than {self._busy_ms} ms")


def _sqlite_engine(url: sa.URL, busy_ms: int, full_sync: bool, cache_kib: int, **pool: int) -> sa.Engine:
    # The driver's timeout is SQLite's busy_timeout. What was given back last is taken first: in turn, all that a busy
    # moment needed would fill their page caches.
    timeout = {"timeout": busy_ms / 1000}
    engine = sa.create_engine(url, hide_parameters=True, connect_args=timeout, pool_use_lifo=True, **pool)
    sa.event.listen(engine, "connect", partial(_prepare_sqlite, "FULL" if full_sync else "NORMAL", cache_kib))
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(
    synchronous: str, cache_kib: int, connection: sqlite3.Connection, _entry: ConnectionPoolEntry
) -> None:
    # sqlite3 would begin transactions by rules of its own, too late for a lock that must come first.
    connection.isolation_level = None
    # The page size is that of a new file: the telemetry of a trace takes half a page. Some builds of SQLite, Debian's
    # too, write zeros over all that is deleted, which retention would pay for: FAST does so where it writes anyway.
    settings = ("page_size=8192", "secure_delete=FAST", "foreign_keys=ON", f"synchronous={synchronous}")
    for pragma in (*settings, f"cache_size=-{cache_kib}", f"wal_autocheckpoint={CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}")
    sqlite_file.copy_beside(connection.execute)


def _let_go_of_pages(connection: sqlite3.Connection | None, _entry: ConnectionPoolEntry) -> None:
    if connection is not None:  # one that broke is gone
        connection.execute("PRAGMA shrink_memory")


@contextmanager
def _without_foreign_keys(connection: sa.Connection) -> Iterator[None]:
    if connection.dialect.name != "sqlite":
        yield
        return
    # Straight to the driver: SQLite changes this between two transactions only, and SQLAlchemy would begin one.
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later fails at once, without waiting, when another one wrote between.
    begin = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)


def _postgres_engine(url: sa.URL, busy_ms: int) -> sa.Engine:
    options = f"-c lock_timeout={busy_ms} -c statement_timeout={STATEMENT_MS}"
    given = url.query.get("options")
    if given:
        options = f"{options} {given if isinstance(given, str) else ' '.join(given)}"
    usual = {name: value for name, value in CONNECTION.items() if name not in url.query}
    return sa.create_engine(
        url.difference_update_query(["options"]),
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={**usual, "options": options},
    )


def _log_in(password_file: Path, _dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
    try:
        parameters["password"] = password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise StoreUnavailable(f"store.password_file {password_file} cannot be read: {problem}") from None
