"""Opening a store: what is missing is made, what is not ours or not readable is left alone."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from store_builders import a_failing_record, a_record, save, trace_id

from exporters.store import Store, StoreError, StoreUnavailable, schema
from exporters.store.engine import Database, url_of
from exporters.store.tables import metadata


def a_database(path, *statements):
    """A SQLite file that someone else made."""
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


def test_the_password_of_postgresql_comes_from_a_file_that_may_change(postgres_cluster, tmp_path):
    password = tmp_path / "password"
    admin = sa.create_engine(postgres_cluster.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def do(statement):
        with admin.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return result.scalar_one() if result.returns_rows else None

    rules = Path(do("SHOW hba_file"))
    do("CREATE ROLE app LOGIN PASSWORD 'first'")
    do("CREATE DATABASE traces OWNER app")
    rules.write_text("host all app 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    postgres_cluster.stop()
    postgres_cluster.start()
    url = sa.make_url(postgres_cluster.url).set(username="app", database="traces").render_as_string()
    password.write_text("wrong")
    with pytest.raises(StoreError):
        Store.open(url, tmp_path, password_file=password)
    password.write_text("first\n")
    end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'"
    with Store.open(url, tmp_path, password_file=password) as store:
        save(store, a_record())
        do("ALTER ROLE app PASSWORD 'second'")
        password.write_text("second\n")
        do(end_all)
        assert store.trace(trace_id(1))
        password.unlink()
        do(end_all)
        with pytest.raises(StoreUnavailable, match=r"store\.password_file"):
            store.trace(trace_id(1))


def test_without_a_url_the_file_is_made_in_a_folder_of_the_owner_alone(tmp_path):
    folder = tmp_path / "a" / "b"
    Store.open(None, folder).close()
    assert (folder / "sidecheck.db").is_file()
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_with_a_percent_sign_and_blanks_will_do(tmp_path):
    with Store.open(None, tmp_path / "100% of %(it)s ?#") as store:
        save(store, a_record())
    assert (tmp_path / "100% of %(it)s ?#" / "sidecheck.db").is_file()


def test_the_file_is_in_wal_mode(tmp_path):
    Store.open(None, tmp_path).close()
    assert sqlite3.connect(tmp_path / "sidecheck.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(("full_sync", "expected"), [(True, 2), (False, 1)])
def test_every_connection_waits_for_the_disk_where_that_is_asked_for(tmp_path, full_sync, expected):
    with Store.open(None, tmp_path, full_sync=full_sync) as store:
        database = store._database
        with database.write() as writer, database.read() as reader, database.read() as another:
            levels = [c.exec_driver_sql("PRAGMA synchronous").scalar_one() for c in (writer, reader, another)]
    assert levels == [expected] * 3  # https://www.sqlite.org/pragma.html#pragma_synchronous


def test_the_migrations_make_the_tables_that_the_code_uses(store_url, tmp_path):
    Store.open(store_url, tmp_path).close()
    engine = sa.create_engine(store_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing_and_finds_everything(store_url, tmp_path):
    with Store.open(store_url, tmp_path) as store:
        save(store, a_failing_record())
        before = store.trace(trace_id(1))
    with Store.open(store_url, tmp_path) as store:
        assert store.trace(trace_id(1)) == before


def test_what_was_saved_survives_a_kill(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from exporters.store import Store\n"
        "from store_builders import a_record, save\n"
        "store = Store.open(None, pathlib.Path(sys.argv[1]))\n"
        "save(store, a_record())\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = ":".join(sys.path)
    done = subprocess.run([sys.executable, "-c", script, tmp_path], env={"PYTHONPATH": path}, capture_output=True)
    assert done.returncode == -9, done.stderr
    with Store.open(None, tmp_path) as store:
        assert store.known([trace_id(1)]) == {trace_id(1)}


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path):
    path = tmp_path / "sidecheck.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"sidecheck\.db: the file is damaged or no SQLite database") as caught:
        Store.open(None, tmp_path)
    assert not caught.value.is_retryable
    assert path.read_bytes() == b"not a database at all" * 100


def test_a_damaged_database_is_named_and_left_alone(tmp_path):
    Store.open(None, tmp_path).close()
    path = tmp_path / "sidecheck.db"
    damaged = path.read_bytes()[:100] + b"\xff" * 8000
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(None, tmp_path)
    assert path.read_bytes() == damaged


def test_the_database_of_another_application_is_refused_unchanged(tmp_path):
    path = a_database(tmp_path / "sidecheck.db", "CREATE TABLE customers (id)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"another application .*'customers'"):
        Store.open(None, tmp_path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_sidecheck_is_refused_unchanged(store_url, tmp_path):
    Store.open(store_url, tmp_path).close()
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"newer sidecheck \(its schema is 9999, this one knows 0010\)"):
        Store.open(store_url, tmp_path)


def test_a_postgres_database_with_tables_of_the_same_name_is_refused(postgres_url, tmp_path):
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE traces (id int)"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"another application .*'traces'"):
        Store.open(postgres_url, tmp_path)


def test_a_postgres_database_may_be_shared_with_another_application(postgres_url, tmp_path):
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (id int)"))
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num text)"))
    engine.dispose()
    with Store.open(postgres_url, tmp_path) as store:
        save(store, a_record())


@pytest.mark.parametrize(
    "url", ["mysql://user:secret@host/db", "sqlite://", "sqlite:///:memory:", "", "secret", "http://user:secret@host"]
)
def test_an_address_of_something_else_is_refused_without_repeating_its_password(url, tmp_path):
    with pytest.raises(StoreError, match=r"store\.url") as caught:
        Store.open(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_database_server_that_is_away_is_tried_again_and_its_password_not_told(tmp_path):
    with pytest.raises(StoreUnavailable) as caught:
        Store.open("postgresql://user:secret@127.0.0.1:1/db", tmp_path)
    assert caught.value.is_retryable
    assert "connection" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(None, tmp_path / "file" / "folder")


@pytest.mark.parametrize("url", ["postgresql://sidecheck:secret", "postgresql://sidecheck@db:secret/sidecheck"])
def test_a_url_that_cannot_be_read_is_refused_without_its_text(tmp_path, url):
    with pytest.raises(StoreError, match="no database URL; write postgresql") as caught:
        url_of(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_locked_database_is_tried_again(tmp_path):
    Store.open(None, tmp_path).close()
    with Store(Database(url_of(None, tmp_path), busy_ms=20)) as store:
        other = sqlite3.connect(tmp_path / "sidecheck.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked") as caught:
            save(store, a_record())
        assert caught.value.is_retryable
        other.execute("ROLLBACK")
        other.close()
        save(store, a_record())
        assert store.known([trace_id(1)])


def test_an_error_while_saving_says_nothing_of_what_was_saved(tmp_path):
    with Store.open(None, tmp_path) as store:
        a_database(tmp_path / "sidecheck.db", "DROP TABLE payloads")
        with pytest.raises(StoreError) as caught:
            save(store, a_record(view={"input": "my secret"}, spans=b"my secret"))
        assert not caught.value.is_retryable
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert store.known([trace_id(1)]) == set()


def test_no_more_connections_of_sqlite_are_in_use_than_at_one_time(tmp_path):
    """Each keeps a page cache, and that of the one that writes is worth nothing once another one wrote."""
    database = Database(url_of(None, tmp_path))
    writers, readers = set(), set()
    with database.read() as one, database.read() as another:
        assert one.connection.driver_connection is not another.connection.driver_connection
    for _ in range(6):
        with database.write() as connection:
            writers.add(connection.connection.driver_connection)
        for _ in range(2):
            with database.read() as connection:
                readers.add(connection.connection.driver_connection)
    assert (len(writers), len(readers), len(writers & readers)) == (1, 1, 0)
    database.close()
