"""What a driver raises becomes one of two errors, and its text is not passed on."""

import pytest
from sqlalchemy import exc

from exporters.store.errors import StoreError, StoreUnavailable, translated


class DriverError(Exception):
    """An exception of sqlite3 (``sqlite_errorname``) or psycopg (``sqlstate``)."""

    def __init__(self, **names):
        super().__init__("duplicate key value (my secret)")
        self.__dict__.update(names)


def raised(orig, kind=exc.OperationalError, **parts):
    """What callers get for what the driver raised."""
    with pytest.raises(StoreError) as caught, translated("the store x"):
        raise kind("INSERT my secret", {}, orig, **parts)
    return caught.value


@pytest.mark.parametrize(
    "name",
    ["SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN"],
)
def test_what_sqlite_gets_over_is_retryable(name):
    assert isinstance(raised(DriverError(sqlite_errorname=name)), StoreUnavailable)


@pytest.mark.parametrize("name", ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_READONLY"])
def test_what_sqlite_does_not_get_over_is_permanent(name):
    assert not raised(DriverError(sqlite_errorname=name)).is_retryable


@pytest.mark.parametrize(
    "state", ["08006", "40P01", "40001", "53100", "53300", "55P03", "57014", "25006", "57P01", "58030"]
)
def test_what_postgresql_gets_over_is_retryable(state):
    assert raised(DriverError(sqlstate=state)).is_retryable


@pytest.mark.parametrize("state", ["23505", "22P05", "28P01", "3D000", "25P02", "42501", "42P01"])
def test_what_postgresql_does_not_get_over_is_permanent(state):
    assert not raised(DriverError(sqlstate=state)).is_retryable


def test_a_server_that_is_away_is_retryable():
    assert "connection" in str(raised(DriverError(sqlstate=None)))
    assert raised(DriverError(), exc.DBAPIError, connection_invalidated=True).is_retryable


def test_a_pool_that_is_used_up_is_retryable():
    with pytest.raises(StoreUnavailable, match="no free connection"), translated("the store x"):
        raise exc.TimeoutError("pool")


def test_another_error_of_the_library_is_permanent():
    with pytest.raises(StoreError, match="the store x: InvalidRequestError"), translated("the store x"):
        raise exc.InvalidRequestError("my secret")


@pytest.mark.parametrize("names", [{"sqlite_errorname": "SQLITE_CONSTRAINT"}, {"sqlstate": "23505"}, {}])
def test_neither_statement_nor_values_are_told(names):
    error = raised(DriverError(**names), exc.IntegrityError)
    assert "secret" not in str(error)
    assert str(error).startswith("the store x: ")
    assert error.__cause__ is None
    assert error.__suppress_context__
