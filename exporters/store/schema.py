"""Opening a database: is it ours, is it readable, is it of this version; then the missing migrations.

All of them are one transaction, on PostgreSQL, too, where it holds what it changes for that long. An index could be
built there beside the work of others (``CONCURRENTLY``), but in no transaction: what ends midway would leave a schema
that is of no version. And it waits for whoever has a transaction open, those that wait for ``Lock.SCHEMA`` among them.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from exporters.store.engine import Database
from exporters.store.errors import StoreError
from exporters.store.locks import Lock, take, take_time
from exporters.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "sidecheck_version"
"""Not alembic's default name, so that the tables can stand beside those of another application on PostgreSQL."""


def prepare(database: Database) -> None:
    """Bring the database to this version's schema. Several processes may do it at once.

    Raises:
        StoreError: the database is damaged, belongs to something else, or was written by a newer sidecheck. Nothing is
            changed then.
    """
    with database.read() as connection:
        current = _checked_version(database, connection)
    if database.is_sqlite:
        # Kept in the file, so once is enough; and only now, since it would be a change to a file that is not ours.
        database.use_wal()
    if current != head():
        with database.write() as connection:
            take_time(connection)
            take(connection, Lock.SCHEMA)
            _checked_version(database, connection)
            _upgrade(connection)


def head() -> str:
    """The newest migration that this version knows."""
    return max(_revisions())


def _revisions() -> frozenset[str]:
    """All migrations, which are numbered in their order: to import alembic takes longer than to open a database."""
    return frozenset(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _checked_version(database: Database, connection: sa.Connection) -> str | None:
    tables = set(sa.inspect(connection).get_table_names())
    if VERSION_TABLE not in tables:
        _refuse_foreign(database, tables)
        return None
    version = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    if version is not None and version not in _revisions():
        raise StoreError(
            f"{database.place} was written by a newer sidecheck (its schema is {version}, this one knows {head()}): "
            "upgrade sidecheck or name another store"
        )
    return None if version is None else str(version)


def _refuse_foreign(database: Database, tables: set[str]) -> None:
    # A PostgreSQL database may be shared, a SQLite file is not: there any table at all is a stranger's.
    strangers = sorted(tables if database.is_sqlite else tables & set(metadata.tables))
    if strangers:
        raise StoreError(
            f"{database.place} belongs to another application (it holds the table {strangers[0]!r}): name another one; "
            "nothing was changed"
        )


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every step
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, "head")


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    # ConfigParser reads a percent sign in the path as the start of a variable.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
