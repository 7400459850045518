"""The copies that SQLite makes of what it holds: they lie beside the database, and nowhere else."""

import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from collector.pipeline.journal_erasure import erase
from collector.pipeline.journal_file import connect
from exporters.sqlite_file import copy_beside, erase_remains, give_back_pages
from exporters.store.engine import Database, url_of
from exporters.store.gone import Gone

MIB = 2**20
MORE_THAN_ITS_CACHE = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40)"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "it's data"
    made.mkdir()
    return made


class Copies:
    """Where the process had SQLite's temporary files open while a connection was at work."""

    def __init__(self) -> None:
        self.folders: set[Path] = set()

    def watch(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(self.look, 1)

    def look(self) -> None:
        """Note the folders of those that are open now."""
        for number in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                path = number.readlink()
                if path.name.startswith("etilqs_"):  # SQLite's prefix; the rest is " (deleted)"
                    self.folders.add(path.parent)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files are looked up in /proc")


def a_file(path: Path, used: int = 40, free: int = 0) -> sqlite3.Connection:
    """A file of so many MiB."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE kept (body)")
    connection.executemany(f"INSERT INTO kept VALUES (randomblob({MIB}))", [()] * (used + free))
    connection.execute("DELETE FROM kept WHERE rowid > ?", (used,))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return connection


def test_a_file_is_written_anew_by_a_copy_beside_it(folder):
    copies = Copies()
    with contextlib.closing(a_file(folder / "a.db")) as connection:
        copies.watch(connection)
        assert erase_remains(connection.execute)
    assert copies.folders == {folder}
    assert [path.name for path in folder.iterdir()] == ["a.db"]


def test_two_files_in_two_folders_each_have_their_copies_beside_them(folder, tmp_path):
    copies = Copies()
    for place in (folder, tmp_path, folder):
        with contextlib.closing(a_file(place / f"{len(list(place.iterdir()))}.db")) as connection:
            copies.watch(connection)
            erase_remains(connection.execute)
        assert copies.folders == {place}
        copies.folders.clear()


def test_the_store_copies_beside_itself(folder):
    copies = Copies()
    database = Database(url_of(None, folder))
    for engine in (database._reading, database._writing):
        sa.event.listen(engine, "connect", lambda connection, _entry: copies.watch(connection))
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (body)")
        connection.exec_driver_sql(f"{MORE_THAN_ITS_CACHE} INSERT INTO kept SELECT randomblob({MIB}) FROM n")
    with database.read() as connection:
        connection.exec_driver_sql("SELECT body FROM kept ORDER BY body").fetchall()
    assert copies.folders == {folder}, "a sort"
    copies.folders.clear()
    assert database.erase_remains()
    database.close()
    assert copies.folders == {folder}


def test_what_a_removal_noted_lies_beside_the_store_until_its_remains_are_erased(folder):
    copies, many = Copies(), 100_000
    with contextlib.closing(Database(url_of(None, folder))) as database:
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE kept (id INTEGER PRIMARY KEY, trace_id)")
            numbered = MORE_THAN_ITS_CACHE.replace("40", str(many))
            connection.exec_driver_sql(f"{numbered} INSERT INTO kept SELECT i, hex(randomblob(16)) FROM n")
            kept = sa.table("kept", sa.column("id"), sa.column("trace_id"))
            assert Gone(connection).add(sa.select(kept)) == many
        copies.look()
        assert copies.folders == {folder}
        copies.folders.clear()
        assert database.erase_remains()
        copies.look()
        assert not copies.folders
        assert database.erase_remains(), "the next one has a connection again"


def test_the_journal_copies_beside_itself(folder):
    copies = Copies()
    with contextlib.closing(connect(folder / "journal.db")) as connection:
        connection.execute(
            f"{MORE_THAN_ITS_CACHE} INSERT INTO entries (source, traces, logs, checksum)"
            f" SELECT 'file', randomblob({MIB}), x'', 0 FROM n"
        )
        copies.watch(connection)
        assert erase(connection, {"0" * 32})
    assert copies.folders == {folder}


def test_a_file_that_a_burst_left_nearly_empty_is_written_anew_beside_itself(folder):
    copies = Copies()
    path = folder / "a.db"
    with contextlib.closing(a_file(path, used=3, free=13)) as connection:
        before = connection.execute("SELECT rowid, body FROM kept").fetchall()
        connection.execute("PRAGMA cache_size = 10")
        copies.watch(connection)
        give_back_pages(connection.execute)
        assert path.stat().st_size < 4 * MIB
        assert connection.execute("SELECT rowid, body FROM kept").fetchall() == before
    assert copies.folders == {folder}


@pytest.mark.parametrize(("used", "free"), [(0, 7), (5, 18)], ids=["little is free", "a fifth is in use"])
def test_a_file_stays_as_it_is_while_writing_it_anew_would_gain_little(folder, used, free):
    with contextlib.closing(a_file(folder / "a.db", used, free)) as connection:
        give_back_pages(connection.execute)
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] * 4096 > (free - 1) * MIB


def test_a_nearly_empty_file_that_cannot_be_written_anew_stays_as_it_is(folder):
    with contextlib.closing(a_file(folder / "a.db", used=0, free=10)) as connection:
        connection.execute("PRAGMA query_only = ON")
        give_back_pages(connection.execute)
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] * 4096 > 9 * MIB


def test_a_folder_that_is_read_only_can_still_be_read(folder):
    a_file(folder / "a.db").close()
    folder.chmod(0o500)
    try:
        with contextlib.closing(sqlite3.connect(folder / "a.db")) as connection:
            copy_beside(connection.execute)
    finally:
        folder.chmod(0o700)
