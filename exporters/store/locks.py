"""The locks that put writers in order where there are many of them: PostgreSQL's advisory locks.

SQLite needs none: one writes at a time, and holds them all.
"""

from enum import Enum

import sqlalchemy as sa


class Lock(Enum):
    """Advisory locks on PostgreSQL, held until the transaction ends. On SQLite the one writer holds them all.

    Taken in this order, RETENTION first. The numbers are any that other applications on the database hardly use.
    """

    SCHEMA = 0x51DEC0
    """Migrations run once."""
    PEOPLE = 0x51DEC1
    """What people send, feedback and reviews, is rare and goes alone; saves hold it shared. So feedback that finds no
    trace cannot pass a trace that finds no feedback, and a review never waits in a circle with a save."""
    CASES = 0x51DEC2
    """Counting cases against a limit and adding one are one step."""
    RETENTION = 0x51DEC3
    """One replica removes what is old or too much; nobody waits for it."""


def take(connection: sa.Connection, lock: Lock, *, shared: bool = False) -> None:
    """Hold ``lock`` until the transaction ends; nothing to do on SQLite."""
    if connection.dialect.name == "postgresql":
        name = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        connection.execute(sa.select(getattr(sa.func, name)(lock.value)))


def take_if_free(connection: sa.Connection, lock: Lock) -> bool:
    """Hold ``lock`` until the transaction ends, unless somebody else does; always true on SQLite."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(lock.value))).scalar_one())


def take_time(connection: sa.Connection) -> None:
    """Let this transaction wait and work for as long as it needs: a migration of large tables, or somebody else's."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
